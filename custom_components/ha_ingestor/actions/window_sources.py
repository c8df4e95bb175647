"""Which source an action means, and what it knows of the hours to come."""

from dataclasses import dataclass
from typing import Any, Final

from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    service,
)

from ..const import ATTR_CONFIG_ENTRY_ID, DOMAIN
from ..coordinators.carbon import CarbonCoordinator
from ..coordinators.price import PriceCoordinator
from ..coordinators.source import SourceCoordinator
from ..data import IngestorConfigEntry
from ..models import SourceKind
from ..sources.slots import Slots
from .permissions import async_check_read_source

# The sensor whose data are told, by kind.
_SENSORS: Final = {
    SourceKind.CARBON_INTENSITY: "carbon_intensity",
    SourceKind.ELECTRICITY_PRICE: "current_price",
}
_MISSING: Final = {
    SourceKind.CARBON_INTENSITY: "no_carbon_source",
    SourceKind.ELECTRICITY_PRICE: "no_price_source",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSource:
    """What a source knows of the hours to come.

    Attributes:
        slots: Empty while the source has nothing that is still true.
        unit: Of the values.
        total_unit: Of kilowatt-hours times values.
    """

    title: str
    slots: Slots
    unit: str
    total_unit: str


async def async_find_source(
    call: ServiceCall, kind: SourceKind, attribute: str
) -> SlotSource:
    """Return the source that a call means: the named one, or the hub's own choice.

    Raises:
        ServiceValidationError: There is none.
        Unauthorized: The caller may not see it.
    """
    named: str | None = call.data.get(attribute) or None
    source = _find_coordinator(call, kind, named)
    await async_check_read_source(call, source, _SENSORS[kind])
    slots: Slots = ()
    unit, total_unit = "gCO2eq/kWh", "gCO2eq"
    if isinstance(source, PriceCoordinator):
        unit, total_unit = f"{source.currency}/kWh", source.currency
    if source.data is not None and isinstance(
        source, PriceCoordinator | CarbonCoordinator
    ):
        slots = source.slots
    return SlotSource(
        title=source.subentry.title, slots=slots, unit=unit, total_unit=total_unit
    )


@callback
def _find_coordinator(
    call: ServiceCall, kind: SourceKind, named: str | None
) -> SourceCoordinator[Any, Any]:
    hass, entry_id = call.hass, call.data.get(ATTR_CONFIG_ENTRY_ID)
    subentry_id = None
    if named is not None:
        subentry_id = _find_subentry_id(hass, named)
        if entry_id is None:
            # A source belongs to one hub only.
            entry_id = _find_entry_id(hass, subentry_id)
    entry: IngestorConfigEntry = service.async_get_config_entry(hass, DOMAIN, entry_id)
    sources = entry.runtime_data.sources
    if named is None:
        if (chosen := sources.get(kind)) is None:
            raise refuse(_MISSING[kind], hub=entry.title)
        return chosen
    for coordinator in sources.coordinators:
        if coordinator.kind is kind and coordinator.subentry.subentry_id == subentry_id:
            return coordinator
    raise refuse("source_not_found", source=named, hub=entry.title)


def refuse(key: str, **placeholders: str) -> ServiceValidationError:
    """Return what says why a question cannot be answered."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )


def _find_subentry_id(hass: HomeAssistant, named: str) -> str:
    """Return the subentry of a device or an entity; else it is one itself."""
    if (device := dr.async_get(hass).async_get(named)) is not None:
        return next(
            (value for domain, value in device.identifiers if domain == DOMAIN), named
        )
    if (entity := er.async_get(hass).async_get(named)) is not None:
        return entity.config_subentry_id or named
    return named


def _find_entry_id(hass: HomeAssistant, subentry_id: str) -> str | None:
    return next(
        (
            entry.entry_id
            for entry in hass.config_entries.async_loaded_entries(DOMAIN)
            if subentry_id in entry.subentries
        ),
        None,
    )
