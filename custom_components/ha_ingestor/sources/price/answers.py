"""The days that a provider is asked about, and what has to be in its answer."""

from datetime import datetime, timedelta
from typing import Any, Final

from ...errors import SourceDataError
from ..base import SourceContext
from ..slots import Slots, cut_slots, day_bounds
from .model import PriceData

_CURRENCY_LENGTH: Final = 3
# A thousandth of what the finest price list tells apart; beyond is the noise of
# dividing, which nobody wants to read.
_DIGITS: Final = 8


def find_period(context: SourceContext) -> tuple[datetime, datetime]:
    """Return from when to when prices are of use: yesterday to tomorrow; UTC."""
    today = context.now.astimezone(context.time_zone).date()
    day = timedelta(days=1)
    start, _ = day_bounds(today - day, context.time_zone)
    _, end = day_bounds(today + day, context.time_zone)
    return start, end


def create_prices(
    currency: str,
    slots: Slots,
    context: SourceContext,
    *,
    peak_slots: Slots | None = None,
) -> PriceData:
    """Put an answer together; what lies outside of the days asked about is left out.

    Raises:
        SourceDataError: It says nothing of now or later.
    """
    start, end = find_period(context)
    known = cut_slots(slots, start, end)
    if not known:
        raise SourceDataError("No prices for these days")
    if known[-1].end <= context.now:
        raise SourceDataError(f"No prices after {known[-1].end.isoformat()}")
    return PriceData(
        currency=currency,
        slots=known,
        fetched_at=context.now,
        peak_slots=None if peak_slots is None else cut_slots(peak_slots, start, end),
    )


def convert_price(value: float, divisor: float) -> float:
    """Return a price in another unit, currency/kWh."""
    return round(value / divisor, _DIGITS)


def parse_currency(value: Any) -> str:
    """Return an ISO 4217 code.

    Raises:
        SourceDataError: It is none.
    """
    if (
        not isinstance(value, str)
        or len(value) != _CURRENCY_LENGTH
        or not (value.isascii() and value.isalpha())
    ):
        raise SourceDataError(f"Not a currency: {value!r:.40}")
    return value.upper()
