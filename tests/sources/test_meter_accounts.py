"""Meters in the cloud: their packages are installed first, their sessions renewed."""

import asyncio
from collections.abc import Generator
from pathlib import Path
import threading
from typing import Any
from unittest.mock import MagicMock, patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
from tests.sources.kit import TESTCASES, Answer, ProviderServer
from tests.sources.test_meter_life import add_source

ACCOUNT = {"email": "home@example.com", "password": "hunter2hunter2"}
INSTALL = "homeassistant.util.package.install_package"
IS_INSTALLED = "homeassistant.util.package.is_installed"


def read_case(provider: str, case: str, name: str) -> str:
    path: Path = TESTCASES / "smart_meter" / provider / case / name
    return path.read_text(encoding="utf-8")


def emporia_answers() -> list[Answer]:
    """A home that uses 3 kW now."""
    folder = "home_with_circuits_and_a_plug"
    now = dt_util.utcnow().isoformat()
    files = {
        name: read_case("emporia", folder, f"response_{name}.json").replace(
            "2021-08-18T19:46:19Z", now
        )
        for name in ("devices", "minute", "day")
    }
    return [
        Answer(path="/customers/devices", body=files["devices"]),
        Answer(path="/AppAPI", query={"scale": "1MIN"}, body=files["minute"]),
        Answer(path="/AppAPI", query={"scale": "1D"}, body=files["day"]),
    ]


def sense_answers() -> list[Answer]:
    """A home that uses 2100.25 W now."""
    folder = "home_without_solar"

    def read(name: str) -> str:
        return read_case("sense", folder, f"response_{name}.json")

    monitor = "/app/monitors/4711"
    return [
        Answer(path="/authenticate", method="POST", body=read("authenticate")),
        Answer(path=f"{monitor}/devices/overview", body=read("devices")),
        Answer(
            path=f"{monitor}/realtime_update",
            body=read("realtime").replace(
                "1593432030", f"{dt_util.utcnow().timestamp():.0f}"
            ),
        ),
        Answer(path=f"{monitor}/history/usage", body=read("usage")),
    ]


@pytest.fixture
def installer(hass: HomeAssistant) -> Generator[MagicMock]:
    """Installs nothing, and says that it has."""
    hass.config.skip_pip = False
    with (
        patch(IS_INSTALLED, return_value=False),
        patch(INSTALL, return_value=True) as install,
    ):
        yield install


async def enter(
    hass: HomeAssistant, hub: MockConfigEntry, provider: str
) -> dict[str, Any]:
    """Go to the form of a provider, and enter the account."""
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "smart_meter"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(result["flow_id"], {"provider": provider})
    assert result["step_id"] == provider
    return await flows.async_configure(result["flow_id"], ACCOUNT)


@pytest.mark.parametrize(
    ("key", "requirement", "answers", "answer"),
    [
        ("emporia", "pyemvue==0.18.9", emporia_answers, "3000 W"),
        ("sense", "sense-energy==0.14.3", sense_answers, "2100 W"),
    ],
    ids=["emporia", "sense"],
)
async def test_what_a_source_needs_is_installed_when_it_is_added(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
    key: str,
    requirement: str,
    answers: Any,
    answer: str,
) -> None:
    provider.answers = answers()
    result = await enter(hass, hub, key)
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == answer
    assert installer.call_args.args == (requirement,)

    result = await hass.config_entries.subentries.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)

    [coordinator] = hub.runtime_data.sources.coordinators
    assert f"{coordinator.data.power_w:.0f} W" == answer
    assert installer.call_count == 1


async def test_a_long_installation_is_shown(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
) -> None:
    is_done = threading.Event()
    installer.side_effect = lambda *_, **__: is_done.wait(30)
    provider.answers = emporia_answers()
    result = await enter(hass, hub, "emporia")
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["progress_action"] == "install"
    assert result["description_placeholders"] == {"provider": "Emporia"}

    is_done.set()
    await hass.async_block_till_done()
    result = await hass.config_entries.subentries.async_configure(result["flow_id"])

    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"] == "3000 W"


