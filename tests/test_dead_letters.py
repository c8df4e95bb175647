"""Points that InfluxDB refuses: set aside, listed, repaired, replayed, discarded."""

from collections.abc import Callable
import time
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import DiskBufferError
from custom_components.ha_ingestor.pipeline import Pipeline
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)

SENSOR = "sensor.pipeline_points_set_aside"
NOTHING = {
    "type_conflict": 0,
    "unparsable": 0,
    "too_large": 0,
    "beyond_retention": 0,
    "not_encodable": 0,
    "refused": 0,
}


@pytest.fixture
def options() -> dict[str, Any]:
    """Only what these tests fire themselves."""
    return {
        "flush_interval_s": 0.1,
        "include_entities": ["sensor.a", "sensor.b"],
        "event_kinds": ["states"],
        "context_fields": [],
    }


@pytest.fixture
def conflict(influxdb: InfluxServer) -> None:
    """A database in which `value` is a text already: numbers are refused."""
    influxdb.write(
        f'home_assistant_events,entity_id=x value="text" {time.time_ns()}', "test"
    )


async def call(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert isinstance(answer, dict)
    return answer


async def set_states(hass: HomeAssistant, **states: str) -> None:
    """Fire, and wait until each is written or set aside."""
    for name, state in states.items():
        hass.states.async_set(f"sensor.{name}", state)
    await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
    await hass.async_block_till_done()


async def rows(
    hass: HomeAssistant, influxdb: InfluxServer, columns: str
) -> list[list[Any]]:
    return await hass.async_add_executor_job(
        influxdb.rows,
        f"SELECT {columns} FROM home_assistant_events WHERE entity_id =~ /^sensor/",
        "test",
    )


@pytest.mark.usefixtures("conflict", "hub")
async def test_listing(hass: HomeAssistant) -> None:
    assert await call(hass, "list_dead_letters") == {"dead_letters": [], "total": 0}
    await set_states(hass, a="1.5", b="text")
    await set_states(hass, b="2.5")
    listed = await call(hass, "list_dead_letters")
    assert listed["total"] == 2
    newest, oldest = listed["dead_letters"]
    assert newest["id"] > oldest["id"]
    assert oldest["reason_class"] == "type_conflict"
    assert "already exists as type string" in oldest["reason"]
    assert oldest["measurement"] == "home_assistant_events"
    assert [item["entity_id"] for item in (newest, oldest)] == ["sensor.b", "sensor.a"]
    assert oldest["line"].startswith("home_assistant_events,domain=sensor,")
    assert "value=1.5" in oldest["line"]
    assert oldest["added_at"].endswith("+00:00")


@pytest.mark.usefixtures("conflict", "hub")
@pytest.mark.parametrize(
    ("selection", "total", "shown"),
    [
        ({"entity_id": "sensor.b"}, 1, 1),
        ({"entity_id": "sensor.none"}, 0, 0),
        ({"reason_class": ["type_conflict", "refused"]}, 2, 2),
        ({"reason_class": "unparsable"}, 0, 0),
        ({"limit": 1}, 2, 1),
    ],
)
async def test_filters_of_the_list(
    hass: HomeAssistant, selection: dict[str, Any], total: int, shown: int
) -> None:
    await set_states(hass, a="1.5", b="2.5")
    listed = await call(hass, "list_dead_letters", **selection)
    assert listed["total"] == total
    assert len(listed["dead_letters"]) == shown


@pytest.mark.usefixtures("conflict")
async def test_long_and_broken_lines_in_the_list(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = hub.runtime_data.pipeline
    monkeypatch.setattr(
        pipeline._encoder, "_format", lambda record: 1 / 0, raising=True
    )
    await set_states(hass, b="2.5")
    [item] = (await call(hass, "list_dead_letters"))["dead_letters"]
    assert item["reason_class"] == "not_encodable"
    assert item["reason"] == "Not encodable: division by zero"
    # It is not a line, so it has neither.
    assert (item["measurement"], item["entity_id"]) == (None, None)
    assert "sensor.b" in item["line"]
    monkeypatch.setattr(pipeline._encoder, "_format", lambda record: "m " + "x" * 9_000)
    await set_states(hass, b="3.5")
    item = (await call(hass, "list_dead_letters"))["dead_letters"][0]
    assert item["reason_class"] == "unparsable"
    assert len(item["line"]) == 4_096
    assert item["line"].endswith("…")


@pytest.mark.usefixtures("conflict", "hub")
@pytest.mark.parametrize(
    ("edit", "columns", "expected"),
    [
        pytest.param({"cast": "text"}, "value", "1.5", id="cast"),
        pytest.param({"rename": "number"}, "number", 1.5, id="rename"),
        pytest.param(
            {"cast": "text", "rename": "words"}, "words", "1.5", id="cast-and-rename"
        ),
        pytest.param({"cast": "drop"}, "state", "1.5", id="drop"),
    ],
)
async def test_replaying_with_a_mapping(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    edit: dict[str, str],
    columns: str,
    expected: object,
) -> None:
    await set_states(hass, a="1.5")
    assert await rows(hass, influxdb, columns) == []
    answer = await call(
        hass,
        "replay_dead_letters",
        all=True,
        mapping=[
            {"field": "value", "measurement": "home_assistant_events", **edit},
            {"field": "none", "cast": "drop"},
        ],
    )
    assert answer == {"replayed": 1, "skipped": 0, "remaining": 0}
    await call(hass, "flush")
    [row] = await rows(hass, influxdb, columns)
    assert row[1] == expected
    assert (await call(hass, "list_dead_letters"))["total"] == 0


@pytest.mark.usefixtures("conflict", "hub")
async def test_replaying_when_the_cause_has_gone(
    hass: HomeAssistant, influxdb: InfluxServer
) -> None:
    await set_states(hass, a="1.5", b="2.5")
    [newest, oldest] = (await call(hass, "list_dead_letters"))["dead_letters"]
    # As long as the cause is there, it is refused again.
    answer = await call(hass, "replay_dead_letters", ids=oldest["id"])
    assert answer == {"replayed": 1, "skipped": 0, "remaining": 1}
    await call(hass, "flush")
    listed = await call(hass, "list_dead_letters")
    assert [item["line"] for item in listed["dead_letters"]] == [
        oldest["line"],
        newest["line"],
    ]
    await hass.async_add_executor_job(
        influxdb.query, "DROP MEASUREMENT home_assistant_events", "test"
    )
    await call(hass, "replay_dead_letters", reason_class=["type_conflict"])
    await call(hass, "flush")
    stored = await rows(hass, influxdb, "value")
    assert [row[1] for row in stored] == [1.5, 2.5]
    assert (await call(hass, "list_dead_letters"))["total"] == 0


@pytest.mark.usefixtures("conflict", "hub")
async def test_what_the_mapping_cannot_change_stays(hass: HomeAssistant) -> None:
    await set_states(hass, a="1.5")
    answer = await call(
        hass,
        "replay_dead_letters",
        entity_id="sensor.a",
        mapping=[{"field": "value", "cast": "boolean"}],
    )
    assert answer == {"replayed": 0, "skipped": 1, "remaining": 1}
    answer = await call(
        hass,
        "replay_dead_letters",
        entity_id="sensor.a",
        mapping=[{"field": "value", "cast": "text"}],
    )
    assert answer == {"replayed": 1, "skipped": 0, "remaining": 0}


@pytest.mark.usefixtures("conflict", "hub")
async def test_discarding(hass: HomeAssistant) -> None:
    await set_states(hass, a="1.5", b="2.5")
    answer = await call(hass, "discard_dead_letters", entity_id="sensor.a")
    assert answer == {"discarded": 1, "remaining": 1}
    # Without a response it works as well.
    await hass.services.async_call(
        DOMAIN, "discard_dead_letters", {"all": True}, blocking=True
    )
    assert (await call(hass, "list_dead_letters"))["total"] == 0
    answer = await call(hass, "discard_dead_letters", all=True)
    assert answer == {"discarded": 0, "remaining": 0}


@pytest.mark.usefixtures("conflict", "hub")
@pytest.mark.parametrize("action", ["replay_dead_letters", "discard_dead_letters"])
async def test_numbers_that_are_not_there(hass: HomeAssistant, action: str) -> None:
    await set_states(hass, a="1.5")
    [item] = (await call(hass, "list_dead_letters"))["dead_letters"]
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, action, ids=[item["id"] + 1])
    assert caught.value.translation_key == "dead_letters_not_found"
    answer = await call(hass, action, ids=[item["id"], item["id"] + 1])
    assert answer["remaining"] == 0


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("list_dead_letters", {"limit": 0}),
        ("list_dead_letters", {"limit": 1_001}),
        ("list_dead_letters", {"reason_class": ["unknown"]}),
        ("replay_dead_letters", {}),
        ("discard_dead_letters", {}),
        ("discard_dead_letters", {"all": False}),
        ("discard_dead_letters", {"ids": []}),
        ("discard_dead_letters", {"ids": [-1]}),
        ("discard_dead_letters", {"reason_class": []}),
        ("discard_dead_letters", {"all": True, "mapping": []}),
        ("replay_dead_letters", {"all": True, "mapping": [{"field": "value"}]}),
        ("replay_dead_letters", {"all": True, "mapping": [{"cast": "text"}]}),
        (
            "replay_dead_letters",
            {"all": True, "mapping": [{"field": "value", "cast": "integer"}]},
        ),
        (
            "replay_dead_letters",
            {"all": True, "mapping": [{"field": "value", "rename": ""}]},
        ),
    ],
)
async def test_bad_calls(
    hass: HomeAssistant, action: str, data: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await call(hass, action, **data)


@pytest.mark.usefixtures("conflict", "hub")
@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("list_dead_letters", {}),
        ("replay_dead_letters", {"all": True}),
        ("discard_dead_letters", {"all": True}),
    ],
)
async def test_for_administrators_only(
    hass: HomeAssistant,
    hass_read_only_user: MockUser,
    hass_admin_user: MockUser,
    action: str,
    data: dict[str, Any],
) -> None:
    await set_states(hass, a="1.5")
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            action,
            data,
            blocking=True,
            return_response=True,
            context=Context(user_id=hass_read_only_user.id),
        )
    assert (await call(hass, "list_dead_letters"))["total"] == 1
    answer = await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        return_response=True,
        context=Context(user_id=hass_admin_user.id),
    )
    assert answer


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize(
    ("action", "method", "data"),
    [
        ("list_dead_letters", "list_dead_letters", {}),
        ("replay_dead_letters", "replay_dead_letters", {"all": True}),
        ("discard_dead_letters", "discard_dead_letters", {"all": True}),
    ],
)
async def test_a_failing_disk(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    method: str,
    data: dict[str, Any],
) -> None:
    await set_states(hass, a="1.5")
    pipeline: Pipeline = hub.runtime_data.pipeline
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.buffer, method, fail(DiskBufferError("disk I/O error")))
        with pytest.raises(HomeAssistantError) as caught:
            await call(hass, action, **data)
    assert caught.value.translation_key == "dead_letters_failed"
    assert caught.value.translation_placeholders == {"error": "disk I/O error"}
    assert (await call(hass, "list_dead_letters"))["total"] == 1
    assert await call(hass, action, **data)


