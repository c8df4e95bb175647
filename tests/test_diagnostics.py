"""Diagnostics help to find a fault and give nothing away."""

from collections.abc import Mapping
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.diagnostics import redact_words
from custom_components.ha_ingestor.errors import SourceUnavailableError
from custom_components.ha_ingestor.sources.base import Argument, ArgumentType
from custom_components.ha_ingestor.store.buffer import DeadLetter, ReasonClass
from devlib.influxd import InfluxServer
from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.conftest import entry_data
from tests.sources.homes import add, create_source_entry, get_source
from tests.sources.scripted import KEY, Script, register

SECRETS = {
    "username": "the-user",
    "password": "the-password",
    "token": "the-token",
    "organization": "the-family",
    "ca_certificate": "-----BEGIN CERTIFICATE-----",
}


@pytest.fixture
def options() -> dict[str, Any]:
    """Options in which a home can be recognised."""
    return {
        "flush_interval_s": 0.1,
        "include_domains": ["sensor"],
        "include_entities": ["person.maria", "lock.safe"],
        "include_globs": ["sensor.bedroom_*"],
        "presence_entities": ["person.maria"],
        "exclude_areas": ["marias_bedroom"],
        "exclude_labels": ["maria_only"],
        "sampling": [{"glob": "sensor.bedroom_*", "deadband": 1.0}],
        "weather_entity": "weather.my_village",
        "carbon_intensity_entity": None,
        "static_tags": {"site": "my-village"},
    }


