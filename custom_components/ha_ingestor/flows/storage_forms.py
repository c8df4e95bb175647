"""The form of how long data is kept, and how it is read."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import probatio

from homeassistant.const import UnitOfTime
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelectorConfig,
    TextSelector,
    TimeSelector,
)

from ..const import (
    CONF_ACTIVITY_DAYS,
    CONF_AGE_OVERRIDES,
    CONF_DAILY_AT,
    CONF_DAILY_DAYS,
    CONF_HOURLY_AT,
    CONF_HOURLY_DAYS,
    CONF_PRICE_PER_GB_MONTH,
    CONF_RAW_DAYS,
    CONF_STORAGE_ENABLED,
    CONF_TARGET,
)
from ..maintenance.storage_options import (
    DAYS_OF_TIER,
    DEFAULTS,
    OVERRIDABLE,
    read_ages,
    read_overrides,
)
from ..retention.tiers import (
    CAPABILITIES,
    MAX_AGE,
    MIN_AGE,
    Problem,
    Tier,
    validate,
)
from ..store.influx.target import ApiVersion
from .option_forms import FormChanges
from .problems import FormProblemError
from .row_list import RowListSelector

# A price of a gigabyte that is higher is one of something else.
_MAX_PRICE: Final = 1_000
_OVERRIDE_DAYS: Final = tuple(DAYS_OF_TIER[tier] for tier in OVERRIDABLE)


def _create_days_selector() -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=0,
            max=MAX_AGE.days,
            step=1,
            unit_of_measurement=UnitOfTime.DAYS,
            mode=NumberSelectorMode.BOX,
        )
    )


def _create_override_selector() -> RowListSelector:
    # Without bounds: of a list the browser does not say where they are exceeded.
    days = NumberSelector(
        NumberSelectorConfig(
            step="any",
            unit_of_measurement=UnitOfTime.DAYS,
            mode=NumberSelectorMode.BOX,
        )
    )
    return RowListSelector(
        ObjectSelectorConfig(
            multiple=True,
            translation_key="age_override",
            fields={
                CONF_TARGET: {"required": True, "selector": TextSelector()},
                **{key: {"selector": days} for key in _OVERRIDE_DAYS},
            },
        )
    )


def create_storage_schema(
    api_version: ApiVersion, *, has_archive: bool
) -> probatio.Schema:
    """Return the form.

    Args:
        api_version: Not every generation can keep some entities for longer.
        has_archive: Without one, daily rows are kept for ever.
    """
    fields: dict[str, Any] = {
        CONF_STORAGE_ENABLED: BooleanSelector(),
        CONF_RAW_DAYS: _create_days_selector(),
        CONF_HOURLY_DAYS: _create_days_selector(),
    }
    if has_archive:
        fields[CONF_DAILY_DAYS] = _create_days_selector()
    fields[CONF_ACTIVITY_DAYS] = _create_days_selector()
    if CAPABILITIES[api_version].can_override:
        fields[CONF_AGE_OVERRIDES] = _create_override_selector()
    fields |= {
        CONF_HOURLY_AT: TimeSelector(),
        CONF_DAILY_AT: TimeSelector(),
        CONF_PRICE_PER_GB_MONTH: NumberSelector(
            NumberSelectorConfig(
                min=0, max=_MAX_PRICE, step="any", mode=NumberSelectorMode.BOX
            )
        ),
    }
    return probatio.Schema({probatio.Optional(key): fields[key] for key in fields})


def get_storage_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored options as the form shows them."""
    return {**DEFAULTS, **options}


def read_storage_form(
    schema: probatio.Schema, user_input: Mapping[str, Any], api_version: ApiVersion
) -> FormChanges:
    """Return what a filled form changes.

    What equals its default is not stored; a number of days that was emptied is for
    ever, like zero.

    Raises:
        FormProblemError: A field holds something that cannot be used.
    """
    fields = frozenset(str(key) for key in schema.schema)
    values = {**user_input}
    for key in (*DAYS_OF_TIER.values(), CONF_ACTIVITY_DAYS):
        if key in fields:
            values[key] = _to_days(user_input.get(key))
    values[CONF_AGE_OVERRIDES] = _parse_overrides(
        user_input.get(CONF_AGE_OVERRIDES) or ()
    )
    _check_activity(values[CONF_ACTIVITY_DAYS])
    problems = validate(
        read_ages({**DEFAULTS, **values}, has_archive=CONF_DAILY_DAYS in fields),
        read_overrides(values[CONF_AGE_OVERRIDES]),
        api_version,
    )
    if problems:
        raise _to_form_problem(problems[0])
    return FormChanges(
        fields=fields,
        values={
            key: value
            for key, value in values.items()
            if key in fields and value != DEFAULTS.get(key, [])
        },
    )


def _to_days(value: float | None) -> float:
    days = float(value or 0)
    return int(days) if days.is_integer() else days


def _check_activity(days: float) -> None:
    if days and not MIN_AGE.days <= days <= MAX_AGE.days:
        raise FormProblemError(CONF_ACTIVITY_DAYS, "age_out_of_range", _bounds())


def _bounds() -> dict[str, str]:
    return {"minimum": str(MIN_AGE.days), "maximum": f"{MAX_AGE.days:,}"}


def _parse_overrides(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return overrides as they are stored: plain, without what was left empty."""
    parsed: list[dict[str, Any]] = []
    for row in rows:
        values: dict[str, Any] = {CONF_TARGET: str(row.get(CONF_TARGET, "")).strip()}
        for key in _OVERRIDE_DAYS:
            # The browser may send an emptied field as either.
            if (value := row.get(key)) is not None and value != "":
                values[key] = _parse_days(values[CONF_TARGET], value)
        if len(values) == 1:
            raise _override_problem("override_incomplete", values[CONF_TARGET])
        parsed.append(values)
    return parsed


def _parse_days(target: str, value: Any) -> float:
    try:
        days = _to_days(float(value))
    except TypeError, ValueError, OverflowError:
        days = -1
    if not 0 <= days <= MAX_AGE.days:
        raise _override_problem("override_out_of_range", target, **_bounds())
    return days


def _override_problem(key: str, target: str, **placeholders: str) -> FormProblemError:
    return FormProblemError(CONF_AGE_OVERRIDES, key, {"target": target, **placeholders})


# The engine's words, of a hub's own ages and of an override.
_TOO_SHORT_KEYS: Final[Mapping[Tier, str]] = {
    Tier.HOURLY: "hourly_shorter_than_raw",
    Tier.DAILY: "daily_shorter_than_hourly",
}
_OVERRIDE_KEYS: Final[Mapping[str, str]] = {
    "age_out_of_range": "override_out_of_range",
    "age_shorter_than_finer": "override_hourly_too_short",
    "override_target_invalid": "override_target_invalid",
    "override_twice": "override_twice",
}


def _to_form_problem(problem: Problem) -> FormProblemError:
    """Mark the field that a problem is about."""
    if problem.target is not None:
        key = _OVERRIDE_KEYS[problem.key]
        return _override_problem(key, problem.target, **_bounds())
    tier = problem.tier or Tier.RAW
    key = _TOO_SHORT_KEYS[tier] if "shorter" in problem.key else problem.key
    return FormProblemError(DAYS_OF_TIER[tier], key, _bounds())
