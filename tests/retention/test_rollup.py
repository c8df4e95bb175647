"""From hours to a day, and back to what a window starts with."""

from collections.abc import Callable, Mapping
import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.const import MEASUREMENT_DAILY, MEASUREMENT_HOURLY
from custom_components.ha_ingestor.errors import StoreProtocolError
from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.carry import restore_carry
from custom_components.ha_ingestor.retention.rollup import RollUp
from custom_components.ha_ingestor.retention.rows import Aggregate, differences
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    day_window,
    to_ns,
    window_at,
)
from custom_components.ha_ingestor.store.query import Row
from tests.retention.kit import (
    CLIMATE,
    COUNTER,
    HOUR,
    PERSON,
    SWITCH,
    TEMPERATURE,
    UTC,
    Chain,
    aggregate,
    disagreements,
    row,
)

DAY_NS = to_ns(dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
A_DAY = Window(start_ns=DAY_NS, end_ns=DAY_NS + 24 * HOUR, resolution=Resolution.DAY)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def hour(number: int) -> Window:
    return window_at(Resolution.HOUR, DAY_NS + number * HOUR, UTC)


def hourly(number: int, state: float | str, tags: Mapping[str, str]) -> Aggregate:
    """An hour throughout which one state held."""
    found = aggregate([row(hour(number).start_ns, state, tags)], window=hour(number))
    assert found is not None
    return found


def place_row(time_ns: int, state: float | str, tags: Mapping[str, str]) -> Row:
    """A row, of which the state may be the name of a zone."""
    if state == "Work":
        return row(time_ns, state, tags, value=0.0)
    return row(time_ns, state, tags)


def roll_up(*hours: Aggregate) -> Aggregate:
    taken = RollUp(A_DAY)
    for one in hours:
        taken.add(one)
    found = taken.finish()
    assert found is not None
    return found


def test_a_day_of_nothing_is_none() -> None:
    assert RollUp(A_DAY).finish() is None


def test_missing_hours_are_not_known() -> None:
    found = roll_up(hourly(3, 10.0, TEMPERATURE), hourly(20, 30.0, TEMPERATURE))

    assert found.fields == {
        "row_count": 2.0,
        "sample_count": 2.0,
        "covered_seconds": 7200.0,
        "ends_unknown": True,
        "avg_value": 20.0,
        "min_value": 10.0,
        "max_value": 30.0,
        "first_value": 10.0,
        "last_value": 30.0,
    }


def test_hours_in_another_unit_are_converted() -> None:
    found = roll_up(
        hourly(0, 50.0, {**TEMPERATURE, "unit": "°F"}), hourly(1, 20.0, TEMPERATURE)
    )

    assert found.tags == TEMPERATURE
    assert found.fields["avg_value"] == pytest.approx(15.0, rel=1e-12)
    assert (found.fields["min_value"], found.fields["max_value"]) == (10.0, 20.0)


def test_a_person_at_home_and_elsewhere() -> None:
    found = roll_up(
        hourly(0, "home", PERSON),
        aggregate_of([("home", 0), ("not_home", 600)], hour(1), PERSON),
        aggregate_of([("Work", 0), ("home", 3000)], hour(2), PERSON),
    )

    assert found.fields["on_seconds"] == 3600 + 600 + 600
    assert found.fields["state_durations"] == (
        '{"home":4800.0,"Work":3000.0,"not_home":3000.0}'
    )


def aggregate_of(
    states: list[tuple[str, int]], window: Window, tags: Mapping[str, str]
) -> Aggregate:
    found = aggregate(
        [
            place_row(window.start_ns + second * 10**9, state, tags)
            for state, second in states
        ],
        window=window,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((1, 0), id="order"),
        pytest.param((1, 2, 1), id="twice"),
        pytest.param((24,), id="another-day"),
    ],
)
def test_hours_out_of_order_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(StoreProtocolError):
        roll_up(*(hourly(number, 1.0, TEMPERATURE) for number in numbers))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("count", "expected"), [(5.0, 30.0), (1.0, 10.0)])
def test_of_two_aggregates_of_one_hour_the_fuller_counts(
    count: float, expected: float, order: int
) -> None:
    old = hourly(3, 10.0, {**TEMPERATURE, "area": "Kitchen"})
    again = hourly(3, 30.0, {**TEMPERATURE, "area": "Bath"})
    again = Aggregate(
        window=hour(3), tags=again.tags, fields={**again.fields, "row_count": count}
    )

    found = roll_up(*[old, again][::order])

    assert found.fields["avg_value"] == expected
    assert found.fields["covered_seconds"] == 3600.0


@pytest.mark.parametrize("text", ["{", "[]", '{"a": "b"}', '{"a": null}'])
def test_unreadable_durations_are_no_aggregate(text: str) -> None:
    fields: dict[str, FieldValue] = {
        **hourly(0, "heat", CLIMATE).fields,
        "state_durations": text,
    }
    broken = Aggregate(window=hour(0), tags=CLIMATE, fields=fields)

    with pytest.raises(StoreProtocolError):
        roll_up(broken)


def test_an_aggregate_without_names_of_states_has_no_durations() -> None:
    fields: dict[str, FieldValue] = {"covered_seconds": 60.0, "state_changes": 2.0}

    found = roll_up(Aggregate(window=hour(0), tags=CLIMATE, fields=fields))

    assert found.fields["covered_seconds"] == 60.0
    assert "top_state" not in found.fields


def test_energy_out_of_range_is_left_out() -> None:
    hours = [hourly(i, 1.0, COUNTER) for i in range(2)]
    large = [
        Aggregate(
            window=one.window,
            tags=COUNTER,
            fields={**one.fields, "total_energy": 1e308},
        )
        for one in hours
    ]

    assert "total_energy" not in roll_up(*large).fields


