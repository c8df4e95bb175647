"""The form of the sampling rules, and how they are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import math
from typing import Any, Final

import probatio

from homeassistant.const import PERCENTAGE, UnitOfTime
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelectorConfig,
    TextSelector,
)

from ..const import (
    CONF_DEADBAND,
    CONF_DEADBAND_PERCENT,
    CONF_GLOB,
    CONF_HEARTBEAT_S,
    CONF_MIN_INTERVAL_S,
    CONF_SAMPLING,
)
from .option_values import is_valid_entity_glob
from .problems import FormProblemError
from .row_list import RowListSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """What a number of a rule may be, and the error where it is not.

    Attributes:
        unit: None for the unit of the entity.
    """

    minimum: float
    maximum: float
    unit: str | None
    error: str


# In the order in which the form shows them.
NUMBERS: Final[Mapping[str, _Bounds]] = {
    # A tenth of a second is what the fastest meters send; a day is the longest that
    # a value may be held back before it is stored with its own time.
    CONF_MIN_INTERVAL_S: _Bounds(
        minimum=0.1,
        maximum=86_400,
        unit=UnitOfTime.SECONDS,
        error="rule_min_interval",
    ),
    # Any number that a sensor can have; zero would leave nothing out.
    CONF_DEADBAND: _Bounds(
        minimum=1e-6, maximum=1e12, unit=None, error="rule_deadband"
    ),
    CONF_DEADBAND_PERCENT: _Bounds(
        minimum=0.001, maximum=100, unit=PERCENTAGE, error="rule_deadband_percent"
    ),
    # The sampler looks once a second; a week is longer than any chart needs.
    CONF_HEARTBEAT_S: _Bounds(
        minimum=1, maximum=604_800, unit=UnitOfTime.SECONDS, error="rule_heartbeat"
    ),
}


def _create_number_selector(bounds: _Bounds) -> NumberSelector:
    # Without its bounds: the browser does not say what is wrong either.
    config = NumberSelectorConfig(mode=NumberSelectorMode.BOX, step="any")
    if bounds.unit is not None:
        config["unit_of_measurement"] = bounds.unit
    return NumberSelector(config)


SAMPLING_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(CONF_SAMPLING): RowListSelector(
            ObjectSelectorConfig(
                multiple=True,
                translation_key="sampling_rule",
                fields={
                    CONF_GLOB: {"required": True, "selector": TextSelector()},
                    **{
                        key: {"selector": _create_number_selector(bounds)}
                        for key, bounds in NUMBERS.items()
                    },
                },
            )
        )
    }
)


def parse_sampling(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rules as they are stored: plain, and without what was left empty.

    Raises:
        FormProblemError: A rule cannot be used; says which one.
    """
    parsed: list[dict[str, Any]] = []
    for number, rule in enumerate(rules, start=1):
        values = _parse_rule(number, rule)
        if any(values[CONF_GLOB] == known[CONF_GLOB] for known in parsed):
            raise _problem("rule_repeated", number, rule)
        parsed.append(values)
    return parsed


def _parse_rule(number: int, rule: Mapping[str, Any]) -> dict[str, Any]:
    glob = rule.get(CONF_GLOB)
    glob = glob.strip() if isinstance(glob, str) else ""
    if not is_valid_entity_glob(glob):
        raise _problem("rule_glob", number, rule)
    values: dict[str, Any] = {CONF_GLOB: glob}
    for key, bounds in NUMBERS.items():
        # The browser may send an emptied field as either.
        if (value := rule.get(key)) is not None and value != "":
            values[key] = _parse_number(number, rule, value, bounds)
    if len(values) == 1:
        raise _problem("rule_incomplete", number, rule)
    if values.get(CONF_HEARTBEAT_S, math.inf) < values.get(CONF_MIN_INTERVAL_S, 0):
        raise _problem("rule_heartbeat_short", number, rule)
    return values


def _parse_number(
    number: int, rule: Mapping[str, Any], value: Any, bounds: _Bounds
) -> float:
    try:
        parsed = float(value)
    except TypeError, ValueError:
        parsed = math.nan
    if not bounds.minimum <= parsed <= bounds.maximum:
        raise _problem(
            bounds.error,
            number,
            rule,
            minimum=_format_bound(bounds.minimum),
            maximum=_format_bound(bounds.maximum),
        )
    return parsed


def _format_bound(value: float) -> str:
    """Return a bound without the exponent that nobody types."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _problem(
    key: str, number: int, rule: Mapping[str, Any], **placeholders: str
) -> FormProblemError:
    """Name the rule by its place and its pattern: either alone may be unclear."""
    return FormProblemError(
        CONF_SAMPLING,
        key,
        {"rule": str(number), "glob": str(rule.get(CONF_GLOB, "")), **placeholders},
    )
