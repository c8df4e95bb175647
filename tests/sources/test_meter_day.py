"""Days of a meter: midnight, cost, peaks, and the base load."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.coordinators.meter_day import (
    BaseLoad,
    DailyMeans,
    DayTotals,
    PriceAt,
    cut_portion,
    night_bounds,
    split_quarters,
)
from custom_components.ha_ingestor.coordinators.meter_energy import Portion
from custom_components.ha_ingestor.sources.slots import day_bounds

BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 3, 10)


def at(text: str) -> datetime:
    """A moment in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def portion(
    start: str, end: str, kwh: float = 1.0, *, is_estimate: bool = False
) -> Portion:
    return Portion(start=at(start), end=at(end), kwh=kwh, is_estimate=is_estimate)


def add(
    day: DayTotals,
    item: Portion,
    price_at: PriceAt = lambda moment: None,
    intensity: float | None = None,
) -> None:
    day.add(item, time_zone=BERLIN, price_at=price_at, intensity=intensity)


@pytest.fixture
def day() -> DayTotals:
    return DayTotals.begin(DAY, None)


def test_a_portion_across_midnight_is_shared_out_by_time() -> None:
    yesterday = DayTotals.begin(DAY - timedelta(days=1), None)
    yesterday.kwh = 5.0
    day = DayTotals.begin(DAY, yesterday)

    add(day, portion("2026-03-09T23:45", "2026-03-10T00:15", 1.0))

    assert day.kwh == pytest.approx(0.5)
    assert day.estimated_kwh == pytest.approx(0.5)
    assert day.yesterday_kwh == pytest.approx(5.5)


def test_an_outage_of_days_gives_today_its_share(day: DayTotals) -> None:
    add(day, portion("2026-03-07T12:00", "2026-03-10T12:00", 72.0, is_estimate=True))

    assert day.kwh == pytest.approx(12)
    assert day.estimated_kwh == pytest.approx(12)
    assert day.yesterday_kwh is None


def test_what_is_of_another_day_counts_nothing(day: DayTotals) -> None:
    add(day, portion("2026-03-09T10:00", "2026-03-09T11:00"))
    add(day, portion("2026-03-11T00:00", "2026-03-11T01:00"))

    assert day.kwh == 0


def test_energy_of_no_time_counts_at_its_moment(day: DayTotals) -> None:
    add(day, portion("2026-03-10T10:00", "2026-03-10T10:00", 0.2), lambda _: 0.5, 100.0)

    assert (day.kwh, day.cost, day.carbon_g) == pytest.approx((0.2, 0.1, 20.0))


def test_each_quarter_costs_its_own_price(day: DayTotals) -> None:
    # 20 minutes at 0.30, 15 at -0.10, 25 without a price.
    prices = {"10:15": 0.3, "10:30": 0.3, "10:45": -0.1}

    def price_at(moment: datetime) -> float | None:
        quarter = moment.astimezone(BERLIN).replace(second=0)
        quarter = quarter.replace(minute=quarter.minute // 15 * 15)
        return prices.get(f"{quarter:%H:%M}")

    add(day, portion("2026-03-10T10:25", "2026-03-10T11:25", 6.0), price_at)

    assert day.priced_kwh == pytest.approx(3.5)
    assert day.cost == pytest.approx(2 * 0.3 - 1.5 * 0.1)
    assert day.unpriced_kwh == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("item", "intensity", "expected"),
    [
        pytest.param(
            portion("2026-03-10T10:00", "2026-03-10T10:10", 2.0),
            150.0,
            (300.0, 0.0),
            id="known",
        ),
        pytest.param(
            portion("2026-03-10T10:00", "2026-03-10T10:10", 2.0),
            None,
            (0.0, 2.0),
            id="unknown",
        ),
        pytest.param(
            portion("2026-03-10T05:00", "2026-03-10T10:00", 2.0),
            150.0,
            (0.0, 2.0),
            id="hours-ago",
        ),
    ],
)
def test_carbon_is_that_of_the_present(
    day: DayTotals,
    item: Portion,
    intensity: float | None,
    expected: tuple[float, float],
) -> None:
    add(day, item, intensity=intensity)

    assert (day.carbon_g, day.uncounted_kwh) == pytest.approx(expected)


