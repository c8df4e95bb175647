"""A source of carbon intensity whose every answer a test decides."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
import dataclasses
from datetime import timedelta
from typing import Any, Final, override

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.sources.base import (
    Argument,
    ArgumentType,
    Source,
    SourceContext,
    SourceEnvironment,
    SourceResult,
)
from custom_components.ha_ingestor.sources.carbon.model import CarbonData
from custom_components.ha_ingestor.sources.carbon.uk_carbon_intensity import (
    UK_CARBON_INTENSITY,
)
from custom_components.ha_ingestor.sources.catalog import SOURCES
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.sources.homes import (
    create_source_entry,
)

KEY: Final = "scripted"

# What happens when it is asked: gets the arguments, returns the intensity.
type Act = Callable[[Mapping[str, Any]], Awaitable[float]]


class Script:
    """What scripted sources do.

    Attributes:
        act: What happens when one is asked.
        create: What happens when one is made, and when one is closed.
        asked: The arguments of those that were asked.
    """

    def __init__(self) -> None:
        self.act: Act = self._say_100
        self.create: Callable[[], None] = lambda: None
        self.close: Callable[[], Awaitable[None]] = self._do_nothing
        self.asked: list[Mapping[str, Any]] = []

    async def _say_100(self, arguments: Mapping[str, Any]) -> float:
        return 100.0

    async def _do_nothing(self) -> None:
        """Close as most sources do."""


class ScriptedSource(Source[CarbonData]):
    def __init__(self, script: Script, arguments: Mapping[str, Any]) -> None:
        script.create()
        self._script = script
        self._arguments = arguments

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[CarbonData]:
        self._script.asked.append(self._arguments)
        intensity = await self._script.act(self._arguments)
        return SourceResult(
            data=CarbonData(region="Here", measured_at=context.now, intensity=intensity)
        )

    @override
    async def async_close(self) -> None:
        await self._script.close()


def register(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Script:
    """Put a scripted provider into the catalog for the time of a test."""
    script = Script()

    def create(
        environment: SourceEnvironment, arguments: Mapping[str, Any]
    ) -> Source[CarbonData]:
        return ScriptedSource(script, arguments)

    settings: dict[str, Any] = {
        "key": KEY,
        "name": "Scripted",
        "create": create,
        "update_interval": timedelta(minutes=15),
        "arguments": (Argument(key="api_key", type=ArgumentType.SECRET),),
        **changes,
    }
    description = dataclasses.replace(UK_CARBON_INTENSITY, **settings)
    monkeypatch.setitem(SOURCES, KEY, description)  # type: ignore[arg-type]
    return script


SECRET = "k3y of the user/7"


NOW = dt_util.parse_datetime("2026-11-20T12:00:00+00:00", raise_on_error=True)


def scripted(subentry_id: str = "one", api_key: str = SECRET) -> ConfigSubentry:
    return create_source_entry(
        subentry_id,
        subentry_id.title(),
        kind="carbon_intensity",
        provider=KEY,
        arguments={"api_key": api_key},
    )


async def raise_unexpected(arguments: Mapping[str, Any]) -> float:
    raise ZeroDivisionError(f"with {arguments['api_key']}")


async def hang(arguments: Mapping[str, Any]) -> float:
    await asyncio.Event().wait()
    return 0.0


async def hang_on_to_it(arguments: Mapping[str, Any]) -> float:
    """Answer all the same when nobody waits any more, as some libraries do."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0.2)
    return 666.0


async def let_start(
    hass: HomeAssistant, hub: MockConfigEntry, *subentries: ConfigSubentry
) -> None:
    """Add sources whose answers nobody waits for."""
    for subentry in subentries:
        hass.config_entries.async_add_subentry(hub, subentry)
    await hass.async_block_till_done()


async def fire_later(hass: HomeAssistant, seconds: float) -> None:
    """Fire the timers of the coming time, which goes on: what hangs ends."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done(wait_background_tasks=True)


async def pass_time(hass: HomeAssistant, freezer: Any, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
