"""Whatever state the tiers are in, every window is answered once, and rightly."""

from collections.abc import Mapping, Sequence
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.history.query import Detail, HistoryRow
from custom_components.ha_ingestor.models import FieldValue
from custom_components.ha_ingestor.retention.carry import MAX_CARRY
from custom_components.ha_ingestor.retention.ledgers import (
    EVENTS_LEDGER,
    HOURLY_LEDGER,
)
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    day_window,
    windows_between,
)
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.history.kit import (
    KINDS,
    Home,
    as_fields,
    fields_of,
    tags_of,
    values_of,
    window_to,
)
from tests.retention.kit import DAY, HOUR, disagreements, row
from tests.retention.reference import Reference, scale_of

# Zones, and the first of the days that are looked at; in some a clock is set.
PLACES = (
    ("UTC", dt.date(2026, 3, 1)),
    ("Asia/Kathmandu", dt.date(2026, 3, 1)),
    ("Europe/Berlin", dt.date(2026, 3, 27)),
    ("America/New_York", dt.date(2026, 10, 30)),
    ("Australia/Lord_Howe", dt.date(2026, 4, 2)),
)
DAYS = 5

gap_st = st.sampled_from(("unavailable", "unknown"))
number_st = st.floats(-1e6, 1e6) | st.sampled_from((0.0, 21.5, 21.5))
state_sts: Mapping[str, st.SearchStrategy[float | str]] = {
    "sensor.power": st.floats(0, 5_000) | gap_st,
    "sensor.energy": st.floats(0, 1e5) | gap_st,
    "sensor.balance": number_st | gap_st,
    "sensor.outside": number_st | gap_st,
    "switch.fan": st.sampled_from(("on", "off")) | gap_st,
    "climate.hall": st.sampled_from(("heat", "cool", "off", "idle")) | gap_st,
}
# Whole hours, where windows meet, as well.
offset_st = st.one_of(
    st.integers(-30 * 3_600_000_000, DAYS * 86_400_000_000).map(lambda us: us * 1000),
    st.integers(-30, DAYS * 24).map(lambda hours: hours * HOUR),
    st.integers(-9 * 24, -24).map(lambda hours: hours * HOUR),
)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@st.composite
def histories(
    draw: st.DrawFn, entity_id: str, start_ns: int, until_ns: int, max_size: int = 14
) -> list[Row]:
    # Of two rows of one series and instant the server keeps one.
    areas = st.sampled_from((None, "Kitchen"))
    series_st = st.tuples(offset_st, areas)
    series = draw(st.lists(series_st, max_size=max_size, unique=True))
    return [
        row(
            start_ns + offset,
            draw(state_sts[entity_id]),
            {**tags_of(entity_id), **({} if area is None else {"area": area})},
        )
        for offset, area in series
        if start_ns + offset < until_ns
    ]


def expected_windows(
    home: Home,
    entity_id: str,
    windows: Sequence[Window],
    *,
    start_ns: int,
    end_ns: int,
) -> dict[tuple[int, int], dict[str, FieldValue]]:
    reference = Reference(home.rows[entity_id], home.zone, MAX_CARRY)
    answers = {
        (window.start_ns, min(window.end_ns, home.now_ns)): values_of(
            reference.fields(window_to(window, home.now_ns))
        )
        for window in windows
        if start_ns <= window.start_ns < min(end_ns, home.now_ns)
    }
    return {window: values for window, values in answers.items() if values is not None}


def differing(
    rows: Sequence[HistoryRow],
    expected: Mapping[tuple[int, int], Mapping[str, FieldValue]],
    scale: float,
) -> dict[tuple[int, int], object]:
    """Windows that are missing, too many, or other than expected."""
    found = {(one.start_ns, one.end_ns or 0): fields_of(one) for one in rows}
    wrong: dict[tuple[int, int], object] = {}
    for window in {*found, *expected}:
        wanted = expected.get(window)
        difference = disagreements(
            found.get(window), None if wanted is None else as_fields(wanted), scale
        )
        if difference or (window in found) != (window in expected):
            wrong[window] = difference or "is there or not"
    return wrong


