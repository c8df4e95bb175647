"""The entities of the device "Storage"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import datetime as dt
from typing import Any, Final

from homeassistant.components.binary_sensor import BinarySensorEntityDescription
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfInformation

from ..maintenance.coordinator import StorageHealth
from ..maintenance.record import Operation, Outcome
from ..retention.tiers import STORED_TIERS, Tier

type StorageValue = float | int | str | dt.datetime | None

_BYTES_PER_GB: Final = 1_000_000_000
_MONTHS: Final = 12


@dataclass(frozen=True, kw_only=True)
class StorageSensorDescription(SensorEntityDescription):
    """A figure of the tiers.

    Attributes:
        is_money: Whether its unit is Home Assistant's currency.
    """

    value: Callable[[StorageHealth], StorageValue]
    attributes: Callable[[StorageHealth], Mapping[str, Any]] | None = None
    is_money: bool = False


@dataclass(frozen=True, kw_only=True)
class StorageBinarySensorDescription(BinarySensorEntityDescription):
    """A yes or no about the tiers."""

    is_on: Callable[[StorageHealth], bool | None]
    attributes: Callable[[StorageHealth], Mapping[str, Any]]


def _size(
    key: str,
    value: Callable[[StorageHealth], StorageValue],
    *,
    attributes: Callable[[StorageHealth], Mapping[str, Any]] | None = None,
) -> StorageSensorDescription:
    return StorageSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=value,
        attributes=attributes,
    )


def _tier_size(tier: Tier) -> StorageSensorDescription:
    def read(health: StorageHealth) -> int | None:
        if health.figures is None or tier not in health.figures.tiers:
            return None
        return health.figures.tiers[tier].size_bytes

    def describe(health: StorageHealth) -> Mapping[str, Any]:
        if health.figures is None or tier not in health.figures.tiers:
            return {}
        figures = health.figures.tiers[tier]
        return {
            "is_estimated": figures.is_estimated,
            "rows": figures.row_count,
            "oldest": figures.oldest_at,
            "newest": figures.newest_at,
        }

    return _size(f"{tier}_size", read, attributes=describe)


def _saved_bytes(health: StorageHealth) -> int | None:
    return None if health.figures is None else health.figures.saved_bytes


def _saved_percent(health: StorageHealth) -> float | None:
    return None if health.figures is None else health.figures.saved_percent


def yearly_saving(health: StorageHealth) -> float | None:
    """Return what the space that is saved would cost a year; None if unknown."""
    if health.figures is None:
        return None
    saved_gb = health.figures.saved_bytes / _BYTES_PER_GB
    return saved_gb * health.price_per_gb_month * _MONTHS


def _price(health: StorageHealth) -> Mapping[str, Any]:
    return {"price_per_gb_month": health.price_per_gb_month}


def _last_run(operation: Operation) -> StorageSensorDescription:
    def read(health: StorageHealth) -> dt.datetime | None:
        record = health.records.get(operation)
        return None if record is None else record.ended_at

    return StorageSensorDescription(
        key=f"{operation}_last_run",
        translation_key=f"{operation}_last_run",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=operation in _SHOWN,
        value=read,
    )


def _last_result(operation: Operation) -> StorageSensorDescription:
    def read(health: StorageHealth) -> str | None:
        record = health.records.get(operation)
        return None if record is None else record.outcome.value

    def describe(health: StorageHealth) -> Mapping[str, Any]:
        if (record := health.records.get(operation)) is None:
            return {}
        return {
            "duration_s": round(record.duration_s, 1),
            "records_processed": record.records_processed,
            "records_written": record.records_written,
            "records_deleted": record.records_deleted,
            "problems": list(record.problems),
            "error": record.error,
        }

    return StorageSensorDescription(
        key=f"{operation}_result",
        translation_key=f"{operation}_result",
        device_class=SensorDeviceClass.ENUM,
        options=[outcome.value for outcome in Outcome],
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=operation in _SHOWN,
        value=read,
        attributes=describe,
    )


# Those whose last run says whether all is well.
_SHOWN: Final = (
    Operation.DOWNSAMPLE_HOURLY,
    Operation.DOWNSAMPLE_DAILY,
    Operation.ARCHIVE,
)
# Those that run without an archive.
_LOCAL: Final = (
    Operation.AGGREGATE,
    Operation.DOWNSAMPLE_HOURLY,
    Operation.DOWNSAMPLE_DAILY,
    Operation.REFRESH_VIEWS,
)

STORAGE_SENSORS: Final = (
    *(_tier_size(tier) for tier in STORED_TIERS),
    _size("storage_saved", _saved_bytes),
    StorageSensorDescription(
        key="storage_saved_percent",
        translation_key="storage_saved_percent",
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_saved_percent,
    ),
    StorageSensorDescription(
        key="yearly_saving",
        translation_key="yearly_saving",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=2,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=yearly_saving,
        attributes=_price,
        is_money=True,
    ),
    StorageSensorDescription(
        key="records_moved",
        translation_key="records_moved",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda health: health.records_moved,
    ),
    StorageSensorDescription(
        key="next_run",
        translation_key="next_run",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda health: health.next_run_at,
    ),
    *(
        create(operation)
        for operation in _LOCAL
        for create in (_last_run, _last_result)
    ),
)


def _archive_size(health: StorageHealth) -> int | None:
    return None if health.archive is None else health.archive.size_bytes


def _archive_files(health: StorageHealth) -> int | None:
    return None if health.archive is None else health.archive.file_count


def _archive_bounds(health: StorageHealth) -> Mapping[str, Any]:
    if (archive := health.archive) is None:
        return {}
    return {"oldest": archive.oldest, "newest": archive.newest}


# Of hubs that have an archive.
ARCHIVE_SENSORS: Final = (
    _size("archive_size", _archive_size),
    StorageSensorDescription(
        key="archive_files",
        translation_key="archive_files",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_archive_files,
        attributes=_archive_bounds,
    ),
    *(
        create(operation)
        for operation in (Operation.ARCHIVE, Operation.RESTORE)
        for create in (_last_run, _last_result)
    ),
)

STORAGE_BINARY_SENSORS: Final = (
    StorageBinarySensorDescription(
        key="storage_problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        translation_key="storage_problem",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=lambda health: bool(health.problems),
        attributes=lambda health: {
            "problems": [problem.value for problem in health.problems]
        },
    ),
)