def test_points_have_the_start_of_the_window_and_sorted_tags() -> None:
    found = hourly(3, 10.0, {"unit": "°C", "area": "", "entity_id": "sensor.x"})

    assert found.to_point() == Point(
        measurement=MEASUREMENT_HOURLY,
        tags={"entity_id": "sensor.x", "unit": "°C"},
        fields=found.fields,
        time_ns=DAY_NS + 3 * HOUR,
    )
    assert list(found.to_point().tags) == ["entity_id", "unit"]
    assert roll_up(found).to_point().measurement == MEASUREMENT_DAILY


def test_no_field_is_an_integer() -> None:
    hours = (hourly(0, 1.0, COUNTER), hourly(1, "on", SWITCH), hourly(2, "a", CLIMATE))
    types = {type(value) for one in hours for value in one.fields.values()}

    assert types == {float, str}


def test_a_window_of_another_length_says_so() -> None:
    day = day_window(dt.date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    assert day is not None
    found = aggregate([row(day.start_ns, 1.0)], window=day)

    assert found is not None
    assert found.fields["window_seconds"] == 25 * 3600.0


@pytest.mark.parametrize(
    ("name", "expected", "found", "differs"),
    [
        pytest.param("avg_value", 1e9, 1e9 + 0.5, False, id="mean-within"),
        pytest.param("avg_value", 1e9, 1e9 + 2.0, True, id="mean-beyond"),
        pytest.param("total_energy", 1.0, 1.0 + 1e-10, False, id="energy-within"),
        pytest.param("avg_daylight", 0.5, 0.5 + 1e-12, False, id="context"),
        pytest.param("avg_daylight_seconds", 5.0, 5.0 + 1e-9, True, id="its-time"),
        pytest.param("max_value", 1.0, 1.0 + 1e-15, True, id="extreme"),
        pytest.param("row_count", 7.0, 8.0, True, id="count"),
        pytest.param("last_state", "on", "off", True, id="text"),
        pytest.param("ends_unknown", True, 1.0, True, id="type"),
        pytest.param("max_value", 1.0, None, True, id="missing"),
        pytest.param("max_value", None, 1.0, True, id="too-many"),
    ],
)
def test_what_was_read_back_agrees_or_not(
    name: str, expected: FieldValue | None, found: FieldValue | None, differs: bool
) -> None:
    def fields(value: FieldValue | None) -> dict[str, FieldValue]:
        return {} if value is None else {name: value}

    assert differences(fields(expected), fields(found)) == ([name] if differs else [])


state_st: dict[str, tuple[Mapping[str, str], st.SearchStrategy[float | str]]] = {
    "counter": (COUNTER, st.floats(0, 100) | st.sampled_from(("unavailable",))),
    "switch": (SWITCH, st.sampled_from(("on", "off", "unavailable"))),
    "climate": (CLIMATE, st.sampled_from(("heat", "off", "unknown"))),
    "person": (PERSON, st.sampled_from(("home", "not_home", "Work"))),
    "any": (TEMPERATURE, st.floats(0, 9) | st.sampled_from(("on", "low", "unknown"))),
}


@pytest.mark.parametrize("kind", state_st)
@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_carry_made_of_stored_hours_is_as_good(
    data: st.DataObject, kind: str
) -> None:
    tags, states = state_st[kind]
    minutes = data.draw(st.lists(st.integers(0, 1439), max_size=20, unique=True))
    rows = [
        place_row(DAY_NS + minute * 60 * 10**9, data.draw(states), tags)
        for minute in sorted(minutes)
    ]
    max_carry = dt.timedelta(hours=26)
    chain = Chain(rows, zone=UTC, max_carry=max_carry)
    chain.run(A_DAY.start_ns, A_DAY.end_ns)
    number = data.draw(st.integers(1, 23))
    before = [h for w, h in chain.hours.items() if w < hour(number) and h is not None]

    restored = restore_carry(
        before, start_ns=hour(number).start_ns, max_carry=max_carry
    )
    found = aggregate(
        chain.inside(hour(number)),
        window=hour(number),
        carry=restored,
        max_carry=max_carry,
    )

    expected = chain.hours[hour(number)]
    assert (found is None) == (expected is None)
    assert (
        disagreements(found and found.fields, expected and expected.fields, 1e2) == {}
    )


def test_without_hours_there_is_nothing_to_carry() -> None:
    assert restore_carry([], start_ns=DAY_NS) is None


@pytest.mark.parametrize(
    ("hours", "expires_in_h"),
    [
        pytest.param(lambda: [hourly(9, "on", SWITCH)], 7 * 24 + 10, id="reported"),
        pytest.param(
            lambda: [hourly(8, "on", SWITCH), silent(9)], 7 * 24 + 9, id="silent-since"
        ),
        pytest.param(lambda: [silent(9)], 7 * 24 + 10, id="silent-throughout"),
        pytest.param(lambda: [hourly(7, "on", SWITCH)], 8, id="nothing-known-since"),
        pytest.param(
            lambda: [hourly(9, "unavailable", SWITCH)], 9, id="ended-in-a-gap"
        ),
    ],
)
def test_until_when_a_restored_state_holds(
    hours: Callable[[], list[Aggregate]], expires_in_h: int
) -> None:
    carry = restore_carry(hours(), start_ns=DAY_NS + 10 * HOUR)

    assert carry is not None
    assert carry.expires_ns == DAY_NS + expires_in_h * HOUR


def silent(number: int) -> Aggregate:
    fields = {**hourly(number, "on", SWITCH).fields, "row_count": 0.0}
    return Aggregate(window=hour(number), tags=SWITCH, fields=fields)
