"""The entities of a person whose calendars are read."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTime

from ..coordinators.occupancy import OccupancyView
from ..sources.occupancy.model import Presence
from ..sources.occupancy.track_record import Confidence
from .source import SourceBinarySensorDescription, SourceSensorDescription


def _describe_home(view: OccupancyView) -> Mapping[str, Any]:
    is_known = view.currently_home is not None
    origin = "tracker" if view.is_measured else "calendar"
    return {"origin": origin if is_known else None}


def _describe_work(view: OccupancyView) -> Mapping[str, Any]:
    start, end = view.work_from_home or (None, None)
    return {"start": start, "end": end}


def _describe_confidence(confidence: Confidence | None) -> Mapping[str, Any]:
    if confidence is None:
        return {"samples": None, "days": None, "basis": None}
    return {
        "samples": confidence.sample_count,
        "days": confidence.day_count,
        "basis": confidence.basis.value,
    }


OCCUPANCY_SENSORS: Final = (
    SourceSensorDescription[OccupancyView](
        key="next_arrival",
        translation_key="next_arrival",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.next_arrival,
        attributes=lambda view: {
            "confidence": view.arrival_confidence.percent
            if view.arrival_confidence
            else None
        },
    ),
    SourceSensorDescription[OccupancyView](
        key="prepare_by",
        translation_key="prepare_by",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.prepare_at,
    ),
    SourceSensorDescription[OccupancyView](
        key="away_duration",
        translation_key="away_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=1,
        value=lambda view: view.away_hours,
    ),
    SourceSensorDescription[OccupancyView](
        key="confidence",
        translation_key="occupancy_confidence",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: view.confidence.percent if view.confidence else None,
        attributes=lambda view: _describe_confidence(view.confidence),
    ),
    SourceSensorDescription[OccupancyView](
        key="planned_presence",
        translation_key="planned_presence",
        device_class=SensorDeviceClass.ENUM,
        options=[presence.value for presence in Presence],
        value=lambda view: view.planned.value if view.planned else None,
    ),
    SourceSensorDescription[OccupancyView](
        key="travel_time",
        translation_key="travel_time",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda view: view.travel_minutes,
    ),
)
OCCUPANCY_BINARY_SENSORS: Final = (
    SourceBinarySensorDescription[OccupancyView](
        key="currently_home",
        translation_key="currently_home",
        device_class=BinarySensorDeviceClass.PRESENCE,
        is_on=lambda view: view.currently_home,
        attributes=_describe_home,
    ),
    SourceBinarySensorDescription[OccupancyView](
        key="working_from_home",
        translation_key="working_from_home",
        is_on=lambda view: view.is_wfh_today,
        attributes=_describe_work,
    ),
    SourceBinarySensorDescription[OccupancyView](
        key="time_to_prepare",
        translation_key="time_to_prepare",
        is_on=lambda view: view.should_prepare,
    ),
)
