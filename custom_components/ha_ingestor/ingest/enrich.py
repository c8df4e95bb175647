"""Where an entity is and what it is: tags from the registries and its state.

A plan holds all that is known of one entity, ready to use; the listener asks for
it once and again only after something that it depends on has changed. Event loop
only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import enum
from typing import Any, Final

from homeassistant.const import (
    ATTR_DEVICE_CLASS,
    ATTR_UNIT_OF_MEASUREMENT,
    EntityCategory,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)

from ..const import DOMAIN, MEASUREMENT_EVENTS
from ..models import EventKind
from ..options import HubOptions
from ..store.line_protocol import format_series_key
from .filter import (
    AttributeFilter,
    EntityFacts,
    EntityFilter,
    FilterDecision,
    FilterReason,
)
from .records import STATE, TRACKER_STATE, AttributeItems, StateKind
from .redact import is_private
from .sampling import Sampler, SamplerPool

ATTR_STATE_CLASS: Final = "state_class"
# Their states are names of zones, of which only "home" means at home.
_TRACKER_DOMAINS: Final = frozenset({"person", "device_tracker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registered:
    """What the registries say about one entity."""

    tags: Mapping[str, str]
    facts: EntityFacts


_UNREGISTERED: Final = _Registered(tags={}, facts=EntityFacts())


@dataclass(slots=True)
class EntityPlan:
    """What the listener needs to know about one entity.

    Attributes:
        is_captured: Whether its events become points.
        feeds_context: Whether a context field is taken from it.
        is_special: It asks for more than taking the event out.
        sampler: Thins its changes; None where every change is stored.
        key: Measurement and tags as line protocol.
        described_by: device class, state class and unit that the key was made from.
        device_ids: Its device, and the parent whose area a child device inherits.
    """

    decision: FilterDecision
    is_captured: bool
    feeds_context: bool
    is_special: bool
    kind: StateKind
    key: str
    registry_tags: Mapping[str, str]
    described_by: tuple[Any, Any, Any]
    attribute_filter: AttributeFilter | None
    sampler: Sampler | None
    device_ids: tuple[str, ...]


class EntityPlanner:
    """Makes plans of entities, and forgets them when they no longer hold."""

    def __init__(self, hass: HomeAssistant, options: HubOptions) -> None:
        """Start without plans; each is made at its entity's first event.

        `plans` stays the same object, so that the listener may keep it.
        """
        self._hass = hass
        self.plans: dict[str, EntityPlan] = {}
        self._registered: dict[str, _Registered] = {}
        self._context_entities: frozenset[str] = frozenset()
        self.set_options(options)

    def set_options(self, options: HubOptions) -> None:
        """Take new options over; every plan is made again."""
        self._options = options
        self._filter = EntityFilter(options)
        self._attribute_filters: dict[str, AttributeFilter | None] = {}
        self.samplers = SamplerPool(options)
        self._static_tags = dict(options.static_tags)
        self.plans.clear()

    def set_context_entities(self, entity_ids: Iterable[str]) -> None:
        """Say which entities the context fields are taken from."""
        self._context_entities = frozenset(entity_ids)
        for entity_id, plan in self.plans.items():
            plan.feeds_context = entity_id in self._context_entities
            plan.is_special = (
                plan.feeds_context or not plan.is_captured or plan.sampler is not None
            )

    def forget(self, entity_id: str) -> None:
        """Drop the plan of an entity whose registry entry changed."""
        self.plans.pop(entity_id, None)

    def forget_removed(self, entity_id: str) -> None:
        """Drop all about an entity whose state is gone: it may come back different."""
        self.plans.pop(entity_id, None)
        self._registered.pop(entity_id, None)

    def forget_device(self, device_id: str) -> None:
        """Drop the plans of the entities of a device and of its child devices."""
        for entity_id in [
            entity_id
            for entity_id, plan in self.plans.items()
            if device_id in plan.device_ids
        ]:
            del self.plans[entity_id]

    def forget_all(self) -> None:
        """Drop every plan: an area or a floor was renamed or moved."""
        self.plans.clear()

    def plan(self, entity_id: str, attributes: Mapping[str, Any]) -> EntityPlan:
        """Return the plan of an entity, made now if there is none."""
        if (plan := self.plans.get(entity_id)) is None:
            plan = self.plans[entity_id] = self._make(entity_id, attributes)
        return plan

    def redescribe(
        self, plan: EntityPlan, entity_id: str, attributes: Mapping[str, Any]
    ) -> bool:
        """Follow a change of device class, state class or unit, if there is one."""
        described_by = _describe(attributes)
        if described_by == plan.described_by:
            return False
        plan.described_by = described_by
        plan.key = self._key(entity_id, plan.registry_tags, described_by)
        return True

    def _make(self, entity_id: str, attributes: Mapping[str, Any]) -> EntityPlan:
        domain = entity_id.partition(".")[0]
        registered = self._look_up(entity_id)
        decision = self._decide(entity_id, registered.facts)
        sampler = self.samplers.sampler(entity_id)
        described_by = _describe(attributes)
        feeds_context = entity_id in self._context_entities
        return EntityPlan(
            decision=decision,
            is_captured=decision.is_captured,
            feeds_context=feeds_context,
            is_special=feeds_context or not decision.is_captured or sampler is not None,
            kind=TRACKER_STATE if domain in _TRACKER_DOMAINS else STATE,
            key=self._key(entity_id, registered.tags, described_by),
            registry_tags=registered.tags,
            described_by=described_by,
            attribute_filter=self._attribute_filter(domain),
            sampler=sampler,
            device_ids=registered.facts.device_ids,
        )

    def _decide(self, entity_id: str, facts: EntityFacts) -> FilterDecision:
        if EventKind.STATES not in self._options.event_kinds:
            return FilterDecision(False, FilterReason.STATES_SWITCHED_OFF)
        return self._filter.decide(entity_id, facts=facts)

    def decide_all(self) -> dict[str, FilterDecision]:
        """Apply the rules to every entity that has a state, without making plans."""
        registry = er.async_get(self._hass)
        nothing = EntityFacts()
        return {
            entity_id: self._decide(
                entity_id, self._facts(entry) if entry is not None else nothing
            )
            for entity_id in self._hass.states.async_entity_ids()
            for entry in [registry.async_get(entity_id)]
        }

    def _look_up(self, entity_id: str) -> _Registered:
        """Ask the registries; what has just left them is answered from memory.

        An entity that is renamed or removed has one event more, which belongs to
        the series that it had.
        """
        entry = er.async_get(self._hass).async_get(entity_id)
        if entry is None:
            return self._registered.get(entity_id, _UNREGISTERED)
        registered = self._registered[entity_id] = _Registered(
            tags=self._registry_tags(entry), facts=self._facts(entry)
        )
        return registered

    def _attribute_filter(self, domain: str) -> AttributeFilter | None:
        if domain not in self._attribute_filters:
            attribute_filter = AttributeFilter(domain, self._options.attributes)
            self._attribute_filters[domain] = (
                None if attribute_filter.is_empty else attribute_filter
            )
        return self._attribute_filters[domain]

    def _facts(self, entry: er.RegistryEntry) -> EntityFacts:
        """Return what the rules of the filter ask for."""
        labels = set(entry.labels)
        device_ids: tuple[str, ...] = ()
        if entry.device_id and (
            device := dr.async_get(self._hass).async_get(entry.device_id)
        ):
            labels |= device.labels
            device_ids = (entry.device_id,)
            if isinstance(device, dr.ChildDeviceEntry):
                device_ids = (entry.device_id, device.parent_device_id)
        area_id = er.async_get_effective_area_id(self._hass, entry)
        if area_id and (area := ar.async_get(self._hass).async_get_area(area_id)):
            labels |= area.labels
        return EntityFacts(
            is_own_diagnostic=entry.platform == DOMAIN
            and entry.entity_category is EntityCategory.DIAGNOSTIC,
            device_ids=device_ids,
            label_ids=frozenset(labels),
            area_id=area_id,
        )

    def _registry_tags(self, entry: er.RegistryEntry) -> dict[str, str]:
        """Return area, device, floor and integration, as far as they are known."""
        tags = {"integration": entry.platform}
        if entry.device_id and (
            device := dr.async_get(self._hass).async_get(entry.device_id)
        ):
            tags["device"] = device.name_by_user or device.name or ""
        area_id = er.async_get_effective_area_id(self._hass, entry)
        if area_id and (area := ar.async_get(self._hass).async_get_area(area_id)):
            tags["area"] = area.name
            if area.floor_id and (
                floor := fr.async_get(self._hass).async_get_floor(area.floor_id)
            ):
                tags["floor"] = floor.name
        return tags

    def _key(
        self,
        entity_id: str,
        registry_tags: Mapping[str, str],
        described_by: tuple[Any, Any, Any],
    ) -> str:
        device_class, state_class, unit = described_by
        return format_series_key(
            MEASUREMENT_EVENTS,
            {
                **self._static_tags,
                **registry_tags,
                "domain": entity_id.partition(".")[0],
                "entity_id": entity_id,
                "device_class": _text(device_class),
                "state_class": _text(state_class),
                "unit": _text(unit),
            },
        )


def pick_attributes(
    attribute_filter: AttributeFilter, attributes: Mapping[str, Any]
) -> AttributeItems:
    """Take the attributes that the user wants out of a state."""
    if not attribute_filter.has_globs:
        return tuple(
            (name, attributes[name])
            for name in attribute_filter.names
            if name in attributes
        )
    return tuple(
        (name, attributes[name])
        for name in sorted(name for name in attributes if isinstance(name, str))
        if attribute_filter.is_match(name, is_private=is_private(name))
    )


def _describe(attributes: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return (
        attributes.get(ATTR_DEVICE_CLASS),
        attributes.get(ATTR_STATE_CLASS),
        attributes.get(ATTR_UNIT_OF_MEASUREMENT),
    )


def _text(value: Any) -> str:
    """Return the text of a tag, empty for none."""
    if isinstance(value, enum.Enum):
        # str() of an enum that is not a StrEnum names its class.
        value = value.value
    return str(value or "")
