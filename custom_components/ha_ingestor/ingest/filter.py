"""Decide which entities are captured, and say why.

The most specific rule decides: entity, then glob, then domain. Where an include
and an exclude of the same kind match, the exclude wins. What no rule names is
captured unless the user has listed what to include. Our own diagnostic entities are
captured only if one is named itself.
"""

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

        Entities that are included beside excluded domains or globs are
        exceptions to these, not a complete list.
        """
        if options.include_domains or options.include_globs:
            return False
        if options.exclude_domains or options.exclude_globs:
            return True
        return not options.include_entities

    def decide(self, entity_id: str, *, is_own_diagnostic: bool) -> FilterDecision:
        """Apply the rules to one entity."""
        options = self._options
        domain = entity_id.partition(".")[0]
        if entity_id in options.exclude_entities:
            return FilterDecision(False, FilterReason.EXCLUDED_ENTITY)
        if entity_id in options.include_entities:
            return FilterDecision(True, FilterReason.INCLUDED_ENTITY)
        # Our counters change because we write, so capturing them would never end;
        # only naming one says that it is meant.
        if is_own_diagnostic:
            return FilterDecision(False, FilterReason.OWN_DIAGNOSTIC)
        if self._exclude_globs and self._exclude_globs.match(entity_id):
            return FilterDecision(False, FilterReason.EXCLUDED_GLOB)
        if self._include_globs and self._include_globs.match(entity_id):
            return FilterDecision(True, FilterReason.INCLUDED_GLOB)
        if domain in options.exclude_domains:
            return FilterDecision(False, FilterReason.EXCLUDED_DOMAIN)
        if domain in options.include_domains:
            return FilterDecision(True, FilterReason.INCLUDED_DOMAIN)
        if self._is_default_captured:
            return FilterDecision(True, FilterReason.DEFAULT)
        return FilterDecision(False, FilterReason.NOT_INCLUDED)


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
