"""In which order rows move on and are let go, and what is told of it."""

from collections.abc import Callable, Iterable
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    RetentionCancelledError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.retention import maintenance
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.downsample import DownsampleResult
from custom_components.ha_ingestor.retention.expiry import ExpiryResult
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.maintenance import (
    Maintenance,
    MaintenanceReport,
)
from custom_components.ha_ingestor.retention.missing import LedgerDay
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import Resolution
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.views.refresh import RefreshResult
from tests.retention.kit import DAY, MINUTE
from tests.retention.server_kit import RAW

NOW = 20_000 * DAY


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def result(windows: int, *disagreements: str) -> DownsampleResult:
    return DownsampleResult(
        windows=windows,
        rows_read=0,
        rows_written=0,
        disagreements=disagreements,
        oldest_open_ns=None,
    )


class Steps:
    """Stands in for what does the work, and keeps what was asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.until_ns: list[int] = []
        self.progress: list[tuple[float, str]] = []
        self.work = Work(on_progress=self.report, share=1)
        self.failing = ""
        self.settled_ns = NOW
        self.expiry_now: Callable[[], int] = lambda: 0
        self.problems: list[str] = []
        self.missing: dict[LedgerDay, str] = {}

    def report(self, progress: float, doing: str) -> None:
        self.progress.append((progress, doing))

    def call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.failing:
            raise StoreUnavailableError("gone")

    def refresh(self) -> RefreshResult:
        self.call("refresh")
        return RefreshResult(rows_written=7, problems=("a view",))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:  # noqa: C901 - small ones
    steps = Steps()

    class FakeDownsampler:
        def __init__(self, *_: object, work: Work, **__: object) -> None:
            self.work = work

        def hours(self, *, until_ns: int) -> DownsampleResult:
            steps.until_ns.append(until_ns)
            steps.call("hours")
            self.work.report(0.5, "half of the hours")
            return result(3, "hour")

        def days(self, *, until_ns: int) -> DownsampleResult:
            steps.until_ns.append(until_ns)
            steps.call("days")
            return result(1, "day")

        def open_windows(self, resolution: Resolution, *, until_ns: int) -> int:
            steps.until_ns.append(until_ns)
            steps.call(f"open {resolution}")
            return 11

    class FakeExpiry:
        def __init__(self, *_: object, now_ns: Callable[[], int], **__: object) -> None:
            self.problems = steps.problems
            self.missing: dict[LedgerDay, str] = {}
            steps.expiry_now = now_ns

        def resume(self) -> int:
            steps.call("resume")
            self.problems.append("slow")
            return 0

        def recount(self, tier: Tier) -> list[object]:
            steps.call(f"recount {tier}")
            self.missing |= steps.missing
            return []

        def accept_missing(self, tier: Tier) -> None:
            steps.call(f"accept {tier}")
            self.accepted += 3

        def forget_run(self) -> None:
            self.problems.clear()
            self.missing.clear()
            self.accepted = 0

        def raw(self, *, is_dry_run: bool = False) -> ExpiryResult:
            steps.call("count raw" if is_dry_run else "raw")
            return ExpiryResult(days=2, kept=("a day",))

        def hourly(self, *, is_dry_run: bool = False) -> ExpiryResult:
            steps.call("count hourly" if is_dry_run else "hourly")
            return ExpiryResult(days=4)

    monkeypatch.setattr(maintenance, "Downsampler", FakeDownsampler)
    monkeypatch.setattr(maintenance, "Expiry", FakeExpiry)
    return steps


def make(steps: Steps, **changes: Any) -> Maintenance:
    target = Target(api_version=ApiVersion.V1, host="127.0.0.1", port=1, store="test")

    def none(_: Ledger) -> Iterable[Ledger]:
        return ()

    return Maintenance(
        TierStores(target),
        Checkpoint(Path("unused")),
        **{
            "zone": dt.UTC,
            "work": steps.work,
            "now_ns": lambda: NOW,
            "settled_until_ns": lambda: steps.settled_ns,
            "activity_age": None,
            "refresh_views": steps.refresh,
            "feeds": none,
            "guards": none,
        }
        | changes,
    )


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(Maintenance.aggregate, ["hours", "days"], id="aggregate"),
        pytest.param(
            Maintenance.downsample_hourly,
            ["resume", "recount raw", "hours", "refresh", "raw"],
            id="hourly",
        ),
        pytest.param(
            Maintenance.downsample_daily,
            ["resume", "recount hourly", "days", "refresh", "hourly"],
            id="daily",
        ),
        pytest.param(
            Maintenance.run_all,
            [
                "resume",
                "recount raw",
                "hours",
                "recount hourly",
                "days",
                "refresh",
                "raw",
                "hourly",
            ],
            id="all",
        ),
        pytest.param(
            lambda made: made.downsample_hourly(is_dry_run=True),
            ["open hour", "count raw"],
            id="hourly-dry",
        ),
        pytest.param(
            lambda made: made.downsample_daily(is_dry_run=True),
            ["open day", "count hourly"],
            id="daily-dry",
        ),
        pytest.param(
            lambda made: made.run_all(is_dry_run=True),
            ["open hour", "count raw", "open day", "count hourly"],
            id="all-dry",
        ),
    ],
)
def test_the_order_of_the_steps(
    steps: Steps, run: Callable[[Maintenance], object], expected: list[str]
) -> None:
    run(make(steps))

    assert steps.calls == expected
    shares = [share for share, _ in steps.progress]
    assert shares == sorted(shares)
    assert steps.progress[-1] == (1.0, "Done")


def test_what_is_told(steps: Steps) -> None:
    report = make(steps).run_all()

    assert report.downsampled == (result(3, "hour"), result(1, "day"))
    assert [one.days for one in report.expired] == [2, 4]
    assert report.refreshed == 7
    assert report.problems == ("slow", "hour", "day", "a view", "a day")


def test_days_with_missing_rows_are_told(steps: Steps) -> None:
    steps.missing[RAW, DAY] = "a day has 1 value, not 2"

    report = make(steps).downsample_hourly()

    assert report.missing == ("home_assistant_events of 1970-01-02 (raw)",)
    assert report.problems == (
        "slow",
        "a day has 1 value, not 2",
        "hour",
        "a view",
        "a day",
    )
    assert report.accepted == 0


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(
            Maintenance.downsample_hourly,
            ["resume", "recount raw", "hours", "refresh", "accept raw", "raw"],
            id="hourly",
        ),
        pytest.param(
            Maintenance.downsample_daily,
            ["resume", "recount hourly", "days", "refresh", "accept hourly", "hourly"],
            id="daily",
        ),
        pytest.param(
            Maintenance.run_all,
            [
                *("resume", "recount raw", "hours", "recount hourly", "days"),
                *("refresh", "accept raw", "accept hourly", "raw", "hourly"),
            ],
            id="all",
        ),
    ],
)
def test_missing_rows_are_accepted_before_anything_goes(
    steps: Steps, run: Callable[..., MaintenanceReport], expected: list[str]
) -> None:
    report = run(make(steps), has_accepted=True)

    assert steps.calls == expected
    assert report.accepted == 3 * sum("accept" in call for call in expected)


def test_a_run_does_not_tell_of_the_one_before(steps: Steps) -> None:
    made = make(steps)
    made.run_all()

    assert made.aggregate().problems == ("hour", "day")


def test_a_dry_run_tells_how_much_is_open(steps: Steps) -> None:
    report = make(steps).downsample_daily(is_dry_run=True)

    assert [one.windows for one in report.downsampled] == [11]
    assert [one.days for one in report.expired] == [4]


def test_without_views_nothing_is_refreshed(steps: Steps) -> None:
    report = make(steps, refresh_views=None).downsample_hourly()

    assert report.refreshed == 0
    assert steps.calls == ["resume", "recount raw", "hours", "raw"]


def test_only_what_is_over_and_out_of_the_buffer_is_aggregated(steps: Steps) -> None:
    make(steps).aggregate()
    assert steps.until_ns == [NOW - 10 * MINUTE] * 2
    assert steps.expiry_now() == NOW
    steps.settled_ns = NOW - DAY

    make(steps).downsample_hourly()

    assert steps.until_ns[-1] == NOW - DAY
    assert steps.expiry_now() == NOW - DAY


@pytest.mark.parametrize("failing", ["resume", "recount raw", "hours", "refresh"])
def test_a_step_that_fails_ends_the_run(steps: Steps, failing: str) -> None:
    steps.failing = failing
    made = make(steps)

    with pytest.raises(StoreUnavailableError):
        made.downsample_hourly()

    assert steps.calls[-1] == failing
    assert (1.0, "Done") not in steps.progress
    steps.failing = ""
    steps.calls.clear()
    made.downsample_hourly()
    assert steps.calls == ["resume", "recount raw", "hours", "refresh", "raw"]


def test_a_run_that_is_cancelled_begins_no_other_step(steps: Steps) -> None:
    def cancel() -> RefreshResult:
        steps.work.cancel()
        return RefreshResult()

    made = make(steps, refresh_views=cancel)

    with pytest.raises(RetentionCancelledError):
        made.run_all()

    assert steps.calls[-1] == "days"


def test_a_step_has_a_part_of_the_progress(steps: Steps) -> None:
    make(steps).downsample_hourly()

    (share,) = [at for at, doing in steps.progress if doing == "half of the hours"]
    assert share == pytest.approx(0.1 + 0.55 / 2)


def test_the_progress_of_a_part() -> None:
    told: list[tuple[float, str]] = []
    work = Work(on_progress=lambda share, doing: told.append((share, doing)))
    with work.part(0.5, 1.0), work.part(0.0, 0.5):
        work.report(0.5, "inside")
    with pytest.raises(ZeroDivisionError), work.part(0.5, 1.0):
        work.report(1 / 0, "never")
    work.report(0.5, "outside")

    assert told == [(0.625, "inside"), (0.5, "outside")]
