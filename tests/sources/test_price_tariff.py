"""A tariff of one's own: what is refused, and every minute against the rows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.errors import SourceArgumentError
from custom_components.ha_ingestor.sources.price.tariff import Tariff
from custom_components.ha_ingestor.sources.price.tariff_periods import (
    MAX_PERIODS,
    WEEKDAYS,
    Period,
    find_period,
    read_periods,
    split_day,
)
from custom_components.ha_ingestor.sources.slots import day_bounds
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.sources.kit import create_case_context
from tests.sources.price_kit import full

MINUTE = timedelta(minutes=1)
ZONES = [
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/Los_Angeles"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Asia/Kolkata"),
]
# Days on which clocks change somewhere, and some between.
DAYS = [
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 7, 1),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
    date(2026, 12, 31),
    date(2028, 2, 29),
]


def row(**changes: Any) -> dict[str, Any]:
    return {"name": "Night", "price": 0.2, "start": "22:00", "end": "06:00"} | changes


@st.composite
def periods(draw: st.DrawFn) -> Period:
    times = st.times().map(lambda wall: wall.replace(second=0, microsecond=0))
    days = st.dates(date(2028, 1, 1), date(2028, 12, 31)).map(
        lambda day: (day.month, day.day)
    )
    return Period(
        name="x",
        price=draw(st.floats(-1, 1)),
        season=draw(st.one_of(st.none(), st.tuples(days, days))),
        weekdays=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        start=draw(times),
        end=draw(times),
        is_peak=False,
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(periods(), max_size=4), st.sampled_from(DAYS), st.sampled_from(ZONES))
def test_every_minute_costs_what_the_clock_on_the_wall_says(
    rows: list[Period], day: date, zone: ZoneInfo
) -> None:
    parts = list(split_day(rows, day, zone))

    start, end = day_bounds(day, zone)
    assert (parts[0][0], parts[-1][1]) == (start, end)
    assert [part[1] for part in parts[:-1]] == [part[0] for part in parts[1:]]
    assert max(last - first for first, last, _ in parts) <= timedelta(hours=1)
    wrong = [
        first + index * MINUTE
        for first, last, period in parts
        for index in range((last - first) // MINUTE)
        if period
        is not find_period(
            rows, (first + index * MINUTE).astimezone(zone).replace(tzinfo=None)
        )
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        pytest.param([row()] * (MAX_PERIODS + 1), "too_many_periods", id="many"),
        pytest.param("22-6", "too_many_periods", id="no-list"),
        pytest.param(["22-6"], "invalid_period", id="no-row"),
        pytest.param([row(weekdays=["Monday"])], "invalid_period", id="weekday"),
        pytest.param([row(weekdays="mon")], "invalid_period", id="weekdays"),
        pytest.param([row(price=None)], "invalid_price", id="no-price"),
        pytest.param([row(price=float("nan"))], "invalid_price", id="nan"),
        pytest.param([row(price=True)], "invalid_price", id="yes"),
        pytest.param([row(start="25:00")], "invalid_time", id="time"),
        pytest.param([row(end=6)], "invalid_time", id="number"),
        pytest.param([row(end="06:00+01:00")], "invalid_time", id="offset"),
        pytest.param([row(end="22:00")], "empty_period", id="empty"),
        pytest.param([row(from_month=3)], "half_season", id="from"),
        pytest.param([row(to_month=3)], "half_season", id="to"),
        pytest.param([row(from_day=3)], "half_season", id="day"),
        pytest.param(
            [row(from_month=3, to_month=4, to_day=31)], "invalid_season", id="april-31"
        ),
        pytest.param(
            [row(from_month=0, to_month=4)], "invalid_season", id="month-zero"
        ),
        pytest.param([row(), row()], "useless_period", id="twice"),
        pytest.param(
            [row(start=None, end=None), row()], "useless_period", id="all-day-first"
        ),
        pytest.param(
            [
                row(weekdays=["sat", "sun"]),
                row(weekdays=["mon", "tue", "wed", "thu", "fri"]),
                row(start="01:00", end="02:00"),
            ],
            "useless_period",
            id="together",
        ),
    ],
)
def test_rows_that_make_no_sense_are_refused(rows: Any, key: str) -> None:
    with pytest.raises(SourceArgumentError) as caught:
        read_periods(rows)

    assert (caught.value.argument, caught.value.key) == ("periods", key)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [row(), row(start="21:00", end="23:00")], id="overlap-that-leaves-some"
        ),
        pytest.param(
            [row(weekdays=["sat"]), row(weekdays=["sat", "sun"])], id="one-more-day"
        ),
        # After the night of Saturday comes the morning of Sunday.
        pytest.param(
            [
                row(start=None, end=None, weekdays=["sat"]),
                row(weekdays=["sat"]),
            ],
            id="tail-of-a-night",
        ),
        pytest.param(
            [
                row(from_month=3, to_month=12),
                row(from_month=2, from_day=29, to_month=2),
            ],
            id="leap-day",
        ),
        pytest.param(
            [row(from_month=1, to_month=11), row(from_month=11, to_month=1)],
            id="over-new-year",
        ),
    ],
)
def test_rows_that_hold_at_some_time_are_taken(rows: list[dict[str, Any]]) -> None:
    assert len(read_periods(rows)) == len(rows)


@pytest.mark.parametrize(
    ("moment", "price"),
    [
        ("2026-12-31 23:00", 0.2),
        ("2027-01-01 05:59", 0.2),
        ("2027-01-01 06:00", None),
        ("2027-01-15 23:00", 0.2),
        # The night that began on the last day of the season.
        ("2027-01-16 05:00", 0.2),
        ("2027-01-16 23:00", None),
        ("2026-11-30 23:00", None),
        ("2026-12-01 05:00", None),
    ],
)
def test_a_season_goes_on_over_new_year(moment: str, price: float | None) -> None:
    season = {"from_month": 12, "to_month": 1, "to_day": 15}
    rows = read_periods([row(**season)])

    found = find_period(rows, datetime.fromisoformat(moment))

    assert (found and found.price) == price


def test_a_month_without_days_is_all_of_it() -> None:
    [period] = read_periods([row(from_month=2, to_month=2)])

    assert period.season == ((2, 1), (2, 29))
    assert period.weekdays == frozenset(range(len(WEEKDAYS)))


@pytest.mark.parametrize("base_price", [None, "0.3", float("inf")])
async def test_a_base_price_that_is_no_number_is_refused(base_price: Any) -> None:
    context = create_case_context({"now": "2026-07-01T10:00:00Z"})

    with pytest.raises(SourceArgumentError) as caught:
        await Tariff({"base_price": base_price}).async_fetch(context)

    assert caught.value.key == "invalid_base_price"


@pytest.mark.usefixtures("berlin")
async def test_the_form_says_which_row_is_wrong(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    flows = hass.config_entries.subentries

    async def send(flow_id: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await flows.async_configure(flow_id, dict(arguments))

    result = await flows.async_init(
        (hub.entry_id, "electricity_price"), context={"source": SOURCE_USER}
    )
    result = await send(result["flow_id"], {"provider": "tariff"})
    wrong = {"base_price": 0.3, "periods": [row(name="Moon", end="22:00:00")]}
    result = await send(result["flow_id"], wrong)
    assert result["errors"] == {"periods": "empty_period"}
    assert result["description_placeholders"]["name"] == "Moon"

    result = await send(result["flow_id"], {"base_price": 0.3, "currency": "money"})
    assert result["errors"] == {"currency": "invalid_currency"}

    right = {"base_price": 0.3, "currency": "usd", "periods": [row()]}
    result = await send(result["flow_id"], right)
    assert result["step_id"] == "settings"
    assert result["description_placeholders"]["answer"].endswith("USD/kWh")
    result = await send(result["flow_id"], full({}))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    unit = hass.states.get("sensor.tariff_current_price").attributes
    assert unit["unit_of_measurement"] == "USD/kWh"


def test_days_are_laid_out_in_utc() -> None:
    [first, *_] = split_day((), date(2026, 7, 1), ZONES[0])

    assert first[:2] == (
        datetime(2026, 6, 30, 22, tzinfo=UTC),
        datetime(2026, 6, 30, 23, tzinfo=UTC),
    )
