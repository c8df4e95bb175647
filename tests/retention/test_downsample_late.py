"""Late rows, rows that are gone, and stores that disagree."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.ledgers import (
    DAILY_LEDGER,
    EVENTS_LEDGER,
    HOURLY_LEDGER,
)
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    to_ns,
    windows_between,
)
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.retention.downsample_kit import Home, differing, expected, points_of
from tests.retention.kit import (
    COUNTER,
    DAY,
    HOUR,
    MINUTE,
    SWITCH,
    UTC,
    row,
)
from tests.retention.server_kit import target_of

START = to_ns(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
PUMP = {**SWITCH, "entity_id": "switch.pump"}
FAN = {**SWITCH, "entity_id": "switch.fan"}
METER = {**COUNTER, "entity_id": "sensor.meter"}


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def home(influxdb: InfluxServer, tmp_path: Path) -> Iterator[Home]:
    with Home(target_of(influxdb), tmp_path) as made:
        yield made
    for name in ("test_hourly", "test_daily"):
        influxdb.query(f'DROP DATABASE "{name}"')


def check(home: Home, rows: list[Row], end: int, start: int = START) -> None:
    """Compare both tiers with what all rows say."""
    hours = windows_between(Resolution.HOUR, start, end, home.zone)
    assert differing(home.hourly(), expected(rows, hours, home.zone), rows) == {}
    days = windows_between(Resolution.DAY, start, end, home.zone)
    assert differing(home.daily(), expected(rows, days, home.zone), rows) == {}


def sleepy_house() -> list[Row]:
    """One entity that changes rarely, one often, and a counter with a gap."""
    return [
        row(START + 5 * MINUTE, "on", PUMP),
        row(START + 40 * HOUR, "off", PUMP),
        *(
            row(START + i * 20 * MINUTE, "on" if i % 2 else "off", FAN)
            for i in range(3 * 24 * 3)
        ),
        row(START + 2 * HOUR, 5.0, METER, electricity_price=0.3),
        row(START + 3 * HOUR, "unavailable", METER),
        row(START + 30 * HOUR, 9.0, METER, electricity_price=0.5),
    ]


@pytest.mark.parametrize("entity_id", ["switch.pump", None], ids=["one", "all"])
@pytest.mark.parametrize("is_known_before", [True, False], ids=["told", "recounted"])
def test_a_late_row_changes_all_hours_that_it_holds_in(
    home: Home, entity_id: str | None, *, is_known_before: bool
) -> None:
    rows, end = sleepy_house(), START + 3 * DAY
    home.write_rows(rows)
    home.hours(end)
    home.days(end)
    at = START + 7 * HOUR + 3 * MINUTE
    late = [row(at, "off", PUMP), row(at + HOUR, 7.0, METER, electricity_price=0.1)]
    spans = [
        (at, at + 1, entity_id),
        (at + HOUR, at + HOUR + 1, entity_id and "sensor.meter"),
    ]
    for start_ns, end_ns, name in spans[: 2 if is_known_before else 0]:
        home.checkpoint.mark_dirty(EVENTS_LEDGER, (start_ns, end_ns), name)
    home.write_rows(late)
    for start_ns, end_ns, name in spans[2 if is_known_before else 0 :]:
        home.checkpoint.mark_dirty(EVENTS_LEDGER, (start_ns, end_ns), name)

    result = home.hours(end)
    days = home.days(end)

    check(home, rows + late, end)
    assert (result.disagreements, result.oldest_open_ns) == ((), None)
    # Its first two days: the pump held until the evening of the second one.
    assert days.windows == 2
    assert home.checkpoint.dirty(EVENTS_LEDGER) == []
    assert home.hours(end).windows == 0


def test_what_is_made_from_a_window_is_made_again(home: Home) -> None:
    view = Ledger(tier=Tier.HOURLY, measurement="view_runtime")
    end = START + 2 * DAY
    home.write_rows(sleepy_house()[:3])
    home.hours(end)
    home.days(end)
    for ledger in (view, DAILY_LEDGER):
        home.checkpoint.add_verified(ledger, (START, end), counts={}, mark=0)
    home.checkpoint.mark_dirty(EVENTS_LEDGER, (START, START + 1))

    home.downsampler(feeds=lambda _: (view,)).hours(until_ns=end)

    assert home.checkpoint.unverified(view, (START, end))[0][0] == START
    assert home.checkpoint.unverified(HOURLY_LEDGER, (START, end))[0][0] == START
    assert home.checkpoint.is_verified(DAILY_LEDGER, (START, end))
    home.days(end)
    assert home.checkpoint.unverified(DAILY_LEDGER, (START, end))[0][0] == START


def test_hours_after_rows_that_are_gone_start_with_what_they_held(home: Home) -> None:
    rows, end = sleepy_house(), START + 3 * DAY
    home.write_rows(rows)
    home.hours(START + 2 * DAY)
    home.days(START + 2 * DAY)
    deletion = Deletion(home.stores, home.checkpoint)
    for day in (START, START + DAY):
        deletion.delete(deletion.prove(EVENTS_LEDGER, day))

    # The switch that was last seen in what is gone; the counter as well.
    more = [row(START + 50 * HOUR, 11.0, METER, electricity_price=0.2)]
    home.write_rows(more)
    result = home.hours(end)
    home.days(end)

    assert result.disagreements == ()
    check(home, rows + more, end)


def test_a_window_whose_rows_are_gone_stays_and_is_told(home: Home) -> None:
    rows, end = sleepy_house(), START + 3 * DAY
    home.write_rows(rows)
    home.hours(end)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(deletion.prove(EVENTS_LEDGER, START))
    before = home.hourly()

    # The home has moved: an hour of the new zone reaches into what is gone.
    home.zone = ZoneInfo("Asia/Kolkata")
    home.checkpoint.mark_dirty(EVENTS_LEDGER, (START + DAY, START + DAY + 1))
    result = home.hours(end)

    assert len(result.disagreements) == 1
    assert "not all there any more" in result.disagreements[0]
    # The hour before the first row has the same problem, but no row left.
    assert result.oldest_open_ns == START - 30 * MINUTE + DAY
    first = {key: found for key, found in before.items() if key[1] < START + DAY}
    assert {key: found for key, found in home.hourly().items() if key in first} == first


def test_only_entities_that_are_there_are_made_again(home: Home) -> None:
    rows, end = sleepy_house(), START + 3 * DAY
    home.write_rows(rows)
    home.hours(end)
    home.days(end)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(
        deletion.prove(EVENTS_LEDGER, START, entity_ids=["switch.fan", "switch.pump"])
    )
    late = [row(START + 2 * HOUR + 30 * MINUTE, 6.0, METER)]
    home.checkpoint.mark_dirty(
        EVENTS_LEDGER, (late[0].time_ns, late[0].time_ns + 1), "sensor.meter"
    )
    home.write_rows(late)

    result = home.hours(end)
    home.days(end)

    assert result.disagreements == ()
    check(home, rows + late, end)


def test_an_hour_with_fewer_rows_stays_and_the_others_go_on(home: Home) -> None:
    rows, end = sleepy_house(), START + DAY
    home.write_rows(rows)
    home.hours(end)
    before = home.hourly()
    home.stores.client(Tier.RAW).delete(
        EVENTS_LEDGER.measurement,
        tags={"entity_id": "switch.fan"},
        start_ns=START + 5 * HOUR,
        end_ns=START + 5 * HOUR + 21 * MINUTE,
    )
    late = row(START + 8 * HOUR + MINUTE, "off", FAN)
    home.write_rows([late])
    home.checkpoint.mark_dirty(EVENTS_LEDGER, (START, end))

    result = home.hours(end)

    (line,) = result.disagreements
    assert line.startswith(
        "home_assistant_events of the hour at 2026-03-01T05:00:00+00:00: Fewer rows"
    )
    assert result.windows == 23
    assert result.oldest_open_ns == START + 5 * HOUR
    key = ("switch.fan", START + 5 * HOUR)
    assert home.hourly()[key] == before[key]
    # A day that waits for it is not made.
    assert home.days(end).windows == 0
    # It heals once the rows are back.
    home.write_rows(rows)
    assert home.hours(end).disagreements == ()
    assert home.days(end).windows == 1
    check(home, [*rows[:2], *rows[2:], late], end)


def test_years_without_rows_take_no_time(home: Home) -> None:
    old = to_ns(dt.datetime(2016, 1, 1, tzinfo=dt.UTC))
    rows = [row(old + HOUR, "on", PUMP), row(START + HOUR, "off", PUMP)]
    home.write_rows(rows)
    made: list[str] = []
    work = Work(share=1, on_progress=lambda _, text: made.append(text))
    end = START + DAY

    result = home.downsampler(work).hours(until_ns=end)
    days = home.days(end)

    assert result.disagreements == days.disagreements == ()
    assert result.oldest_open_ns is days.oldest_open_ns is None
    assert home.checkpoint.is_verified(EVENTS_LEDGER, (old, end))
    assert home.checkpoint.segments(EVENTS_LEDGER, (old + 20 * DAY, START)) == []
    wanted = {
        **expected(
            rows, windows_between(Resolution.HOUR, old, old + 9 * DAY, UTC), UTC
        ),
        **expected(rows, windows_between(Resolution.HOUR, START, end, UTC), UTC),
    }
    assert differing(home.hourly(), wanted, rows) == {}
    assert made[-1] == "home_assistant_events 2026-03-01"


def test_nothing_to_do_is_nothing_done(home: Home) -> None:
    end = START + DAY
    nothing = home.hours(end)
    assert (nothing.windows, nothing.rows_read, nothing.oldest_open_ns) == (0, 0, None)
    assert home.days(end) == nothing
    home.write(points_of([row(START + HOUR, "on", PUMP)]))
    downsampler = home.downsampler()
    assert downsampler.open_windows(Resolution.HOUR, until_ns=end) == 24
    assert downsampler.open_windows(Resolution.DAY, until_ns=end) == 0
    downsampler.hours(until_ns=end)
    assert downsampler.open_windows(Resolution.HOUR, until_ns=end) == 0
    assert downsampler.open_windows(Resolution.DAY, until_ns=end) == 1


def test_a_lost_record_loses_nothing(home: Home, tmp_path: Path) -> None:
    rows, end = sleepy_house(), START + 3 * DAY
    home.write_rows(rows)
    home.hours(end)
    home.days(end)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(deletion.prove(EVENTS_LEDGER, START))
    home.checkpoint.close()
    home.checkpoint.path.unlink()
    home.checkpoint.open()

    results = home.hours(end), home.days(end)

    assert [result.disagreements for result in results] == [(), ()]
    check(home, rows, end)


def test_a_home_that_moves_to_another_zone(home: Home) -> None:
    """Its hours begin at other minutes; those of both zones lie side by side."""
    rows = [
        row(START + i * 20 * MINUTE, "on" if i % 2 else "off", FAN) for i in range(90)
    ]
    home.write_rows(rows)
    home.hours(START + 20 * HOUR)
    home.zone = ZoneInfo("Asia/Kolkata")
    end = START + 18 * HOUR + 30 * MINUTE + DAY

    # An old hour that is cut is proven no longer, and so on back to the first one.
    runs = [home.hours(end) for _ in range(23)]
    result = home.days(end)

    assert [run.disagreements for run in runs] == [()] * 23
    assert (runs[-1].windows, runs[-1].oldest_open_ns) == (0, None)
    assert result.disagreements == ()
    days = windows_between(Resolution.DAY, START, end, home.zone)
    assert differing(home.daily(), expected(rows, days, home.zone), rows) == {}


def test_what_entities_are_given_alone_is_left_alone(home: Home) -> None:
    """Half of two days is gone of one entity; all entities are to be made again."""
    home.zone = ZoneInfo("Asia/Kolkata")
    rows, end = sleepy_house(), START + 3 * DAY - 6 * HOUR + 30 * MINUTE
    home.write_rows(rows)
    home.hours(end)
    home.days(end)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(
        deletion.prove(EVENTS_LEDGER, START + DAY, entity_ids=["switch.fan"])
    )
    late = [
        row(START + hour * HOUR + 31 * MINUTE, 6.0, METER) for hour in (20, 25, 45, 50)
    ]
    home.checkpoint.mark_dirty(
        EVENTS_LEDGER, (START + 19 * HOUR, START + 55 * HOUR), None
    )
    home.write_rows(late)

    results = home.hours(end), home.days(end)

    assert [one.disagreements for one in results] == [(), ()]
    check(home, rows + late, end)


def test_an_hour_waits_for_those_that_it_changes(home: Home) -> None:
    """The hour after a late row cannot be made again: both are told, and stay."""
    rows = [
        row(START + MINUTE, "on", PUMP),
        row(START + 90 * MINUTE, "off", PUMP),
        row(START + 100 * MINUTE, "on", PUMP),
    ]
    home.write_rows(rows)
    home.hours(START + 6 * HOUR)
    home.stores.client(Tier.RAW).delete(
        EVENTS_LEDGER.measurement,
        tags={},
        start_ns=START + 90 * MINUTE,
        end_ns=START + 91 * MINUTE,
    )
    late = row(START + 5 * MINUTE, "off", PUMP)
    home.checkpoint.mark_dirty(EVENTS_LEDGER, (START, START + 10 * MINUTE))
    home.write_rows([late])

    result = home.hours(START + 6 * HOUR)

    assert len(result.disagreements) == 1
    assert result.oldest_open_ns == START
    assert result.windows == 0
    home.write_rows(rows)
    assert home.hours(START + 6 * HOUR).oldest_open_ns is None
    hours = windows_between(Resolution.HOUR, START, START + 6 * HOUR, UTC)
    rows.append(late)
    assert differing(home.hourly(), expected(rows, hours, UTC), rows) == {}


def test_days_are_made_when_all_rows_are_gone(home: Home) -> None:
    rows = [
        row(START + HOUR, 5.0, METER),
        row(START + 2 * HOUR, "removed", METER),
        row(START + HOUR, "on", PUMP),
        row(START + 2 * HOUR, "removed", PUMP),
    ]
    home.write_rows(rows)
    home.hours(START + 3 * HOUR)
    # A run later both are back: the counter counts anew.
    rows += [row(START + 4 * HOUR, 9.0, METER), row(START + 4 * HOUR, "off", PUMP)]
    home.write_rows(rows)
    home.hours(START + DAY)
    deletion = Deletion(home.stores, home.checkpoint)
    deletion.delete(deletion.prove(EVENTS_LEDGER, START))

    assert home.days(START + DAY).windows == 1

    check(home, rows, START + DAY)
