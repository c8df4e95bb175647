"""The entities of the device "Pipeline"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from homeassistant.components.binary_sensor import BinarySensorEntityDescription
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.components.button import ButtonEntityDescription
from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, UnitOfInformation, UnitOfTime

from ..coordinator import PipelineHealth
from ..store.buffer import ReasonClass
from ..store.stats import LinkState


@dataclass(frozen=True, kw_only=True)
class PipelineSensorDescription(SensorEntityDescription):
    """A figure of the pipeline."""

    value: Callable[[PipelineHealth], float | int | None]
    attributes: Callable[[PipelineHealth], Mapping[str, int]] | None = None


def _counter(
    key: str, value: Callable[[PipelineHealth], int], *, is_enabled: bool = True
) -> PipelineSensorDescription:
    return PipelineSensorDescription(
        key=key,
        translation_key=key,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=is_enabled,
        value=value,
    )


def _count_by_reason(health: PipelineHealth) -> Mapping[str, int]:
    """Return a count for every class, so that templates find each of them."""
    return {
        reason_class.value: health.figures.dead_letters.get(reason_class, 0)
        for reason_class in ReasonClass
    }


PIPELINE_SENSORS: Final = (
    _counter("captured", lambda health: health.figures.captured),
    _counter("written", lambda health: health.figures.written),
    _counter("rejected", lambda health: health.figures.rejected),
    _counter("dropped", lambda health: health.figures.dropped),
    _counter("filtered", lambda health: health.figures.filtered, is_enabled=False),
    _counter("sampled", lambda health: health.figures.sampled, is_enabled=False),
    _counter("repaired", lambda health: health.figures.repaired, is_enabled=False),
    PipelineSensorDescription(
        key="backlog_points",
        translation_key="backlog_points",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda health: health.figures.backlog_points,
    ),
    PipelineSensorDescription(
        key="backlog_bytes",
        translation_key="backlog_bytes",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda health: health.figures.backlog_bytes,
    ),
    PipelineSensorDescription(
        key="dead_letters",
        translation_key="dead_letters",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda health: sum(health.figures.dead_letters.values()),
        attributes=_count_by_reason,
    ),
    PipelineSensorDescription(
        key="oldest_age",
        translation_key="oldest_age",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        # Nothing waits: nothing is old.
        value=lambda health: health.figures.oldest_age_s or 0.0,
    ),
    PipelineSensorDescription(
        key="catch_up",
        translation_key="catch_up",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda health: health.catch_up_s,
    ),
    PipelineSensorDescription(
        key="write_rate",
        translation_key="write_rate",
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement="points/s",
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda health: health.write_rate,
    ),
    PipelineSensorDescription(
        key="write_latency",
        translation_key="write_latency",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MILLISECONDS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda health: health.figures.write_latency_s,
    ),
)


@dataclass(frozen=True, kw_only=True)
class PipelineBinarySensorDescription(BinarySensorEntityDescription):
    """A yes or no about the pipeline."""

    is_on: Callable[[PipelineHealth], bool | None]


def _is_connected(health: PipelineHealth) -> bool | None:
    """Return None before the first try: nothing is known yet."""
    if health.figures.link is LinkState.UNTRIED:
        return None
    return health.figures.link is LinkState.CONNECTED


PIPELINE_BINARY_SENSORS: Final = (
    PipelineBinarySensorDescription(
        key="connectivity",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        translation_key="connectivity",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=_is_connected,
    ),
)

PIPELINE_BUTTONS: Final = (
    ButtonEntityDescription(
        key="flush",
        translation_key="flush",
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
)
