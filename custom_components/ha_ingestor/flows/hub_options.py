"""The options flow of a hub."""

from typing import Any

import probatio

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.core import callback

from ..const import CONF_EXCLUDE_DOMAINS, CONF_INCLUDE_DOMAINS
from .option_forms import (
    CONTEXT_SCHEMA,
    WRITER_SCHEMA,
    create_capture_schema,
    get_form_values,
    merge_options,
)
from .problems import FormProblem, FormProblemError


class HubOptionsFlow(OptionsFlow):
    """Three forms, each of which saves; the update listener applies the change."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which form to open."""
        return self.async_show_menu(
            step_id="init", menu_options=["capture", "context", "writer"]
        )

    async def async_step_capture(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose what is captured."""
        schema = create_capture_schema(self._get_known_domains())
        return self._async_handle_form("capture", schema, user_input)

    async def async_step_context(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose the context fields and where they come from."""
        return self._async_handle_form("context", CONTEXT_SCHEMA, user_input)

    async def async_step_writer(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose how points are buffered and written."""
        return self._async_handle_form("writer", WRITER_SCHEMA, user_input)

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
    def _async_handle_form(
        self, step_id: str, schema: probatio.Schema, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Save what was entered, or show the form."""
        problem: FormProblem | None = None
        values = get_form_values(self.config_entry.options)
        if user_input is not None:
            values = user_input
            try:
                options = merge_options(self.config_entry.options, schema, user_input)
            except FormProblemError as err:
                problem = err.problem
            else:
                return self.async_create_entry(data=options)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=problem.as_errors(schema.schema) if problem else None,
            description_placeholders=problem.placeholders if problem else None,
        )
