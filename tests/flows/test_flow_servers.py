"""The config flow against servers: a real InfluxDB 1.x, stand-ins for 2.x and 3.x."""

from collections.abc import Awaitable, Callable, Generator, Iterator
from pathlib import Path
import socket
from typing import Any
from unittest.mock import MagicMock

import pytest
import pytest_socket

from devlib.influxd import InfluxServer, free_port
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.flows.kit import TLS, start, submit
from tests.flows.texts import get_suggestions
from tests.stand_ins.influxdb_v2 import (
    ADMIN_TOKEN as V2_TOKEN,
    ORGANIZATION,
    InfluxDb2StandIn,
)
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import HttpStandIn, Reply

ADMIN = ("admin", "secret of the admin")
WRITER = ("writer", "secret of the writer")
UNKNOWN_FILE_ID = "00000000-0000-0000-0000-000000000000"

type Upload = Callable[[bytes], Awaitable[str]]


@pytest.fixture(scope="module")
def guarded_server(
    influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InfluxServer]:
    """A server that asks for credentials, with an account that may do little."""
    # Made before the function-scoped fixture that allows sockets for a test.
    pytest_socket.enable_socket()
    folder = tmp_path_factory.mktemp("guarded")
    with InfluxServer(influxd_binary, folder, auth=True) as server:
        server.create_admin(*ADMIN)
        server.query(f"CREATE USER \"{WRITER[0]}\" WITH PASSWORD '{WRITER[1]}'")
        yield server


@pytest.fixture
def guarded(guarded_server: InfluxServer) -> Iterator[InfluxServer]:
    yield guarded_server
    guarded_server.query('DROP DATABASE "home_assistant"')


def v1_input(server: InfluxServer | HttpStandIn, **changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "ssl": False,
        "store": "home_assistant",
        "tls": TLS,
    } | changes


async def test_real_server(hass: HomeAssistant, influxdb: InfluxServer) -> None:
    form = await start(hass, "v1")
    result = await submit(hass, form, v1_input(influxdb, store="test"))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "test on 127.0.0.1"
    rows = await hass.async_add_executor_job(
        influxdb.rows, "SELECT * FROM ha_ingestor_probe", "test"
    )
    assert rows == []


