"""The entity that shows how long jobs get on."""

from typing import Final

from homeassistant.components.sensor import SensorEntityDescription, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory

JOB_SENSOR: Final = SensorEntityDescription(
    key="job_progress",
    translation_key="job_progress",
    state_class=SensorStateClass.MEASUREMENT,
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
    entity_category=EntityCategory.DIAGNOSTIC,
)