async def get_diagnostics(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> dict[str, Any]:
    """Download them as a person does."""
    assert await async_setup_component(hass, "diagnostics", {})
    client = await hass_client()
    response = await client.get(f"/api/diagnostics/config_entry/{entry.entry_id}")
    assert response.status == 200
    data = (await response.json())["data"]
    assert isinstance(data, dict)
    return data


async def test_what_they_show(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
) -> None:
    hass.states.async_set("sensor.bedroom_a", "1", {"latitude": 52.5})
    await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
    pipeline = hub.runtime_data.pipeline
    pipeline.buffer.add_dead_letters(
        [
            DeadLetter(
                line=b"m secret=1 1", reason="words", reason_class=ReasonClass.REFUSED
            )
        ]
    )
    shown = await get_diagnostics(hass, hass_client, hub)
    assert shown["data"]["host"] == REDACTED
    assert shown["data"]["store"] == "test"
    assert shown["data"]["port"] == influxdb.port
    assert shown["options"] == {
        "flush_interval_s": 0.1,
        "include_domains": ["sensor"],
        "include_entities": 2,
        "include_globs": 1,
        "exclude_areas": 1,
        "exclude_labels": 1,
        "sampling": 1,
        "presence_entities": 1,
        "weather_entity": REDACTED,
        "carbon_intensity_entity": None,
        "static_tags": 1,
    }
    assert shown["figures"]["written"] >= 1
    assert shown["figures"]["link"] == "connected"
    assert shown["figures"]["last_error"] is None
    assert shown["figures"]["dead_letters"] == {"refused": 1}
    assert shown["work"]["is_encoder_alive"] is True
    assert shown["work"]["is_sender_alive"] is True
    assert shown["work"]["attempt_count"] >= 1
    assert shown["work"]["plan_count"] >= 1
    assert shown["buffer"] == {"schema_version": 2, "damaged_file_count": 0}
    assert shown["server"] == {"version": "1.6.7~rc0", "error": None}
    assert set(shown["versions"]) == {"home_assistant", "integration", "sqlite"}
    text = json.dumps(shown)
    hidden = ("127.0.0.1", "maria", "village", "bedroom", "secret", "words", "52.5")
    assert [word for word in hidden if word in text] == []


async def test_sources_without_their_secrets(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = register(
        monkeypatch,
        arguments=(
            Argument(key="api_key", type=ArgumentType.SECRET),
            Argument(key="place", type=ArgumentType.LOCATION),
            Argument(key="calendars", type=ArgumentType.TEXTS),
            Argument(key="person", type=ArgumentType.TEXT),
            Argument(key="station", type=ArgumentType.NUMBER),
            Argument(key="product", type=ArgumentType.SELECT),
        ),
    )

    async def fail(arguments: Mapping[str, Any]) -> float:
        raise SourceUnavailableError(
            f"calendar.maria at 10.0.0.7 for {arguments['api_key']} is away"
        )

    script.act = fail
    await add(
        hass,
        hub,
        create_source_entry(
            "one",
            "At Maria's",
            kind="carbon_intensity",
            provider=KEY,
            arguments={
                "api_key": "the-api-key",
                "place": {"latitude": 52.52, "longitude": 13.41},
                "calendars": ["calendar.maria", "calendar.family"],
                "person": "person.maria",
                "station": 424242,
                "product": "hourly",
                "left_over": "maria",
            },
            settings={"clean_below": 150},
        ),
        create_source_entry("two", "Two", kind="tides", provider="moon"),
    )
    shown = (await get_diagnostics(hass, hass_client, hub))["sources"]
    [one, two] = shown
    assert two == {"kind": "tides", "provider": "moon", "state": None}
    times = {one.pop("next_refresh_at") is None, one.pop("fetched_at") is None}
    assert times == {True, False}
    assert one == {
        "kind": "carbon_intensity",
        "provider": KEY,
        "state": "failing",
        "arguments": {
            "api_key": REDACTED,
            "place": REDACTED,
            "calendars": 2,
            "person": REDACTED,
            "station": REDACTED,
            "product": "hourly",
            "left_over": REDACTED,
        },
        "settings": {"clean_below": 150},
        "valid_until": None,
        "attempts": 1,
        "success_rate": 0.0,
        "last_error": f"{REDACTED} at {REDACTED} for *** is away",
    }
    hidden = ("maria", "Maria", "the-api-key", "52.52", "13.41", "424242", "10.0.0.7")
    assert [word for word in hidden if word in json.dumps(shown)] == []

    script.act = Script().act
    await get_source(hub, "one").async_refresh()
    [one, _] = (await get_diagnostics(hass, hass_client, hub))["sources"]
    assert (one["state"], one["last_error"]) == ("ok", None)


async def test_no_secret_while_the_server_is_away_nor_after(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    influxdb: InfluxServer,
    unused_tcp_port: int,
) -> None:
    data = entry_data(
        influxdb, port=unused_tcp_port, host="localhost", path="/the-path", **SECRETS
    )
    entry = MockConfigEntry(domain=DOMAIN, data=data | {"ca_certificate": ""})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await entry.runtime_data.pipeline.async_flush()
    shown = await get_diagnostics(hass, hass_client, entry)
    assert shown["figures"]["link"] == "unreachable"
    assert shown["figures"]["last_error"]
    assert shown["server"]["version"] is None
    assert shown["server"]["error"].startswith("StoreRefusedError: ")
    text = json.dumps(shown)
    hidden = [*SECRETS.values(), "localhost", "127.0.0.1", "the-path"]
    assert [word for word in hidden if word in text] == []
    hass.config_entries.async_update_entry(entry, data=entry_data(influxdb))
    await hass.async_block_till_done()
    await entry.runtime_data.pipeline.async_flush()
    shown = await get_diagnostics(hass, hass_client, entry)
    assert shown["figures"]["link"] == "connected"
    assert shown["server"]["error"] is None
    await hass.config_entries.async_remove(entry.entry_id)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (None, None),
        ("Connection refused", "Connection refused"),
        ("No route to db.local", f"No route to {REDACTED}"),
        ("192.168.1.7:8086 is down", f"{REDACTED} is down"),
        ("at http://x.example/path?u=a now", f"at {REDACTED} now"),
        ("at [fd00::12:7] now", f"at {REDACTED} now"),
        ("at fe80:1::12:7 now", f"at {REDACTED} now"),
        ("at 1:2:3:4:5:6:7:8 now", f"at {REDACTED} now"),
        ("at [fd00::7]:8086 now", f"at {REDACTED} now"),
        ("12:30:00 field type conflict", "12:30:00 field type conflict"),
    ],
)
def test_words_without_addresses(words: str | None, expected: str | None) -> None:
    assert redact_words(words, {"host": "db.local", "username": ""}) == expected
