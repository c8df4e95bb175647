"""Repair issues and reauthentication: what only a person can mend.

An issue says what is the case, not what has happened: it is there while its cause
is, and goes with it, or with the hub.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from .const import CONF_STORE, DOMAIN
from .coordinator import PipelineCoordinator
from .pipeline import Pipeline, PipelineSnapshot
from .store.buffer import ReasonClass
from .store.stats import LinkState

# A proxy that starts, or a server that is upgraded, answers nonsense for a while.
PROTOCOL_GRACE: Final = timedelta(minutes=5)
# At a usual rate hours are left from here, enough for a person to do something.
NEARLY_FULL: Final = 0.8
# Below it the issue goes; the gap keeps it from coming and going.
NO_LONGER_FULL: Final = 0.7

_MIB: Final = 1024 * 1024


class IssueKey(StrEnum):
    """The issues that a hub can have; also the keys of their texts."""

    BUFFER_DAMAGED = "buffer_damaged"
    BUFFER_NEARLY_FULL = "buffer_nearly_full"
    BUFFER_NOT_WRITABLE = "buffer_not_writable"
    BUFFER_UNUSABLE = "buffer_unusable"
    DEAD_LETTERS = "dead_letters"
    DISK_FULL = "disk_full"
    STORE_FORBIDDEN = "store_forbidden"
    STORE_MISSING = "store_missing"
    STORE_PROTOCOL = "store_protocol"


# Those that repairs.py can mend.
FIXABLE: Final = frozenset(
    {IssueKey.BUFFER_DAMAGED, IssueKey.DEAD_LETTERS, IssueKey.STORE_MISSING}
)
# Nothing is lost by these as long as nobody waits too long.
_WARNINGS: Final = frozenset(
    {IssueKey.BUFFER_DAMAGED, IssueKey.BUFFER_NEARLY_FULL, IssueKey.DEAD_LETTERS}
)


@callback
def async_ask_for_credentials(
    hass: HomeAssistant, entry: ConfigEntry, link: LinkState
) -> None:
    """Start reauthentication, which is a notice of its own."""
    # The thread of a hub that is unloaded may still have something to say.
    if link is LinkState.AUTH_FAILED and entry.state in {
        ConfigEntryState.LOADED,
        ConfigEntryState.SETUP_IN_PROGRESS,
    }:
        entry.async_start_reauth(hass)


@callback
def async_show_unusable_buffer(
    hass: HomeAssistant, entry: ConfigEntry, error: str
) -> None:
    """Ask for help with a hub that cannot be set up, until that is tried again."""
    _create(hass, entry, IssueKey.BUFFER_UNUSABLE, {"error": error})

    @callback
    def state_changed() -> None:
        if entry.state is not ConfigEntryState.SETUP_ERROR:
            forget()
            _delete(hass, entry, IssueKey.BUFFER_UNUSABLE)

    forget = entry.async_on_state_change(state_changed)


@callback
def async_delete_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take back every issue of a hub."""
    for key in IssueKey:
        _delete(hass, entry, key)


@callback
def async_watch_issues(
    hass: HomeAssistant,
    entry: ConfigEntry,
    pipeline: Pipeline,
    coordinator: PipelineCoordinator,
) -> CALLBACK_TYPE:
    """Keep the issues of a hub in step with its pipeline.

    Returns:
        Ends that, and takes all of them back.
    """
    watch = _IssueWatch(hass, entry, pipeline, coordinator)
    return watch.async_start()


