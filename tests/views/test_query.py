"""Views are read as they are stored: filtered, bounded, page by page."""

import datetime as dt
from itertools import pairwise

import pytest

from custom_components.ha_ingestor.errors import ViewFilterError, ViewUnknownError
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.views import query
from custom_components.ha_ingestor.views.definition import Period
from custom_components.ha_ingestor.views.query import (
    MAX_LIMIT,
    ViewFilter,
    ViewPage,
    units_of,
)
from tests.views.views_kit import BERLIN, HOUR, House, local

ENERGY = "daily_energy_by_device"
COSTS = "energy_cost_hourly"
NOW = local(2026, 3, 20, 15)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def energy(entity: str, date: dt.date, kwh: float = 1.0, **tags: str) -> Point:
    return Point(
        measurement=ENERGY,
        tags={"entity_id": f"sensor.{entity}", "device": f"Device {entity}", **tags},
        fields={"date": date.isoformat(), "total_kwh": kwh},
        time_ns=local(date.year, date.month, date.day),
    )


def write(house: House, points: list[Point]) -> None:
    write_points(house.stores.client(Tier.DAILY), points)


def ask(house: House, name: str = ENERGY, /, **wanted: object) -> ViewPage:
    return house.views.query(name, ViewFilter(**wanted), now_ns=NOW)  # type: ignore[arg-type]


def names(page: ViewPage) -> list[tuple[str, str]]:
    return [
        (f"{row.start_at:%m-%d}", row.tags["entity_id"].removeprefix("sensor."))
        for row in page.rows
    ]


@pytest.fixture
def week(house: House) -> House:
    """Three entities on each of seven days."""
    write(
        house,
        [
            energy(entity, dt.date(2026, 3, day), float(day), area=area)
            for entity, area in (("c", "Küche 🍳"), ("a", 'Den "1"'), ("b", "Den"))
            for day in range(14, 21)
        ],
    )
    return house


def test_all_rows_are_given_in_order(week: House) -> None:
    page = ask(week)

    assert names(page) == [(f"03-{d}", e) for d in range(14, 21) for e in "abc"]
    assert page.has_more is False
    first = page.rows[0]
    assert first.start_at == dt.datetime(2026, 3, 14, tzinfo=BERLIN)
    assert first.tags == {
        "entity_id": "sensor.a",
        "device": "Device a",
        "area": 'Den "1"',
    }
    assert first.fields == {"date": "2026-03-14", "total_kwh": 14.0}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({"entity_ids": ["sensor.b"]}, {"b"}, id="entity"),
        pytest.param(
            {"entity_ids": ["sensor.b", "sensor.a", "x.y"]}, {"a", "b"}, id="entities"
        ),
        pytest.param({"devices": ["Device c"]}, {"c"}, id="device"),
        pytest.param({"areas": ['Den "1"']}, {"a"}, id="quotes"),
        pytest.param({"areas": ["Küche 🍳", "Den"]}, {"b", "c"}, id="emoji"),
        pytest.param(
            {"areas": ["Den"], "devices": ["Device c"]}, set(), id="both-at-once"
        ),
        pytest.param({"entity_ids": []}, set(), id="nothing-may-be-seen"),
        pytest.param({"areas": ["Den' OR 1=1 --"]}, set(), id="injection"),
        pytest.param(
            {"entity_ids": [f"sensor.x{i}" for i in range(200)] + ["sensor.c"]},
            {"c"},
            id="more-than-a-question-names",
        ),
    ],
)
def test_filters(week: House, wanted: dict[str, list[str]], expected: set[str]) -> None:
    page = ask(week, **wanted)

    assert {name for _, name in names(page)} == expected
    assert len(page.rows) == 7 * len(expected)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        pytest.param(16, 17, [16, 17], id="both-included"),
        pytest.param(20, 20, [20], id="one-day"),
        pytest.param(None, 15, [14, 15], id="only-an-end"),
        pytest.param(19, None, [19, 20], id="until-today"),
        pytest.param(1, 2, [], id="none"),
    ],
)
def test_dates(
    week: House, start: int | None, end: int | None, days: list[int]
) -> None:
    page = ask(
        week,
        entity_ids=["sensor.a"],
        start_date=None if start is None else dt.date(2026, 3, start),
        end_date=None if end is None else dt.date(2026, 3, end),
    )

    assert names(page) == [(f"03-{day}", "a") for day in days]


def test_without_dates_it_is_a_month(house: House) -> None:
    write(house, [energy("a", dt.date(2026, 2, day)) for day in (17, 18)])

    page = ask(house)

    assert names(page) == [("02-18", "a")]
    assert page.start_at == dt.datetime(2026, 2, 18, tzinfo=BERLIN)
    assert page.end_at == dt.datetime(2026, 3, 21, tzinfo=BERLIN)


