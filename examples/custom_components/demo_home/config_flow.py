"""Config flow of the demo home."""

from pathlib import Path
from typing import Any, override

import probatio

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult

from .const import CONF_PATH, DEFAULT_PATH, DOMAIN
from .recording import RecordingError, load_recording


class DemoHomeConfigFlow(ConfigFlow, domain=DOMAIN):
    """Ask for the file of readings."""

    VERSION = 1

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take the file if it is a recording."""
        errors: dict[str, str] = {}
        placeholders = {"reason": ""}
        if user_input is not None:
            path = Path(self.hass.config.path(user_input[CONF_PATH]))
            try:
                await self.hass.async_add_executor_job(load_recording, path)
            except OSError as err:
                errors[CONF_PATH] = "file_unreadable"
                placeholders["reason"] = str(err)
            except RecordingError as err:
                errors[CONF_PATH] = "not_a_recording"
                placeholders["reason"] = str(err)
            else:
                return self.async_create_entry(title="Demo home", data=user_input)
        default = (user_input or {}).get(CONF_PATH, DEFAULT_PATH)
        return self.async_show_form(
            step_id="user",
            data_schema=probatio.Schema(
                {probatio.Required(CONF_PATH, default=default): str}
            ),
            errors=errors,
            description_placeholders=placeholders,
        )
