"""The options flow of a hub."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
import logging
from typing import Any, Final, override

import probatio

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.core import callback

from ..const import (
    CONF_API_VERSION,
    CONF_EXCLUDE_DOMAINS,
    CONF_INCLUDE_DOMAINS,
    SUBENTRY_ARCHIVE,
)
from ..data import IngestorConfigEntry
from ..errors import RecorderMissingError
from ..estimate.recorder import ChangeRates, async_count_changes
from ..options import HubOptions
from ..store.influx.target import ApiVersion
from .confirmation import Choice, create_choice, describe_entities, describe_volume
from .context_choices import (
    describe_automatic,
    drop_removed_sources,
    list_source_choices,
)
from .history_import import CONF_FILE, IMPORT_SCHEMA, async_start_import
from .option_forms import (
    WRITER_SCHEMA,
    FormChanges,
    create_capture_schema,
    create_context_schema,
    find_section,
    get_form_values,
    list_filled_sections,
    read_form,
)
from .problems import FormProblem, FormProblemError
from .sampling_rules import SAMPLING_SCHEMA
from .storage_forms import create_storage_schema, get_storage_values, read_storage_form

_LOGGER = logging.getLogger(__name__)

STEP_CAPTURE: Final = "capture"
STEP_CONTEXT: Final = "context"
STEP_SAMPLING: Final = "sampling"
STEP_STORAGE: Final = "storage"
STEP_IMPORT_CSV: Final = "import_csv"
# These decide how much is written, so they are saved only after a look at that.
CONFIRMED_STEPS: Final = (STEP_CAPTURE, STEP_SAMPLING)

# A person waits for it. On a slow disk the count of a day of a million states takes
# seconds; what takes longer is a database that does not answer.
COUNT_TIMEOUT_S: Final = 10.0

_SCHEMAS: Final[Mapping[str, probatio.Schema]] = {
    STEP_SAMPLING: SAMPLING_SCHEMA,
    "writer": WRITER_SCHEMA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A filled form that waits to be confirmed."""

    step_id: str
    user_input: Mapping[str, Any]
    changes: FormChanges


