"""Carbon intensity at work: the present, the near future, and whether it is clean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import MEASUREMENT_CARBON, MEASUREMENT_CARBON_FORECAST
from ..models import FieldValue, Point, SourceKind, to_time_ns
from ..sources.carbon.forecast import (
    CarbonWindow,
    find_lowest_window,
    merge_present,
    rank_value,
)
from ..sources.carbon.model import CarbonData
from ..sources.carbon.settings import (
    CONF_CLEAN_BELOW,
    CONF_CLEAN_PERCENTILE,
    read_window,
)
from ..sources.slots import Slot, Slots, cut_slots, find_next_change, find_slot
from .forecast_points import ForecastPoints
from .hub import SourceHub
from .source import SourceCoordinator

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_NOW: Final = timedelta()
# Weekdays and weekends differ, so a whole week is what the present is compared with.
_MEMORY: Final = timedelta(days=7)
# Less than a day says nothing: nights differ from noons.
_LEAST_COMPARED: Final = timedelta(hours=24)
_FAR: Final = datetime.max.replace(tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonView:
    """What the entities of a carbon source show at a moment.

    Attributes:
        percentile: The provider's own; None where it has none.
        compared_percentile: What `is_clean` goes by: that, or where the present
            stands among the last seven days and the forecast.
        window: The time with the lowest mean; stays until it has ended, once it has
            begun.
        forecast: From the present slot on.
    """

    intensity: float | None
    renewable_percentage: float | None
    fossil_percentage: float | None
    percentile: float | None
    compared_percentile: float | None
    forecast_1h: float | None
    forecast_24h: float | None
    window: CarbonWindow | None
    is_clean: bool | None
    is_marginal: bool
    region: str
    grid_operator: str | None
    forecast: Slots


class CarbonCoordinator(SourceCoordinator[CarbonData, CarbonView]):
    """Owns one source of carbon intensity."""

    kind = SourceKind.CARBON_INTENSITY
    data_type = CarbonData

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        hub: SourceHub,
    ) -> None:
        """Begin without a memory."""
        # Names of what the provider has ever told: it gets entities.
        self.known: frozenset[str] = frozenset()
        # What was measured, by the beginning of its hour as Unix time.
        self._hours: dict[int, float] = {}
        self._memory_of: str | None = None
        self._window: CarbonWindow | None = None
        self._forecast_points = ForecastPoints(MEASUREMENT_CARBON_FORECAST)
        super().__init__(hass, entry, subentry, hub)

    # --- for others ---

    @property
    def slots(self) -> Slots:
        """What is expected from now on, the present first; gCO2eq/kWh.

        Empty while nothing is known; the present alone where nothing is forecast.
        """
        now = dt_util.utcnow()
        if self.answer is None or self.answer.valid_until <= now:
            return ()
        return cut_slots(merge_present(self.answer), now, _FAR)

    def current(self, now: datetime | None = None) -> float | None:
        """Return the intensity of a moment, of now by default; gCO2eq/kWh."""
        moment = dt_util.utcnow() if now is None else now
        if self.answer is None or self.answer.valid_until <= moment:
            return None
        return _find_intensity(self.answer, merge_present(self.answer), moment)

    # --- the view ---

    @override
    @callback
    def answered(self, previous: CarbonData | None) -> None:
        answer = self.answer
        if answer is None:
            return
        if answer.region != self._memory_of:
            self._memory_of = answer.region
            self._hours.clear()
            self._window = None
        found = {
            name
            for name in (
                "intensity",
                "renewable_percentage",
                "fossil_percentage",
                "percentile",
            )
            if getattr(answer, name) is not None
        }
        if answer.forecast:
            found.add("forecast")
        if find_slot(answer.forecast, answer.measured_at + _DAY) is not None:
            found.add("forecast_24h")
        self.known |= found
        if answer.intensity is not None:
            hour = int(answer.measured_at.timestamp()) // 3600 * 3600
            self._hours[hour] = answer.intensity
            oldest = (answer.measured_at - _MEMORY).timestamp()
            self._hours = {
                hour: value for hour, value in self._hours.items() if hour >= oldest
            }

    @override
    def evaluate(self, now: datetime) -> CarbonView | None:
        if (answer := self.answer) is None:
            return None
        series = merge_present(answer)
        intensity = _find_intensity(answer, series, now)
        compared = answer.percentile
        if compared is None and intensity is not None:
            compared = self._rank(intensity, series if answer.forecast else (), now)
        return CarbonView(
            intensity=intensity,
            renewable_percentage=answer.renewable_percentage,
            fossil_percentage=answer.fossil_percentage,
            percentile=answer.percentile,
            compared_percentile=compared,
            forecast_1h=_get_value(answer.forecast, now + _HOUR),
            forecast_24h=_get_value(answer.forecast, now + _DAY),
            window=self._choose_window(series if answer.forecast else (), now),
            is_clean=self._judge(intensity, compared),
            is_marginal=answer.is_marginal,
            region=answer.region,
            grid_operator=answer.grid_operator,
            forecast=tuple(slot for slot in series if slot.end > now)
            if answer.forecast
            else (),
        )

    def _rank(self, intensity: float, series: Slots, now: datetime) -> float | None:
        """Return where the present stands among the last days and the forecast."""
        compared = [
            Slot(start=start, end=start + _HOUR, value=value)
            for hour, value in self._hours.items()
            if (start := datetime.fromtimestamp(hour, UTC)) + _HOUR <= now
        ]
        compared.extend(cut_slots(series, now, _FAR))
        known = sum((slot.duration for slot in compared), timedelta())
        return None if known < _LEAST_COMPARED else rank_value(intensity, compared)

    def _judge(self, intensity: float | None, percentile: float | None) -> bool | None:
        """Compare with those limits that there are; all must be kept."""
        pairs = (
            (intensity, self.settings.get(CONF_CLEAN_BELOW)),
            (percentile, self.settings.get(CONF_CLEAN_PERCENTILE)),
        )
        kept = [
            value < limit
            for value, limit in pairs
            if value is not None and limit is not None
        ]
        return all(kept) if kept else None

    def _choose_window(self, series: Slots, now: datetime) -> CarbonWindow | None:
        """Return the best time; one that goes on is not given up for a later one."""
        duration = read_window(self.settings)
        window = self._window
        if (
            window is None
            or window.end - window.start != duration
            or not window.start <= now < window.end
        ):
            # A time that has passed already would start no automation.
            earliest = now.replace(second=0, microsecond=0) + _MINUTE
            self._window = window = find_lowest_window(series, duration, earliest)
        return window

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        if (answer := self.answer) is None:
            return None
        series = merge_present(answer)
        changes = [
            change - ahead
            for ahead in (_NOW, _HOUR, _DAY)
            if (change := find_next_change(series, now + ahead)) is not None
        ]
        if self._window is not None and self._window.end > now:
            changes.append(self._window.end)
        return min(changes, default=None)

    @override
    def get_context_value(self) -> FieldValue | None:
        return self.data.intensity if self.data else None

    # --- points ---

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        if (answer := self.answer) is None:
            return
        tags = {
            "region": answer.region,
            "grid_operator": answer.grid_operator,
            "provider": self.description.key,
        }
        fields = {
            "carbon_intensity_gco2_kwh": answer.intensity,
            "renewable_percentage": answer.renewable_percentage,
            "fossil_percentage": answer.fossil_percentage,
            "percentile": answer.percentile,
            # As seen from the reading, so that it stays the same afterwards.
            "forecast_1h": _get_value(answer.forecast, answer.measured_at + _HOUR),
            "forecast_24h": _get_value(answer.forecast, answer.measured_at + _DAY),
        }
        known = {key: value for key, value in fields.items() if value is not None}
        if known:
            yield Point(
                measurement=MEASUREMENT_CARBON,
                tags={key: value for key, value in tags.items() if value},
                fields=known,
                time_ns=to_time_ns(answer.measured_at.timestamp()),
            )
        yield from self._forecast_points.create(
            answer.forecast,
            {"region": answer.region, "provider": self.description.key},
            now,
            self.fetched_at or now,
        )

    # --- what was learned ---

    @override
    def load_state(self, stored: Mapping[str, Any]) -> None:
        self.known = frozenset(stored.get("known", ()))
        self._memory_of = stored.get("memory_of")
        self._hours = {
            int(hour): float(value) for hour, value in stored.get("hours", ())
        }
        if (window := stored.get("window")) is not None:
            start, end, mean = window
            self._window = CarbonWindow(
                start=datetime.fromtimestamp(start, UTC),
                end=datetime.fromtimestamp(end, UTC),
                mean=mean,
            )

    @override
    def save_state(self) -> dict[str, Any]:
        window = self._window
        return {
            "known": sorted(self.known),
            "memory_of": self._memory_of,
            "hours": [list(item) for item in self._hours.items()],
            "window": None
            if window is None
            else [window.start.timestamp(), window.end.timestamp(), window.mean],
        }


def _find_intensity(
    answer: CarbonData, series: Slots, moment: datetime
) -> float | None:
    found = _get_value(series, moment)
    # Beyond the forecast, or in a gap of it, what was measured is the best guess.
    return answer.intensity if found is None else found


def _get_value(slots: Slots, moment: datetime) -> float | None:
    slot = find_slot(slots, moment)
    return None if slot is None else slot.value
