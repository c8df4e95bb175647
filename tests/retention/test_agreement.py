"""Hours and days agree with a plain reference, whatever happened in them."""

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.retention.windows import day_window
from custom_components.ha_ingestor.store.query import Row
from tests.retention.kit import (
    BALANCE,
    CLIMATE,
    COUNTER,
    DAY,
    HOUR,
    POWER,
    SWITCH,
    TEMPERATURE,
    Chain,
    disagreements,
    row,
)
from tests.retention.reference import Reference, scale_of

# A zone and a local day in it; on most the clock is set.
PLACES = (
    ("UTC", dt.date(2026, 11, 20)),
    ("Asia/Kathmandu", dt.date(2026, 11, 20)),
    ("Pacific/Chatham", dt.date(2026, 9, 27)),
    ("Europe/Berlin", dt.date(2026, 3, 29)),
    ("Europe/Berlin", dt.date(2026, 10, 25)),
    ("America/New_York", dt.date(2026, 11, 1)),
    ("America/St_Johns", dt.date(2026, 3, 8)),
    ("Australia/Lord_Howe", dt.date(2026, 4, 5)),
    ("Australia/Lord_Howe", dt.date(2026, 10, 4)),
    ("Africa/Cairo", dt.date(2026, 4, 24)),
    ("America/Havana", dt.date(2026, 11, 1)),
    ("Pacific/Apia", dt.date(2011, 12, 31)),
)
GAPS = ("unavailable", "unknown", "removed")

number_st = st.floats(-1e6, 1e6) | st.sampled_from((0.0, 21.5, 21.5, 1e-9, -1e6))
gap_st = st.sampled_from(GAPS)
states = {
    "temperature": (TEMPERATURE, number_st | gap_st),
    "power": (POWER, number_st | gap_st),
    "counter": (COUNTER, st.floats(0, 1e5) | st.sampled_from((0.0, 5.0)) | gap_st),
    "balance": (BALANCE, number_st | gap_st),
    "switch": (SWITCH, st.sampled_from(("on", "off", *GAPS))),
    "climate": (CLIMATE, st.sampled_from(("heat", "cool", "off", "idle", *GAPS))),
    "any": (
        TEMPERATURE,
        number_st | st.sampled_from(("on", "off", "open", "closed", "low", *GAPS)),
    ),
}
context_st = st.fixed_dictionaries(
    {},
    optional={
        "outdoor_temperature": st.floats(-40, 50),
        "electricity_price": st.floats(-1, 5),
        "carbon_intensity": st.floats(0, 900),
        "anyone_home": st.booleans(),
        "outdoor_condition": st.sampled_from(("sunny", "rainy")),
    },
)
# Microseconds, as Home Assistant counts them; whole hours, where windows meet, too.
offset_st = st.one_of(
    st.integers(-30 * 3_600_000_000, 30 * 3_600_000_000).map(lambda us: us * 1000),
    st.integers(0, 7_200_000_000).map(lambda us: us * 1000),
    st.integers(-30, 30).map(lambda hours: hours * HOUR),
    st.integers(-9 * 24, -24).map(lambda hours: hours * HOUR),
)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@st.composite
def histories(draw: st.DrawFn, kind: str, day_start_ns: int) -> list[Row]:
    tags, state_st = states[kind]
    areas = st.sampled_from(({}, {"area": "Kitchen"}))
    return [
        row(
            day_start_ns + offset,
            draw(state_st),
            {**tags, **draw(areas)},
            **draw(context_st),
        )
        for offset in draw(st.lists(offset_st, max_size=30))
    ]


@pytest.mark.parametrize("kind", states)
@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_hours_and_the_day_are_those_of_the_reference(
    data: st.DataObject, kind: str
) -> None:
    zone_name, date = data.draw(st.sampled_from(PLACES))
    zone = ZoneInfo(zone_name)
    day = day_window(date, zone)
    assert day is not None
    rows = data.draw(histories(kind, day.start_ns))
    max_carry = data.draw(st.sampled_from((dt.timedelta(hours=26), dt.timedelta(7))))
    reference = Reference(rows, zone, max_carry)
    chain = Chain(rows, zone=zone, max_carry=max_carry)
    chain.run(day.start_ns - 10 * DAY, day.end_ns)
    # Energy and cost are products of two or three of the numbers.
    scale = max(1.0, scale_of(rows))

    differing = {
        window: found
        for window, hour in chain.hours.items()
        if (
            found := disagreements(
                hour and hour.fields, reference.fields(window), scale
            )
        )
        or (hour is not None and hour.tags != reference.tags(window))
    }
    rolled_up, direct = chain.roll_up(day), chain.direct(day)

    assert differing == {}
    assert (
        disagreements(rolled_up and rolled_up.fields, reference.fields(day), scale)
        == {}
    )
    assert disagreements(direct and direct.fields, reference.fields(day), scale) == {}
    assert (rolled_up and rolled_up.tags) == (direct and direct.tags)
