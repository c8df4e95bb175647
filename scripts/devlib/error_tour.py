"""Every error of the forms of a hub, shown once in a real browser.

The forms are filled as a person does, against servers that answer as they should not.
Each error becomes a picture of what is in view, without scrolling; what was not shown,
or not in view, is said at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
from pathlib import Path
import re
import shutil
from typing import Final

from playwright.async_api import Error as BrowserError

from tests.stand_ins.influxdb_v2 import ORGANIZATION

from .api import HomeAssistantApi
from .browser import Frontend, open_frontend
from .entries import HUB_DOMAIN, set_up_hub
from .error_servers import (
    ADMIN,
    GOOD_TOKEN,
    READER,
    TOKEN_WITHOUT_DELETE,
    WRITER,
    ErrorServers,
    run_error_servers,
)
from .hass import HomeAssistantProcess
from .processes import StateFolder
from .screen import say
from .settings import (
    DEFAULT_DATABASE,
    DEV,
    HOME_ASSISTANT_PORT,
    PROJECT,
    InfluxTarget,
    find_free_port,
)

_TRANSLATIONS: Final = (
    PROJECT / "custom_components" / HUB_DOMAIN / "translations" / "en.json"
)
_INTEGRATION: Final = f"/config/integrations/integration/{HUB_DOMAIN}"
# Only a fault of the integration itself shows the one, and only a server that does
# not say what it refuses would show the other.
_NOT_SHOWN: Final = frozenset({"right_missing", "unknown"})
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")
# What a browser on a full HD screen has for a page. On a smaller one the form of 1.x
# has to be scrolled, and an error at its top may be half out of view: Home Assistant
# does not scroll to it.
_HEIGHT: Final = 900

# A write is tried every second.
_REFUSAL_TIME_S: Final = 5.0

type Changes = Mapping[str, str | int]


@dataclass(slots=True)
class ErrorTour:
    """Goes through the forms; remembers what was seen."""

    frontend: Frontend
    servers: ErrorServers
    api: HomeAssistantApi
    folder: Path
    texts: Mapping[str, str]
    shown: set[str] = field(default_factory=set)
    hidden: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def open_form(self, step: str) -> None:
        """Begin to add a hub."""
        await self.frontend.open(_INTEGRATION, height=_HEIGHT)
        await self.frontend.page.get_by_text("Add service").click()
        await self.frontend.settle()
        await self.frontend.choose(step)

    async def fill(self, changes: Changes) -> None:
        """Change some fields of the form that is open."""
        for name, value in changes.items():
            if isinstance(value, int):
                await self.frontend.fill_number(value)
            else:
                await self.frontend.fill(name, value)

    async def show(self, key: str, changes: Changes | None = None) -> None:
        """Fill, submit, and take a picture of the error."""
        try:
            await self.fill(changes or {})
            error = await self.frontend.submit(_find_words(self.texts[key]))
            if not await self.frontend.is_in_view(error):
                self.hidden.append(key)
            self.shown.add(key)
        except BrowserError as err:
            await self.note_failure(key, err)
            return
        await self._save(key)

    async def note_failure(self, what: str, err: BrowserError) -> None:
        """Remember what could not be done, with a picture, and go on."""
        self.failed.append(f"{what}: {str(err).splitlines()[0]}")
        await self._save(f"failed-{what.strip('_')}")

    async def _save(self, name: str) -> None:
        picture = await self.frontend.take_picture()
        await asyncio.to_thread((self.folder / f"{name}.png").write_bytes, picture)
        say(f"{name}.png")

    def report(self) -> list[str]:
        """Return what is not as it should be."""
        missing = sorted(set(self.texts) - self.shown - _NOT_SHOWN)
        return [
            *(f"not shown: {key}" for key in missing),
            *(f"only seen after scrolling: {key}" for key in self.hidden),
            *(f"went wrong: {words}" for words in self.failed),
        ]


def _find_words(text: str) -> str:
    """Return the longest piece of a text that is the same whatever it is about."""
    return max(_PLACEHOLDER.split(text), key=len).strip()


async def take_error_tour(folder: Path) -> int:
    """Take a picture of each error; return the exit code."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    errors = json.loads(await asyncio.to_thread(_TRANSLATIONS.read_text, "utf-8"))
    with StateFolder(DEV / "state" / "errors") as state:
        async with _start(state) as (frontend, servers, api):
            tour = ErrorTour(frontend, servers, api, folder, errors["config"]["error"])
            for part in _PARTS:
                try:
                    await part(tour)
                except BrowserError as err:
                    await tour.note_failure(part.__name__, err)
    problems = tour.report()
    for problem in problems:
        say(problem)
    say(f"{len(tour.shown)} of {len(tour.texts)} errors shown")
    return 1 if problems else 0


@asynccontextmanager
async def _start(
    state: StateFolder,
) -> AsyncIterator[tuple[Frontend, ErrorServers, HomeAssistantApi]]:
    """Start the servers, a new Home Assistant with one hub, and a browser."""
    for name in ("config", "servers"):
        shutil.rmtree(state.path / name, ignore_errors=True)
    (state.path / "hub.json").unlink(missing_ok=True)
    home_assistant = HomeAssistantProcess(state, find_free_port(HOME_ASSISTANT_PORT))
    with run_error_servers(state.path / "servers") as servers:
        try:
            say("Starting Home Assistant")
            await home_assistant.start()
            async with HomeAssistantApi(
                home_assistant.url, home_assistant.check_running
            ) as api:
                await api.wait_answering()
                await api.log_in()
                await api.wait_started()
                await set_up_hub(
                    api,
                    state,
                    InfluxTarget(
                        url=servers.fussy.url,
                        is_ours=False,
                        token=GOOD_TOKEN,
                        organization=ORGANIZATION,
                    ),
                )
                async with open_frontend(home_assistant.url) as frontend:
                    yield frontend, servers, api
        finally:
            if home_assistant.is_started:
                await home_assistant.stop()


