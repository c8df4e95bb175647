"""My own tariff: a fixed price, or prices by season, weekday and time of day.

Delivers the prices that the user enters from a contract, as slots of an hour or what
the times of the contract leave of one, of yesterday, today and the two days after. No
key, no request. Wall times hold on the days on which clocks change, too: what costs
less from 22:00 on does so from 22:00 on, and the night is an hour shorter or longer.
"""

from collections.abc import Mapping
from datetime import timedelta
import math
from typing import Any, Final, override

from ...errors import SourceArgumentError
from ...models import SourceKind
from ..base import (
    Argument,
    ArgumentType,
    Source,
    SourceContext,
    SourceDescription,
    SourceDocumentation,
    SourceEnvironment,
    SourceResult,
)
from ..slots import Slot
from .currency import CONF_CURRENCY, read_currency
from .model import PriceData
from .tariff_periods import (
    CONF_END,
    CONF_FROM_DAY,
    CONF_FROM_MONTH,
    CONF_IS_PEAK,
    CONF_NAME,
    CONF_PRICE,
    CONF_ROWS,
    CONF_START,
    CONF_TO_DAY,
    CONF_TO_MONTH,
    CONF_WEEKDAYS,
    WEEKDAYS,
    Period,
    read_periods,
    split_day,
)

CONF_BASE_PRICE: Final = "base_price"

# Yesterday for charts, tomorrow for plans, one more so that nothing ends at midnight.
_DAYS: Final = range(-1, 3)


def create_data(
    base_price: float,
    periods: tuple[Period, ...],
    currency: str,
    context: SourceContext,
) -> PriceData:
    """Lay a tariff out over the days around now."""
    today = context.now.astimezone(context.time_zone).date()
    slots: list[Slot] = []
    peak: list[Slot] = []
    for offset in _DAYS:
        day = today + timedelta(days=offset)
        for start, end, period in split_day(periods, day, context.time_zone):
            price = base_price if period is None else period.price
            slot = Slot(start=start, end=end, value=price)
            slots.append(slot)
            if period is not None and period.is_peak:
                peak.append(slot)
    knows_peak = any(period.is_peak for period in periods)
    return PriceData(
        currency=currency,
        slots=tuple(slots),
        fetched_at=context.now,
        peak_slots=tuple(peak) if knows_peak else None,
    )


class Tariff(Source[PriceData]):
    """Computes prices from what was entered."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take what was entered; it is read when it is needed."""
        self._arguments = arguments
        self._periods: tuple[Period, ...] | None = None

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[PriceData]:
        base_price = self._arguments.get(CONF_BASE_PRICE)
        if not isinstance(base_price, int | float) or not math.isfinite(base_price):
            raise SourceArgumentError(CONF_BASE_PRICE, "invalid_base_price")
        if self._periods is None:
            self._periods = read_periods(self._arguments.get(CONF_ROWS))
        currency = read_currency(self._arguments, context)
        data = create_data(float(base_price), self._periods, currency, context)
        return SourceResult(data=data)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[PriceData]:
    return Tariff(arguments)


_MONTH: Final[Mapping[str, Any]] = {"minimum": 1, "maximum": 12, "step": 1}
_DAY_OF_MONTH: Final[Mapping[str, Any]] = {"minimum": 1, "maximum": 31, "step": 1}


def _number(key: str, **bounds: Any) -> Argument:
    return Argument(key=key, type=ArgumentType.NUMBER, is_required=False, **bounds)


_PERIOD_FIELDS: Final = (
    Argument(key=CONF_NAME, type=ArgumentType.TEXT),
    Argument(key=CONF_PRICE, type=ArgumentType.NUMBER),
    Argument(key=CONF_START, type=ArgumentType.TIME, is_required=False),
    Argument(key=CONF_END, type=ArgumentType.TIME, is_required=False),
    Argument(
        key=CONF_WEEKDAYS,
        type=ArgumentType.MULTI_SELECT,
        is_required=False,
        options=WEEKDAYS,
    ),
    _number(CONF_FROM_MONTH, **_MONTH),
    _number(CONF_FROM_DAY, **_DAY_OF_MONTH),
    _number(CONF_TO_MONTH, **_MONTH),
    _number(CONF_TO_DAY, **_DAY_OF_MONTH),
    Argument(key=CONF_IS_PEAK, type=ArgumentType.BOOLEAN, is_required=False),
)

TARIFF: Final = SourceDescription(
    key="tariff",
    kind=SourceKind.ELECTRICITY_PRICE,
    name="Tariff",
    # Nothing about it changes but the days that it is laid out over.
    update_interval=timedelta(hours=1),
    create=_create,
    arguments=(
        Argument(key=CONF_BASE_PRICE, type=ArgumentType.NUMBER),
        Argument(
            key=CONF_CURRENCY,
            type=ArgumentType.TEXT,
            is_required=False,
            default=lambda context: context.currency,
        ),
        Argument(
            key=CONF_ROWS,
            type=ArgumentType.ROWS,
            is_required=False,
            fields=_PERIOD_FIELDS,
            translation_key="tariff_period",
        ),
    ),
    documentation=SourceDocumentation(
        delivers="The prices that you enter from your contract: one price, or prices"
        " by season, weekday and time of day.",
        resolution="An hour, or shorter where a period begins or ends within one.",
        delay="None: the days until the day after tomorrow are always known.",
        rate_limit="None: nobody is asked.",
        licence="Your own data.",
        url="https://www.home-assistant.io/docs/energy/electricity-grid/",
        limits="Public holidays are ordinary weekdays, and prices that depend on how"
        " much has been used are not known.",
    ),
)
