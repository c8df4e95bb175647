"""Formula, pace, demand response and shapes of attributes, without a running hub."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.sources.price.demand import read_demand
from custom_components.ha_ingestor.sources.price.entity_shapes import Shape, read_slots
from custom_components.ha_ingestor.sources.price.formula import Formula
from custom_components.ha_ingestor.sources.price.pace import find_due, find_pause
from custom_components.ha_ingestor.sources.price.price_entity import find_currency
from custom_components.ha_ingestor.sources.price.settings import read_settings
from custom_components.ha_ingestor.sources.slots import Slot, Slots, day_bounds
from tests.sources.kit import CannedState

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("formula", "price", "expected"),
    [
        (Formula(), -0.1, -0.1),
        (Formula(surcharge_percent=3), 0.1, 0.103),
        (Formula(surcharge_percent=3), -0.1, -0.097),
        (Formula(surcharge=0.12), 0.1, 0.22),
        (Formula(tax_percent=19), 0.1, 0.119),
        (Formula(surcharge_percent=10, surcharge=0.05, tax_percent=20), 0.5, 0.72),
        (Formula(surcharge=-0.05, tax_percent=-100), 0.5, 0),
    ],
)
def test_a_formula_is_applied_in_its_order(
    formula: Formula, price: float, expected: float
) -> None:
    assert formula.apply(price) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "average", "threshold"),
    [
        ({}, 0.2, None),
        ({"spike_price": 0.5}, None, 0.5),
        ({"spike_factor": 2.0}, 0.2, 0.4),
        ({"spike_factor": 2.0}, None, None),
        ({"spike_factor": 2.0}, -0.2, None),
        ({"spike_factor": 2.0, "spike_price": 0.3}, 0.2, 0.3),
    ],
)
def test_a_spike_begins_at(
    settings: dict[str, Any], average: float | None, threshold: float | None
) -> None:
    assert read_settings(settings).find_spike_threshold(average) == threshold


# --- pace


def known_until(end: datetime) -> Slots:
    start, _ = day_bounds(date(2026, 7, 1), BERLIN)
    return (Slot(start=start, end=end, value=0.3),)


@pytest.mark.parametrize(
    ("now", "known_hours", "minutes"),
    [
        pytest.param("08:00", 24, 60, id="morning"),
        pytest.param("12:40", 24, 20, id="until-they-are-due"),
        pytest.param("13:00", 24, 10, id="due"),
        pytest.param("20:00", 24, 10, id="late"),
        pytest.param("23:55", 24, 5, id="until-the-last-price-ends"),
        pytest.param("13:00", 48, 60, id="known"),
        pytest.param("13:00", 46, 60, id="known-but-for-two-hours"),
        pytest.param("13:00", 45, 10, id="not-known"),
        pytest.param("08:00", 8, 60, id="ended-now"),
        pytest.param("07:59:30", 8, 1, id="ends-at-once"),
    ],
)
def test_pauses_lead_to_the_next_news(
    now: str, known_hours: int, minutes: float
) -> None:
    moment = datetime.fromisoformat(f"2026-07-01T{now}").replace(tzinfo=BERLIN)
    start, _ = day_bounds(date(2026, 7, 1), BERLIN)
    slots = known_until(start + known_hours * HOUR)

    pause = find_pause(moment.astimezone(UTC), slots, "EUR", BERLIN, HOUR)

    assert pause == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("currency", "zone", "due"),
    [
        ("EUR", "Europe/Berlin", "2026-07-01T11:00:00+00:00"),
        # One market, whatever the clocks of the home say.
        ("EUR", "Europe/Helsinki", "2026-07-01T11:00:00+00:00"),
        ("EUR", "Europe/Lisbon", "2026-07-01T11:00:00+00:00"),
        ("GBP", "Europe/London", "2026-07-01T15:00:00+00:00"),
        ("AUD", "Australia/Sydney", "2026-07-01T03:00:00+00:00"),
    ],
)
def test_tomorrow_is_due_when_its_market_is(currency: str, zone: str, due: str) -> None:
    assert find_due(NOW, currency, ZoneInfo(zone)).isoformat() == due


# --- demand response


def state(text: str, **attributes: Any) -> CannedState:
    return CannedState(state=text, attributes=attributes, last_updated=NOW)


@pytest.mark.parametrize(
    ("entity", "is_event", "is_active"),
    [
        pytest.param(state("on"), False, True, id="on"),
        pytest.param(state("off"), False, False, id="off"),
        pytest.param(state("unavailable"), False, None, id="unavailable"),
        pytest.param(state("unknown"), True, None, id="no-event-yet"),
        pytest.param(state("x", event_type="saving_started"), True, True, id="began"),
        pytest.param(state("x", event_type="saving-ended"), True, False, id="over"),
        pytest.param(state("x", event_type="joined"), True, None, id="other-word"),
        pytest.param(state("x"), True, None, id="no-word"),
        pytest.param(
            state("x", start="2026-07-01T11:59:00", end="2026-07-01T12:01:00"),
            True,
            True,
            id="within-local-times",
        ),
        pytest.param(
            state("x", start_time="2026-07-01T10:01:00Z", end_time=NOW + HOUR),
            True,
            False,
            id="ahead",
        ),
        pytest.param(state("x", end=NOW.isoformat()), True, False, id="just-over"),
        pytest.param(
            state("x", start="soon", end="later", event_type="start"),
            True,
            True,
            id="times-that-are-none",
        ),
    ],
)
def test_demand_response_is_read(
    entity: CannedState, is_event: bool, is_active: bool | None
) -> None:
    found = read_demand(entity, is_event=is_event, now=NOW, time_zone=BERLIN)

    assert found is not None
    assert found.is_active is is_active


def test_an_entity_that_is_not_there_says_nothing() -> None:
    assert read_demand(None, is_event=False, now=NOW, time_zone=BERLIN) is None


def test_attributes_of_demand_response_are_bounded() -> None:
    many = {f"x{index}": index for index in range(100)}
    entity = state(
        "on",
        friendly_name="x",
        events=[1],
        note="y" * 999,
        day=date(2026, 7, 1),
        **many,
    )

    found = read_demand(entity, is_event=False, now=NOW, time_zone=BERLIN)

    assert found is not None
    assert len(found.attributes) == 20
    assert found.attributes["note"] == "y" * 255
    assert found.attributes["day"] == "2026-07-01"
    assert {"friendly_name", "events"} & set(found.attributes) == set()


# --- shapes

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["2026-07-01T10:00:00Z", "2026-07-01", "nan"])
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=25)
        | st.dictionaries(
            st.sampled_from(["start", "end", "time", "value", "price", "total"]), inner
        )
    ),
    max_leaves=30,
)
LISTS = ["raw_today", "prices_today", "prices", "data", "rates", "today", "tomorrow"]


@given(st.dictionaries(st.sampled_from(LISTS), ANYTHING))
def test_shapes_survive_anything(attributes: dict[str, Any]) -> None:
    shape = Shape(factor=1.0, today=date(2026, 7, 1), time_zone=BERLIN)

    slots = read_slots(attributes, shape)

    assert [slot for slot in slots if slot.end <= slot.start] == []


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ({"price_ct_per_kwh": 25}, 0.25),
        ({"price_eur_per_mwh": 250}, 0.25),
        ({"price_per_kwh": 0.25}, 0.25),
        ({"value": 25}, 0.25),
        ({"value": "25"}, 0.25),
        ({"price": 25, "value": True}, 0.25),
    ],
)
def test_a_key_may_name_the_unit(item: dict[str, Any], value: float) -> None:
    shape = Shape(factor=0.01, today=date(2026, 7, 1), time_zone=BERLIN)

    [slot] = read_slots({"data": [{"start_time": NOW.isoformat()} | item]}, shape)

    assert slot == Slot(start=NOW, end=NOW + HOUR, value=pytest.approx(value))


@pytest.mark.parametrize(
    ("unit", "currency"),
    [("EUR/kWh", "EUR"), ("ct/kWh", None), ("$/kWh", None), (None, None)],
)
def test_a_unit_may_name_the_currency(unit: str | None, currency: str | None) -> None:
    assert find_currency(unit) == currency
