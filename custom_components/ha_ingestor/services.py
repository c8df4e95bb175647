"""Actions."""

from typing import Final, TypedDict, cast

import probatio

from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service

from .actions.archive import async_setup_archive_actions
from .actions.backfill import async_setup_backfill_actions
from .actions.dead_letters import async_setup_dead_letter_actions
from .actions.history import async_setup_history_actions
from .actions.jobs import async_setup_job_actions
from .actions.maintenance import async_setup_maintenance_actions
from .actions.permissions import async_check_read
from .actions.sources import async_setup_source_actions
from .actions.views import async_setup_view_actions
from .actions.windows import async_setup_window_actions
from .const import ATTR_CONFIG_ENTRY_ID, DOMAIN, SERVICE_FLUSH, SERVICE_PREVIEW
from .data import IngestorConfigEntry
from .pipeline import PipelineSnapshot
from .store.stats import LinkState

# A preview is for looking at, entity by entity.
MAX_PREVIEW_ENTITIES: Final = 100

FLUSH_SCHEMA: Final = probatio.Schema(
    {probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
)
PREVIEW_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_ENTITY_ID): probatio.All(
            cv.entity_ids, probatio.Length(min=1, max=MAX_PREVIEW_ENTITIES)
        ),
    }
)


class FlushResponse(TypedDict):
    """Answer of the action `flush`."""

    captured: int
    filtered: int
    sampled: int
    repaired: int
    written: int
    rejected: int
    dropped: int
    backlog_points: int
    backlog_bytes: int
    last_error: str | None
    is_connected: bool


class PreviewItem(TypedDict):
    """What the action `preview` says of one entity."""

    is_captured: bool
    reason: str
    sampling: str | None
    lines: list[str]


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_FLUSH,
        _async_flush,
        schema=FLUSH_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_PREVIEW,
        _async_preview,
        schema=PREVIEW_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_setup_dead_letter_actions(hass)
    async_setup_archive_actions(hass)
    async_setup_backfill_actions(hass)
    async_setup_job_actions(hass)
    async_setup_history_actions(hass)
    async_setup_maintenance_actions(hass)
    async_setup_window_actions(hass)
    async_setup_view_actions(hass)
    async_setup_source_actions(hass)


def _get_entry(call: ServiceCall) -> IngestorConfigEntry:
    """Return the hub that a call means; one need not be named if there is one."""
    return service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )


async def async_flush_hub(entry: IngestorConfigEntry) -> PipelineSnapshot:
    """Write what waits.

    Raises:
        HomeAssistantError: The server does not take it; it goes on waiting.
    """
    figures = await entry.runtime_data.pipeline.async_flush()
    entry.runtime_data.coordinator.async_refresh_now()
    if figures.backlog_points and figures.link is not LinkState.CONNECTED:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="flush_failed",
            translation_placeholders={
                "backlog": str(figures.backlog_points),
                "error": figures.last_error or figures.link,
            },
        )
    return figures


async def _async_flush(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    if call.return_response:
        # Whoever asks for the figures wants them most while the server is away.
        figures = await entry.runtime_data.pipeline.async_flush()
    else:
        figures = await async_flush_hub(entry)
    response = FlushResponse(
        captured=figures.captured,
        filtered=figures.filtered,
        sampled=figures.sampled,
        repaired=figures.repaired,
        written=figures.written,
        rejected=figures.rejected,
        dropped=figures.dropped,
        backlog_points=figures.backlog_points,
        backlog_bytes=figures.backlog_bytes,
        last_error=figures.last_error,
        is_connected=figures.link is LinkState.CONNECTED,
    )
    return cast("ServiceResponse", response)


async def _async_preview(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    entity_ids: list[str] = call.data[ATTR_ENTITY_ID]
    await async_check_read(call, entity_ids)
    preview: dict[str, PreviewItem] = {}
    for entity_id in entity_ids:
        if (state := call.hass.states.get(entity_id)) is None:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="entity_not_found",
                translation_placeholders={"entity_id": entity_id},
            )
        item = entry.runtime_data.pipeline.preview(state)
        preview[entity_id] = PreviewItem(
            is_captured=item.decision.is_captured,
            reason=item.decision.reason.value,
            sampling=item.sampling.glob if item.sampling else None,
            lines=item.lines,
        )
    return cast("ServiceResponse", {"entities": preview})
