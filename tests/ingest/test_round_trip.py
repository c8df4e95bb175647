"""Whatever an event holds: a real server takes the line and gives it back."""

from collections.abc import Mapping
import itertools
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.ingest.normalize import Normalizer
from custom_components.ha_ingestor.ingest.records import STATE, StateRecord
from custom_components.ha_ingestor.store.line_protocol import format_series_key
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    entity_registry as er,
    floor_registry as fr,
)
from tests.ingest.kit import Stored, parse

_NASTY: Final = (
    " ", ",", "=", '"', "\\", "\n", "\r", "\t", "\0", "#", "'", "$", "%", "/",
    "a", "1", ".", "ü", "٣", "🏠", "\u2028", "\u200b", "\ufeff", "\x7f", "\x85",
)  # fmt: skip
_ENTITY_NUMBERS: Final = itertools.count()
_START_S: Final = 1_790_000_000

text_st = st.text(st.sampled_from(_NASTY), max_size=12) | st.text(max_size=12)
number_st = st.floats(allow_nan=False, allow_infinity=False) | st.integers(
    -(2**60), 2**60
)
value_st = st.recursive(
    text_st | number_st | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text_st, inner, max_size=3)
    ),
    max_leaves=5,
)
event_st = st.fixed_dictionaries(
    {
        "state": text_st | number_st.map(str),
        "previous": text_st,
        "duration_s": st.floats(0, 1e9),
        "context_id": text_st,
        "attributes": st.dictionaries(text_st, value_st, max_size=4),
    }
)
tags_st = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("area", "device", "floor", "unit"), text_st)
)


def make_records(
    events: list[dict[str, Any]], tags: Mapping[str, str], entity_id: str
) -> list[StateRecord]:
    """Make a record of each event, a second apart."""
    key = format_series_key("home_assistant_events", {**tags, "entity_id": entity_id})
    return [
        (
            STATE,
            key,
            event["state"],
            float(_START_S + number),
            event["previous"],
            event["duration_s"],
            event["context_id"],
            None,
            None,
            "",
            tuple(event["attributes"].items()),
        )
        for number, event in enumerate(events)
    ]


def read_back(server: InfluxServer, entity_id: str) -> list[dict[str, Any]]:
    """Return what the server has of an entity, a mapping per point."""
    answer = server.query(
        f"SELECT * FROM home_assistant_events WHERE entity_id = '{entity_id}'", "test"
    )
    (series,) = answer["results"][0]["series"]
    return [
        {
            # A server writes a float without a fraction as an integer.
            column: float(value) if type(value) is int and column != "time" else value
            for column, value in zip(series["columns"], row, strict=True)
            # A tag that a point lacks is empty text for a server.
            if value is not None
        }
        for row in series["values"]
    ]


def as_row(point: Stored) -> dict[str, Any]:
    """Return a point as a server shows it."""
    return {"time": point.time_ns, **point.tags, **point.fields}


@settings(
    max_examples=100,
    deadline=None,
    # The database is shared by the examples; each has an entity of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=st.lists(event_st, min_size=1, max_size=15), tags=tags_st)
@example(
    events=[
        {
            "state": "a\\\n\\",
            "previous": '\\"',
            "duration_s": 0.1,
            "context_id": '"\\',
            "attributes": {"x": "text", "x_text": 1.5, 'q"': "\\", "e\\": 5e-324},
        }
    ],
    tags={"area": "a\\", "device": "b\\ c\\,d", "floor": "\n", "unit": 'a="b",c'},
)
def test_the_server_gives_back_what_was_captured(
    influxdb: InfluxServer, events: list[dict[str, Any]], tags: dict[str, str]
) -> None:
    entity_id = f"sensor.round_trip_{next(_ENTITY_NUMBERS)}"
    lines = list(map(Normalizer().format_record, make_records(events, tags, entity_id)))

    influxdb.write("\n".join(lines).encode("utf-8", "replace"), "test")

    rows = read_back(influxdb, entity_id)
    assert rows == [as_row(parse(line)) for line in lines]
    # And without the reader of lines between: the server against the events.
    assert [
        (row["state"], row["previous_state"], row.get("context_id", "")) for row in rows
    ] == [(event["state"], event["previous"], event["context_id"]) for event in events]
    assert [row["duration_s"] for row in rows] == [
        round(event["duration_s"], 6) for event in events
    ]


numbers_st = st.lists(
    st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(numbers=numbers_st)
@example(numbers=[5e-324, 1.7976931348623157e308, 1e16, 1e22, 0.1 + 0.2, -0.0])
def test_numbers_come_back_to_the_last_bit(
    influxdb: InfluxServer, numbers: list[float]
) -> None:
    entity_id = f"sensor.numbers_{next(_ENTITY_NUMBERS)}"
    events = [
        {
            "state": repr(number),
            "previous": "",
            "duration_s": 0.0,
            "context_id": "",
            "attributes": {"x": number},
        }
        for number in numbers
    ]
    lines = map(Normalizer().format_record, make_records(events, {}, entity_id))

    influxdb.write("\n".join(lines), "test")

    rows = read_back(influxdb, entity_id)
    assert [row["value"] for row in rows] == numbers
    assert [row["attr_x"] for row in rows] == numbers


@pytest.mark.parametrize(
    "options",
    [{"flush_interval_s": 0.1, "attributes": ["*.*"], "static_tags": {"home": "B 1"}}],
)
async def test_an_event_with_all_its_context_through_a_hub(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    influxdb: InfluxServer,
    area_registry: ar.AreaRegistry,
    floor_registry: fr.FloorRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    floor = floor_registry.async_create("Étage, 1")
    area = area_registry.async_create('Salle "A" = B', floor_id=floor.floor_id)
    entry = entity_registry.async_get_or_create("lock", "demo", "1")
    entity_registry.async_update_entity(entry.entity_id, area_id=area.id)
    hass.services.async_register("lock", "unlock", lambda _: None)
    hass.states.async_set("weather.home", "sunny", {"temperature": 21.5})
    hass.states.async_set(entry.entity_id, "locked", {"code": "s3cr3t", "slots": [1]})

    await hass.services.async_call(
        "lock",
        "unlock",
        {"entity_id": entry.entity_id, "code": "s3cr3t"},
        blocking=True,
    )
    hass.states.async_set(entry.entity_id, "unlocked", {"code": "s3cr3t", "slots": [2]})
    await hass.services.async_call(
        "ha_ingestor", "flush", {}, blocking=True, return_response=True
    )

    first, second = await hass.async_add_executor_job(
        read_back, influxdb, entry.entity_id
    )
    everything = await hass.async_add_executor_job(
        influxdb.query, "SELECT * FROM /.*/", "test"
    )
    assert "s3cr3t" not in str(everything)
    assert "**REDACTED**" in str(everything)
    # Both times are rounded to a microsecond of their own.
    lasted_s = (second["time"] - first["time"]) / 1e9
    assert second["duration_s"] == pytest.approx(lasted_s, abs=1.5e-6)
    assert second | {"time": 0, "context_id": "", "duration_s": 0.0} == {
        "time": 0,
        "area": 'Salle "A" = B',
        "domain": "lock",
        "entity_id": entry.entity_id,
        "floor": "Étage, 1",
        "home": "B 1",
        "integration": "demo",
        "state": "unlocked",
        "value": 0.0,
        "previous_state": "locked",
        "duration_s": 0.0,
        "context_id": "",
        "outdoor_temperature": 21.5,
        "attr_slots_json": "[2]",
    }
