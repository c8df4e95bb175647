"""Old rows leave as far as they are proven elsewhere; on a real InfluxDB 1.x."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
import datetime as dt
from pathlib import Path
from typing import Any, override
from zoneinfo import ZoneInfo

import pytest

from custom_components.ha_ingestor.errors import (
    RetentionCancelledError,
    RetentionError,
    RetentionLeftoverError,
    RetentionMismatchError,
    RetentionUnverifiedError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.expiry import Expiry
from custom_components.ha_ingestor.retention.kept import KeptDays
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.managed import Guards
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Ages, Override, Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, Resolution
from custom_components.ha_ingestor.retention.work import Work
from devlib.influxd import InfluxServer
from tests.retention.ledger_kit import verify_days
from tests.retention.server_kit import (
    DAY,
    HOUR,
    HOURLY,
    RAW,
    day_of_events,
    event,
    put,
    stored,
    target_of,
)

TWO_DAYS = dt.timedelta(days=2)
A_WEEK = dt.timedelta(days=7)
ENTITIES = ("sensor.a", "light.b")
# Values of one of the days below.
PER_DAY = 24 * 2 * 2 * 2


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def day(number: int) -> int:
    return DAY + number * NS_PER_DAY


class Home:
    """Stores of a server, a checkpoint, and a clock that a test sets."""

    def __init__(self, server: InfluxServer, folder: Path) -> None:
        self.server = server
        # These rows are of a day long ago, whenever the test runs.
        server.query('CREATE DATABASE "test_hourly"; CREATE DATABASE "test_daily"')
        self.stores = TierStores(
            target_of(server), ages=Ages(raw=TWO_DAYS, hourly=A_WEEK)
        )
        self.stores.ensure()
        self.checkpoint = Checkpoint(folder / "retention.db")
        self.checkpoint.open()
        self.now_ns = day(5) + 2 * HOUR
        self.zone: dt.tzinfo = dt.UTC
        self.activity_age: dt.timedelta | None = A_WEEK
        self.guards: Guards = lambda _: ()
        self.work = Work(share=1)

    def expiry(self) -> Expiry:
        return Expiry(
            self.stores,
            self.checkpoint,
            zone=self.zone,
            work=self.work,
            now_ns=lambda: self.now_ns,
            activity_age=self.activity_age,
            guards=self.guards,
        )

    def add(self, first: int = 0, days: int = 6) -> None:
        """Have rows of some days."""
        for number in range(first, first + days):
            put(self.server, day_of_events(ENTITIES, day(number)))

    def verify(self, first: int = 0, days: int = 5, ledger: Ledger = RAW) -> None:
        verify_days(
            self.stores,
            self.checkpoint,
            ledger,
            day(first),
            days=days,
            zone=self.zone,
            resolution=(Resolution.HOUR if ledger.tier is Tier.RAW else Resolution.DAY),
        )

    def days(self, measurement: str = RAW.measurement, store: str = "test") -> set[int]:
        """Which days have rows, counted from the first."""
        return {
            (row["time"] - DAY) // NS_PER_DAY
            for row in stored(self.server, measurement, store)
        }

    def days_of(self, entity_id: str) -> set[int]:
        return {
            (row["time"] - DAY) // NS_PER_DAY
            for row in stored(self.server, RAW.measurement, "test")
            if row.get("entity_id") == entity_id
        }


@pytest.fixture
def home(influxdb: InfluxServer, tmp_path: Path) -> Iterator[Home]:
    home = Home(influxdb, tmp_path)
    yield home
    home.checkpoint.close()
    home.stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


def activity(first: int = 0, days: int = 6) -> list[Point]:
    return [
        Point(
            measurement="home_assistant_activity",
            tags={"event_type": "call_service"},
            fields={"name": "light.turn_on"},
            time_ns=day(number) + 9 * HOUR,
        )
        for number in range(first, first + days)
    ]


# --- by age, as far as it is verified ---


def test_days_that_are_old_and_verified_go(home: Home) -> None:
    home.add()
    home.verify()

    result = home.expiry().raw()

    # Two days and two hours ago is within the third day.
    assert home.days() == {3, 4, 5}
    assert result.days == 3
    assert result.values_deleted == 3 * PER_DAY
    assert result.kept == ()
    assert home.checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(3))]
    # Once more, nothing is left to do.
    again = home.expiry().raw()
    assert (again.days, again.values_deleted, again.kept) == (0, 0, ())
    assert home.days() == {3, 4, 5}


def test_a_day_that_is_not_verified_stays_and_keeps_no_other(home: Home) -> None:
    home.add()
    home.verify(0, 1)
    home.verify(2, 3)

    result = home.expiry().raw()

    assert home.days() == {1, 3, 4, 5}
    (line,) = result.kept
    assert line.startswith("home_assistant_events of 2026-03-02 stays: it is not")
    home.verify(1, 1)
    assert home.expiry().raw().kept == ()
    assert home.days() == {3, 4, 5}


def test_days_in_a_row_are_told_in_one_line(home: Home) -> None:
    home.add()

    result = home.expiry().raw()

    (line,) = result.kept
    assert line.startswith("home_assistant_events of 2026-03-01 to 2026-03-03 stays")
    assert home.days() == {0, 1, 2, 3, 4, 5}


def test_an_empty_day_that_is_not_verified_is_not_told(home: Home) -> None:
    home.add(0, 1)
    home.add(2, 4)
    home.verify(0, 1)
    home.verify(2, 3)

    assert home.expiry().raw().kept == ()

    assert home.days() == {3, 4, 5}


def test_a_window_that_reaches_over_the_day_has_to_be_verified(home: Home) -> None:
    home.zone = ZoneInfo("Asia/Kolkata")
    home.add()
    home.verify(0, 5)
    # The local hour from 23:30 to 00:30, of which a part lies in the next day.
    home.checkpoint.mark_dirty(RAW, (day(1) + 5, day(1) + 6))

    result = home.expiry().raw()

    assert home.days() == {0, 1, 3, 4, 5}
    assert len(result.kept) == 1
    home.verify(1, 1)
    home.expiry().raw()
    assert home.days() == {3, 4, 5}


def test_sources_go_by_themselves(home: Home) -> None:
    ledger = replace(RAW, measurement="air_quality")
    home.add()
    home.verify()
    put(
        home.server,
        [
            replace(point, measurement="air_quality")
            for number in range(6)
            for point in day_of_events(["x"], day(number))
        ],
    )
    home.verify(1, 4, ledger)

    result = home.expiry().raw()

    assert home.days() == {3, 4, 5}
    assert home.days("air_quality") == {0, 3, 4, 5}
    assert result.days == 5
    assert result.kept[0].startswith("air_quality of 2026-03-01")


def test_hourly_rows_go_after_their_days_are_verified(home: Home) -> None:
    home.add(10, 4)
    home.now_ns = day(13) + 2 * HOUR
    points = [
        replace(point, measurement=HOURLY.measurement)
        for number in range(8)
        for point in day_of_events(ENTITIES, day(number), per_hour=1)
    ]
    put(home.server, points, "test_hourly")
    home.verify(0, 4, HOURLY)

    result = home.expiry().hourly()

    assert home.days(HOURLY.measurement, "test_hourly") == {4, 5, 6, 7}
    assert result.days == 4
    assert home.days() == {10, 11, 12, 13}
    assert "2026-03-05 to 2026-03-06" in result.kept[0]


def test_rows_that_are_kept_for_ever_stay(home: Home) -> None:
    home.stores.ages = Ages(raw=None, hourly=None, daily=None)
    home.activity_age = None
    home.add()
    home.verify()
    put(home.server, activity())

    assert home.expiry().raw().days == 0

    assert home.days() == {0, 1, 2, 3, 4, 5}
    assert home.days("home_assistant_activity") == {0, 1, 2, 3, 4, 5}


# --- what keeps a day ---


def test_a_view_that_needs_the_rows_keeps_them(home: Home) -> None:
    view = Ledger(tier=Tier.RAW, measurement="view_rooms")
    home.guards = lambda ledger: (view,) if ledger == RAW else ()
    home.add()
    home.verify()
    home.verify(1, 4, view)

    result = home.expiry().raw()

    assert home.days() == {0, 3, 4, 5}
    (line,) = result.kept
    assert line.endswith("01 stays: view_rooms has not been made from it yet")


def test_late_rows_keep_their_day_until_they_are_taken(home: Home) -> None:
    home.add()
    home.verify()
    put(home.server, [event("sensor.new", day(1) + 1)])

    result = home.expiry().raw()

    assert home.days() == {1, 3, 4, 5}
    assert "rows have come" in result.kept[0]
    home.verify(1, 1)
    home.expiry().raw()
    assert home.days() == {3, 4, 5}


def test_missing_rows_keep_their_day(home: Home) -> None:
    home.add()
    home.verify()
    home.server.query(
        f"DELETE FROM {RAW.measurement} WHERE entity_id = 'sensor.a'"
        f" AND time >= {day(1)} AND time < {day(1) + HOUR}",
        "test",
    )

    result = home.expiry().raw()

    assert home.days() == {1, 3, 4, 5}
    assert "fewer rows than were aggregated" in result.kept[0]


def test_a_day_that_the_server_has_dropped_is_forgotten(home: Home) -> None:
    home.add()
    home.verify()
    home.server.query(f"DELETE FROM {RAW.measurement} WHERE time < {day(1)}", "test")

    result = home.expiry().raw()

    assert result.values_deleted == 2 * PER_DAY
    assert home.checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(3))]


# --- ages of their own ---


def overrides(*pairs: tuple[str, dt.timedelta | None]) -> tuple[Override, ...]:
    return tuple(Override(target=target, ages={Tier.RAW: age}) for target, age in pairs)


@pytest.mark.parametrize(
    ("chosen", "sensor_days", "light_days"),
    [
        pytest.param(
            overrides(("sensor.a", dt.timedelta(days=4))),
            {1, 2, 3, 4, 5},
            {3, 4, 5},
            id="longer",
        ),
        pytest.param(
            overrides(("light", None)), {3, 4, 5}, {0, 1, 2, 3, 4, 5}, id="for-ever"
        ),
        pytest.param(
            overrides(("light", None), ("light.b", dt.timedelta(days=3))),
            {3, 4, 5},
            {2, 3, 4, 5},
            id="entity-over-domain",
        ),
    ],
)
def test_entities_with_ages_of_their_own(
    home: Home,
    chosen: Sequence[Override],
    sensor_days: set[int],
    light_days: set[int],
) -> None:
    home.stores.overrides = tuple(chosen)
    home.add()
    home.verify()

    result = home.expiry().raw()

    assert home.days_of("sensor.a") == sensor_days
    assert home.days_of("light.b") == light_days
    assert result.kept == ()
    assert home.expiry().raw().days == 0
    # Nothing of what stays has to be aggregated again.
    assert home.expiry().recount() == []
    assert home.checkpoint.dirty(RAW) == []


def test_an_age_that_is_shorter_than_the_hubs(home: Home) -> None:
    home.stores.ages = Ages(raw=dt.timedelta(days=4), hourly=A_WEEK)
    home.stores.overrides = overrides(("sensor", TWO_DAYS))
    home.add()
    home.verify()

    home.expiry().raw()

    assert home.days_of("sensor.a") == {3, 4, 5}
    assert home.days_of("light.b") == {1, 2, 3, 4, 5}
    home.add(6, 2)
    home.verify(5, 2)
    home.now_ns = day(7) + 2 * HOUR

    home.expiry().raw()

    # The last entity makes the day go as a whole.
    assert home.days_of("light.b") == {3, 4, 5, 6, 7}
    assert home.checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(3))]


def test_an_empty_day_waits_for_the_longest_age(home: Home) -> None:
    home.stores.overrides = overrides(("light", None))
    home.add(0, 1)
    home.add(2, 4)
    home.verify()

    home.expiry().raw()

    # Rows of a light could still be imported to it, and be aggregated.
    assert home.checkpoint.removed(RAW, (0, day(9))) == []


def test_rows_without_an_entity_go_with_the_last_one(home: Home) -> None:
    home.stores.overrides = overrides(("light", dt.timedelta(days=4)))
    put(home.server, [replace(event("x", day(n)), tags={}) for n in range(6)])
    home.add()
    home.verify()

    home.expiry().raw()

    assert home.days_of("light.b") == {1, 2, 3, 4, 5}
    assert len(stored(home.server, RAW.measurement, "test")) == (3 + 5) * 48 + 5


# --- rows that only have an age ---


def test_activity_goes_by_its_own_age(home: Home) -> None:
    home.activity_age = dt.timedelta(days=3)
    home.add()
    home.verify()
    put(home.server, activity())

    result = home.expiry().raw()

    assert home.days("home_assistant_activity") == {2, 3, 4, 5}
    assert home.days() == {3, 4, 5}
    assert result.values_deleted == 3 * PER_DAY + 2


def test_activity_waits_for_an_archive_that_wants_it(home: Home) -> None:
    archive = Ledger(tier=Tier.RAW, measurement="archive_home_assistant_activity")
    wanted = Ledger(tier=Tier.RAW, measurement="home_assistant_activity")
    home.guards = lambda ledger: (archive,) if ledger == wanted else ()
    home.activity_age = dt.timedelta(days=3)
    home.add()
    home.verify()
    home.verify(0, 1, archive)
    put(home.server, activity())

    result = home.expiry().raw()

    assert home.days("home_assistant_activity") == {1, 2, 3, 4, 5}
    (line,) = result.kept
    assert line.endswith("02 stays: it is not in the archive yet")


def test_activity_stays_while_hours_are_aggregated_with_it(home: Home) -> None:
    home.activity_age = TWO_DAYS
    home.add()
    home.verify(1, 4)
    put(home.server, activity())

    result = home.expiry().raw()

    assert home.days("home_assistant_activity") == {0, 3, 4, 5}
    assert any("home_assistant_activity of 2026-03-01" in line for line in result.kept)
    home.verify(0, 1)
    home.expiry().raw()
    assert home.days("home_assistant_activity") == {3, 4, 5}


def test_forecasts_live_as_long_as_raw_rows(home: Home) -> None:
    home.add()
    home.verify()
    name = "electricity_pricing_forecast"
    put(home.server, [replace(p, measurement=name) for p in activity(0, 9)])
    put(
        home.server,
        [replace(p, measurement="home_assistant_statistics") for p in activity()],
    )

    home.expiry().raw()

    # Of the future as well.
    assert home.days(name) == {3, 4, 5, 6, 7, 8}
    assert home.days("home_assistant_statistics") == {0, 1, 2, 3, 4, 5}


# --- the clock ---


def test_a_clock_far_in_the_future_takes_nothing_with_it(home: Home) -> None:
    home.add()
    home.verify()
    put(home.server, activity())
    # Home Assistant went on writing, with the wrong time.
    home.add(4_000, 2)
    home.now_ns = day(4_001) + 23 * HOUR
    home.verify(4_000, 1)

    result = home.expiry().raw()

    # As if it were the end of the last day that is borne out.
    assert home.days() == {4, 5, 4_000, 4_001}
    assert home.days("home_assistant_activity") == {0, 1, 2, 3, 4, 5}
    assert "the clock says 2037-" in result.kept[0].lower()


def test_a_clock_that_steps_back_and_forth(home: Home) -> None:
    home.add()
    home.verify()
    expiry = home.expiry()
    home.now_ns = day(2)
    assert expiry.raw().days == 0
    home.now_ns = 0
    assert expiry.raw().days == 0
    home.now_ns = day(20)
    expiry.raw()
    # As if it were the end of the third newest day.
    assert home.days() == {2, 3, 4, 5}
    home.now_ns = day(4)
    assert expiry.raw().days == 0
    home.now_ns = day(5)
    assert expiry.raw().days == 1
    assert home.days() == {3, 4, 5}


def test_after_a_break_of_years_the_clock_is_borne_out_again(home: Home) -> None:
    home.add()
    home.verify()
    home.add(1_000, 2)
    home.now_ns = day(1_001) + HOUR
    home.expiry().raw()
    assert home.days() == {4, 5, 1_000, 1_001}
    home.add(1_002, 1)
    home.now_ns = day(1_002) + HOUR

    home.verify(5, 1)
    result = home.expiry().raw()

    assert home.days() == {1_000, 1_001, 1_002}
    assert result.kept == ()


def test_rows_of_two_days_bear_out_nothing(home: Home) -> None:
    home.add(0, 2)
    home.verify(0, 2)
    home.now_ns = day(50)

    assert home.expiry().raw() == home.expiry().hourly()

    assert home.days() == {0, 1}


# --- a run that only tells ---


def test_a_dry_run_changes_nothing(home: Home) -> None:
    home.activity_age = dt.timedelta(days=3)
    home.stores.overrides = overrides(("light", None))
    home.add()
    home.verify(0, 1)
    put(home.server, activity())
    put(home.server, [event("sensor.a", day(0) + 1)])

    result = home.expiry().raw(is_dry_run=True)

    # What is not aggregated yet would be, before.
    assert result.days == 3 + 2
    assert result.values_deleted == 3 * PER_DAY // 2 + 2 + 2
    assert home.days() == {0, 1, 2, 3, 4, 5}
    assert home.days("home_assistant_activity") == {0, 1, 2, 3, 4, 5}
    assert home.checkpoint.dirty(RAW) == []
    assert home.checkpoint.removed(RAW, (0, day(9))) == []


# --- late rows, rows that are missing ---


def test_rows_that_come_after_their_day_has_gone_are_moved_aside(home: Home) -> None:
    home.add()
    home.verify()
    home.expiry().raw()
    put(home.server, [event("sensor.a", day(1) + i) for i in range(5)])

    result = home.expiry().raw()

    assert result.late_rows == 5
    assert home.days() == {3, 4, 5}
    assert home.days("late_events", "test_daily") == {1}
    assert home.expiry().raw().late_rows == 0


def test_a_recount_opens_what_has_grown(home: Home) -> None:
    home.add()
    home.verify(0, 5)
    home.verify(5, 0)
    put(home.server, [event("sensor.a", day(1) + 5 * HOUR + 1)])
    put(home.server, [event("sensor.a", day(4) + 23 * HOUR + 1)])

    assert home.expiry().recount() == [
        (day(1) + 5 * HOUR, day(1) + 6 * HOUR),
        (day(4) + 23 * HOUR, day(5)),
    ]

    assert [d.start_ns for d in home.checkpoint.dirty(RAW)] == [
        day(1) + 5 * HOUR,
        day(4) + 23 * HOUR,
    ]
    # What waits already is not found again.
    assert home.expiry().recount() == []


def test_a_recount_looks_at_part_of_a_day_too(home: Home) -> None:
    home.add(0, 2)
    verify_days(home.stores, home.checkpoint, RAW, day(0), days=1)
    # The first six hours of the second day are verified, and one of them waits.
    for hour in range(6):
        home.checkpoint.add_verified(
            RAW,
            (day(1) + hour * HOUR, day(1) + (hour + 1) * HOUR),
            counts={day(1): 8},
            mark=0,
        )
    home.checkpoint.mark_dirty(RAW, (day(1) + HOUR + 7, day(1) + HOUR + 8))
    put(home.server, [event("sensor.a", day(1) + HOUR + 1)])
    assert home.expiry().recount() == []
    put(home.server, [event("sensor.a", day(1) + 4 * HOUR + 1)])

    assert home.expiry().recount() == [(day(1) + 4 * HOUR, day(1) + 5 * HOUR)]


def test_a_recount_of_an_empty_window(home: Home) -> None:
    put(home.server, [event("sensor.a", day(0)), event("sensor.a", day(40))])
    verify_days(
        home.stores,
        home.checkpoint,
        RAW,
        day(0),
        days=41,
        resolution=Resolution.DAY,
    )
    put(home.server, [event("sensor.a", day(20) + 3)])

    assert home.expiry().recount() == [(day(20), day(21))]


def test_a_recount_tells_what_is_missing_and_leaves_it(home: Home) -> None:
    home.add()
    home.verify()
    home.server.query(
        f"DELETE FROM {RAW.measurement} WHERE time >= {day(4)}"
        f" AND time < {day(4) + HOUR}",
        "test",
    )
    expiry = home.expiry()

    assert expiry.recount() == []

    (problem,) = expiry.missing.values()
    assert problem == (
        "home_assistant_events of 2026-03-05 (raw) has 184 values, but 192 were"
        " verified: something else has deleted rows"
    )
    assert home.checkpoint.is_verified(RAW, (day(0), day(5)))


def test_a_recount_of_one_tier(home: Home) -> None:
    home.add()
    home.verify()
    put(
        home.server,
        [replace(event("a", day(0)), measurement="hourly_aggregates")],
        "test_hourly",
    )
    home.verify(0, 1, HOURLY)
    put(
        home.server,
        [replace(event("a", day(0) + 1), measurement="hourly_aggregates")],
        "test_hourly",
    )

    assert home.expiry().recount(Tier.RAW) == []
    assert home.expiry().recount(Tier.HOURLY) == [(day(0), day(1))]


def test_days_that_a_retention_of_the_server_drops_are_forgotten(home: Home) -> None:
    home.stores.ages = Ages(raw=dt.timedelta(days=10), hourly=dt.timedelta(days=10))
    home.add()
    home.verify()
    home.now_ns = day(9) + 2 * HOUR
    home.server.query('ALTER RETENTION POLICY "autogen" ON "test" DURATION 8d')
    home.server.query(f"DELETE FROM {RAW.measurement} WHERE time < {day(1)}", "test")
    home.server.query(
        f"DELETE FROM {RAW.measurement} WHERE time < {day(1) + 3 * HOUR}", "test"
    )
    expiry = home.expiry()

    assert expiry.recount() == []

    assert expiry.problems == []
    assert home.checkpoint.removed(RAW, (0, day(9))) == [(day(0), day(1))]


# --- faults ---


def test_a_deletion_that_was_cut_off_is_gone_on_with(home: Home) -> None:
    home.add()
    home.verify()
    client = home.stores.client(Tier.RAW)
    failing: Callable[..., None] = fail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "delete", failing)
        with pytest.raises(StoreUnavailableError):
            home.expiry().raw()
    assert home.days() == {0, 1, 2, 3, 4, 5}

    assert home.expiry().resume() == 1
    assert home.days() == {1, 2, 3, 4, 5}
    home.expiry().raw()
    assert home.days() == {3, 4, 5}


@pytest.mark.parametrize("chosen", [None, "light"], ids=["all", "entity"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_rows_that_come_into_a_deletion_that_was_cut_off(
    home: Home, is_deleted: bool, chosen: str | None
) -> None:
    home.stores.overrides = () if chosen is None else overrides((chosen, None))
    home.add()
    home.verify()
    client = home.stores.client(Tier.RAW)
    delete = client.delete

    def fail_after(*args: Any, **kwargs: Any) -> None:
        if is_deleted:
            delete(*args, **kwargs)
        raise StoreUnavailableError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "delete", fail_after)
        with pytest.raises(StoreUnavailableError):
            home.expiry().raw()
    # A backfill says so, and brings some.
    late = [event("sensor.a", day(0) + 7 * HOUR + i) for i in range(3)]
    home.checkpoint.mark_dirty(RAW, (day(0) + 7 * HOUR, day(0) + 8 * HOUR))
    put(home.server, late)

    home.expiry().resume()

    stored_late = stored(home.server, "late_events", "test_daily")
    raw = {row["time"] for row in stored(home.server, RAW.measurement, "test")}
    assert len(stored_late) == (3 if is_deleted else 0)
    assert {p.time_ns for p in late} <= raw | {row["time"] for row in stored_late}
    home.expiry().recount()
    home.verify(0, 1)
    home.expiry().raw()
    assert home.days_of("sensor.a") == {3, 4, 5}


def fail(*_: object, **__: object) -> None:
    raise StoreUnavailableError("gone")


def test_rows_that_a_server_is_slow_to_delete(home: Home) -> None:
    home.add()
    home.verify()
    home.work = Impatient()
    client = home.stores.client(Tier.RAW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "delete", lambda *_, **__: None)
        result = home.expiry().raw()
        resumed = home.expiry()
        assert resumed.resume() == 0

    assert "2026-03-01 to 2026-03-03" in result.kept[0]
    assert "the server has not deleted all of it yet" in result.kept[0]
    assert "still there" in resumed.problems[0]
    # They have not come late.
    assert result.late_rows == 0
    assert home.expiry().resume() == 3
    assert home.days() == {3, 4, 5}


class Impatient(Work):
    """Waits for nothing."""

    def __init__(self) -> None:
        super().__init__(share=1)

    @override
    def pause(self, seconds: float) -> None:
        super().pause(0)


def test_a_run_that_is_cancelled_stops(home: Home) -> None:
    home.add()
    home.verify()
    home.work.cancel()

    with pytest.raises(RetentionCancelledError):
        home.expiry().raw()

    assert home.days() == {0, 1, 2, 3, 4, 5}


def test_late_rows_of_one_entity_are_moved_aside(home: Home) -> None:
    home.stores.overrides = overrides(("light", None))
    home.add()
    home.verify()
    home.expiry().raw()
    late = [event("sensor.a", day(1) + HOUR + i) for i in range(3)]
    put(home.server, late)
    # As the aggregation of hours counts what it finds.
    home.checkpoint.mark_dirty(RAW, (day(1) + HOUR, day(1) + HOUR + 3))
    home.verify(1, 1)
    expiry = home.expiry()

    # Nothing has grown that would have to be made again from less.
    assert expiry.recount() == []

    assert home.days_of("sensor.a") == {3, 4, 5}
    assert home.days("late_events", "test_daily") == {1}
    assert home.checkpoint.unverified(RAW, (day(0), day(3))) == [(day(1), day(2))]
    home.verify(1, 1)
    result = expiry.raw()
    assert result.late_rows == 3
    assert result.kept == ()
    assert expiry.recount() == []
    assert expiry.problems == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RetentionUnverifiedError("more"), "rows have come"),
        (RetentionMismatchError(("a row is missing",), 1), "a row is missing"),
        (RetentionLeftoverError("still there", count=2), "has not deleted all"),
    ],
)
def test_late_rows_that_cannot_be_moved_stay(
    home: Home, error: RetentionError, reason: str
) -> None:
    home.add()
    home.verify()
    home.expiry().raw()
    put(home.server, [event("sensor.a", day(1))])
    expiry = home.expiry()

    def refuse(*_: object) -> int:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deletion, "move_leftovers", refuse)
        result = expiry.raw()

    (line,) = result.kept
    assert reason in line
    assert result.late_rows == 0
    assert home.days() == {1, 3, 4, 5}
    assert expiry.raw().late_rows == 1


def test_of_many_days_the_first_are_told() -> None:
    kept = KeptDays()
    for number in range(0, 60, 2):
        kept.add("a", day(number), "why")

    lines = kept.lines()

    assert len(lines) == 20
    assert lines[0] == "a of 2026-03-01 stays: why"
    assert lines[-1] == "and 11 more"


def test_a_deletion_that_two_runs_end_is_counted_once(home: Home) -> None:
    home.add(0, 1)
    home.verify(0, 1)
    deletion = Deletion(home.stores, home.checkpoint)
    proof = deletion.prove(RAW, day(0), entity_ids=["sensor.a"])
    deletion.delete(proof)
    left = home.checkpoint.segments(RAW, (day(0), day(1)))

    home.checkpoint.finish_removal(proof.removal)

    assert home.checkpoint.segments(RAW, (day(0), day(1))) == left
    assert sum(segment.value_count for segment in left) == PER_DAY // 2
