"""The repair issues of a hub's maintenance: what only a person can mend.

An issue is there while its cause is: of a run until the same one next succeeds.
"""

from collections.abc import Callable, Mapping
import datetime as dt
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from ..const import DOMAIN
from ..retention.stores import StorePlan, TierStores
from ..retention.tiers import STORED_TIERS, Tier
from ..store.influx.target import ApiVersion, Target
from .record import Operation, Outcome, RunRecord

# A nightly run of a busy home takes a minute or two.
SLOW_AFTER: Final = dt.timedelta(hours=2)
# Disagreements that an issue spells out; the action's answer has more.
_MAX_LISTED: Final = 5
_MAX_WORDS: Final = 300


class StorageIssue(StrEnum):
    """Kinds of issue; also the keys of their texts."""

    UNUSABLE = "storage_unusable"
    STORES_MISSING = "storage_stores_missing"
    RETENTION_TOO_SHORT = "storage_retention_too_short"
    RUN_DISAGREED = "storage_run_disagreed"
    ROWS_MISSING = "storage_rows_missing"
    RUN_FAILED = "storage_run_failed"
    RUN_SLOW = "storage_run_slow"


_WARNINGS: Final = frozenset(
    {
        StorageIssue.RETENTION_TOO_SHORT,
        StorageIssue.RUN_DISAGREED,
        StorageIssue.ROWS_MISSING,
        StorageIssue.RUN_SLOW,
    }
)
_OF_RUNS: Final = (
    StorageIssue.RUN_DISAGREED,
    StorageIssue.ROWS_MISSING,
    StorageIssue.RUN_FAILED,
    StorageIssue.RUN_SLOW,
)
# What a person runs to try again: the action of the same name, but for two.
_ACTIONS: Final[Mapping[Operation, str]] = {
    **{operation: operation.value for operation in Operation},
    Operation.AGGREGATE: "downsample_hourly",
    Operation.ARCHIVE: "archive_to_s3",
    Operation.RESTORE: "restore_from_archive",
}


