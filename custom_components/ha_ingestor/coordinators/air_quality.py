"""Air quality at work: the index on the user's scale, and when its category changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
import logging
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.const import UnitOfDensity
from homeassistant.core import callback

from ..const import MEASUREMENT_AIR_QUALITY
from ..models import FieldValue, Point, SourceKind, to_time_ns
from ..sources.air_quality.aqi import (
    Category,
    Pollutant,
    Scale,
    categorize,
    rank_category,
)
from ..sources.air_quality.model import (
    AirIndex,
    AirQualityData,
    AirReading,
    compute_index,
)
from ..sources.air_quality.settings import CONF_SCALE
from .source import SourceCoordinator

_LOGGER = logging.getLogger(__name__)

EVENT_CATEGORY_CHANGED: Final = "category_changed"
EVENT_BETTER: Final = "better"
EVENT_WORSE: Final = "worse"

# Value of the tag `parameter` of the point that stands for all pollutants.
_TOTAL: Final = "aqi"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirQualityView:
    """What the entities of a source of air quality show at a moment.

    Attributes:
        index: On the scale below.
        scale: The user's, or the one that the source has.
        category: Of the index; None where that is not known.
    """

    location: str
    measured_at: datetime
    scale: Scale
    index: AirIndex
    category: Category | None
    readings: Mapping[Pollutant, AirReading]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What outlives a restart.

    Attributes:
        origin: Which provider and place it was learned from.
        pollutants: All that were ever there.
        category: The last one, with its scale; None before there was any.
    """

    origin: str = ""
    pollutants: frozenset[Pollutant] = field(default_factory=frozenset)
    category: tuple[Scale, Category] | None = None


class AirQualityCoordinator(SourceCoordinator[AirQualityData, AirQualityView]):
    """Owns one source of air quality."""

    kind = SourceKind.AIR_QUALITY
    data_type = AirQualityData
    _learned = _Learned()

    @property
    def pollutants(self) -> frozenset[Pollutant]:
        """Those that the source has, or had at some time."""
        return self._learned.pollutants

    @override
    def evaluate(self, now: datetime) -> AirQualityView | None:
        if TYPE_CHECKING:
            assert self.answer is not None
        answer = self.answer
        readings = {
            pollutant: reading
            for pollutant, reading in answer.readings.items()
            if reading.valid_until > now
        }
        wanted = Scale(self.settings.get(CONF_SCALE, Scale.US))
        scale, index = _find_index(answer, readings, wanted, now)
        return AirQualityView(
            location=answer.location,
            measured_at=answer.measured_at,
            scale=scale,
            index=index,
            category=None if index.aqi is None else categorize(scale, index.aqi),
            readings=readings,
            origins=answer.origins,
        )

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        if TYPE_CHECKING:
            assert self.answer is not None
        ends = [reading.valid_until for reading in self.answer.readings.values()]
        ends.append(self.answer.indices_valid_until)
        return min((end for end in ends if end > now), default=None)

    @callback
    @override
    def answered(self, previous: AirQualityData | None) -> None:
        if TYPE_CHECKING:
            assert self.answer is not None
        # What was learned of another place is forgotten here.
        is_same = self._learned.origin == self._origin
        known = self._learned if is_same else _Learned()
        self._learned = _Learned(
            origin=self._origin,
            pollutants=known.pollutants | self.answer.readings.keys(),
            category=known.category,
        )

    @callback
    @override
    def view_changed(self, previous: AirQualityView | None) -> None:
        view = self.data
        if view is None or view.category is None:
            return
        known = self._learned.category
        self._learned = _Learned(
            origin=self._origin,
            pollutants=self._learned.pollutants,
            category=(view.scale, view.category),
        )
        # Names of another scale cannot be compared: the user has changed it.
        if known is None or known[0] is not view.scale or known[1] is view.category:
            return
        before, now = (
            rank_category(view.scale, category)
            for category in (known[1], view.category)
        )
        _LOGGER.info(
            "Air quality of %s has changed from %s to %s (AQI %s)",
            self.name,
            known[1],
            view.category,
            view.index.aqi,
        )
        self.fire_event(
            EVENT_CATEGORY_CHANGED,
            EVENT_WORSE if now > before else EVENT_BETTER,
            {
                "from": known[1].value,
                "to": view.category.value,
                "aqi": view.index.aqi,
                "scale": view.scale.value,
            },
        )

    @override
    def load_state(self, stored: Mapping[str, Any]) -> None:
        category = stored["category"]
        self._learned = _Learned(
            origin=stored["origin"],
            pollutants=frozenset(map(Pollutant, stored["pollutants"])),
            category=category and (Scale(category[0]), Category(category[1])),
        )

    @override
    def save_state(self) -> dict[str, Any]:
        learned = self._learned
        return {
            "origin": learned.origin,
            "pollutants": sorted(learned.pollutants),
            "category": learned.category and list(learned.category),
        }

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        if TYPE_CHECKING:
            assert self.data is not None
        view = self.data
        if (aqi := view.index.aqi) is not None:
            yield self._create_point(view, _TOTAL, aqi, {}, view.measured_at)
        for pollutant, reading in view.readings.items():
            fields: dict[str, FieldValue] = {
                "concentration": reading.concentration,
                "unit": UnitOfDensity.MICROGRAMS_PER_CUBIC_METER.value,
            }
            yield self._create_point(
                view,
                pollutant,
                view.index.sub_indices.get(pollutant),
                fields,
                reading.measured_at,
            )

    def _create_point(
        self,
        view: AirQualityView,
        parameter: str,
        aqi: int | None,
        fields: Mapping[str, FieldValue],
        measured_at: datetime,
    ) -> Point:
        tags = {
            "location": view.location,
            "parameter": str(parameter),
            "provider": self.description.key,
            # Numbers of one scale mean nothing on the other.
            "scale": view.scale.value,
        }
        fields = dict(fields)
        if aqi is not None:
            tags["category"] = categorize(view.scale, aqi).value
            fields["aqi"] = float(aqi)
        return Point(
            measurement=MEASUREMENT_AIR_QUALITY,
            tags=tags,
            fields=fields,
            time_ns=to_time_ns(measured_at.timestamp()),
        )


def _find_index(
    answer: AirQualityData,
    readings: Mapping[Pollutant, AirReading],
    wanted: Scale,
    now: datetime,
) -> tuple[Scale, AirIndex]:
    """Return the index on the user's scale, else on the one that there is.

    The provider's own goes before one that has to be computed, even if it does not
    know its value now.
    """
    given = answer.indices if answer.indices_valid_until > now else {}
    for scale in (wanted, *given):
        index = given.get(scale) or compute_index(scale, readings)
        if index is not None:
            return scale, index
    # Every pollutant is on this one.
    return Scale.US, compute_index(Scale.US, readings) or AirIndex(aqi=None)