def test_the_peak_is_the_highest_reading_of_today(day: DayTotals) -> None:
    for moment, power_w in [
        ("2026-03-09T23:59", 9000.0),
        ("2026-03-10T00:00", -500.0),
        ("2026-03-10T08:00", 4000.0),
        ("2026-03-10T09:00", 3000.0),
        ("2026-03-11T00:00", 8000.0),
    ]:
        day.note_power(power_w, at(moment), BERLIN)

    assert (day.peak_w, day.peak_at) == (4000.0, at("2026-03-10T08:00").timestamp())


def test_the_peak_quarter_is_that_of_the_clock(day: DayTotals) -> None:
    # 4 kW from 10:05 to 10:20: ten minutes of one quarter, five of the next.
    add(day, portion("2026-03-10T10:05", "2026-03-10T10:20", 1.0))
    add(day, portion("2026-03-10T10:20", "2026-03-10T10:30", 0.1))
    add(day, portion("2026-03-10T11:00", "2026-03-10T11:15", 9.0, is_estimate=True))

    assert day.quarter_peak_w == pytest.approx(4000 * 10 / 15)


@pytest.mark.parametrize(
    ("today", "is_over"),
    [
        (DAY, False),
        (DAY + timedelta(days=1), True),
        (DAY - timedelta(days=1), False),
        (DAY - timedelta(days=2), True),
    ],
    ids=["same", "next", "clock-a-little-back", "clock-was-far-ahead"],
)
def test_a_day_ends(day: DayTotals, today: date, is_over: bool) -> None:
    assert day.is_over(today) is is_over


def test_a_day_that_was_not_watched_is_not_yesterday(day: DayTotals) -> None:
    day.kwh = 7.0

    assert DayTotals.begin(DAY + timedelta(days=1), day).yesterday_kwh == 7.0
    assert DayTotals.begin(DAY + timedelta(days=2), day).yesterday_kwh is None


def test_cost_in_another_currency_begins_anew(day: DayTotals) -> None:
    day.take_currency("EUR")
    add(day, portion("2026-03-10T10:00", "2026-03-10T10:10"), lambda _: 0.3)
    day.take_currency("EUR")
    assert day.cost == pytest.approx(0.3)

    day.take_currency("SEK")

    assert (day.cost, day.kwh) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("day_", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)],
    ids=["spring", "autumn", "usual"],
)
def test_days_have_their_own_hours(day_: str, hours: int) -> None:
    day = DayTotals.begin(date.fromisoformat(day_), None)
    start, end = day_bounds(date.fromisoformat(day_), BERLIN)
    around = Portion(
        start=start - timedelta(hours=1), end=end + timedelta(hours=1), kwh=hours + 2.0
    )

    add(day, around)

    assert day.kwh == pytest.approx(hours)