def fail(error: Exception) -> Callable[..., Any]:
    def raise_error(*_: object) -> None:
        raise error

    return raise_error


@pytest.mark.usefixtures("conflict")
async def test_no_room_to_replay(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await set_states(hass, a="1.5")
    buffer = hub.runtime_data.pipeline.buffer
    max_bytes, buffer.max_bytes = buffer.max_bytes, 10
    with pytest.raises(HomeAssistantError) as caught:
        await call(hass, "replay_dead_letters", all=True)
    assert caught.value.translation_key == "replay_no_room"
    buffer.max_bytes = max_bytes
    answer = await call(hass, "replay_dead_letters", all=True)
    assert answer["replayed"] == 1


@pytest.mark.usefixtures("conflict", "hub")
async def test_sensor(hass: HomeAssistant) -> None:
    await set_states(hass, a="text")
    state = hass.states.get(SENSOR)
    assert state is not None
    assert state.state == "0"
    assert state.attributes["unit_of_measurement"] == "points"
    assert {key: state.attributes[key] for key in NOTHING} == NOTHING
    await set_states(hass, a="1.5", b="2.5")
    state = hass.states.get(SENSOR)
    assert state is not None
    assert state.state == "2"
    counts = {key: state.attributes[key] for key in NOTHING}
    assert counts == {**NOTHING, "type_conflict": 2}
    assert state.state_info is not None
    assert set(NOTHING) <= state.state_info["unrecorded_attributes"]
    await call(hass, "discard_dead_letters", all=True)
    state = hass.states.get(SENSOR)
    assert state is not None
    assert state.state == "0"
    assert {key: state.attributes[key] for key in NOTHING} == NOTHING


async def test_dead_letters_outlive_a_restart(
    hass: HomeAssistant, hub: MockConfigEntry, conflict: None
) -> None:
    await set_states(hass, a="1.5")
    before = await call(hass, "list_dead_letters")
    assert await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done()
    assert await call(hass, "list_dead_letters") == before
    state = hass.states.get(SENSOR)
    assert state is not None
    assert state.state == "1"