async def test_a_form_that_is_sent_twice_at_once(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
) -> None:
    provider.answers = emporia_answers()
    installer.return_value = False
    shown = await enter(hass, hub, "emporia")
    attempts = installer.call_count
    has_begun, is_done = threading.Event(), threading.Event()

    def install(*_: Any, **__: Any) -> bool:
        has_begun.set()
        return is_done.wait(30)

    installer.side_effect = install
    configure = hass.config_entries.subentries.async_configure
    patience = "custom_components.ha_ingestor.flows.source_flow._INSTALL_PATIENCE_S"
    with patch(patience, 30):
        sent = [
            hass.async_create_task(configure(shown["flow_id"], ACCOUNT))
            for _ in range(2)
        ]
        assert await hass.async_add_executor_job(has_begun.wait, 30)
        is_done.set()
        results = await asyncio.gather(*sent)

    assert [result["step_id"] for result in results] == ["settings"] * 2
    assert installer.call_count == attempts + 1


async def test_a_failed_installation_is_tried_again(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
) -> None:
    provider.answers = emporia_answers()
    installer.return_value = False
    result = await enter(hass, hub, "emporia")
    assert result["errors"] == {"base": "not_installed"}
    error = result["description_placeholders"]["error"]
    assert error == "Cannot be installed: pyemvue==0.18.9"

    installer.return_value = True
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], ACCOUNT
    )
    assert result["step_id"] == "settings"


async def test_only_the_source_whose_package_is_missing_is_off(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
) -> None:
    provider.answers = sense_answers()
    installer.return_value = False
    data = {"provider": "sense", "arguments": ACCOUNT}
    await add_source(hass, hub, "smart_meter", data)
    [coordinator] = hub.runtime_data.sources.coordinators
    assert coordinator.last_error == "Cannot be installed: sense-energy==0.14.3"
    assert hass.states.get("sensor.smart_meter_power").state == "unavailable"
    assert provider.requests == []

    installer.return_value = True
    await coordinator.async_refresh()
    await hass.async_block_till_done()

    assert hass.states.get("sensor.smart_meter_power").state == "2100.25"


async def test_a_start_does_not_wait_for_an_installation(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    installer: MagicMock,
) -> None:
    is_done = threading.Event()
    installer.side_effect = lambda *_, **__: is_done.wait(30)
    provider.answers = sense_answers()
    await add_source(hass, hub, "smart_meter", {"provider": "sense", "arguments": {}})
    data = {"provider": "sense", "arguments": ACCOUNT}

    hass.config_entries.async_update_subentry(
        hub, next(iter(hub.subentries.values())), data={"settings": {}, **data}
    )
    await hass.async_block_till_done()
    assert provider.requests == []

    # Nor does a stop; and who has gone is not asked for.
    [coordinator] = hub.runtime_data.sources.coordinators
    await coordinator.async_stop()
    is_done.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert provider.requests == []


@pytest.mark.parametrize(
    ("key", "error"),
    [("emporia", "refused"), ("sense", "second_factor")],
)
async def test_the_form_marks_the_password(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    key: str,
    error: str,
) -> None:
    provider.answers = [
        Answer(
            path="/login",
            method="POST",
            body={"code": "NotAuthorizedException", "message": "Incorrect"},
        ),
        Answer(
            path="/authenticate",
            method="POST",
            status=401,
            body={"mfa_token": "m", "error_reason": "second factor"},
        ),
    ]
    result = await enter(hass, hub, key)
    assert result["errors"] == {"password": error}

    provider.answers = [*emporia_answers(), *sense_answers()]
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], ACCOUNT
    )
    assert result["step_id"] == "settings"


@pytest.mark.parametrize(
    ("key", "answers", "path", "login"),
    [
        ("emporia", emporia_answers, "/AppAPI", "/login"),
        ("sense", sense_answers, "/app/monitors/4711/realtime_update", "/authenticate"),
    ],
    ids=["emporia", "sense"],
)
async def test_a_session_that_has_ended_is_begun_anew(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    key: str,
    answers: Any,
    path: str,
    login: str,
) -> None:
    provider.answers = answers()
    await add_source(hass, hub, "smart_meter", {"provider": key, "arguments": ACCOUNT})
    [coordinator] = hub.runtime_data.sources.coordinators
    assert coordinator.last_error is None
    provider.requests.clear()

    provider.answers = [Answer(path=path, status=401), *answers()]
    await coordinator.async_refresh()
    await hass.async_block_till_done()

    assert coordinator.last_error is None
    assert login in [request[1] for request in provider.requests]


async def test_an_account_asks_fewer_times_than_it_may(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    provider.answers = emporia_answers()
    await add_source(
        hass, hub, "smart_meter", {"provider": "emporia", "arguments": ACCOUNT}
    )
    [coordinator] = hub.runtime_data.sources.coordinators
    provider.requests.clear()
    await coordinator.async_refresh()

    polls = 86_400 / coordinator.description.update_interval.total_seconds()
    assert polls * len(provider.requests) < 2000