MOMENTS = st.integers(0, 7 * 86_400).map(
    lambda seconds: datetime(2026, 3, 27, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(
    moments=st.lists(MOMENTS, min_size=2, unique=True, max_size=12).map(sorted),
    kwh=st.lists(st.floats(0, 50), min_size=11, max_size=11),
)
def test_all_days_together_have_all_energy(
    moments: list[datetime], kwh: list[float]
) -> None:
    """Across the change of clocks, too."""
    portions = [
        Portion(start=start, end=end, kwh=amount)
        for start, end, amount in zip(moments, moments[1:], kwh, strict=False)
    ]
    days = [
        DayTotals.begin(date(2026, 3, 26) + timedelta(days=n), None) for n in range(10)
    ]
    for day in days:
        for item in portions:
            add(day, item, lambda _: 2.0)

    everything = sum(item.kwh for item in portions)
    assert sum(day.kwh for day in days) == pytest.approx(everything)
    assert sum(day.cost for day in days) == pytest.approx(2 * everything)


@given(start=MOMENTS, seconds=st.integers(0, 100_000), kwh=st.floats(0, 100))
def test_quarters_together_are_the_whole(
    start: datetime, seconds: int, kwh: float
) -> None:
    whole = Portion(start=start, end=start + timedelta(seconds=seconds), kwh=kwh)
    parts = list(split_quarters(whole))

    assert sum(part.kwh for part in parts) == pytest.approx(kwh)
    assert sum(part.seconds for part in parts) == pytest.approx(seconds)
    assert max(part.seconds for part in parts) <= 900


def test_what_does_not_touch_is_no_part() -> None:
    item = portion("2026-03-10T10:00", "2026-03-10T11:00")

    assert cut_portion(item, at("2026-03-10T11:00"), at("2026-03-10T12:00")) is None


# --- base load


def night(base: BaseLoad, day_: str, watts: float, **changes: Any) -> None:
    """One night at an even power, in steps of ten minutes."""
    start = at(f"{day_}T02:00")
    for index in range(12):
        item = Portion(
            start=start + timedelta(minutes=10 * index),
            end=start + timedelta(minutes=10 * index + 10),
            kwh=watts / 6000,
            **changes,
        )
        base.add(item, BERLIN)


def test_the_base_load_is_the_median_of_the_nights() -> None:
    base = BaseLoad()
    assert base.find_watts(DAY) is None

    for day_, watts in [("2026-03-08", 200), ("2026-03-09", 4000), ("2026-03-10", 300)]:
        night(base, day_, watts)

    assert base.find_watts(DAY) == pytest.approx(300)
    assert base.count_nights(DAY) == 3
    assert base.find_watts(DAY + timedelta(days=28)) == pytest.approx(2150)
    assert base.find_watts(DAY + timedelta(days=30)) is None


def test_estimates_and_half_nights_say_nothing_of_the_base_load() -> None:
    base = BaseLoad()
    night(base, "2026-03-08", 200, is_estimate=True)
    base.add(portion("2026-03-09T02:30", "2026-03-09T02:59", 0.1), BERLIN)
    base.add(portion("2026-03-10T03:00", "2026-03-10T03:00", 0.1), BERLIN)

    assert base.find_watts(DAY) is None


@pytest.mark.parametrize(
    ("day_", "hours"),
    [("2026-03-29", 0), ("2026-10-25", 2), ("2026-06-01", 1)],
    ids=["spring", "autumn", "usual"],
)
def test_the_night_follows_the_clock(day_: str, hours: int) -> None:
    start, end = night_bounds(date.fromisoformat(day_), BERLIN)

    assert max(end - start, timedelta()) == timedelta(hours=hours)


def test_the_phantom_load_costs_its_share_of_a_year() -> None:
    base = BaseLoad()
    night(base, "2026-03-10", 100)
    assert base.find_yearly_cost(DAY) is None

    base.note_price(0.5, DAY - timedelta(days=1), 10)
    base.note_price(0.1, DAY, 3000)
    base.note_price(0.4, DAY, 1000)
    again = BaseLoad(base.to_json())

    # Means of the days are 0.5 and 0.175.
    assert again.find_yearly_cost(DAY) == pytest.approx(0.1 * 8766 * 0.3375)
    assert again.find_watts(DAY) == pytest.approx(100)


@given(
    values=st.lists(
        st.tuples(st.integers(0, 80), st.floats(-1e3, 1e4), st.floats(1, 1e4)),
        max_size=100,
    )
)
def test_means_of_days_agree_with_a_plain_sum(
    values: list[tuple[int, float, float]],
) -> None:
    means, sums = DailyMeans(), dict[int, tuple[float, float]]()
    for day_, value, seconds in sorted(values):
        means.add(DAY + timedelta(days=day_), value, seconds)
        weighted, total_s = sums.get(day_, (0.0, 0.0))
        sums[day_] = (weighted + value * seconds, total_s + seconds)
    last = max(sums, default=0)

    found = DailyMeans(means.to_json()).list_means(DAY + timedelta(days=last))

    assert found == pytest.approx(
        [
            weighted / total_s
            for day_, (weighted, total_s) in sorted(sums.items())
            if day_ > last - 30
        ],
        abs=1e-6,
    )


def test_no_time_has_no_mean() -> None:
    means = DailyMeans()
    means.add(DAY, 5.0, 0.0)

    assert means.list_means(DAY) == []
