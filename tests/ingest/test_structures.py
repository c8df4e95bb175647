"""Structures and activities: bounded JSON without secrets."""

from collections.abc import Mapping
import datetime as dt
from decimal import Decimal
from enum import Enum
import json
from typing import Any
from uuid import UUID

import pytest

from custom_components.ha_ingestor.ingest.normalize import MAX_JSON_BYTES, Normalizer
from custom_components.ha_ingestor.ingest.records import ACTIVITY, ActivityRecord
from custom_components.ha_ingestor.ingest.redact import REDACTED
from tests.ingest.kit import (
    NOON,
    Color,
    Level,
    Login,
    Mode,
    Real,
    Stored,
    Whole,
    fields_of,
    parse,
    state_record,
)


class Huge(Enum):
    """An enum that no JSON can hold."""

    NUMBER = 10**400
    TEXT = "\ud800"


def json_of(value: Any) -> Any:
    """Give what is read back of a structure."""
    return json.loads(fields_of(value)["attr_x_json"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param([10**400], [str(10**400)], id="huge-int"),
        pytest.param([10**5000], [hex(10**5000)], id="very-huge-int"),
        pytest.param([2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)], id="64-bits"),
        pytest.param([Whole(5), Real(2.5)], [5, 2.5], id="subclasses-of-numbers"),
        pytest.param([Whole(10**400)], [str(10**400)], id="huge-subclass"),
        pytest.param([float("nan"), float("inf")], [None, None], id="no-numbers"),
        pytest.param([Decimal("1.5"), Decimal("NaN")], [1.5, "NaN"], id="decimals"),
        pytest.param([Decimal("1e400")], ["1E+400"], id="huge-decimal"),
        pytest.param([True, None], [True, None], id="bool-and-none"),
        pytest.param([Color.RED, Level.LOW, Mode.ECO], ["red", 1, "eco"], id="enums"),
        pytest.param({Mode.ECO: 1, Color.RED: 2}, {"eco": 1, "red": 2}, id="enum-key"),
        pytest.param([NOON], ["2026-11-20T12:30:00+01:00"], id="datetime"),
        pytest.param(
            [dt.time(12, 30, tzinfo=dt.UTC)], ["12:30:00+00:00"], id="time-with-zone"
        ),
        pytest.param([NOON.date()], ["2026-11-20"], id="date"),
        pytest.param([dt.timedelta(seconds=1.5)], [1.5], id="duration"),
        pytest.param([b"ok", b"\xff"], ["ok", "\ufffd"], id="bytes"),
        pytest.param([UUID(int=1)], [str(UUID(int=1))], id="uuid"),
        pytest.param([object(), 1j], ["<object>", "<complex>"], id="objects"),
        pytest.param([Login("secret")], ["<Login>"], id="dataclass"),
        pytest.param([*Huge], [str(10**400), "?"], id="huge-enum"),
        pytest.param(["\ud800", {"\udfff": 1}], ["?", {"?": 1}], id="half-a-pair"),
        pytest.param(
            [{"b", "a"}, frozenset({frozenset({"c", "d"})})],
            [["a", "b"], [["c", "d"]]],
            id="sets-in-sets",
        ),
        pytest.param({1: {"deep": ["ü"]}}, {"1": {"deep": ["ü"]}}, id="nested"),
    ],
)
def test_what_is_in_a_structure(value: Any, expected: Any) -> None:
    assert json_of(value) == expected


def test_a_structure_that_contains_itself() -> None:
    loop: dict[str, Any] = {"a": 1}
    loop["self"] = [loop, loop]

    assert json_of(loop) == {"a": 1, "self": [REDACTED, REDACTED]}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"list": ["x" * 1000] * 1000}, id="text"),
        pytest.param(['"\\' * 1000] * 500, id="quotes"),
        pytest.param(["🏠" * 1000] * 250, id="multibyte"),
        pytest.param(list(range(200_000)), id="numbers"),
    ],
)
def test_a_structure_of_a_megabyte_stays_json(value: Any) -> None:
    normalizer = Normalizer()

    line = normalizer.format_record(state_record(attributes={"x": value}))

    text = str(parse(line).fields["attr_x_json"])
    assert len(text.encode()) <= MAX_JSON_BYTES
    assert json.loads(text)["truncated_bytes"] > 900_000
    assert json.loads(text)["head"]
    assert normalizer.repaired_count == 1


def activity_record(
    texts: Mapping[str, str], data: Mapping[str, Any] | None
) -> ActivityRecord:
    """Make the record of an activity."""
    key = "home_assistant_activity,event_type=call_service"
    ids = ("01ID", "01PARENT", "user")
    return (ACTIVITY, key, tuple(texts.items()), data, 1_790_000_000.5, *ids)


def test_an_activity() -> None:
    line = Normalizer().format_record(
        activity_record({"name": 'light."on"'}, {"entity_id": "light.a", "pin": "1"})
    )

    assert parse(line) == Stored(
        measurement="home_assistant_activity",
        tags={"event_type": "call_service"},
        fields={
            "name": 'light."on"',
            "data": f'{{"entity_id":"light.a","pin":"{REDACTED}"}}',
            "context_id": "01ID",
            "context_parent_id": "01PARENT",
            "context_user_id": "user",
        },
        time_ns=1_790_000_000_500_000_000,
    )


@pytest.mark.parametrize("data", [None, {}])
def test_an_activity_without_data(data: Mapping[str, Any] | None) -> None:
    fields = parse(Normalizer().format_record(activity_record({}, data))).fields

    assert "data" not in fields
