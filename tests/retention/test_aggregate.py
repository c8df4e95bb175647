"""The rules of an aggregate, one by one, with figures worked out by hand."""

from collections.abc import Mapping
import datetime as dt
import random
import sys
import tracemalloc

import orjson
import pytest

from custom_components.ha_ingestor.errors import StoreProtocolError
from custom_components.ha_ingestor.models import FieldValue
from custom_components.ha_ingestor.retention.aggregate import Aggregator
from custom_components.ha_ingestor.retention.carry import Carry
from custom_components.ha_ingestor.store.query import Row
from tests.retention.kit import (
    AN_HOUR,
    BALANCE,
    CLIMATE,
    COUNTER,
    HOUR,
    PERSON,
    POWER,
    START_NS,
    SWITCH,
    TEMPERATURE,
    aggregate,
    at,
    carry_of,
    fields_of,
    row,
)

LARGEST = sys.float_info.max


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def test_a_mean_is_weighted_by_time() -> None:
    found = fields_of([row(at(0), 10.0), row(at(45), 20.0), row(at(45.5), 50.0)])

    assert found == {
        "row_count": 3.0,
        "sample_count": 3.0,
        "covered_seconds": 3600.0,
        "avg_value": (45 * 10 + 0.5 * 20 + 14.5 * 50) / 60,
        "min_value": 10.0,
        "max_value": 50.0,
        "first_value": 10.0,
        "last_value": 50.0,
    }


def test_a_single_sample_holds_from_its_time_on() -> None:
    found = fields_of([row(at(45), 21.5)])

    assert found["avg_value"] == 21.5
    assert found["covered_seconds"] == 900.0


def test_what_held_before_is_carried_in() -> None:
    found = fields_of([row(at(15), 20.0)], carry=carry_of(row(at(-30), 40.0)))

    assert found["avg_value"] == 25.0
    assert (found["first_value"], found["max_value"]) == (40.0, 40.0)
    assert (found["row_count"], found["covered_seconds"]) == (1.0, 3600.0)


def test_what_is_replaced_at_once_has_not_held() -> None:
    found = fields_of([row(at(0), 20.0)], carry=carry_of(row(at(-30), 40.0)))

    assert (found["first_value"], found["max_value"]) == (20.0, 20.0)


def test_an_hour_without_rows_has_what_holds() -> None:
    found = aggregate([], carry=carry_of(row(at(-30), 21.5)))

    assert found is not None
    assert found.tags == TEMPERATURE
    assert found.fields == {
        "row_count": 0.0,
        "sample_count": 0.0,
        "covered_seconds": 3600.0,
        "avg_value": 21.5,
        "min_value": 21.5,
        "max_value": 21.5,
        "first_value": 21.5,
        "last_value": 21.5,
    }


def test_an_hour_of_which_nothing_is_known_has_no_aggregate() -> None:
    assert aggregate([]) is None
    assert aggregate([], carry=carry_of(row(at(-30), "unavailable"))) is None
    assert Aggregator(AN_HOUR).carry_out() is None


@pytest.mark.parametrize("gap", ["unavailable", "unknown", "removed", ""])
def test_no_time_is_counted_for_a_gap(gap: str) -> None:
    found = fields_of([row(at(0), 10.0), row(at(15), gap), row(at(45), 30.0)])

    assert found["covered_seconds"] == 1800.0
    assert found["avg_value"] == 20.0
    assert (found["row_count"], found["sample_count"]) == (3.0, 2.0)
    assert "ends_unknown" not in found


def test_a_gap_at_the_end_is_carried_on() -> None:
    rows = [row(at(0), 10.0), row(at(30), "unavailable")]

    assert fields_of(rows)["ends_unknown"] is True


def test_only_gaps_are_counted_too() -> None:
    assert fields_of([row(at(30), "unavailable")]) == {
        "row_count": 1.0,
        "sample_count": 0.0,
        "covered_seconds": 0.0,
        "ends_unknown": True,
    }


