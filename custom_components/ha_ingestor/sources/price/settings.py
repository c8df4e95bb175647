"""What the user decides about prices, whoever the provider is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from ...errors import SourceArgumentError
from ..base import Argument, ArgumentType
from .formula import Formula

CONF_RESOLUTION: Final = "resolution"
CONF_WINDOW: Final = "window_length"
CONF_HOUR_COUNT: Final = "hour_count"
CONF_DEMAND_RESPONSE: Final = "demand_response_entity"
CONF_SURCHARGE_PERCENT: Final = "surcharge_percent"
CONF_SURCHARGE: Final = "surcharge"
CONF_TAX_PERCENT: Final = "tax_percent"
CONF_TEMPLATE: Final = "price_template"
CONF_PEAK: Final = "peak"
CONF_PEAK_PRICE: Final = "peak_price"
CONF_PEAK_SHARE: Final = "peak_share"
CONF_SPIKE_PRICE: Final = "spike_price"
CONF_SPIKE_FACTOR: Final = "spike_factor"
CONF_VERY_CHEAP: Final = "very_cheap_below"
CONF_CHEAP: Final = "cheap_below"
CONF_EXPENSIVE: Final = "expensive_from"
CONF_VERY_EXPENSIVE: Final = "very_expensive_from"

SECTION_FORMULA: Final = "formula"
SECTION_PEAK: Final = "peak_period"
SECTION_SPIKE: Final = "price_spike"
SECTION_LEVEL: Final = "price_level"

# A washing machine or a dishwasher at work.
DEFAULT_WINDOW: Final = timedelta(hours=2)
DEFAULT_HOUR_COUNT: Final = 3
MAX_HOUR_COUNT: Final = 12
DEFAULT_PEAK_SHARE: Final = 80.0
DEFAULT_SPIKE_FACTOR: Final = 2.0
# Percent of the day that is cheaper: the edges between the five levels.
DEFAULT_LEVELS: Final = (10.0, 30.0, 70.0, 90.0)
_LEVEL_KEYS: Final = (
    CONF_VERY_CHEAP,
    CONF_CHEAP,
    CONF_EXPENSIVE,
    CONF_VERY_EXPENSIVE,
)
_MAX_WINDOW: Final = timedelta(hours=24)
_PERCENT: Final = 100.0


class Resolution(StrEnum):
    """How long the slots are that all is computed of."""

    AS_GIVEN = "as_given"
    HOURLY = "hourly"


class PeakRule(StrEnum):
    """When it is the peak period."""

    AUTOMATIC = "automatic"  # the tariff's own times; the quantile where it has none
    PRICE = "price"
    QUANTILE = "quantile"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """The settings, read.

    Attributes:
        formula: What is added to the provider's price; None where a template does it.
        template: Text of the template, None for none.
        peak_price: Currency/kWh from which on it is peak; None for none.
        peak_quantile: 0 to 1.
        spike_price: Currency/kWh from which on it is a spike; None for none.
        spike_factor: Of the day's average, likewise.
        levels: Edges between the five levels as quantiles, 0 to 1, rising.
        demand_response: Entity that tells of demand-response events; None for none.
    """

    resolution: Resolution
    window: timedelta
    hour_count: int
    demand_response: str | None
    formula: Formula
    template: str | None
    peak: PeakRule
    peak_price: float | None
    peak_quantile: float
    spike_price: float | None
    spike_factor: float | None
    levels: tuple[float, float, float, float]

    def find_spike_threshold(self, average: float | None) -> float | None:
        """Return the price from which on it is a spike, None for none.

        A multiple of an average that is negative, or nothing, means nothing.

        Args:
            average: The day's, None where it is not known.
        """
        thresholds = [] if self.spike_price is None else [self.spike_price]
        if self.spike_factor is not None and average is not None and average > 0:
            thresholds.append(self.spike_factor * average)
        return min(thresholds, default=None)


def read_settings(settings: Mapping[str, Any]) -> PriceSettings:
    """Return settings as they are stored, read; what is left out has its default."""
    first, second, third, fourth = (
        float(settings.get(key, default)) / _PERCENT
        for key, default in zip(_LEVEL_KEYS, DEFAULT_LEVELS, strict=True)
    )
    window = settings.get(CONF_WINDOW)
    return PriceSettings(
        resolution=Resolution(settings.get(CONF_RESOLUTION, Resolution.AS_GIVEN)),
        window=DEFAULT_WINDOW if window is None else timedelta(**window),
        hour_count=int(settings.get(CONF_HOUR_COUNT, DEFAULT_HOUR_COUNT)),
        demand_response=settings.get(CONF_DEMAND_RESPONSE),
        formula=Formula(
            surcharge_percent=float(settings.get(CONF_SURCHARGE_PERCENT, 0)),
            surcharge=float(settings.get(CONF_SURCHARGE, 0)),
            tax_percent=float(settings.get(CONF_TAX_PERCENT, 0)),
        ),
        template=settings.get(CONF_TEMPLATE),
        peak=PeakRule(settings.get(CONF_PEAK, PeakRule.AUTOMATIC)),
        peak_price=settings.get(CONF_PEAK_PRICE),
        peak_quantile=float(settings.get(CONF_PEAK_SHARE, DEFAULT_PEAK_SHARE))
        / _PERCENT,
        spike_price=settings.get(CONF_SPIKE_PRICE),
        spike_factor=settings.get(CONF_SPIKE_FACTOR),
        levels=(first, second, third, fourth),
    )


def check_price_settings(settings: PriceSettings) -> None:
    """Refuse what makes no sense together.

    Raises:
        SourceArgumentError: Says what.
    """
    if settings.template is not None and not settings.formula.is_neutral:
        raise SourceArgumentError(CONF_TEMPLATE, "formula_twice")
    if not timedelta() < settings.window <= _MAX_WINDOW:
        raise SourceArgumentError(CONF_WINDOW, "invalid_window")
    if settings.peak is PeakRule.PRICE and settings.peak_price is None:
        raise SourceArgumentError(CONF_PEAK_PRICE, "no_peak_price")
    if list(settings.levels) != sorted(set(settings.levels)):
        raise SourceArgumentError(CONF_VERY_CHEAP, "invalid_levels")


def _list_level_arguments() -> tuple[Argument, ...]:
    return tuple(
        Argument(
            key=key,
            type=ArgumentType.NUMBER,
            is_required=False,
            default=default,
            minimum=0,
            maximum=100,
            unit="%",
            section=SECTION_LEVEL,
        )
        for key, default in zip(_LEVEL_KEYS, DEFAULT_LEVELS, strict=True)
    )


PRICE_SETTINGS: Final = (
    Argument(
        key=CONF_RESOLUTION,
        type=ArgumentType.SELECT,
        default=Resolution.AS_GIVEN,
        options=tuple(Resolution),
        translation_key="price_resolution",
    ),
    Argument(
        key=CONF_WINDOW,
        type=ArgumentType.DURATION,
        default={
            "hours": int(DEFAULT_WINDOW.total_seconds() // 3600),
            "minutes": 0,
            "seconds": 0,
        },
    ),
    Argument(
        key=CONF_HOUR_COUNT,
        type=ArgumentType.NUMBER,
        default=DEFAULT_HOUR_COUNT,
        minimum=1,
        maximum=MAX_HOUR_COUNT,
        step=1,
    ),
    Argument(
        key=CONF_DEMAND_RESPONSE,
        type=ArgumentType.ENTITY,
        is_required=False,
        domains=("binary_sensor", "calendar", "event", "input_boolean", "schedule"),
    ),
    Argument(
        key=CONF_SURCHARGE_PERCENT,
        type=ArgumentType.NUMBER,
        is_required=False,
        unit="%",
        section=SECTION_FORMULA,
    ),
    Argument(
        key=CONF_SURCHARGE,
        type=ArgumentType.NUMBER,
        is_required=False,
        section=SECTION_FORMULA,
    ),
    Argument(
        key=CONF_TAX_PERCENT,
        type=ArgumentType.NUMBER,
        is_required=False,
        minimum=-100,
        unit="%",
        section=SECTION_FORMULA,
    ),
    Argument(
        key=CONF_TEMPLATE,
        type=ArgumentType.TEMPLATE,
        is_required=False,
        section=SECTION_FORMULA,
    ),
    Argument(
        key=CONF_PEAK,
        type=ArgumentType.SELECT,
        default=PeakRule.AUTOMATIC,
        options=tuple(PeakRule),
        translation_key="price_peak",
        section=SECTION_PEAK,
    ),
    Argument(
        key=CONF_PEAK_PRICE,
        type=ArgumentType.NUMBER,
        is_required=False,
        section=SECTION_PEAK,
    ),
    Argument(
        key=CONF_PEAK_SHARE,
        type=ArgumentType.NUMBER,
        is_required=False,
        default=DEFAULT_PEAK_SHARE,
        minimum=0,
        maximum=100,
        unit="%",
        section=SECTION_PEAK,
    ),
    Argument(
        key=CONF_SPIKE_PRICE,
        type=ArgumentType.NUMBER,
        is_required=False,
        section=SECTION_SPIKE,
    ),
    Argument(
        key=CONF_SPIKE_FACTOR,
        type=ArgumentType.NUMBER,
        is_required=False,
        default=DEFAULT_SPIKE_FACTOR,
        minimum=1,
        section=SECTION_SPIKE,
    ),
    *_list_level_arguments(),
)
