"""Carbon intensity at work: the present, the near future, and whether it is clean."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import override

from ..const import MEASUREMENT_CARBON
from ..models import FieldValue, Point, SourceKind
from ..sources.carbon.model import CarbonData
from ..sources.carbon.settings import CONF_CLEAN_BELOW
from ..sources.slots import find_next_change, find_slot
from .source import SourceCoordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonView:
    """What the entities of a carbon source show at a moment."""

    intensity: float | None
    is_clean: bool | None
    region: str


class CarbonCoordinator(SourceCoordinator[CarbonData, CarbonView]):
    """Owns one source of carbon intensity."""

    kind = SourceKind.CARBON_INTENSITY
    data_type = CarbonData

    @override
    def evaluate(self, now: datetime) -> CarbonView | None:
        if (answer := self.answer) is None:
            return None
        slot = find_slot(answer.forecast, now)
        intensity = answer.intensity if slot is None else slot.value
        threshold = self.settings.get(CONF_CLEAN_BELOW)
        return CarbonView(
            intensity=intensity,
            is_clean=None
            if intensity is None or threshold is None
            else intensity < threshold,
            region=answer.region,
        )

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        return find_next_change(self.answer.forecast, now) if self.answer else None

    @override
    def get_context_value(self) -> FieldValue | None:
        return self.data.intensity if self.data else None

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        if (answer := self.answer) is None or answer.intensity is None:
            return
        yield Point(
            measurement=MEASUREMENT_CARBON,
            tags={"region": answer.region, "provider": self.description.key},
            fields={"carbon_intensity_gco2_kwh": answer.intensity},
            time_ns=round(answer.measured_at.timestamp() * 1e6) * 1000,
        )