async def test_real_server_from_its_url_to_a_created_database(
    hass: HomeAssistant, guarded: InfluxServer
) -> None:
    form = await start(hass, "detect")
    form = await submit(hass, form, {"url": guarded.url, "tls": TLS})
    assert form["step_id"] == "v1"
    shown = get_suggestions(form["data_schema"])
    assert shown["host"] == "127.0.0.1"
    assert shown["port"] == guarded.port

    entered = v1_input(guarded, username=ADMIN[0], password="wrong")
    form = await submit(hass, form, entered)
    assert form["errors"] == {"password": "password_refused"}
    form = await submit(hass, form, {**entered, "username": "", "password": ""})
    assert form["errors"] == {"username": "user_needed"}
    form = await submit(hass, form, {**entered, "password": ADMIN[1]})
    assert form["step_id"] == "create_store"
    result = await submit(hass, form, {"store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    databases = await hass.async_add_executor_job(guarded.rows, "SHOW DATABASES")
    assert ["home_assistant"] in databases


async def test_real_account_without_rights(
    hass: HomeAssistant, guarded: InfluxServer
) -> None:
    form = await start(hass, "v1")
    entered = v1_input(guarded, username=WRITER[0], password=WRITER[1])
    form = await submit(hass, form, entered)
    assert form["step_id"] == "create_store"
    form = await submit(hass, form, {"store": "home_assistant"})
    assert form["errors"] == {"base": "create_not_allowed"}

    # What the form tells an administrator to type is all that is needed.
    command = form["description_placeholders"]["command"]
    await hass.async_add_executor_job(guarded.query, command)
    result = await submit(hass, form, {"store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_real_account_that_may_only_read(
    hass: HomeAssistant, guarded: InfluxServer
) -> None:
    def grant(right: str) -> None:
        guarded.query(f'GRANT {right} ON "home_assistant" TO "{WRITER[0]}"')

    await hass.async_add_executor_job(guarded.query, 'CREATE DATABASE "home_assistant"')
    await hass.async_add_executor_job(grant, "READ")
    form = await start(hass, "v1")
    entered = v1_input(guarded, username=WRITER[0], password=WRITER[1])
    form = await submit(hass, form, entered)
    assert form["errors"] == {"username": "right_missing_write"}

    command = form["description_placeholders"]["command"]
    await hass.async_add_executor_job(guarded.query, command)
    result = await submit(hass, form, entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_real_server_in_the_form_of_another_generation(
    hass: HomeAssistant, influxdb: InfluxServer
) -> None:
    form = await start(hass, "v3")
    entered = {"url": influxdb.url, "store": "test", "tls": TLS}
    form = await submit(hass, form, entered)
    assert form["errors"] == {"url": "wrong_generation"}
    assert form["description_placeholders"]["found"] == "1"


async def test_real_server_does_not_speak_tls(
    hass: HomeAssistant, influxdb: InfluxServer
) -> None:
    form = await start(hass, "v1")
    entered = v1_input(influxdb, store="test")
    form = await submit(hass, form, {**entered, "ssl": True})
    assert form["errors"] == {"ssl": "tls_not_spoken"}
    result = await submit(hass, form, entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_name_that_does_not_resolve(
    hass: HomeAssistant, influxdb: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await start(hass, "v1")
    entered = v1_input(influxdb, store="test")
    with monkeypatch.context() as patched:
        unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        patched.setattr(socket, "getaddrinfo", MagicMock(side_effect=unknown))
        form = await submit(hass, form, {**entered, "host": "nowhere.invalid"})
    assert form["errors"] == {"host": "host_unknown"}
    result = await submit(hass, form, entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_wrong_port_of_a_real_server(
    hass: HomeAssistant, influxdb: InfluxServer
) -> None:
    form = await start(hass, "v1")
    entered = v1_input(influxdb, store="test")
    form = await submit(hass, form, {**entered, "port": free_port()})
    assert form["errors"] == {"host": "connection_refused"}
    result = await submit(hass, form, entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_not_an_influxdb(hass: HomeAssistant, influxdb: InfluxServer) -> None:
    form = await start(hass, "v1")
    with HttpStandIn() as portal:
        page = Reply(body=b"<html>Welcome</html>")
        portal.script(page, page)
        form = await submit(hass, form, v1_input(portal))
    assert form["errors"] == {"host": "not_influxdb"}
    result = await submit(hass, form, v1_input(influxdb, store="test"))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_v2_from_its_url_to_a_created_bucket(hass: HomeAssistant) -> None:
    with InfluxDb2StandIn() as server:
        form = await start(hass, "detect")
        form = await submit(hass, form, {"url": server.url, "tls": TLS})
        assert form["step_id"] == "v2"
        entered = {
            "url": server.url,
            "organization": ORGANIZATION,
            "token": V2_TOKEN,
            "store": "home_assistant",
            "tls": TLS,
        }
        form = await submit(hass, form, {**entered, "token": "wrong"})
        assert form["errors"] == {"token": "token_refused"}
        form = await submit(hass, form, {**entered, "organization": "work"})
        assert form["errors"] == {"organization": "organization_missing"}
        form = await submit(hass, form, entered)
        assert form["step_id"] == "create_store"
        result = await submit(hass, form, {"store": "home_assistant"})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert "home_assistant" in server.buckets


async def test_v3_from_its_url_to_a_created_database(hass: HomeAssistant) -> None:
    with InfluxDb3StandIn() as server:
        form = await start(hass, "detect")
        form = await submit(hass, form, {"url": server.url, "tls": TLS})
        assert form["errors"] == {"base": "credentials_needed"}
        form = await submit(
            hass, form, {"url": server.url, "token": V3_TOKEN, "tls": TLS}
        )
        assert form["step_id"] == "v3"
        entered = {**get_suggestions(form["data_schema"]), "store": "home_assistant"}
        form = await submit(hass, form, {**entered, "token": ""})
        assert form["errors"] == {"token": "token_needed"}
        form = await submit(hass, form, entered)
        assert form["step_id"] == "create_store"
        result = await submit(hass, form, {"store": "home_assistant"})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert "home_assistant" in server.databases