def test_nothing_is_known_while_home_assistant_is_not_running() -> None:
    aggregator = Aggregator(AN_HOUR)
    aggregator.add(row(at(0), 10.0))
    aggregator.interrupt(at(15))
    aggregator.add(row(at(45), 30.0))
    found = aggregator.finish()

    assert found is not None
    assert found.fields["covered_seconds"] == 1800.0
    assert found.fields["avg_value"] == 20.0
    assert found.fields["row_count"] == 2.0


def test_an_interruption_lasts_into_the_next_window() -> None:
    aggregator = Aggregator(AN_HOUR, carry=carry_of(row(at(-30), 10.0)))
    aggregator.interrupt(AN_HOUR.end_ns)
    found, carry = aggregator.finish(), aggregator.carry_out()

    assert found is not None
    assert found.fields["covered_seconds"] == 3600.0
    assert carry is not None
    assert carry.expires_ns == AN_HOUR.end_ns


def test_a_state_holds_no_longer_than_it_may() -> None:
    last = row(at(-30), 10.0)
    carry = carry_of(last)
    assert carry is not None
    short = Carry(row=last, expires_ns=at(15))

    assert carry.expires_ns == START_NS + 7 * 24 * HOUR
    assert fields_of([row(at(30), 20.0)], carry=short)["covered_seconds"] == 2700.0
    assert fields_of([], carry=short)["ends_unknown"] is True
    assert aggregate([], carry=Carry(row=last, expires_ns=START_NS)) is None


def test_a_silent_window_does_not_prolong_what_holds() -> None:
    carry = carry_of(row(at(-30), 10.0), max_carry=dt.timedelta(days=2))
    aggregator = Aggregator(AN_HOUR, carry=carry)
    aggregator.finish()

    assert aggregator.carry_out() == carry


@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_one_instant_are_one_sample(order: int) -> None:
    same = [
        row(at(0), "unavailable"),
        row(at(0), 10.0),
        row(at(0), 10.0, {**TEMPERATURE, "area": "Bath"}),
    ]
    found = aggregate([*same[::order], row(at(30), 20.0)])

    assert found is not None
    assert (found.fields["row_count"], found.fields["sample_count"]) == (4.0, 2.0)
    assert found.fields["avg_value"] == 15.0


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row(at(30), 1.0), row(at(29), 2.0)], id="older-than-the-last"),
        pytest.param([row(at(-1), 1.0)], id="before-the-window"),
        pytest.param([row(at(60), 1.0)], id="after-the-window"),
        pytest.param([row(at(30), 1.0), row(at(60), 2.0)], id="second-after-it"),
    ],
)
def test_rows_out_of_order_are_no_answer(rows: list[Row]) -> None:
    with pytest.raises(StoreProtocolError):
        aggregate(rows)


def test_an_interruption_out_of_order_is_refused() -> None:
    aggregator = Aggregator(AN_HOUR)
    aggregator.add(row(at(30), 1.0))

    with pytest.raises(StoreProtocolError):
        aggregator.interrupt(at(29))
    with pytest.raises(StoreProtocolError):
        aggregator.interrupt(at(61))


@pytest.mark.parametrize(
    ("unit", "kwh"), [("W", 1.0), ("kW", 1000.0), ("mW", 0.001), ("BTU/h", 0.29307107)]
)
def test_power_becomes_energy(unit: str, kwh: float) -> None:
    tags = {**POWER, "unit": unit}
    rows = [row(at(0), 500.0, tags), row(at(30), 1500.0, tags)]

    assert fields_of(rows)["total_energy"] == pytest.approx(kwh)


def test_power_that_flows_back_counts_down() -> None:
    rows = [row(at(0), 1000.0, POWER), row(at(30), -3000.0, POWER)]

    assert fields_of(rows)["total_energy"] == -1.0


