"""Which entities are captured: the precedence of the rules."""

from fnmatch import fnmatchcase

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.ingest.filter import (
    AttributeFilter,
    EntityFacts,
    EntityFilter,
    FilterDecision,
    FilterReason,
    compile_globs,
)
from custom_components.ha_ingestor.options import DEFAULT_ATTRIBUTES, HubOptions
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from tests.ingest.kit import Capture

DOMAINS = ("sensor", "light", "switch")
ENTITIES = tuple(f"{domain}.{name}" for domain in DOMAINS for name in ("a", "b"))
GLOBS = ("*", "sensor.*", "light.a", "*.b", "s*.?", "light.[ab]", "other.*")

options_st = st.builds(
    HubOptions,
    include_domains=st.frozensets(st.sampled_from(DOMAINS)),
    include_entities=st.frozensets(st.sampled_from(ENTITIES)),
    include_globs=st.lists(st.sampled_from(GLOBS), max_size=3).map(tuple),
    exclude_domains=st.frozensets(st.sampled_from(DOMAINS)),
    exclude_entities=st.frozensets(st.sampled_from(ENTITIES)),
    exclude_globs=st.lists(st.sampled_from(GLOBS), max_size=3).map(tuple),
)


def named_by(options: HubOptions, entity_id: str) -> list[tuple[bool, bool]]:
    """Say per level, from entity to domain, whether (exclude, include) match."""
    domain = entity_id.partition(".")[0]
    return [
        (entity_id in options.exclude_entities, entity_id in options.include_entities),
        (
            any(fnmatchcase(entity_id, glob) for glob in options.exclude_globs),
            any(fnmatchcase(entity_id, glob) for glob in options.include_globs),
        ),
        (domain in options.exclude_domains, domain in options.include_domains),
    ]


@given(options=options_st, entity_id=st.sampled_from(ENTITIES))
def test_the_most_specific_rule_decides_and_exclude_wins_a_tie(
    options: HubOptions, entity_id: str
) -> None:
    decision = EntityFilter(options).decide(entity_id, facts=EntityFacts())

    levels = named_by(options, entity_id)
    by_rule = [not is_excluded for is_excluded, *_ in filter(any, levels)]
    has_includes = bool(options.include_domains or options.include_globs)
    has_excludes = bool(options.exclude_domains or options.exclude_globs)
    unnamed = not has_includes and (has_excludes or not options.include_entities)
    assert decision.is_captured is [*by_rule, unnamed][0]


@given(options=options_st, entity_id=st.sampled_from(ENTITIES))
def test_the_reason_names_the_rule(options: HubOptions, entity_id: str) -> None:
    decision = EntityFilter(options).decide(entity_id, facts=EntityFacts())

    reasons = [
        f"{'excluded' if is_excluded else 'included'}_{level}"
        for level, (is_excluded, is_included) in zip(
            ("entity", "glob", "domain"), named_by(options, entity_id), strict=True
        )
        if is_excluded or is_included
    ]
    unnamed = "default" if decision.is_captured else "not_included"
    assert decision.reason == [*reasons, unnamed][0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(HubOptions(), FilterReason.DEFAULT, id="no-rule"),
        pytest.param(
            HubOptions(include_entities=frozenset({"sensor.other"})),
            FilterReason.NOT_INCLUDED,
            id="a-list-of-entities-is-complete",
        ),
        pytest.param(
            HubOptions(
                include_entities=frozenset({"light.other"}),
                exclude_domains=frozenset({"light"}),
            ),
            FilterReason.DEFAULT,
            id="entities-beside-excluded-domains-are-exceptions",
        ),
        pytest.param(
            HubOptions(include_globs=("light.*",)),
            FilterReason.NOT_INCLUDED,
            id="a-list-of-globs-is-complete",
        ),
        pytest.param(
            HubOptions(
                include_domains=frozenset({"light"}),
                exclude_domains=frozenset({"switch"}),
            ),
            FilterReason.NOT_INCLUDED,
            id="included-domains-beside-excluded-ones",
        ),
        pytest.param(
            HubOptions(exclude_entities=frozenset({"light.other"})),
            FilterReason.DEFAULT,
            id="an-excluded-entity-says-nothing-of-others",
        ),
        pytest.param(
            HubOptions(include_globs=("SENSOR.*",)),
            FilterReason.NOT_INCLUDED,
            id="globs-mind-case",
        ),
    ],
)
def test_an_entity_that_no_rule_names(
    options: HubOptions, expected: FilterReason
) -> None:
    decision = EntityFilter(options).decide("sensor.a", facts=EntityFacts())

    assert decision.reason is expected
    assert decision.is_captured is (expected is FilterReason.DEFAULT)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            HubOptions(),
            FilterDecision(False, FilterReason.OWN_DIAGNOSTIC),
            id="by-default",
        ),
        pytest.param(
            HubOptions(include_domains=frozenset({"sensor"})),
            FilterDecision(False, FilterReason.OWN_DIAGNOSTIC),
            id="domain-included",
        ),
        pytest.param(
            HubOptions(include_entities=frozenset({"sensor.a"})),
            FilterDecision(True, FilterReason.INCLUDED_ENTITY),
            id="asked-for",
        ),
    ],
)
def test_own_diagnostics_are_captured_only_if_asked_for(
    options: HubOptions, expected: FilterDecision
) -> None:
    decision = EntityFilter(options).decide(
        "sensor.a", facts=EntityFacts(is_own_diagnostic=True)
    )

    assert decision == expected