@pytest.mark.parametrize("is_lost", [False, True], ids=["known", "checkpoint-lost"])
@given(data=st.data())
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
def test_each_window_is_answered_once_and_rightly(
    data: st.DataObject, is_lost: bool, influxdb: InfluxServer, tmp_path: Path
) -> None:
    # Without a checkpoint the rows decide, which for a day that was deleted in part
    # cannot be told where no row was.
    name, date = PLACES[0] if is_lost else data.draw(st.sampled_from(PLACES))
    zone = ZoneInfo(name)
    days = [
        window
        for offset in range(DAYS)
        if (window := day_window(date + dt.timedelta(days=offset), zone))
    ]
    start_ns = days[0].start_ns
    now_ns = days[-1].start_ns + data.draw(st.integers(1, 22 * 3600)) * 10**9
    kinds = data.draw(
        st.lists(st.sampled_from(tuple(KINDS)), min_size=2, max_size=3, unique=True)
    )
    rows = {
        entity_id: data.draw(histories(entity_id, start_ns, now_ns))
        for entity_id in kinds
    }
    with Home(influxdb, tmp_path, rows, zone=zone, now_ns=now_ns) as home:
        old_ns = start_ns - 12 * DAY
        # Each step goes as far as the one before, or less.
        steps = data.draw(st.tuples(*[st.integers(0, DAYS - 1)] * 4))
        hours, rolled, raw_gone, hourly_gone = sorted(steps, reverse=True)
        raw_gone, rolled = data.draw(
            st.sampled_from([(raw_gone, rolled), (rolled, raw_gone)])
        )
        home.aggregate(old_ns, days[hours].start_ns)
        home.roll_up(old_ns, days[rolled].start_ns)
        home.delete(EVENTS_LEDGER, old_ns, days[raw_gone].start_ns)
        # The hours in which a state may have come that still holds are always there:
        # they are kept for weeks.
        gone_ns = days[hours].start_ns - (8 + hourly_gone) * DAY
        gone = home.delete(HOURLY_LEDGER, old_ns, gone_ns)
        if is_lost:
            home.lose_checkpoint()
        else:
            entity_id = data.draw(st.sampled_from(kinds))
            first_ns = days[raw_gone].start_ns + DAY
            late = data.draw(histories(entity_id, start_ns, now_ns, 4))
            there = {(one.time_ns, one.tags.get("area")) for one in rows[entity_id]}
            home.come_late(
                entity_id,
                [
                    one
                    for one in late
                    if one.time_ns >= first_ns
                    and (one.time_ns, one.tags.get("area")) not in there
                ],
            )
        # Without a checkpoint what was a whole day is seen in the answer alone.
        begin_ns = start_ns + data.draw(st.integers(-10 * 24, 40)) * HOUR
        asked = (start_ns - 11 * DAY if is_lost else begin_ns, now_ns + HOUR)
        limit = data.draw(st.sampled_from((3, 40, 5_000)))

        hourly = home.read(*asked, Detail.HOUR, limit=limit)
        daily = home.read(*asked, Detail.DAY, limit=limit)

    all_days = list(windows_between(Resolution.DAY, old_ns, now_ns, zone))

    def mixed(entity_id: str) -> list[Window]:
        """Days where their hours are gone, else hours."""
        starts = {(one.start_ns, one.end_ns) for one in hourly[entity_id]}
        return [
            window
            for day in all_days
            for window in (
                [day]
                if any(a < day.end_ns and day.start_ns < b for a, b in gone)
                # Hours of which no row was deleted are as good made again.
                and (not is_lost or (day.start_ns, day.end_ns) in starts)
                else windows_between(Resolution.HOUR, day.start_ns, day.end_ns, zone)
            )
        ]

    scale = max(1.0, *(scale_of(some) for some in home.rows.values()))
    span = {"start_ns": asked[0], "end_ns": asked[1]}
    wrong = {
        (detail, entity_id): found
        for entity_id in kinds
        for detail, answer, windows in (
            (Detail.HOUR, hourly, mixed(entity_id)),
            (Detail.DAY, daily, all_days),
        )
        if (
            found := differing(
                answer[entity_id],
                expected_windows(home, entity_id, windows, **span),
                scale,
            )
        )
    }
    ordered = {
        entity_id: [one.start_ns for one in answer[entity_id]]
        for answer in (hourly, daily)
        for entity_id in kinds
    }

    assert list(wrong.items())[:1] == []
    assert all(times == sorted(set(times)) for times in ordered.values())