@pytest.mark.parametrize(
    ("tags", "readings", "expected"),
    [
        pytest.param(COUNTER, [100.5, 101.0], 1.0, id="increase-since-before"),
        pytest.param(COUNTER, [101.0, "unavailable", 103.0], 3.0, id="across-a-gap"),
        pytest.param(COUNTER, [101.0, 2.0, 3.0], 4.0, id="reset"),
        pytest.param(COUNTER, [101.0, 99.0, 101.5], 1.5, id="dip-is-no-reset"),
        pytest.param(COUNTER, [101.0, -4.0, 1.0], 6.0, id="less-than-nothing"),
        pytest.param(COUNTER, [101.0, "removed", 50.0, 51.0], 2.0, id="new-device"),
        pytest.param(BALANCE, [101.0, 99.0], -1.0, id="balance-falls"),
        pytest.param(BALANCE, [101.0, 0.5, 0.4], 1.4, id="balance-is-set-back"),
        pytest.param(BALANCE, [], 0.0, id="nothing-used"),
        pytest.param({**COUNTER, "unit": "Wh"}, [600.0], 0.5, id="watt-hours"),
    ],
)
def test_increase_of_a_counter(
    tags: Mapping[str, str], readings: list[float | str], expected: float
) -> None:
    carry = carry_of(row(at(-5), 100.0, tags))
    rows = [row(at(10 * i), reading, tags) for i, reading in enumerate(readings)]

    assert fields_of(rows, carry=carry)["total_energy"] == pytest.approx(expected)


def test_the_first_reading_of_a_counter_is_no_energy() -> None:
    assert fields_of([row(at(10), 5000.0, COUNTER)])["total_energy"] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"device_class": "voltage", "unit": "V"}, id="voltage"),
        pytest.param({"device_class": "apparent_power", "unit": "VA"}, id="apparent"),
        pytest.param({"device_class": "energy_storage", "unit": "kWh"}, id="battery"),
        pytest.param(
            {"device_class": "", "unit": "kcal", "state_class": "total"}, id="food"
        ),
        pytest.param({"device_class": "energy", "unit": "kWh"}, id="measurement"),
    ],
)
def test_other_numbers_are_no_energy(changes: dict[str, str]) -> None:
    tags = {**TEMPERATURE, **changes}

    assert "total_energy" not in fields_of([row(at(0), 1.0, tags)])


def test_cost_and_carbon_are_those_of_the_moment() -> None:
    found = fields_of(
        [
            row(at(0), 1000.0, POWER, electricity_price=0.2, carbon_intensity=100.0),
            row(at(30), 3000.0, POWER, electricity_price=0.4, carbon_intensity=400.0),
            row(at(45), 4000.0, POWER),
        ]
    )

    assert found["total_energy"] == 0.5 + 0.75 + 1.0
    assert found["energy_cost"] == pytest.approx(0.5 * 0.2 + 0.75 * 0.4)
    assert found["energy_carbon"] == pytest.approx(0.5 * 100 + 0.75 * 400)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [(0.2, 0.4, 0.2), (None, 0.4, 0.4), (0.2, None, 0.2), (None, None, None)],
)
def test_a_counter_costs_what_held_at_its_reading_before(
    before: float | None, now: float | None, expected: float | None
) -> None:
    def reading(minute: float, kwh: float, price: float | None) -> Row:
        context = {} if price is None else {"electricity_price": price}
        return row(at(minute), kwh, COUNTER, **context)

    carry = carry_of(reading(-5, 100.0, before))

    assert (
        fields_of([reading(5, 101.0, now)], carry=carry).get("energy_cost") == expected
    )


def test_a_switch() -> None:
    found = fields_of(
        [
            row(at(10), "off", SWITCH),
            row(at(20), "on", SWITCH),
            row(at(30), "unavailable", SWITCH),
            row(at(40), "on", SWITCH, electricity_price=0.3),
        ],
        carry=carry_of(row(at(-30), "on", SWITCH)),
    )

    assert found == {
        "row_count": 4.0,
        "sample_count": 3.0,
        "covered_seconds": 3000.0,
        "on_seconds": 2400.0,
        "state_changes": 2.0,
        "last_state": "on",
        "avg_electricity_price": 0.3,
        "avg_electricity_price_seconds": 1200.0,
    }


