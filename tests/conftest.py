"""Fixtures for all tests: a real InfluxDB, a hub that writes to it."""

from collections.abc import AsyncGenerator, Generator
import logging
import os
from pathlib import Path
from typing import Any, Protocol

from aiohttp import FormData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
import pytest_socket

# Imported before the plugin's own package of this name can be.
import custom_components  # noqa: F401
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.maintenance.schedule import StorageSchedule
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

ROOT = Path(__file__).parent.parent

# The plugin lets the recorder log every statement; from its thread these lines come
# between tests, where nothing captures them.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


def find_influxd() -> Path:
    """Return the server that scripts/bootstrap has fetched; never skip without it."""
    path = Path(os.environ.get("INFLUXD", ROOT / ".dev/influxdb/influxd"))
    assert path.exists(), (
        f"No InfluxDB server at {path}; run scripts/bootstrap influxdb"
    )
    return path


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration."""


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each test a configuration folder of its own: buffers are real files."""
    return hass_tmp_config_dir


@pytest.fixture(autouse=True)
def _loopback(socket_enabled: None) -> None:
    """Allow sockets: every server of these tests listens on loopback."""


@pytest.fixture(autouse=True)
def _quiet_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no job of the tiers by itself.

    Many tests let hours pass, which would be a night at some times of the day, and a
    clock that stands still for a test stands still for a job that waits.
    """
    monkeypatch.setattr(StorageSchedule, "_start_job", lambda *_: None)


@pytest.fixture(scope="session")
def influxd_binary() -> Path:
    """The server's program."""
    return find_influxd()


@pytest.fixture(scope="session")
def shared_influxdb(
    influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InfluxServer]:
    """One server for all tests that do not hurt it."""
    # Set up before the fixtures of the first test, so not by `socket_enabled` yet.
    pytest_socket.enable_socket()
    with InfluxServer(influxd_binary, tmp_path_factory.mktemp("influxdb")) as server:
        yield server


@pytest.fixture
def influxdb(shared_influxdb: InfluxServer) -> Generator[InfluxServer]:
    """The shared server with an empty database `test`."""
    shared_influxdb.query('CREATE DATABASE "test"')
    yield shared_influxdb
    # With those of the tiers, where the test took long enough for a run.
    for store in ("test", "test_hourly", "test_daily"):
        shared_influxdb.query(f'DROP DATABASE "{store}"')


def entry_data(server: InfluxServer, **changes: Any) -> dict[str, Any]:
    """Return what the config flow stores for a server."""
    return {
        "api_version": "1",
        "host": "127.0.0.1",
        "port": server.port,
        "ssl": False,
        "path": "",
        "verify_ssl": True,
        "username": "",
        "password": "",
        "store": "test",
    } | changes


@pytest.fixture
def options() -> dict[str, Any]:
    """Options of the hub; tests override this fixture or parametrize it."""
    return {"flush_interval_s": 0.1}


@pytest.fixture
def entry(influxdb: InfluxServer, options: dict[str, Any]) -> MockConfigEntry:
    """A hub that is not set up yet."""
    return MockConfigEntry(
        domain=DOMAIN, title="Test", data=entry_data(influxdb), options=options
    )


@pytest.fixture
async def hub(
    hass: HomeAssistant, entry: MockConfigEntry
) -> AsyncGenerator[MockConfigEntry]:
    """A hub that runs."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    # Removed, not unloaded: an unloaded hub goes on collecting for its next set-up.
    await hass.config_entries.async_remove(entry.entry_id)


class Upload(Protocol):
    """Uploads a file as the browser does; gives its id."""

    async def __call__(self, content: bytes, name: str = "ca.pem") -> str: ...


@pytest.fixture
async def upload(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Upload:
    """Upload files as the browser does."""
    assert await async_setup_component(hass, "file_upload", {})
    client = await hass_client()

    async def send(content: bytes, name: str = "ca.pem") -> str:
        # A browser sends names as they are.
        form = FormData(quote_fields=False)
        form.add_field("file", content, filename=name)
        response = await client.post("/api/file_upload", data=form)
        assert response.status == 200
        file_id: str = (await response.json())["file_id"]
        return file_id

    return send