class _IssueWatch:
    """Looks at the figures of one hub whenever there are new ones. Event loop only."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        pipeline: Pipeline,
        coordinator: PipelineCoordinator,
    ) -> None:
        """Prepare; nothing is shown yet."""
        self._hass = hass
        self._entry = entry
        self._pipeline = pipeline
        self._coordinator = coordinator
        self._is_nearly_full = False
        self._has_protocol_lasted = False
        self._cancel_protocol_timer: CALLBACK_TYPE | None = None

    def async_start(self) -> CALLBACK_TYPE:
        """Look now, and at every change."""
        unsubscribe = self._coordinator.async_add_listener(self._check)
        self._check()

        @callback
        def stop() -> None:
            unsubscribe()
            self._stop_protocol_timer()
            async_delete_issues(self._hass, self._entry)

        return stop

    @callback
    def _check(self) -> None:
        figures = self._coordinator.data.figures
        self._watch_protocol(figures.link)
        for key, describe in _CAUSES.items():
            placeholders = describe(self, figures)
            if placeholders is None:
                _delete(self._hass, self._entry, key)
            else:
                _create(self._hass, self._entry, key, placeholders)

    def _watch_protocol(self, link: LinkState) -> None:
        if link is not LinkState.PROTOCOL:
            self._stop_protocol_timer()
        elif self._cancel_protocol_timer is None:
            self._cancel_protocol_timer = async_call_later(
                self._hass, PROTOCOL_GRACE, self._protocol_has_lasted
            )

    def _stop_protocol_timer(self) -> None:
        self._has_protocol_lasted = False
        if self._cancel_protocol_timer is not None:
            self._cancel_protocol_timer()
            self._cancel_protocol_timer = None

    @callback
    def _protocol_has_lasted(self, _: datetime) -> None:
        self._has_protocol_lasted = True
        self._check()

    # --- one for each issue: its placeholders, or None where it has no cause

    def describe_forbidden(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """403: the credentials lack a right."""
        return self._name_store() if figures.link is LinkState.FORBIDDEN else None

    def describe_missing(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """404: there is no such database or bucket."""
        return self._name_store() if figures.link is LinkState.MISSING else None

    def _name_store(self) -> dict[str, str]:
        return {"store": self._entry.data[CONF_STORE]}

    def describe_protocol(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """What answers is no InfluxDB, for longer than it takes to start one."""
        if not self._has_protocol_lasted:
            return None
        return {
            "url": self._pipeline.target.url,
            "error": _first_words(figures.last_error),
        }

    def describe_nearly_full(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """The oldest points will soon be dropped."""
        bound = NO_LONGER_FULL if self._is_nearly_full else NEARLY_FULL
        self._is_nearly_full = (
            figures.backlog_bytes >= bound * figures.backlog_max_bytes
        )
        if not self._is_nearly_full:
            return None
        return {
            "percent": str(round(NEARLY_FULL * 100)),
            "limit": str(round(figures.backlog_max_bytes / _MIB)),
        }

    def describe_disk_full(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """The disk has no room for the buffer."""
        return {} if figures.buffer_error and figures.is_disk_full else None

    def describe_not_writable(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """The disk takes nothing for any other reason."""
        if figures.buffer_error is None or figures.is_disk_full:
            return None
        return {"error": figures.buffer_error}

    def describe_dead_letters(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """Points were set aside."""
        return {} if figures.dead_letters else None

    def describe_damaged(self, figures: PipelineSnapshot) -> dict[str, str] | None:
        """A damaged file lies beside the buffer."""
        return {} if self._pipeline.buffer.damaged_files else None


_CAUSES: Final[
    Mapping[IssueKey, Callable[[_IssueWatch, PipelineSnapshot], dict[str, str] | None]]
] = {
    IssueKey.BUFFER_DAMAGED: _IssueWatch.describe_damaged,
    IssueKey.BUFFER_NEARLY_FULL: _IssueWatch.describe_nearly_full,
    IssueKey.BUFFER_NOT_WRITABLE: _IssueWatch.describe_not_writable,
    IssueKey.DEAD_LETTERS: _IssueWatch.describe_dead_letters,
    IssueKey.DISK_FULL: _IssueWatch.describe_disk_full,
    IssueKey.STORE_FORBIDDEN: _IssueWatch.describe_forbidden,
    IssueKey.STORE_MISSING: _IssueWatch.describe_missing,
    IssueKey.STORE_PROTOCOL: _IssueWatch.describe_protocol,
}


def _first_words(error: str | None) -> str:
    """Return an error as short as a sentence holds it."""
    return (error or "unknown")[:200]


def format_reasons(counts: Mapping[ReasonClass, int]) -> str:
    """Return how many points were set aside for which reason, as a list."""
    return "\n".join(
        f"- {count} × `{reason_class}`"  # noqa: RUF001 - a person reads it
        for reason_class, count in sorted(counts.items())
    )


def _create(
    hass: HomeAssistant,
    entry: ConfigEntry,
    key: IssueKey,
    placeholders: Mapping[str, str],
) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{key}_{entry.entry_id}",
        data={"entry_id": entry.entry_id, "key": key.value},
        is_fixable=key in FIXABLE,
        severity=ir.IssueSeverity.WARNING
        if key in _WARNINGS
        else ir.IssueSeverity.ERROR,
        translation_key=key,
        translation_placeholders={"hub": entry.title, **placeholders},
    )


def _delete(hass: HomeAssistant, entry: ConfigEntry, key: IssueKey) -> None:
    ir.async_delete_issue(hass, DOMAIN, f"{key}_{entry.entry_id}")
