"""Actions of the demo home."""

import probatio

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv, service

from .const import (
    ATTR_ROWS,
    ATTR_ROWS_PER_SECOND,
    ATTR_START_ROW,
    DEFAULT_ROWS_PER_SECOND,
    DOMAIN,
    MAX_ROWS_PER_SECOND,
    SERVICE_PLAY,
    SERVICE_STOP,
)
from .player import DemoHomeConfigEntry

PLAY_SCHEMA = probatio.Schema(
    {
        probatio.Optional(ATTR_START_ROW, default=0): cv.positive_int,
        probatio.Optional(ATTR_ROWS): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1)
        ),
        probatio.Optional(
            ATTR_ROWS_PER_SECOND, default=DEFAULT_ROWS_PER_SECOND
        ): probatio.All(
            probatio.Coerce(float), probatio.Range(min=0.01, max=MAX_ROWS_PER_SECOND)
        ),
    }
)
STOP_SCHEMA = probatio.Schema({})


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""

    async def async_play(call: ServiceCall) -> ServiceResponse:
        """Play rows; answers at once."""
        entry: DemoHomeConfigEntry = service.async_get_config_entry(hass, DOMAIN, None)
        player = entry.runtime_data
        start_row: int = call.data[ATTR_START_ROW]
        if start_row >= len(player.rows):
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="row_out_of_range",
                translation_placeholders={
                    "row": str(start_row),
                    "last": str(len(player.rows) - 1),
                },
            )
        rows = player.async_play(
            entry,
            start_row=start_row,
            row_count=call.data.get(ATTR_ROWS, len(player.rows)),
            rows_per_second=call.data[ATTR_ROWS_PER_SECOND],
        )
        return {
            "first_row": rows[0].index,
            "last_row": rows[-1].index,
            "from": rows[0].recorded_at.isoformat(),
            "to": rows[-1].recorded_at.isoformat(),
        }

    async def async_stop(call: ServiceCall) -> None:
        """Stop playing."""
        entry: DemoHomeConfigEntry = service.async_get_config_entry(hass, DOMAIN, None)
        entry.runtime_data.async_stop()

    hass.services.async_register(
        DOMAIN,
        SERVICE_PLAY,
        async_play,
        schema=PLAY_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(DOMAIN, SERVICE_STOP, async_stop, schema=STOP_SCHEMA)
