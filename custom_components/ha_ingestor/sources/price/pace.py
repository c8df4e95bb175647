"""When prices are asked for: hourly, and again when tomorrow's are due."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from ..slots import Slots
from .statistics import is_day_known

# The coupled European auction is over a few minutes before one o'clock there, and
# its results hold from Portugal to Finland, whatever the clocks of a home say.
_EUROPEAN_MARKET: Final = ZoneInfo("Europe/Brussels")
_EUROPEAN_CURRENCIES: Final = frozenset(
    {"BGN", "CHF", "CZK", "DKK", "EUR", "HUF", "NOK", "PLN", "RON", "SEK"}
)
# British suppliers have an auction of their own, and state prices by four o'clock.
_BRITISH_MARKET: Final = ZoneInfo("Europe/London")
_BRITISH_CURRENCY: Final = "GBP"
_DUE_AT: Final = time(13)
_BRITISH_DUE_AT: Final = time(16)

# So often while tomorrow's prices are late; the coordinator adds chance to it.
RETRY: Final = timedelta(minutes=10)
# An answer that ends right now must not make it ask without a pause.
SHORTEST_PAUSE: Final = timedelta(minutes=1)


def find_due(now: datetime, currency: str, time_zone: tzinfo) -> datetime:
    """Return when tomorrow's prices are due today; UTC.

    Args:
        now: UTC; decides what today is, in the home.
        currency: Tells the market.
        time_zone: Of the home, and of markets that are not known.
    """
    today = now.astimezone(time_zone).date()
    due_at = _DUE_AT
    if currency == _BRITISH_CURRENCY:
        time_zone, due_at = _BRITISH_MARKET, _BRITISH_DUE_AT
    elif currency in _EUROPEAN_CURRENCIES:
        time_zone = _EUROPEAN_MARKET
    return datetime.combine(today, due_at, time_zone).astimezone(UTC)


def find_pause(
    now: datetime,
    slots: Slots,
    currency: str,
    time_zone: tzinfo,
    interval: timedelta,
) -> timedelta:
    """Return how long to wait after an answer, without any chance in it.

    Args:
        now: UTC.
        slots: What is known.
        currency: Tells the market.
        time_zone: Of the home.
        interval: The usual pace.
    """
    pause = interval
    today = now.astimezone(time_zone).date()
    if not is_day_known(slots, today + timedelta(days=1), time_zone):
        due = find_due(now, currency, time_zone)
        pause = min(pause, due - now if now < due else RETRY)
    if slots and slots[-1].end > now:
        pause = min(pause, slots[-1].end - now)
    return max(pause, SHORTEST_PAUSE)