@pytest.mark.parametrize("batch_rows", [2, 5, 10_000])
@pytest.mark.parametrize("limit", [1, 4, 20, 21])
def test_pages_join_without_a_gap(
    week: House, batch_rows: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_BATCH_ROWS", batch_rows)
    pages = [ask(week, limit=limit, offset=at) for at in range(0, 21, limit)]

    assert [row for page in pages for row in names(page)] == names(ask(week))
    assert [page.has_more for page in pages[:-1]] == [True] * (len(pages) - 1)
    assert pages[-1].has_more is False
    assert ask(week, offset=21).rows == ()


def test_pages_hold_what_may_be_seen(week: House) -> None:
    seen = [f"sensor.x{i}" for i in range(200)] + ["sensor.a", "sensor.c"]

    pages = [ask(week, entity_ids=seen, limit=5, offset=at) for at in (0, 5, 10)]

    assert [len(page.rows) for page in pages] == [5, 5, 4]
    assert [page.has_more for page in pages] == [True, True, False]


@pytest.mark.parametrize(
    "wanted", [{"limit": 0}, {"limit": MAX_LIMIT + 1}, {"offset": -1}]
)
def test_a_question_is_bounded(wanted: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="limit"):
        ViewFilter(**wanted)  # type: ignore[arg-type]


def test_dates_the_wrong_way_round(house: House) -> None:
    with pytest.raises(ViewFilterError) as caught:
        ask(house, start_date=dt.date(2026, 3, 2), end_date=dt.date(2026, 3, 1))

    assert caught.value.argument == "dates"


def test_a_view_without_entities_cannot_be_asked_for_one(house: House) -> None:
    with pytest.raises(ViewFilterError) as caught:
        ask(house, "hourly_room_activity", entity_ids=["sensor.a"])

    assert (caught.value.view, caught.value.argument) == (
        "hourly_room_activity",
        "entity_id",
    )


def test_an_unknown_view_names_those_that_there_are(house: House) -> None:
    with pytest.raises(ViewUnknownError) as caught:
        ask(house, "nope")

    assert caught.value.name == "nope"
    assert caught.value.names == house.views.names


def test_a_view_without_rows_is_empty(house: House) -> None:
    page = ask(house, "daily_carbon_summary")

    assert (page.rows, page.has_more) == ((), False)
    assert house.views.entity_ids(ENERGY) == []


def test_months(house: House) -> None:
    months = house.views.resolve(ENERGY, Period.MONTH)
    write(
        house,
        [
            months.point(
                {"entity_id": "sensor.a"},
                {"month": f"{year}-{month:02}", "total_kwh": float(month)},
                local(year, month, 1),
            )
            for year, month in ((2025, 3), (2025, 4), (2026, 2), (2026, 3))
        ],
    )

    def dates(**wanted: object) -> list[str]:
        page = ask(house, period=Period.MONTH, **wanted)
        assert page.view is months
        return [f"{row.start_at:%Y-%m-%d}" for row in page.rows]

    assert dates() == ["2025-04-01", "2026-02-01", "2026-03-01"]
    # Whole months, whatever the days.
    assert dates(start_date=dt.date(2025, 3, 30), end_date=dt.date(2026, 2, 1)) == [
        "2025-03-01",
        "2025-04-01",
        "2026-02-01",
    ]
    assert ask(house, months.name).view is months


def test_entities_of_which_there_are_rows(house: House) -> None:
    write(house, [energy(name, dt.date(2026, 3, 20)) for name in ("b", "a")])

    assert house.views.entity_ids(ENERGY) == ["sensor.a", "sensor.b"]
    assert house.views.entity_ids(ENERGY, Period.MONTH) == []


def test_the_hour_that_is_there_twice(house: House) -> None:
    view = house.views.get(COSTS)
    first = local(2025, 10, 26, 2)
    write(
        house,
        [view.point({"scope": "home"}, {"kwh": 1.0}, first + i * HOUR) for i in (0, 1)],
    )

    day = dt.date(2025, 10, 26)
    page = ask(house, COSTS, start_date=day, end_date=day)

    assert [row.start_at.isoformat() for row in page.rows] == [
        "2025-10-26T02:00:00+02:00",
        "2025-10-26T02:00:00+01:00",
    ]
    assert page.end_at - page.start_at == dt.timedelta(days=1)
    assert all(
        a.start_at.timestamp() < b.start_at.timestamp() for a, b in pairwise(page.rows)
    )


def test_units(house: House) -> None:
    assert units_of(house.views.get(ENERGY), "EUR") == {
        "total_kwh": "kWh",
        "avg_power_w": "W",
        "peak_power_w": "W",
        "cost": "EUR",
        "carbon_g": "gCO2eq",
        "measured_hours": "h",
    }