class HubOptionsFlow(OptionsFlow):
    """Five forms; the update listener applies what they save. One starts an import."""

    _draft: _Draft
    _counting: asyncio.Task[ChangeRates | None] | None = None

    @callback
    @override
    def async_remove(self) -> None:
        """Stop waiting for the recorder."""
        if self._counting is not None:
            self._counting.cancel()

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which form to open."""
        return self.async_show_menu(
            step_id="init",
            menu_options=[
                STEP_CAPTURE,
                STEP_SAMPLING,
                STEP_CONTEXT,
                "writer",
                STEP_STORAGE,
                STEP_IMPORT_CSV,
            ],
        )

    async def async_step_capture(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose what is captured."""
        return await self._async_handle_form(STEP_CAPTURE, user_input)

    async def async_step_sampling(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose what is stored less often than it changes."""
        return await self._async_handle_form(STEP_SAMPLING, user_input)

    async def async_step_context(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose the context fields and where they come from."""
        return await self._async_handle_form(STEP_CONTEXT, user_input)

    async def async_step_writer(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose how points are buffered and written."""
        return await self._async_handle_form("writer", user_input)

    async def async_step_storage(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose how long data is kept, and when that is seen to."""
        entry = self.config_entry
        api_version = ApiVersion(entry.data[CONF_API_VERSION])
        schema = create_storage_schema(
            api_version,
            has_archive=any(
                subentry.subentry_type == SUBENTRY_ARCHIVE
                for subentry in entry.subentries.values()
            ),
        )
        problem: FormProblem | None = None
        if user_input is not None:
            try:
                return self._save(read_storage_form(schema, user_input, api_version))
            except FormProblemError as err:
                problem = err.problem
        values = user_input or get_storage_values(entry.options)
        return self.async_show_form(
            step_id=STEP_STORAGE,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors={problem.field: problem.key} if problem else None,
            description_placeholders={
                "currency": self.hass.config.currency,
                **(problem.placeholders if problem else {}),
            },
        )

    async def async_step_import_csv(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take a file with the history of another system."""
        entry: IngestorConfigEntry = self.config_entry
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        problem: FormProblem | None = None
        if user_input is not None:
            try:
                job = await async_start_import(self.hass, entry, user_input)
            except FormProblemError as err:
                problem = err.problem
                if problem.field == CONF_FILE:
                    # The upload is gone: it was looked at, and is of no use.
                    user_input = {**user_input, CONF_FILE: None}
            else:
                if job is None:
                    return self.async_abort(reason="not_loaded")
                return self.async_abort(
                    reason="import_started",
                    description_placeholders={"job_id": job.job_id},
                )
        return self.async_show_form(
            step_id=STEP_IMPORT_CSV,
            data_schema=self.add_suggested_values_to_schema(IMPORT_SCHEMA, user_input),
            errors={problem.field: problem.key} if problem else None,
            description_placeholders=problem.placeholders if problem else None,
        )

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what a change means, with an estimate of what it will write."""
        if (rates := await self._async_get_rates()) is None:
            return await self.async_step_confirm_without_estimate()
        new, now = self._create_choices()
        # Not on the event loop: with many entities and rules it takes its time.
        volume = await self.hass.async_add_executor_job(
            describe_volume, new, now, rates
        )
        return self._show_confirmation("confirm", describe_entities(new, now) | volume)

    async def async_step_confirm_without_estimate(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what a change means where the recorder cannot be asked."""
        return self._show_confirmation(
            "confirm_without_estimate", describe_entities(*self._create_choices())
        )

    async def async_step_save(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Save what has been confirmed."""
        return self._save(self._draft.changes)

    async def async_step_edit(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go back to the form, as it was filled."""
        return self._show_form(self._draft.step_id, self._draft.user_input)

    async def _async_handle_form(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Show a form, or take what was entered."""
        schema = self._get_schema(step_id)
        if user_input is None:
            values = get_form_values(schema, self.config_entry.options)
            if step_id == STEP_CONTEXT:
                values = drop_removed_sources(values, self.config_entry)
            return self._show_form(step_id, values)
        try:
            changes = read_form(schema, user_input)
        except FormProblemError as err:
            return self._show_form(step_id, user_input, err.problem)
        if step_id not in CONFIRMED_STEPS:
            return self._save(changes)
        self._draft = _Draft(step_id=step_id, user_input=user_input, changes=changes)
        return await self.async_step_confirm()

    @callback
    def _save(self, changes: FormChanges) -> ConfigFlowResult:
        return self.async_create_entry(data=changes.apply(self.config_entry.options))

    @callback
    def _show_confirmation(
        self, step_id: str, placeholders: Mapping[str, str]
    ) -> ConfigFlowResult:
        return self.async_show_menu(
            step_id=step_id,
            menu_options=["save", "edit"],
            description_placeholders=placeholders,
        )

    @callback
    def _show_form(
        self,
        step_id: str,
        values: Mapping[str, Any],
        problem: FormProblem | None = None,
    ) -> ConfigFlowResult:
        open_sections = list_filled_sections(values)
        errors: dict[str, str] | None = None
        placeholders: Mapping[str, str] | None = None
        if step_id == STEP_CONTEXT:
            placeholders = describe_automatic(self.hass, self.config_entry)
        if problem is not None:
            schema = self._get_schema(step_id)
            # The browser shows no error on a field inside a section.
            place = find_section(schema, problem.field) or problem.field
            open_sections.add(place)
            errors = {place: problem.key}
            placeholders = {**(placeholders or {}), **problem.placeholders}
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                self._get_schema(step_id, open_sections), values
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    @callback
    def _get_schema(
        self, step_id: str, open_sections: Collection[str] = ()
    ) -> probatio.Schema:
        if step_id == STEP_CAPTURE:
            return create_capture_schema(self._get_known_domains(), open_sections)
        if step_id == STEP_CONTEXT:
            return create_context_schema(list_source_choices(self.config_entry))
        return _SCHEMAS[step_id]

    @callback
    def _get_known_domains(self) -> set[str]:
        """Return the domains that exist or have been chosen."""
        options = self.config_entry.options
        return {
            *(state.domain for state in self.hass.states.async_all()),
            *options.get(CONF_INCLUDE_DOMAINS, ()),
            *options.get(CONF_EXCLUDE_DOMAINS, ()),
        }

    @callback
    def _create_choices(self) -> tuple[Choice, Choice]:
        """Return what the draft captures, and what is captured now."""
        options = self.config_entry.options
        new, now = (
            create_choice(self.hass, HubOptions.from_entry_options(values))
            for values in (self._draft.changes.apply(options), options)
        )
        return new, now

    async def _async_get_rates(self) -> ChangeRates | None:
        """Ask the recorder once per flow; None if it does not answer in time.

        The question goes on then, so that a second look finds the answer.
        """
        task = self._counting
        if task is None or (task.done() and task.result() is None):
            task = self._counting = self.hass.async_create_background_task(
                self._async_count(), "ha_ingestor count of states"
            )
        await asyncio.wait([task], timeout=COUNT_TIMEOUT_S)
        return task.result() if task.done() else None

    async def _async_count(self) -> ChangeRates | None:
        try:
            return await async_count_changes(self.hass)
        except RecorderMissingError as err:
            _LOGGER.debug("No estimate: %s", err)
            return None