async def _show_v1(tour: ErrorTour) -> None:
    servers = tour.servers
    await tour.open_form("InfluxDB 1.x")
    await tour.show("invalid_host", {"host": "http://influxdb.local"})
    await tour.show("invalid_store", {"host": "127.0.0.1", "store": "_internal"})
    await tour.show("host_unknown", {"store": "ha", "host": "influxdb.invalid"})
    for key, port in (
        ("connection_refused", servers.closed_port),
        ("not_influxdb", servers.web.port),
        ("timeout", servers.silent_port),
        ("unavailable", servers.busy.port),
        ("user_needed", servers.guarded.port),
    ):
        await tour.show(key, {"host": "127.0.0.1", "port": port})
    await tour.show("password_refused", {"username": READER[0], "password": "wrong"})
    await tour.show(
        "right_missing_write", {"store": DEFAULT_DATABASE, "password": READER[1]}
    )
    await tour.show(
        "right_missing_read", {"username": WRITER[0], "password": WRITER[1]}
    )
    await tour.frontend.flip_switch()
    await tour.show("tls_not_spoken")
    await tour.frontend.choose("Certificate and path")
    await tour.show("invalid_path", {"path": "a?b"})


async def _show_create_store(tour: ErrorTour) -> None:
    await tour.open_form("InfluxDB 1.x")
    await tour.fill(
        {
            "host": "127.0.0.1",
            "port": tour.servers.guarded.port,
            "username": READER[0],
            "password": READER[1],
            "store": "cottage",
        }
    )
    await tour.frontend.submit("does not exist on")
    await tour.show("create_not_allowed")


async def _show_v2(tour: ErrorTour) -> None:
    servers = tour.servers
    await tour.open_form("InfluxDB 2.x or InfluxDB Cloud")
    await tour.show(
        "too_old",
        {
            "url": servers.old.url,
            "organization": "work",
            "token": "wrong",
            # The hub that is there already has the other one.
            "store": "cottage",
        },
    )
    servers.fussy.add_bucket("cottage")
    await tour.show("token_refused", {"url": servers.fussy.url})
    await tour.show("organization_missing", {"token": GOOD_TOKEN})
    await tour.show(
        "right_missing_delete",
        {"organization": ORGANIZATION, "token": TOKEN_WITHOUT_DELETE},
    )
    servers.fussy.is_forgetful = True
    await tour.show("test_failed", {"token": GOOD_TOKEN})
    servers.fussy.is_forgetful = False


async def _show_v3(tour: ErrorTour) -> None:
    servers = tour.servers
    await tour.open_form("InfluxDB 3.x")
    await tour.show("token_needed", {"url": servers.v3.url})
    await tour.show("wrong_generation", {"url": servers.guarded.url})
    await tour.show("certificate_not_trusted", {"url": servers.tls.url})
    await tour.frontend.upload(b"no certificate", "ca.pem")
    await tour.show("invalid_certificate")


async def _show_detection(tour: ErrorTour) -> None:
    await tour.open_form("Detect it for me")
    await tour.show("invalid_url", {"url": "ftp://influxdb.local"})
    await tour.show("credentials_needed", {"url": tour.servers.v3.url})


async def _show_upgrade(tour: ErrorTour) -> None:
    """Open a hub whose server has become one of another generation."""
    tour.servers.fussy.version = "v3.0.0"
    await tour.frontend.open(_INTEGRATION, height=_HEIGHT)
    row = tour.frontend.page.locator("ha-config-entry-row").first
    await row.locator("ha-icon-button").nth(2).click()
    await tour.frontend.settle()
    await row.get_by_text("Reconfigure").click()
    await tour.frontend.settle()
    await tour.show("generation_changed")
    tour.servers.fussy.version = "v2.7.12"


async def _show_reauthentication(tour: ErrorTour) -> None:
    """Give a hub new credentials whose database has gone meanwhile."""
    await tour.open_form("InfluxDB 1.x")
    await tour.fill(
        {
            "host": "127.0.0.1",
            "port": tour.servers.guarded.port,
            "username": ADMIN[0],
            "password": ADMIN[1],
        }
    )
    await tour.frontend.submit("Skip and finish")
    query = tour.servers.guarded.query
    await asyncio.to_thread(query, f'DROP DATABASE "{DEFAULT_DATABASE}"')
    await asyncio.to_thread(
        query, f"SET PASSWORD FOR \"{ADMIN[0]}\" = 'another secret'"
    )
    # Something has to happen that the hub would write.
    await tour.api.post("/api/states/sensor.cellar", {"state": "1"})
    await asyncio.sleep(_REFUSAL_TIME_S)
    await tour.frontend.open(_INTEGRATION, height=_HEIGHT)
    await tour.frontend.page.get_by_role("button", name="Reconfigure").first.click()
    await tour.frontend.settle()
    await tour.show("store_missing", {"password": "another secret"})


_PARTS: Final[tuple[Callable[[ErrorTour], Awaitable[None]], ...]] = (
    _show_v1,
    _show_create_store,
    _show_v2,
    _show_v3,
    _show_detection,
    _show_upgrade,
    _show_reauthentication,
)
