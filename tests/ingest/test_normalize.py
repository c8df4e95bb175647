"""Values become fields by stated rules, and nothing breaks a line."""

import datetime as dt
from decimal import Decimal
from types import MappingProxyType
from typing import Any, override

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.ingest.normalize import VALUE_BY_STATE, Normalizer
from custom_components.ha_ingestor.ingest.records import TRACKER_STATE
from custom_components.ha_ingestor.store.line_protocol import MAX_STRING_BYTES
from tests.ingest.kit import (
    NOON,
    Color,
    Level,
    Login,
    Mode,
    Place,
    Real,
    Whole,
    fields_of,
    parse,
    state_record,
    store,
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("21.5", 21.5),
        ("0", 0.0),
        ("-0", -0.0),
        ("+5", 5.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.5e3", -500.0),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("007", 7.0),
        ("1" * 255, float("1" * 255)),
        ("12:30", None),
        ("2026-11-20", None),
        ("1_000", None),
        ("1,000", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("5 kWh", None),
        ("٣", None),
        ("५", None),
        ("\uff11", None),
        ("0x10", None),
        ("1e", None),
        ("e5", None),
        (".", None),
        ("", None),
        ("+", None),
        ("--5", None),
        ("nan", None),
        ("-Infinity", None),
        ("1e400", None),
        ("unknown", None),
        ("unavailable", None),
        ("heat", None),
    ],
)
def test_which_texts_are_numbers(state: str, expected: float | None) -> None:
    fields = store(state).fields

    assert fields["state"] == state
    assert fields.get("value") == expected


@pytest.mark.parametrize("state", ["nan", "NaN", "inf", "-inf", "+Infinity", "1e400"])
def test_a_number_that_is_none_is_counted(state: str) -> None:
    normalizer = Normalizer()

    normalizer.format_record(state_record(state))

    assert normalizer.repaired_count == 1


@pytest.mark.parametrize("state", ["12:30", "21.5", "unknown", "", "on", "nano"])
def test_a_text_is_nothing_to_be_counted(state: str) -> None:
    normalizer = Normalizer()

    normalizer.format_record(state_record(state))

    assert normalizer.repaired_count == 0


@pytest.mark.parametrize(("state", "expected"), VALUE_BY_STATE.items())
def test_states_with_a_value(state: str, expected: float) -> None:
    assert store(state).fields["value"] == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("home", 1.0),
        ("not_home", 0.0),
        ("Work", 0.0),
        ("Gym 24", 0.0),
        # A zone may have any name.
        ("42", 0.0),
        ("open", 0.0),
        ("nan", 0.0),
        ("unknown", None),
        ("unavailable", None),
        ("", None),
    ],
)
def test_somebody_is_at_home_or_elsewhere(state: str, expected: float | None) -> None:
    fields = store(state, kind=TRACKER_STATE).fields

    assert fields["state"] == state
    assert fields.get("value") == expected


@pytest.mark.parametrize(
    "state",
    [
        "ü" * 255,
        "🏠" * 255,
        'say "hi"',
        "back\\slash",
        "ends with \\",
        '\\"',
        "two\nlines",
        "carriage\r\nreturn",
        "tab\tand, comma = equals",
        'a",value=5,b="',
        "\x00\x01",
        "#comment",
    ],
)
def test_texts_are_kept_as_they_are(state: str) -> None:
    point = store(
        state,
        previous=state,
        duration_s=1.0,
        ids=(state, state, state),
        attributes={"x": state},
    )

    assert point.fields == {
        "state": state,
        "previous_state": state,
        "duration_s": 1.0,
        "context_id": state,
        "context_parent_id": state,
        "context_user_id": state,
        "attr_x_text": state,
    }


def test_a_removed_entity() -> None:
    point = store(None, previous="on", duration_s=5.0)

    assert point.fields == {
        "state": "removed",
        "previous_state": "on",
        "duration_s": 5.0,
        "context_id": "01ID",
    }


def test_context_fields_are_taken_over() -> None:
    fields = store(context=",outdoor_temperature=3.5,anyone_home=true").fields

    assert fields["outdoor_temperature"] == 3.5
    assert fields["anyone_home"] is True


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (1_790_000_000.123456, 1_790_000_000_123_456_000),
        (1_790_000_000.0, 1_790_000_000_000_000_000),
        (1_790_000_000.9999999, 1_790_000_001_000_000_000),
    ],
)
def test_times_are_whole_microseconds(time_s: float, expected: int) -> None:
    assert store(time_s=time_s).time_ns == expected


