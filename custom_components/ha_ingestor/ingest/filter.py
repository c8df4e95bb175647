"""Decide which entities are captured, and say why.

The most specific rule decides: entity, then glob, device, label, area, domain. Where
an include and an exclude of the same kind match, the exclude wins. What no rule names
is captured unless the user has listed what to include. Our own diagnostic entities
are captured only if one is named itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
import fnmatch
import re

from ..options import HubOptions


class FilterReason(StrEnum):
    """The rule that decided."""

    EXCLUDED_ENTITY = "excluded_entity"
    INCLUDED_ENTITY = "included_entity"
    EXCLUDED_GLOB = "excluded_glob"
    INCLUDED_GLOB = "included_glob"
    OWN_DIAGNOSTIC = "own_diagnostic"
    EXCLUDED_DEVICE = "excluded_device"
    INCLUDED_DEVICE = "included_device"
    EXCLUDED_LABEL = "excluded_label"
    INCLUDED_LABEL = "included_label"
    EXCLUDED_AREA = "excluded_area"
    INCLUDED_AREA = "included_area"
    EXCLUDED_DOMAIN = "excluded_domain"
    INCLUDED_DOMAIN = "included_domain"
    STATES_SWITCHED_OFF = "states_switched_off"
    NOT_INCLUDED = "not_included"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class FilterDecision:
    """Whether an entity is captured, and the rule that says so."""

    is_captured: bool
    reason: FilterReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFacts:
    """What the registries know of an entity, as far as the rules ask for it.

    Attributes:
        device_ids: Its device, and the parent of a child device.
        label_ids: Its own labels and those of its device and area.
    """

    is_own_diagnostic: bool = False
    device_ids: tuple[str, ...] = ()
    label_ids: frozenset[str] = frozenset()
    area_id: str | None = None


def compile_globs(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return one pattern for all globs, None for none."""
    if not globs:
        return None
    return re.compile("|".join(f"(?:{fnmatch.translate(glob)})" for glob in globs))


class EntityFilter:
    """The user's include and exclude rules, compiled."""

    def __init__(self, options: HubOptions) -> None:
        """Compile the globs once; decisions are cached per entity by the caller."""
        self._options = options
        self._include_globs = compile_globs(options.include_globs)
        self._exclude_globs = compile_globs(options.exclude_globs)
        self._is_default_captured = self._capture_unnamed(options)

    @staticmethod
    def _capture_unnamed(options: HubOptions) -> bool:
        """Say what happens to an entity that no rule names.

        As in Home Assistant's own filters: single entities that are included beside
        excluded groups are exceptions to these, not a complete list.
        """
        if (
            options.include_globs
            or options.include_devices
            or options.include_labels
            or options.include_areas
            or options.include_domains
        ):
            return False
        if (
            options.exclude_globs
            or options.exclude_devices
            or options.exclude_labels
            or options.exclude_areas
            or options.exclude_domains
        ):
            return True
        return not options.include_entities

    def decide(self, entity_id: str, *, facts: EntityFacts) -> FilterDecision:
        """Apply the rules to one entity, the most specific first."""
        options = self._options
        if entity_id in options.exclude_entities:
            return FilterDecision(False, FilterReason.EXCLUDED_ENTITY)
        if entity_id in options.include_entities:
            return FilterDecision(True, FilterReason.INCLUDED_ENTITY)
        # Our counters change because we write, so capturing them would never end;
        # only naming one says that it is meant.
        if facts.is_own_diagnostic:
            return FilterDecision(False, FilterReason.OWN_DIAGNOSTIC)
        for is_match, is_captured, reason in self._matches(entity_id, facts):
            if is_match:
                return FilterDecision(is_captured, reason)
        if self._is_default_captured:
            return FilterDecision(True, FilterReason.DEFAULT)
        return FilterDecision(False, FilterReason.NOT_INCLUDED)

    def _matches(
        self, entity_id: str, facts: EntityFacts
    ) -> Iterator[tuple[object, bool, FilterReason]]:
        """Try rule after rule, each exclude before the include of its kind."""
        options, reason = self._options, FilterReason
        exclude, include = self._exclude_globs, self._include_globs
        yield exclude and exclude.match(entity_id), False, reason.EXCLUDED_GLOB
        yield include and include.match(entity_id), True, reason.INCLUDED_GLOB
        devices = set(facts.device_ids)
        yield devices & options.exclude_devices, False, reason.EXCLUDED_DEVICE
        yield devices & options.include_devices, True, reason.INCLUDED_DEVICE
        labels = facts.label_ids
        yield labels & options.exclude_labels, False, reason.EXCLUDED_LABEL
        yield labels & options.include_labels, True, reason.INCLUDED_LABEL
        area = facts.area_id
        yield area in options.exclude_areas, False, reason.EXCLUDED_AREA
        yield area in options.include_areas, True, reason.INCLUDED_AREA
        domain = entity_id.partition(".")[0]
        yield domain in options.exclude_domains, False, reason.EXCLUDED_DOMAIN
        yield domain in options.include_domains, True, reason.INCLUDED_DOMAIN


class AttributeFilter:
    """The allow-list of attributes of one domain."""

    def __init__(self, domain: str, patterns: tuple[str, ...]) -> None:
        """Keep the patterns, each `domain.attribute`, that concern this domain."""
        names: list[str] = []
        globs: list[str] = []
        for pattern in patterns:
            domain_glob, _, attribute = pattern.partition(".")
            if not fnmatch.fnmatchcase(domain, domain_glob):
                continue
            (globs if set(attribute) & set("*?[") else names).append(attribute)
        self.names = tuple(sorted(set(names)))
        self._glob = compile_globs(tuple(globs))

    @property
    def is_empty(self) -> bool:
        """Tell whether no attribute can ever match."""
        return not self.names and self._glob is None

    @property
    def has_globs(self) -> bool:
        """Tell whether names have to be matched one by one."""
        return self._glob is not None

    def is_match(self, name: str, *, is_private: bool) -> bool:
        """Tell whether an attribute is captured; a glob never takes a private one."""
        if name in self.names:
            return True
        if self._glob is None or is_private:
            return False
        return self._glob.match(name) is not None
