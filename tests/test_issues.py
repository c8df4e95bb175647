"""What only a person can mend is said where people look, and taken back."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import pytest_socket

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from tests.conftest import entry_data

ADMIN = ("admin", "admin-secret")
USER = ("writer", "writer-secret")


@pytest.fixture(scope="module")
def guarded_influxdb(
    influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InfluxServer]:
    """A server that asks for credentials, with a user `writer`."""
    pytest_socket.enable_socket()
    folder = tmp_path_factory.mktemp("guarded")
    with InfluxServer(influxd_binary, folder, auth=True) as server:
        server.create_admin(*ADMIN)
        server.query('CREATE DATABASE "test"')
        server.query(f"CREATE USER {USER[0]} WITH PASSWORD '{USER[1]}'")
        yield server


@pytest.fixture
async def guarded_hub(
    hass: HomeAssistant, guarded_influxdb: InfluxServer
) -> AsyncGenerator[MockConfigEntry]:
    """A hub that writes as `writer`, who may write."""
    guarded_influxdb.query(f'GRANT ALL ON "test" TO {USER[0]}')
    data = entry_data(guarded_influxdb, username=USER[0], password=USER[1])
    entry = MockConfigEntry(domain=DOMAIN, title="Guarded", data=data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    await hass.config_entries.async_remove(entry.entry_id)


async def flush(hass: HomeAssistant) -> None:
    hass.states.async_set("sensor.a", str(len(hass.states.async_all())), None, True)
    await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
    await hass.async_block_till_done()


async def fail_to_flush(hass: HomeAssistant) -> None:
    with pytest.raises(HomeAssistantError):
        await flush(hass)
    await hass.async_block_till_done()


async def test_no_permission(
    hass: HomeAssistant,
    guarded_hub: MockConfigEntry,
    guarded_influxdb: InfluxServer,
    issue_registry: ir.IssueRegistry,
) -> None:
    await flush(hass)
    assert issue_registry.issues == {}
    guarded_influxdb.query(f'REVOKE ALL ON "test" FROM {USER[0]}')
    await fail_to_flush(hass)
    [issue] = issue_registry.issues.values()
    assert issue.translation_key == "store_forbidden"
    assert issue.translation_placeholders == {"hub": "Guarded", "store": "test"}
    guarded_influxdb.query(f'GRANT ALL ON "test" TO {USER[0]}')
    await flush(hass)
    assert issue_registry.issues == {}


async def test_database_missing(
    hass: HomeAssistant,
    guarded_hub: MockConfigEntry,
    guarded_influxdb: InfluxServer,
    issue_registry: ir.IssueRegistry,
) -> None:
    await flush(hass)
    guarded_influxdb.query('DROP DATABASE "test"')
    await fail_to_flush(hass)
    assert [issue.translation_key for issue in issue_registry.issues.values()] == [
        "store_missing"
    ]
    guarded_influxdb.query('CREATE DATABASE "test"')
    guarded_influxdb.query(f'GRANT ALL ON "test" TO {USER[0]}')
    await flush(hass)
    assert issue_registry.issues == {}
    backlog = guarded_hub.runtime_data.pipeline.snapshot().backlog_points
    assert backlog == 0


async def test_refused_password_asks_for_a_new_one(
    hass: HomeAssistant, guarded_hub: MockConfigEntry, guarded_influxdb: InfluxServer
) -> None:
    await flush(hass)
    guarded_influxdb.query(f"SET PASSWORD FOR {USER[0]} = 'changed'")
    await fail_to_flush(hass)
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    assert flow["context"]["entry_id"] == guarded_hub.entry_id
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"username": USER[0], "password": "changed"}
    )
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await flush(hass)
    assert guarded_hub.runtime_data.pipeline.snapshot().dropped == 0
    guarded_influxdb.query(f"SET PASSWORD FOR {USER[0]} = '{USER[1]}'")


async def test_no_secret_in_the_log(
    hass: HomeAssistant,
    guarded_hub: MockConfigEntry,
    guarded_influxdb: InfluxServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    await flush(hass)
    guarded_influxdb.query(f"SET PASSWORD FOR {USER[0]} = 'other'")
    await fail_to_flush(hass)
    guarded_influxdb.query(f"SET PASSWORD FOR {USER[0]} = '{USER[1]}'")
    assert USER[1] not in caplog.text