def test_a_duration_has_whole_microseconds() -> None:
    earlier, later = 1_790_000_000.1, 1_790_000_000.3

    assert later - earlier != 0.2
    fields = store("on", previous="off", duration_s=later - earlier).fields
    assert fields["duration_s"] == 0.2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(21, {"attr_x": 21.0}, id="int"),
        pytest.param(21.5, {"attr_x": 21.5}, id="float"),
        pytest.param(Whole(5), {"attr_x": 5.0}, id="int-subclass"),
        pytest.param(Real(2.5), {"attr_x": 2.5}, id="float-subclass"),
        pytest.param(True, {"attr_x": 1.0}, id="true"),
        pytest.param(False, {"attr_x": 0.0}, id="false"),
        pytest.param(2**63, {"attr_x": 2.0**63}, id="beyond-64-bits"),
        pytest.param(10**400, {"attr_x_text": f"1{'0' * 400}"}, id="beyond-float"),
        pytest.param(float("nan"), {}, id="nan"),
        pytest.param(float("inf"), {}, id="infinity"),
        pytest.param(float("-inf"), {}, id="minus-infinity"),
        pytest.param(Decimal("1.5"), {"attr_x": 1.5}, id="decimal"),
        pytest.param(Decimal("1e400"), {"attr_x_text": "1E+400"}, id="huge-decimal"),
        pytest.param(Decimal("NaN"), {}, id="decimal-nan"),
        pytest.param(Decimal("sNaN"), {}, id="decimal-signaling-nan"),
        pytest.param(Decimal("-Infinity"), {}, id="decimal-infinity"),
        pytest.param(None, {}, id="none"),
        pytest.param("heat", {"attr_x_text": "heat"}, id="text"),
        pytest.param("", {"attr_x_text": ""}, id="empty-text"),
        pytest.param("21.5", {"attr_x_text": "21.5"}, id="text-stays-text"),
        pytest.param(Color.RED, {"attr_x_text": "red"}, id="enum"),
        pytest.param(Level.LOW, {"attr_x_text": "1"}, id="int-enum"),
        pytest.param(Mode.ECO, {"attr_x_text": "eco"}, id="str-enum"),
        pytest.param(NOON, {"attr_x_text": "2026-11-20T12:30:00+01:00"}, id="datetime"),
        pytest.param(NOON.date(), {"attr_x_text": "2026-11-20"}, id="date"),
        pytest.param(dt.time(12, 30), {"attr_x_text": "12:30:00"}, id="time"),
        pytest.param(dt.timedelta(minutes=1.5), {"attr_x": 90.0}, id="duration"),
        pytest.param("grün".encode(), {"attr_x_text": "grün"}, id="bytes"),
        pytest.param(bytearray(b"ok"), {"attr_x_text": "ok"}, id="bytearray"),
        pytest.param(b"\xff\xfe", {}, id="bytes-that-are-no-text"),
        pytest.param(object(), {}, id="object"),
        pytest.param(Login("x"), {}, id="dataclass"),
        pytest.param(1j, {}, id="complex"),
        pytest.param([], {"attr_x_json": "[]"}, id="empty-list"),
        pytest.param((255, 0, 0), {"attr_x_json": "[255,0,0]"}, id="tuple"),
        pytest.param(Place(1, 2), {"attr_x_json": "[1,2]"}, id="named-tuple"),
        pytest.param({"c", "a", "b"}, {"attr_x_json": '["a","b","c"]'}, id="set"),
        pytest.param(frozenset({3, 1}), {"attr_x_json": "[1,3]"}, id="frozenset"),
        pytest.param({"a": 1}, {"attr_x_json": '{"a":1}'}, id="mapping"),
        pytest.param(
            MappingProxyType({"a": 1}), {"attr_x_json": '{"a":1}'}, id="read-only"
        ),
    ],
)
def test_what_an_attribute_becomes(value: Any, expected: dict[str, Any]) -> None:
    assert fields_of(value) == expected


def test_a_number_of_thousands_of_digits_is_kept_as_text() -> None:
    text = fields_of(10**5000)["attr_x_text"]

    assert int(text, 16) == 10**5000


@pytest.mark.parametrize("letter", ["x", "ü", "🏠", '"'])
def test_a_text_that_is_too_long_is_cut_between_characters(letter: str) -> None:
    normalizer = Normalizer()

    line = normalizer.format_record(state_record(attributes={"x": letter * 100_000}))

    text = str(parse(line).fields["attr_x_text"])
    assert set(text) == {letter}
    assert MAX_STRING_BYTES - 4 < len(text.encode()) <= MAX_STRING_BYTES
    assert normalizer.repaired_count == 1


class Hostile(str):
    """A text that raises where it is read, as a lazy one might."""

    __slots__ = ()

    @override
    def __len__(self) -> int:
        raise RuntimeError("Gone")


def test_one_bad_attribute_stops_no_other() -> None:
    normalizer = Normalizer()
    attributes = {"a": 1, "b": object(), "c": float("nan"), "d": Hostile("x"), "e": "y"}

    point = parse(normalizer.format_record(state_record("5", attributes=attributes)))

    assert point.fields == {
        "state": "5",
        "value": 5.0,
        "context_id": "01ID",
        "attr_a": 1.0,
        "attr_e_text": "y",
    }
    assert normalizer.repaired_count == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("current temperature", "attr_current temperature"),
        ("a,b=c", "attr_a,b=c"),
        ("tab\there", "attr_tab here"),
        ("größe", "attr_größe"),
        ("ends\\", "attr_ends/"),
        # Otherwise numbers would be written into a field of texts.
        ("mode_text", "attr_mode_text_"),
        ("mode_json", "attr_mode_json_"),
    ],
)
def test_names_of_attributes(name: str, expected: str) -> None:
    normalizer = Normalizer()
    record = state_record(attributes={name: 1.0})

    first = normalizer.format_record(record)

    assert parse(first).fields[expected] == 1.0
    assert normalizer.format_record(record) == first


def test_two_names_that_are_one_to_a_server() -> None:
    fields = store(attributes={"a": 1, "a ": 2}).fields

    assert fields["attr_a"] == 2.0


def test_names_without_end_do_not_fill_the_memory() -> None:
    normalizer = Normalizer()

    for number in range(25_000):
        normalizer.format_record(state_record(attributes={f"at_{number}": 1}))

    assert len(normalizer._attribute_keys) <= 10_000


value_st = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.sampled_from((Color.RED, Level.LOW, Mode.ECO)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.frozensets(st.text(max_size=5), max_size=4)
    ),
    max_leaves=8,
)


@given(
    state=st.text(max_size=40),
    attributes=st.dictionaries(st.text(max_size=10), value_st, max_size=4),
)
def test_every_record_is_one_line_and_always_the_same(
    state: str, attributes: dict[str, Any]
) -> None:
    record = state_record(state, attributes=attributes)

    line = Normalizer().format_record(record)

    assert parse(line).fields["state"] == state
    assert Normalizer().format_record(record) == line