def test_text_has_its_most_frequent_state_and_the_durations() -> None:
    found = fields_of(
        [
            row(at(0), "heat", CLIMATE),
            row(at(10), "cool", CLIMATE),
            row(at(30), "heat", CLIMATE),
            row(at(45), "off", CLIMATE),
        ]
    )

    assert (found["top_state"], found["top_state_seconds"]) == ("heat", 1500.0)
    assert orjson.loads(str(found["state_durations"])) == {
        "heat": 1500.0,
        "cool": 1200.0,
        "off": 900.0,
    }
    assert (found["on_seconds"], found["state_changes"]) == (2700.0, 3.0)
    assert found["last_state"] == "off"


def test_of_states_that_held_equally_long_the_first_in_the_alphabet_counts() -> None:
    rows = [row(at(0), "idle", CLIMATE), row(at(30), "cool", CLIMATE)]

    assert fields_of(rows)["top_state"] == "cool"


def test_a_place_may_look_like_a_number() -> None:
    found = fields_of(
        [row(at(0), "home", PERSON), row(at(15), "42", PERSON, value=0.0)]
    )

    assert (found["top_state"], found["on_seconds"]) == ("42", 900.0)
    assert "avg_value" not in found


def test_a_row_without_a_state_is_a_number() -> None:
    found = fields_of([Row(time_ns=at(0), tags={}, fields={"value": 3.0})])

    assert found["avg_value"] == 3.0


def test_states_without_end_are_bounded() -> None:
    rows = [row(START_NS + i * 1_000_000, f"text {i:04}", CLIMATE) for i in range(3000)]
    found = fields_of(rows)

    assert len(orjson.loads(str(found["state_durations"]))) == 16
    assert found["state_changes"] == 2999.0


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        pytest.param([10.0, 20.0], {"avg_outdoor_temperature": 12.5}, id="mean"),
        pytest.param(
            [10.0, None],
            {
                "avg_outdoor_temperature": 10.0,
                "avg_outdoor_temperature_seconds": 2700.0,
            },
            id="known-in-part",
        ),
        pytest.param([None, None], {}, id="unknown"),
        pytest.param([True, False], {"avg_outdoor_temperature": 0.75}, id="share"),
        pytest.param(["warm", "cold"], {}, id="text"),
    ],
)
def test_context(
    context: list[FieldValue | None], expected: dict[str, FieldValue]
) -> None:
    rows = [
        row(
            at(minute), 1.0, **({} if value is None else {"outdoor_temperature": value})
        )
        for minute, value in zip((0, 45), context, strict=True)
    ]
    found = fields_of(rows)

    assert {k: v for k, v in found.items() if k.startswith("avg_outdoor")} == expected


def test_only_the_means_that_are_wanted() -> None:
    aggregator = Aggregator(AN_HOUR, mean_fields=("daylight",))
    aggregator.add(row(at(0), 1.0, daylight=True, outdoor_humidity=50.0))
    found = aggregator.finish()

    assert found is not None
    assert found.fields["avg_daylight"] == 1.0
    assert "avg_outdoor_humidity" not in found.fields


def test_tags_are_those_of_the_last_row() -> None:
    kitchen, bath = {**SWITCH, "area": "Kitchen"}, {**SWITCH, "area": "Bath"}
    found = aggregate([row(at(0), "on", kitchen), row(at(5), "unavailable", bath)])

    assert found is not None
    assert found.tags == bath


