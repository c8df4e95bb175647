"""Secrets never leave the event."""

import enum
import json
from types import MappingProxyType
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.ingest.redact import (
    REDACTED,
    is_private,
    is_secret,
    redact,
)
from homeassistant.core import HomeAssistant
from tests.ingest.kit import Capture, parse

SECRET = "s3cr3t-1234"
KEYS = ("code", "PIN", "userCode", "password", "access_token", "Secret", "api_key")


class Key(enum.Enum):
    """A key that is no text."""

    PIN = "pin"


@pytest.mark.parametrize("key", [*KEYS, "passphrase", "tokens", "usercode_slot"])
def test_keys_of_secrets(key: str) -> None:
    assert is_secret(key)
    assert is_private(key)


@pytest.mark.parametrize("key", ["brightness", "temperature", "name", "entity_id"])
def test_keys_of_readings(key: str) -> None:
    assert not is_private(key)


@pytest.mark.parametrize("key", ["latitude", "Longitude", "entity_picture", "url"])
def test_keys_that_give_a_place_away(key: str) -> None:
    assert is_private(key)
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"code": SECRET}, {"code": REDACTED}, id="flat"),
        pytest.param(
            {"data": [{"Pin": SECRET, "name": "Anna"}]},
            {"data": [{"Pin": REDACTED, "name": "Anna"}]},
            id="in-a-list",
        ),
        pytest.param({"code": {"a": SECRET}}, {"code": REDACTED}, id="whole-structure"),
        pytest.param(
            MappingProxyType({"a": ({"token": SECRET},)}),
            {"a": [{"token": REDACTED}]},
            id="read-only",
        ),
        pytest.param(
            {"gps": {"Latitude": 52.5, "accuracy": 5}, "url": "http://a"},
            {"gps": {"Latitude": REDACTED, "accuracy": 5}, "url": REDACTED},
            id="places-and-pictures",
        ),
        pytest.param({Key.PIN: SECRET}, {"pin": REDACTED}, id="enum-as-key"),
        pytest.param({b"pin": SECRET}, {"b'pin'": REDACTED}, id="bytes-as-key"),
        pytest.param({1: "x", None: "y"}, {"1": "x", "None": "y"}, id="other-keys"),
        pytest.param({2, 1, 3}, [1, 2, 3], id="set"),
        pytest.param("code", "code", id="text"),
    ],
)
def test_redaction(value: Any, expected: Any) -> None:
    assert redact(value) == expected


def test_redaction_leaves_the_original_alone() -> None:
    original = {"code": SECRET, "list": [{"code": SECRET}]}

    redact(original)

    assert original == {"code": SECRET, "list": [{"code": SECRET}]}


def test_a_structure_that_contains_itself_ends() -> None:
    loop: list[Any] = [1]
    # Twice: copied down to a depth, it would double with each step.
    loop += [loop, {"loop": loop}]

    assert redact(loop) == [1, REDACTED, {"loop": REDACTED}]


def test_a_structure_may_hold_another_twice() -> None:
    shared = {"a": 1}

    assert redact([shared, shared]) == [{"a": 1}, {"a": 1}]


nested_st = st.recursive(
    st.just(SECRET),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(("a", "b", *KEYS)), inner, min_size=1)
        | st.tuples(inner)
    ),
    max_leaves=10,
)


@given(value=nested_st, key=st.sampled_from(KEYS))
def test_no_secret_at_any_depth(value: Any, key: str) -> None:
    wrapped = {"list": [{"deep": {key: value}}]}

    assert SECRET not in json.dumps(redact(wrapped))


def test_too_deep_a_structure_is_cut() -> None:
    value: Any = SECRET
    for _ in range(30):
        value = [value]

    assert SECRET not in json.dumps(redact(value))


@pytest.mark.parametrize(
    "service_data",
    [
        {"entity_id": "lock.door", "code": SECRET},
        {"entity_id": ["lock.door"], "usercode": SECRET, "code_slot": SECRET},
        {"data": {"actions": [{"title": "Open", "auth_token": SECRET}]}},
        {"variables": {"settings": ({"Password": SECRET},)}},
    ],
)
async def test_an_action_call_is_stored_without_its_secrets(
    hass: HomeAssistant, capture: Capture, service_data: dict[str, Any]
) -> None:
    hass.services.async_register("lock", "unlock", lambda _: None)

    await hass.services.async_call("lock", "unlock", service_data, blocking=True)

    (line,) = capture.lines
    assert SECRET not in line
    data = json.loads(str(parse(line).fields["data"]))
    assert data["service_data"].keys() == service_data.keys()
    assert REDACTED in str(data)


@pytest.mark.parametrize("hub_options", [{"attributes": ["*.*"]}])
def test_a_glob_takes_no_private_attribute(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set(
        "camera.door",
        "idle",
        {
            "access_token": SECRET,
            "Code": SECRET,
            "entity_picture": f"/api?token={SECRET}",
            "latitude": 52.5,
            "brand": "Demo",
            "settings": {"wifi": {"password": SECRET, "ssid": "Home"}},
        },
    )

    (line,) = capture.lines
    fields = parse(line).fields
    assert SECRET not in line
    assert fields["attr_brand_text"] == "Demo"
    assert json.loads(str(fields["attr_settings_json"])) == {
        "wifi": {"password": REDACTED, "ssid": "Home"}
    }
    assert {name for name in fields if name.startswith("attr_")} == {
        "attr_brand_text",
        "attr_settings_json",
    }


@pytest.mark.parametrize(
    "hub_options", [{"attributes": ["person.latitude", "person.l*", "*.longitude"]}]
)
def test_a_private_attribute_is_taken_if_it_is_named(
    hass: HomeAssistant, capture: Capture
) -> None:
    hass.states.async_set(
        "person.anna", "home", {"latitude": 52.5, "longitude": 13.4, "location": "x"}
    )

    fields = capture.last("person.anna").fields
    assert fields["attr_latitude"] == 52.5
    assert fields["attr_longitude"] == 13.4
    assert "attr_location_text" not in fields
