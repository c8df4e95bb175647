"""Seams that only some homes have: an archive, interruptions, other units."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.errors import (
    HistoryArgumentError,
    RetentionCancelledError,
    StoreTimeoutError,
)
from custom_components.ha_ingestor.history import stored
from custom_components.ha_ingestor.history.query import (
    Detail,
    HistoryQuery,
    HistorySource,
    NoteKind,
)
from custom_components.ha_ingestor.history.reader import HistoryReader
from custom_components.ha_ingestor.history.run import Run
from custom_components.ha_ingestor.history.seams import blocks_of
from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.archive import ArchiveJob
from custom_components.ha_ingestor.retention.ledgers import (
    DAILY_LEDGER,
    EVENTS_LEDGER,
    HOURLY_LEDGER,
)
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import point_of
from custom_components.ha_ingestor.retention.windows import to_datetime, to_ns
from custom_components.ha_ingestor.retention.work import Work
from devlib.influxd import InfluxServer
from tests.history.kit import Home, tags_of
from tests.retention.kit import DAY, HOUR, MINUTE, UTC, row

START = to_ns(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
NOW = START + 20 * DAY + 30 * MINUTE
OUTSIDE = "sensor.outside"


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def outside(at_ns: int, state: float | str, **tags: str) -> Any:
    return row(at_ns, state, {**tags_of(OUTSIDE), **tags})


@pytest.fixture
def home(influxdb: InfluxServer, tmp_path: Path) -> Iterator[Home]:
    """Every hour of twenty days has one row: its number."""
    rows = [outside(START + hour * HOUR, float(hour)) for hour in range(20 * 24)]
    with Home(influxdb, tmp_path, {OUTSIDE: rows}, zone=UTC, now_ns=NOW) as made:
        yield made


def archived(monkeypatch: pytest.MonkeyPatch, days: dict[int, float]) -> list[Any]:
    """Let the archive hold days; returns the spans that were asked for."""
    asked: list[Any] = []

    def read_archive(
        job: ArchiveJob, start_at: dt.datetime, end_at: dt.datetime, **_: Any
    ) -> Iterator[Point]:
        asked.append((start_at, end_at))
        for day, value in days.items():
            at_ns = START + day * DAY
            if to_ns(start_at) <= at_ns < to_ns(end_at):
                fields: dict[str, FieldValue] = {"row_count": 24.0, "avg_value": value}
                for name in ("daily_aggregates", "late_events"):
                    yield Point(
                        measurement=name,
                        tags=tags_of(OUTSIDE),
                        fields=fields if name == "daily_aggregates" else {"x": 1.0},
                        time_ns=at_ns,
                    )

    monkeypatch.setattr(stored, "read_archive", read_archive)
    return asked


def age(home: Home, *, hourly_days: int, daily_days: int) -> None:
    """Let days go on their way: from hourly rows, and from daily ones."""
    home.aggregate(START, START + 18 * DAY)
    home.roll_up(START, START + 18 * DAY)
    home.delete(EVENTS_LEDGER, START, START + 15 * DAY)
    home.delete(HOURLY_LEDGER, START, START + hourly_days * DAY)
    home.delete(DAILY_LEDGER, START, START + daily_days * DAY)


def ask(home: Home, detail: Detail, **arguments: Any) -> HistoryQuery:
    return HistoryQuery(
        entity_ids=[OUTSIDE],
        start_at=to_datetime(START),
        end_at=to_datetime(NOW),
        detail=detail,
        **arguments,
    )


def test_days_in_the_archive_come_from_there(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(home, hourly_days=6, daily_days=3)
    archived(monkeypatch, {0: 7.0, 1: 8.0, 2: 9.0, 4: 99.0})
    reader = HistoryReader(
        home.stores,
        home.checkpoint,
        zone=UTC,
        archive=lambda: cast("ArchiveJob", object()),
        now_ns=lambda: NOW,
    )

    days = reader.read(ask(home, Detail.DAY)).entities[OUTSIDE].rows
    hours = reader.read(ask(home, Detail.HOUR)).entities[OUTSIDE].rows

    assert [(one.source.value, one.values["mean"]) for one in days] == [
        ("archive", 7.0),
        ("archive", 8.0),
        ("archive", 9.0),
        *(("daily", 24.0 * day + 11.5) for day in range(3, 18)),
        *(("raw", 24.0 * day + 11.5) for day in (18, 19)),
        ("raw", 479.0),
    ]
    assert [one.source for one in hours[:7]] == [
        *[HistorySource.ARCHIVE] * 3,
        *[HistorySource.DAILY] * 3,
        HistorySource.HOURLY,
    ]
    assert len(hours) == 6 + 14 * 24 + 1
    ends = [one.end_ns for one in hours]
    assert ends[:-1] == [one.start_ns for one in hours[1:]]


def test_the_open_window_ends_when_its_answer_says(home: Home) -> None:
    # Answers are written to the microsecond, and their sums are of exactly that time.
    home.now_ns = NOW + 1_789

    (row,) = home.read(NOW - 30 * MINUTE, NOW + HOUR, Detail.HOUR)[OUTSIDE]

    assert row.end_ns == NOW + 1_000


def test_an_archive_that_is_not_connected_is_told(home: Home) -> None:
    age(home, hourly_days=6, daily_days=3)

    (page,) = home.pages(START, NOW, Detail.DAY)

    assert page.entities[OUTSIDE].rows[0].start_ns == START + 3 * DAY
    notes = {note.kind: note for note in page.notes}
    assert notes.keys() == {NoteKind.ARCHIVE_MISSING, NoteKind.OPEN_WINDOW}
    missing = notes[NoteKind.ARCHIVE_MISSING]
    assert (missing.start_ns, missing.end_ns) == (START, START + 3 * DAY)


def test_changes_over_all_tiers(home: Home) -> None:
    age(home, hourly_days=6, daily_days=0)

    (page,) = home.pages(START, NOW, Detail.RAW)

    found = [
        (one.source.value, one.end_ns is None) for one in page.entities[OUTSIDE].rows
    ]
    assert found == [
        *[("daily", False)] * 6,
        *[("hourly", False)] * 9 * 24,
        *[("raw", True)] * 5 * 24,
    ]
    assert {note.kind for note in page.notes} == {
        NoteKind.HOURLY_SHOWN,
        NoteKind.DAILY_SHOWN,
    }


def test_five_minutes_over_all_tiers(home: Home) -> None:
    age(home, hourly_days=6, daily_days=0)

    (page,) = home.pages(START + 14 * DAY, START + 16 * DAY, Detail.FIVE_MINUTES)

    rows = page.entities[OUTSIDE].rows
    assert [one.source.value for one in rows] == [*["hourly"] * 24, *["raw"] * 24 * 12]
    assert {one.values["mean"] for one in rows[24:36]} == {360.0}
    assert [one.end_ns for one in rows[:-1]] == [one.start_ns for one in rows[1:]]


def test_what_was_interrupted_is_not_known(home: Home) -> None:
    home.put(
        Point(
            measurement="home_assistant_activity",
            tags={"event_type": kind},
            fields={"name": "x"},
            time_ns=at_ns,
        )
        for kind, at_ns in (
            ("homeassistant_stop", START + 30 * MINUTE),
            ("homeassistant_start", START + 58 * MINUTE),
            ("homeassistant_started", START + 59 * MINUTE),
            # The last row, which would hold on.
            ("homeassistant_stop", START + 479 * HOUR + 15 * MINUTE),
        )
    )

    (first,) = home.read(START, START + HOUR, Detail.HOUR)[OUTSIDE]
    pieces = home.read(START, START + HOUR, Detail.FIVE_MINUTES)[OUTSIDE]
    after = home.read(START + 20 * DAY, NOW, Detail.HOUR)[OUTSIDE]

    assert first.values["mean"] == 0.0
    assert len(pieces) == 6
    assert after == []


def test_another_unit_is_told(influxdb: InfluxServer, tmp_path: Path) -> None:
    rows = [
        outside(START, 50.0, unit="°F"),
        outside(START + HOUR, 10.0),
        outside(START + 2 * HOUR, "unavailable"),
    ]
    with Home(influxdb, tmp_path, {OUTSIDE: rows}, zone=UTC, now_ns=NOW) as home:
        (page,) = home.pages(START, START + 2 * HOUR, Detail.HOUR)

    history = page.entities[OUTSIDE]
    assert history.unit == "°C"
    assert [one.unit for one in history.rows] == ["°F", None]


def test_a_page_ends_when_it_is_late(home: Home) -> None:
    pages = home.pages(START, NOW, Detail.HOUR, page_s=0.0)

    assert len(pages) == 22
    assert [len(page.entities[OUTSIDE].rows) for page in pages] == [24] * 20 + [1, 0]


def test_nothing_of_the_future(home: Home) -> None:
    (page,) = home.pages(NOW + DAY, NOW + 2 * DAY, Detail.HOUR)

    assert page.entities[OUTSIDE].rows == []


def test_a_counter_that_was_not_there_for_weeks(
    influxdb: InfluxServer, tmp_path: Path
) -> None:
    """What it has counted meanwhile belongs to the hour in which it is back."""
    meter = "sensor.energy"
    rows = [
        row(START, 10.0, tags_of(meter)),
        row(START + HOUR, "unavailable", tags_of(meter)),
        row(START + 19 * DAY, 25.0, tags_of(meter)),
    ]
    with Home(influxdb, tmp_path, {meter: rows}, zone=UTC, now_ns=NOW) as home:
        from_raw = home.read(START + 18 * DAY, START + 19 * DAY + HOUR, Detail.HOUR)
        home.aggregate(START, START + 15 * DAY)
        home.delete(EVENTS_LEDGER, START, START + 15 * DAY)
        from_hours = home.read(START + 18 * DAY, START + 19 * DAY + HOUR, Detail.HOUR)

    (one,) = from_raw[meter]
    (other,) = from_hours[meter]
    assert one.values["energy"] == other.values["energy"] == 15.0


@pytest.mark.parametrize(
    ("gaps", "energy"),
    [pytest.param(49, 15.0, id="looked-behind"), pytest.param(50, 0.0, id="too-many")],
)
def test_it_is_looked_behind_so_many_gaps_only(
    influxdb: InfluxServer, tmp_path: Path, gaps: int, energy: float
) -> None:
    """A device that comes and goes all day costs a question each time."""
    meter = "sensor.energy"
    rows = [
        row(START, 10.0, tags_of(meter)),
        *(
            row(START + HOUR + gap * MINUTE, "unavailable", tags_of(meter))
            for gap in range(gaps)
        ),
        row(START + 2 * DAY, 25.0, tags_of(meter)),
    ]
    with Home(influxdb, tmp_path, {meter: rows}, zone=UTC, now_ns=NOW) as home:
        (one,) = home.read(START + 2 * DAY, START + 2 * DAY + HOUR, Detail.HOUR)[meter]

    assert one.values.get("energy") == energy
    assert one.values["last"] == 25.0


def test_cancelled_work_ends(home: Home) -> None:
    work = Work(share=1)
    work.cancel()

    with pytest.raises(RetentionCancelledError):
        home.reader().read(ask(home, Detail.HOUR), work)


def test_nobody_waits_longer_than_a_person_does() -> None:
    with pytest.raises(StoreTimeoutError):
        Run(Work(share=1)).pause(100.0)


def test_a_wait_for_a_server_ends_when_the_question_is_cancelled() -> None:
    work = Work(share=1)
    run = Run(work)
    run.pause(0.0)
    work.cancel()

    with pytest.raises(RetentionCancelledError):
        run.pause(30.0)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        pytest.param({"entity_ids": []}, "history_entities", id="none"),
        pytest.param({"entity_ids": ["a.b"] * 2}, "history_entity_twice", id="twice"),
        pytest.param({"limit": 0}, "history_limit", id="limit"),
        pytest.param({"statistics": frozenset()}, "history_no_statistics", id="what"),
        pytest.param(
            {"start_at": dt.datetime(2026, 1, 1)},  # noqa: DTZ001 - naive on purpose
            "history_naive_time",
            id="naive",
        ),
        pytest.param({"cursor": "WzJd"}, "history_cursor", id="cursor"),
    ],
)
def test_wrong_questions(home: Home, changes: dict[str, Any], key: str) -> None:
    question: dict[str, Any] = {
        "entity_ids": [OUTSIDE],
        "start_at": to_datetime(START),
        "end_at": to_datetime(NOW),
    }

    with pytest.raises(HistoryArgumentError) as err:
        home.reader().read(HistoryQuery(**(question | changes)))

    assert err.value.key == key


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        pytest.param("Europe/Berlin", (2026, 3, 27), (2026, 4, 3), id="23-hours"),
        # The 30th did not exist.
        pytest.param("Pacific/Apia", (2011, 12, 28), (2012, 1, 3), id="no-day"),
        pytest.param("America/Havana", (2026, 10, 30), (2026, 11, 3), id="midnight"),
    ],
)
def test_blocks_have_each_day_once(
    zone: str, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    home_zone = ZoneInfo(zone)
    start_ns, end_ns = (
        to_ns(dt.datetime(*date, 12, tzinfo=dt.UTC)) for date in (start, end)
    )

    def days(day_count: int, first: int = 0) -> list[Any]:
        return [
            (block.number, day)
            for block in blocks_of(
                start_ns, end_ns, zone=home_zone, day_count=day_count, first=first
            )
            for day in block.days
        ]

    whole = [day for _, day in days(100)]
    assert [day for _, day in days(1)] == [day for _, day in days(3)] == whole
    assert [item for item in days(2) if item[0] >= 1] == days(2, first=1)
    assert whole[0].start_ns <= start_ns < whole[0].end_ns
    assert whole[-1].start_ns < end_ns <= whole[-1].end_ns
    assert [day.end_ns for day in whole[:-1]] == [day.start_ns for day in whole[1:]]


def test_a_daily_row_of_an_hourly_store_that_is_missing(home: Home) -> None:
    """Raw goes on alone where nobody could create the other stores."""
    for tier in (Tier.HOURLY, Tier.DAILY):
        name = home.stores.plan(tier).name
        home.server.query(f'DROP DATABASE "{name}"')

    rows = home.read(START, START + DAY, Detail.DAY)[OUTSIDE]

    assert [(one.source.value, one.values["mean"]) for one in rows] == [("raw", 11.5)]


def test_what_a_late_row_says_holds_in_the_hours_after_it(
    influxdb: InfluxServer, tmp_path: Path
) -> None:
    now_ns = START + 3 * DAY + 30 * MINUTE
    rows = [outside(START, 21.0)]
    with Home(influxdb, tmp_path, {OUTSIDE: rows}, zone=UTC, now_ns=now_ns) as home:
        home.aggregate(START, START + 3 * DAY)
        # As a backfill and the nightly count say it: the hour of the row alone.
        late = outside(START + DAY, 5.0)
        home.checkpoint.mark_dirty(EVENTS_LEDGER, (late.time_ns, late.time_ns + 1))
        home.put([point_of(late, EVENTS_LEDGER.measurement)])

        answer = home.read(START, now_ns, Detail.HOUR)[OUTSIDE]

    means = [dict(one.values)["mean"] for one in answer]
    assert means[:24] == [21.0] * 24
    assert means[24:] == [5.0] * 49