@pytest.mark.parametrize(
    ("units", "values", "expected"),
    [
        pytest.param(("°F", "°C"), (50.0, 20.0), (15.0, 10.0, 20.0), id="converted"),
        pytest.param(("°C", "%"), (50.0, 20.0), (20.0, 20.0, 20.0), id="another-thing"),
        pytest.param(("m/s", "Beaufort"), (5.0, 4.0), (4.0, 4.0, 4.0), id="no-line"),
        pytest.param(("kB", "MB"), (500.0, 1.5), (1.0, 0.5, 1.5), id="scaled"),
    ],
)
def test_a_change_of_unit(
    units: tuple[str, str],
    values: tuple[float, float],
    expected: tuple[float, float, float],
) -> None:
    found = aggregate(
        row(at(minute), value, {**TEMPERATURE, "unit": unit})
        for minute, value, unit in zip((0, 30), values, units, strict=True)
    )

    assert found is not None
    fields = found.fields
    assert found.tags["unit"] == units[1]
    assert (
        fields["avg_value"],
        fields["min_value"],
        fields["max_value"],
    ) == pytest.approx(expected)


def test_energy_is_whole_across_a_change_of_unit() -> None:
    found = fields_of(
        [
            row(at(0), 500.0, POWER),
            row(at(30), 1.5, {**POWER, "unit": "kW"}),
            row(at(45), 230.0, {**TEMPERATURE, "device_class": "voltage", "unit": "V"}),
        ]
    )

    assert found["total_energy"] == pytest.approx(0.25 + 0.375)
    assert (found["avg_value"], found["value_seconds"]) == (230.0, 900.0)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        pytest.param((LARGEST, LARGEST), LARGEST, id="largest"),
        pytest.param((LARGEST, -LARGEST), 0.0, id="cancel"),
        pytest.param((5e-324, 5e-324), 5e-324, id="smallest"),
    ],
)
def test_the_mean_of_the_largest_numbers_is_a_number(
    values: tuple[float, float], mean: float
) -> None:
    found = fields_of([row(at(0), values[0], POWER), row(at(30), values[1], POWER)])

    assert found["avg_value"] == mean


def test_energy_out_of_range_is_left_out() -> None:
    tags = {**POWER, "unit": "TW"}
    found = fields_of([row(at(0), LARGEST, tags, electricity_price=2.0)])

    assert "total_energy" not in found
    assert "energy_cost" not in found
    assert found["avg_value"] == LARGEST


@pytest.mark.parametrize(
    ("units", "minute"),
    [
        pytest.param(("km", "mm"), 30, id="mean-and-extreme"),
        pytest.param(("cm", "mm"), 1, id="extreme-alone"),
    ],
)
def test_numbers_that_leave_the_range_by_conversion_are_left_out(
    units: tuple[str, str], minute: int
) -> None:
    before, after = ({**TEMPERATURE, "unit": unit} for unit in units)
    found = fields_of([row(at(0), LARGEST, before), row(at(minute), 1.0, after)])

    assert "avg_value" not in found
    assert found["covered_seconds"] == 3600.0


def test_what_is_no_counter_any_more_adds_nothing() -> None:
    voltage = {**TEMPERATURE, "device_class": "voltage", "unit": "V"}
    found = fields_of(
        [
            row(at(0), 5.0, COUNTER),
            row(at(10), 230.0, voltage),
            row(at(20), 7.0, COUNTER),
        ]
    )

    assert found["total_energy"] == 2.0


def test_a_value_that_is_no_number_is_text() -> None:
    found = fields_of([row(at(0), "1e999", value=float("inf"))])

    assert (found["top_state"], found["state_changes"]) == ("1e999", 0.0)
    assert "avg_value" not in found


def test_a_constant_has_itself_as_mean() -> None:
    seconds = sorted(random.Random(1).sample(range(3600), 500))
    rows = [row(START_NS + s * 10**9, 0.1, electricity_price=0.3) for s in seconds]
    found = fields_of(rows)

    assert (found["avg_value"], found["avg_electricity_price"]) == (0.1, 0.3)


def test_memory_does_not_grow_with_the_rows() -> None:
    generator = random.Random(2)
    aggregator = Aggregator(AN_HOUR)
    tracemalloc.start()
    try:
        for i in range(30_000):
            value = generator.random()
            aggregator.add(row(START_NS + i * 10**8, value, electricity_price=value))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 64 * 1024