class StorageIssues:
    """The issues of one hub. Event loop only.

    Args:
        on_change: Called when an issue has come or gone.
    """

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, on_change: Callable[[], None]
    ) -> None:
        """Begin with none."""
        self._hass = hass
        self._entry = entry
        self._on_change = on_change
        self._shown: dict[str, StorageIssue] = {}
        self._is_open = True

    @property
    def shown(self) -> tuple[StorageIssue, ...]:
        """The kinds of issue that there are."""
        return tuple(sorted(set(self._shown.values())))

    @callback
    def async_close(self) -> None:
        """Take all of them back, and show no more."""
        self._is_open = False
        for name in list(self._shown):
            self._delete(name)

    @callback
    def async_show_unusable(self, error: str) -> None:
        """Say that the record of what is proven cannot be used."""
        self._create(StorageIssue.UNUSABLE, None, {"error": _shorten(error)})

    @callback
    def async_show_missing_stores(
        self, stores: TierStores, missing: tuple[str, ...] | None
    ) -> None:
        """Say which stores a person has to create; None where all are there."""
        if missing is None:
            self._delete(StorageIssue.STORES_MISSING)
            return
        self._create(
            StorageIssue.STORES_MISSING,
            None,
            {
                "stores": "\n".join(f"- `{name}`" for name in missing),
                "commands": list_create_commands(stores, missing),
            },
        )

    @callback
    def async_show_too_short(
        self, stores: TierStores, too_short: Mapping[Tier, dt.timedelta]
    ) -> None:
        """Say of which stores the server drops rows too early; none if empty."""
        if not too_short:
            self._delete(StorageIssue.RETENTION_TOO_SHORT)
            return
        lines = [
            f"- `{stores.plan(tier).name}`: {_in_days(duration)} < "
            f"{_in_days(stores.ages.of(tier))}"
            for tier, duration in too_short.items()
        ]
        self._create(
            StorageIssue.RETENTION_TOO_SHORT, None, {"stores": "\n".join(lines)}
        )

    @callback
    def async_follow(self, record: RunRecord) -> None:
        """Show what the last run of an operation leaves to a person."""
        match record.outcome:
            case Outcome.CANCELLED:
                # It says nothing new about what was wrong before.
                return
            case Outcome.FAILED:
                self._show_run(
                    StorageIssue.RUN_FAILED, record, record.error or "unknown"
                )
                return
            case Outcome.DISAGREED:
                self._follow_disagreed(record)
            case Outcome.DONE:
                self._delete(_name(StorageIssue.RUN_DISAGREED, record.operation))
                self._delete(_name(StorageIssue.ROWS_MISSING, record.operation))
        self._delete(_name(StorageIssue.RUN_FAILED, record.operation))
        if record.duration_s < SLOW_AFTER.total_seconds():
            self._delete(_name(StorageIssue.RUN_SLOW, record.operation))

    def _follow_disagreed(self, record: RunRecord) -> None:
        """Show what did not agree; that rows are missing is for a person to decide."""
        for issue, lines, is_shown in (
            (
                StorageIssue.RUN_DISAGREED,
                record.problems,
                not record.missing or record.has_disagreed,
            ),
            (StorageIssue.ROWS_MISSING, record.missing, record.missing),
        ):
            if is_shown:
                words = "\n".join(f"- {text}" for text in lines[:_MAX_LISTED])
                self._show_run(issue, record, words)
            else:
                self._delete(_name(issue, record.operation))

    @callback
    def async_forget_runs(self) -> None:
        """Take back what is about runs: there will be none."""
        for operation in Operation:
            for issue in _OF_RUNS:
                self._delete(_name(issue, operation))

    @callback
    def async_watch_slow(self, operation: Operation) -> CALLBACK_TYPE:
        """Say so when a run that begins now takes too long; returns how to stop."""

        @callback
        def show(_: dt.datetime) -> None:
            self._create(
                StorageIssue.RUN_SLOW,
                operation,
                {
                    "action": _ACTIONS[operation],
                    "hours": str(SLOW_AFTER // dt.timedelta(hours=1)),
                },
            )

        return async_call_later(self._hass, SLOW_AFTER, show)

    def _show_run(self, issue: StorageIssue, record: RunRecord, words: str) -> None:
        self._create(
            issue,
            record.operation,
            {"action": _ACTIONS[record.operation], "error": _shorten(words)},
        )

    def _create(
        self,
        issue: StorageIssue,
        operation: Operation | None,
        placeholders: Mapping[str, str],
    ) -> None:
        if not self._is_open:
            return
        name = issue if operation is None else _name(issue, operation)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{name}_{self._entry.entry_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING
            if issue in _WARNINGS
            else ir.IssueSeverity.ERROR,
            translation_key=issue,
            translation_placeholders={"hub": self._entry.title, **placeholders},
        )
        self._shown[name] = issue
        self._on_change()

    def _delete(self, name: str) -> None:
        if self._shown.pop(name, None) is not None:
            ir.async_delete_issue(self._hass, DOMAIN, f"{name}_{self._entry.entry_id}")
            self._on_change()


def list_create_commands(stores: TierStores, missing: tuple[str, ...]) -> str:
    """Return what creates stores, as an administrator types it; a line for each."""
    commands = [
        command
        for tier in STORED_TIERS
        if (plan := stores.plan(tier)).name in missing
        for command in _create_commands(stores.target, plan)
    ]
    # Indented, so that it is shown as it is to be typed.
    return "\n".join(f"    {command}" for command in commands)


def _create_commands(target: Target, plan: StorePlan) -> list[str]:
    if target.api_version is ApiVersion.V3:
        kept = (
            ""
            if plan.retention is None
            else f" --retention-period {plan.retention.days}d"
        )
        return [f'influxdb3 create database{kept} "{plan.name}"']
    if target.api_version is ApiVersion.V2:
        shard = (
            ""
            if plan.shard is None
            else f" --shard-group-duration {plan.shard.days * 24}h"
        )
        hours = 0 if plan.retention is None else plan.retention.days * 24
        command = f'influx bucket create --name "{plan.name}"'
        return [f'{command} --org "{target.organization}" --retention {hours}h{shard}']
    duration = "INF" if plan.retention is None else f"{plan.retention.days}d"
    shard = "" if plan.shard is None else f" SHARD DURATION {plan.shard.days}d"
    command = f'CREATE DATABASE "{plan.name}" WITH DURATION {duration} REPLICATION 1'
    commands = [f'{command}{shard} NAME "autogen"']
    if target.username:
        commands.append(f'GRANT ALL ON "{plan.name}" TO "{target.username}"')
    return commands


def _in_days(age: dt.timedelta | None) -> str:
    return "∞" if age is None else f"{age.total_seconds() / 86_400:g} d"


def _name(issue: StorageIssue, operation: Operation) -> str:
    return f"{issue}_{operation}"


def _shorten(words: str) -> str:
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
