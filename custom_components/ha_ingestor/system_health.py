"""System health: the hubs at a glance."""

import asyncio
from typing import Any, Final

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .coordinators.health import SourceState, find_state
from .data import IngestorConfigEntry
from .errors import StoreError
from .pipeline import Pipeline
from .store.stats import LinkState

# What is stale is still true, but its last attempt failed all the same.
_FAILING: Final = frozenset(
    {SourceState.EXPIRED, SourceState.FAILING, SourceState.STALE}
)


@callback
def async_register(
    hass: HomeAssistant, register: system_health.SystemHealthRegistration
) -> None:
    """Register what the page asks for."""
    register.async_register_info(_async_get_info)


async def _async_get_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return the figures of all hubs together."""
    entries: list[IngestorConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    pipelines = [entry.runtime_data.pipeline for entry in entries]
    figures = [pipeline.snapshot() for pipeline in pipelines]
    states = [
        find_state(source)
        for entry in entries
        for source in entry.runtime_data.sources.coordinators
    ]
    integration = await async_get_integration(hass, DOMAIN)
    # One question to each server answers both lines.
    answers = hass.async_create_task(
        _async_ping_all(pipelines), f"{DOMAIN} system health"
    )
    return {
        "version": str(integration.version),
        "hubs": _of(len(entries), len(hass.config_entries.async_entries(DOMAIN))),
        "connected": _of(
            sum(item.link is LinkState.CONNECTED for item in figures), len(entries)
        ),
        "can_reach_server": _async_get_reached(answers),
        "server_versions": _async_get_versions(answers),
        "backlog_points": sum(item.backlog_points for item in figures),
        "dropped": sum(item.dropped for item in figures),
        "sources": len(states),
        "sources_failing": sum(state in _FAILING for state in states),
        "storage_problems": sum(
            len(entry.runtime_data.storage.coordinator.data.problems)
            for entry in entries
        ),
        "dead_letters": sum(sum(item.dead_letters.values()) for item in figures),
    }


def _of(part: int, whole: int) -> str:
    return f"{part}/{whole}"


async def _async_ping_all(pipelines: list[Pipeline]) -> list[str | None]:
    """Return the version of each server, None for one that cannot be reached."""
    return await asyncio.gather(*map(_async_ping, pipelines))


async def _async_ping(pipeline: Pipeline) -> str | None:
    try:
        return await pipeline.async_ping()
    except StoreError:
        return None


async def _async_get_reached(
    answers: asyncio.Task[list[str | None]],
) -> str | dict[str, str]:
    versions = await answers
    if None in versions:
        return {"type": "failed", "error": "unreachable"}
    return "ok"


async def _async_get_versions(answers: asyncio.Task[list[str | None]]) -> str:
    return ", ".join(sorted({version for version in await answers if version})) or "?"
