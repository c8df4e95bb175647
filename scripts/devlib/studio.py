"""What every picture needs: servers of its own, a demo home and a browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import shutil
from typing import Final

from playwright.async_api import Error as BrowserError

from .api import HomeAssistantApi
from .browser import Frontend, open_frontend
from .entries import DEMO_DOMAIN, set_up_house, set_up_hub
from .hass import HomeAssistantProcess
from .influxd import InfluxServer
from .processes import StateFolder
from .providers import ProviderStandIns
from .screen import say
from .settings import (
    DEV,
    HOME_ASSISTANT_PORT,
    INFLUXDB_PORT,
    PROJECT,
    DevelopError,
    InfluxTarget,
    find_free_port,
)

IMAGES: Final = PROJECT / "docs" / "images"
ROW_COUNT: Final = 600
ROWS_PER_SECOND: Final = 40
_MAX_BYTES: Final = 150_000


@dataclass(slots=True)
class Studio:
    """All that a picture may need."""

    server: InfluxServer
    api: HomeAssistantApi
    entry_id: str
    frontend: Frontend
    wanted: frozenset[str]

    async def save(self, name: str) -> None:
        """Save one picture if it is wanted."""
        if name not in self.wanted:
            return
        picture = await self.frontend.take_picture()
        say(f"docs/images/{name}.png  {len(picture) / 1000:.0f} kB")
        if len(picture) > _MAX_BYTES:
            raise DevelopError(f"{name}.png is larger than {_MAX_BYTES} bytes")
        (IMAGES / f"{name}.png").write_bytes(picture)


@asynccontextmanager
async def open_studio(
    state: StateFolder, wanted: frozenset[str]
) -> AsyncIterator[Studio]:
    """Start an empty InfluxDB and a new Home Assistant, and stop them again."""
    for name in ("config", "influxdb"):
        shutil.rmtree(state.path / name, ignore_errors=True)
    (state.path / "hub.json").unlink(missing_ok=True)
    server = InfluxServer(
        DEV / "influxdb" / "influxd",
        state.path / "influxdb",
        port=find_free_port(INFLUXDB_PORT),
    )
    home_assistant = HomeAssistantProcess(state, find_free_port(HOME_ASSISTANT_PORT))
    stand_ins = ProviderStandIns()
    try:
        say("Starting InfluxDB and Home Assistant")
        await asyncio.to_thread(server.start)
        await stand_ins.start()
        home_assistant.base_urls = stand_ins.base_urls
        await home_assistant.start()
        async with HomeAssistantApi(
            home_assistant.url, home_assistant.check_running
        ) as api:
            await api.wait_answering()
            await api.log_in()
            await api.wait_started()
            await set_up_house(api)
            target = InfluxTarget(url=server.url, is_ours=True)
            entry_id = await set_up_hub(api, state, target)
            await api.call_action(
                DEMO_DOMAIN, "play", rows=ROW_COUNT, rows_per_second=ROWS_PER_SECOND
            )
            async with open_frontend(home_assistant.url) as frontend:
                try:
                    yield Studio(server, api, entry_id, frontend, wanted)
                except BrowserError:
                    file = state.path / "failure.png"
                    file.write_bytes(await frontend.take_picture())
                    say(f"What the browser showed: {file.relative_to(PROJECT)}")
                    raise
    finally:
        if home_assistant.is_started:
            await home_assistant.stop()
        if server.is_running:
            await asyncio.to_thread(server.stop)
        await stand_ins.stop()
