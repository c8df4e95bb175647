"""Repair flows: what can be mended with a click is."""

from typing import Any, Final

import probatio

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .const import ATTR_REASON_CLASS, CONF_STORE
from .data import IngestorConfigEntry
from .errors import (
    BufferFullError,
    DiskBufferError,
    StoreAuthError,
    StoreError,
    StorePermissionError,
    StoreUnavailableError,
)
from .flows.store_problems import get_create_command
from .issues import IssueKey, format_reasons
from .store.buffer import ReasonClass
from .store.dead_letters import LetterSelection
from .store.influx.probe import probe_target


class HubRepairFlow(RepairsFlow):
    """A flow that needs the hub to run."""

    def __init__(self, entry_id: str) -> None:
        """Keep which hub it is about."""
        self._entry_id = entry_id

    @property
    def entry(self) -> IngestorConfigEntry | None:
        """The hub; None if it does not run (any more)."""
        entry: IngestorConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return None
        return entry

    def abort_without_hub(self) -> RepairsFlowResult:
        """End a flow whose hub has gone meanwhile."""
        return self.async_abort(reason="not_loaded")


class StoreMissingFlow(HubRepairFlow):
    """Creates the database or bucket."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Create it, and prove that it can be written."""
        if (entry := self.entry) is None:
            return self.abort_without_hub()
        pipeline = entry.runtime_data.pipeline
        errors: dict[str, str] = {}
        placeholders = {
            "hub": entry.title,
            "store": entry.data[CONF_STORE],
            "url": pipeline.target.url,
        }
        if user_input is not None:
            try:
                await self.hass.async_add_executor_job(
                    lambda: probe_target(pipeline.target, create=True)
                )
            except StoreError as err:
                errors["base"] = _get_error_key(err)
                placeholders["reason"] = str(err)
                placeholders["command"] = get_create_command(pipeline.target)
            else:
                pipeline.request_flush()
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            data_schema=probatio.Schema({}),
            errors=errors,
            description_placeholders=placeholders,
        )


def _get_error_key(error: StoreError) -> str:
    """Return the text that says what to do about an error."""
    match error:
        case StorePermissionError():
            return "create_not_allowed"
        case StoreAuthError():
            return "credentials_refused"
        case StoreUnavailableError():
            return "unavailable"
    return "create_failed"


class DeadLettersFlow(HubRepairFlow):
    """Writes points that were set aside once more, or deletes them."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Show what there is, and ask what to do with it."""
        if (entry := self.entry) is None:
            return self.abort_without_hub()
        counts = entry.runtime_data.pipeline.buffer.dead_letter_counts
        return self.async_show_menu(
            step_id="init",
            menu_options=["replay", "discard"],
            description_placeholders={
                "hub": entry.title,
                "count": str(sum(counts.values())),
                "reasons": format_reasons(counts),
            },
        )

    async def async_step_replay(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Put them back into the queue."""
        return await self._async_step("replay", user_input)

    async def async_step_discard(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Delete them."""
        return await self._async_step("discard", user_input)

    async def _async_step(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> RepairsFlowResult:
        if (entry := self.entry) is None:
            return self.abort_without_hub()
        pipeline = entry.runtime_data.pipeline
        errors: dict[str, str] = {}
        if user_input is not None:
            selection = LetterSelection(
                reason_classes=frozenset(
                    ReasonClass(value) for value in user_input[ATTR_REASON_CLASS]
                )
            )
            try:
                if step_id == "replay":
                    await pipeline.async_replay_dead_letters(selection)
                else:
                    await pipeline.async_discard_dead_letters(selection)
            except BufferFullError:
                errors["base"] = "no_room"
            except DiskBufferError:
                errors["base"] = "disk_failed"
            else:
                entry.runtime_data.coordinator.async_refresh_now()
                return self._finish(entry)
        counts = pipeline.buffer.dead_letter_counts
        return self.async_show_form(
            step_id=step_id,
            data_schema=create_reason_schema(list(counts)),
            errors=errors,
            description_placeholders={"hub": entry.title},
        )

    def _finish(self, entry: IngestorConfigEntry) -> RepairsFlowResult:
        """Close the issue, or let it stand with what is left."""
        left = sum(entry.runtime_data.pipeline.buffer.dead_letter_counts.values())
        if left:
            return self.async_abort(
                reason="some_left", description_placeholders={"count": str(left)}
            )
        return self.async_create_entry(data={})


def create_reason_schema(reason_classes: list[ReasonClass]) -> probatio.Schema:
    """Return a form that asks for which reasons' points are meant.

    Args:
        reason_classes: Those that there are; all of them are chosen at first.
    """
    options = sorted(reason_class.value for reason_class in reason_classes)
    return probatio.Schema(
        {
            probatio.Required(ATTR_REASON_CLASS, default=options): SelectSelector(
                SelectSelectorConfig(
                    options=options,
                    multiple=True,
                    mode=SelectSelectorMode.LIST,
                    translation_key=ATTR_REASON_CLASS,
                )
            )
        }
    )


class DamagedBufferFlow(HubRepairFlow):
    """Deletes the damaged file, or leaves it for good."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Say where it is, and ask what to do with it."""
        if (entry := self.entry) is None:
            return self.abort_without_hub()
        files = entry.runtime_data.pipeline.buffer.damaged_files
        return self.async_show_menu(
            step_id="init",
            menu_options=["delete", "keep"],
            description_placeholders={
                "hub": entry.title,
                "files": "\n".join(f"- `{file}`" for file in files),
            },
        )

    async def async_step_delete(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Delete it."""
        return await self._async_settle(is_kept=False)

    async def async_step_keep(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Leave it, and never speak of it again."""
        return await self._async_settle(is_kept=True)

    async def _async_settle(self, *, is_kept: bool) -> RepairsFlowResult:
        if (entry := self.entry) is None:
            return self.abort_without_hub()
        buffer = entry.runtime_data.pipeline.buffer
        try:
            await self.hass.async_add_executor_job(
                lambda: buffer.settle_damaged_files(is_kept=is_kept)
            )
        except DiskBufferError as err:
            return self.async_abort(
                reason="disk_failed", description_placeholders={"error": str(err)}
            )
        return self.async_create_entry(data={})


_FLOWS: Final[dict[str, type[HubRepairFlow]]] = {
    IssueKey.BUFFER_DAMAGED: DamagedBufferFlow,
    IssueKey.DEAD_LETTERS: DeadLettersFlow,
    IssueKey.STORE_MISSING: StoreMissingFlow,
}


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow that mends an issue."""
    if data is None:
        raise ValueError(f"Unknown issue {issue_id}")
    return _FLOWS[str(data["key"])](str(data["entry_id"]))