@pytest.mark.parametrize(
    ("platform", "category", "expected"),
    [
        pytest.param(DOMAIN, EntityCategory.DIAGNOSTIC, 0, id="own-diagnostic"),
        pytest.param(DOMAIN, None, 1, id="own-reading"),
        pytest.param("demo", EntityCategory.DIAGNOSTIC, 1, id="others-diagnostic"),
    ],
)
def test_own_diagnostics_are_told_by_the_registry(
    hass: HomeAssistant,
    capture: Capture,
    entity_registry: er.EntityRegistry,
    platform: str,
    category: EntityCategory | None,
    expected: int,
) -> None:
    entry = entity_registry.async_get_or_create(
        "sensor", platform, "1", entity_category=category
    )

    hass.states.async_set(entry.entity_id, "1")
    hass.states.async_set(entry.entity_id, "2")

    assert len(capture.states(entry.entity_id)) == 2 * expected
    assert capture.stats.filtered == 2 * (1 - expected)


def test_an_own_diagnostic_stays_left_out_while_it_is_removed(
    hass: HomeAssistant, capture: Capture, entity_registry: er.EntityRegistry
) -> None:
    entry = entity_registry.async_get_or_create(
        "sensor", DOMAIN, "1", entity_category=EntityCategory.DIAGNOSTIC
    )
    hass.states.async_set(entry.entity_id, "1")
    capture.listener.planner.forget_all()

    entity_registry.async_remove(entry.entity_id)
    hass.states.async_remove(entry.entity_id)

    assert capture.states(entry.entity_id) == []


def test_no_globs_are_no_pattern() -> None:
    assert compile_globs(()) is None


@pytest.mark.parametrize(
    ("patterns", "domain", "name", "is_private", "expected"),
    [
        (("light.brightness",), "light", "brightness", False, True),
        (("light.brightness",), "sensor", "brightness", False, False),
        (("light.brightness",), "light", "brightness_pct", False, False),
        (("*.brightness",), "light", "brightness", False, True),
        (("l*t.bright*",), "light", "brightness", False, True),
        (("light.rgb?_color",), "light", "rgbw_color", False, True),
        (("light.[!a]*",), "light", "brightness", False, True),
        (("*.*",), "camera", "access_token", True, False),
        (("camera.access_*",), "camera", "access_token", True, False),
        (("camera.access_token",), "camera", "access_token", True, True),
        (("*.access_token",), "camera", "access_token", True, True),
    ],
)
def test_the_list_of_attributes(
    patterns: tuple[str, ...], domain: str, name: str, is_private: bool, expected: bool
) -> None:
    attribute_filter = AttributeFilter(domain, patterns)

    assert attribute_filter.is_match(name, is_private=is_private) is expected


def test_a_domain_without_attributes_has_an_empty_list() -> None:
    assert AttributeFilter("sensor", DEFAULT_ATTRIBUTES).is_empty
    assert not AttributeFilter("climate", DEFAULT_ATTRIBUTES).is_empty
    assert not AttributeFilter("climate", DEFAULT_ATTRIBUTES).has_globs
    assert AttributeFilter("climate", ("*.*",)).has_globs
