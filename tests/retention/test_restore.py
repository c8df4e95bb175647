"""Rows come back out of the archive page by page, or into InfluxDB, to the bit."""

from collections.abc import Iterator
import datetime as dt
from pathlib import Path

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveCursorError,
    RetentionCancelledError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import restore
from custom_components.ha_ingestor.retention.archive import (
    ArchiveJob,
    DaySource,
    archive_day,
)
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.restore import read_page, write_back
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import point_of
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from devlib.influxd import InfluxServer
from tests.retention.archiver_kit import (
    NOW_NS,
    daily_rows,
    days_between,
    place,
    start_of,
    work,
)
from tests.retention.server_kit import target_of

FIRST = dt.date(2025, 12, 30)
LAST = dt.date(2026, 1, 2)
SPAN = (dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def client(influxdb: InfluxServer) -> Iterator[InfluxClient]:
    client = InfluxClient(target_of(influxdb))
    yield client
    client.close()


@pytest.fixture
def points() -> list[Point]:
    """Four days over the turn of a year."""
    return daily_rows(days_between(FIRST, LAST))


@pytest.fixture
def job(bucket: S3Bucket, tmp_path: Path, points: list[Point]) -> ArchiveJob:
    """An archive that has them."""
    job = place(bucket, tmp_path).job(Tier.DAILY)
    for day in days_between(FIRST, LAST):
        store(job, day, points)
    return job


def store(job: ArchiveJob, day: dt.date, points: list[Point]) -> None:
    start_ns, end_ns = start_of(day), start_of(day + dt.timedelta(days=1))
    of_day = [point for point in points if start_ns <= point.time_ns < end_ns]
    archive_day(
        job,
        DaySource(day=day, start_ns=start_ns, end_ns=end_ns, read=lambda: iter(of_day)),
    )


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 16, 100])
def test_pages_have_every_row_once(
    job: ArchiveJob, points: list[Point], limit: int
) -> None:
    found: list[Point] = []
    cursor = None
    pages = 0
    while cursor is not None or not pages:
        page = read_page(job, *SPAN, limit=limit, cursor=cursor)
        found += page.points
        cursor = page.cursor
        pages += 1

    assert digest_of(found) == digest_of(points)
    assert pages == -(-len(points) // limit)


def test_large_rows_make_short_pages(
    job: ArchiveJob, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "MAX_PAGE_BYTES", 1_000)

    page = read_page(job, *SPAN)

    # The second row of a day has eight thousand bytes of text.
    assert 0 < len(page.points) < 4
    rest = read_page(job, *SPAN, cursor=page.cursor)
    assert len(rest.points) > 0


def test_a_page_of_some_time_and_some_entities(job: ArchiveJob) -> None:
    start = dt.datetime(2025, 12, 31, 12, tzinfo=dt.UTC)

    page = read_page(job, start, SPAN[1], entity_ids=["sensor.s2"])

    assert [point.time_ns for point in page.points] == [
        start_of(dt.date(2026, 1, 1)),
        start_of(dt.date(2026, 1, 2)),
    ]
    assert page.cursor is None


def test_a_cursor_of_an_archive_that_has_changed(
    job: ArchiveJob, points: list[Point]
) -> None:
    page = read_page(job, *SPAN, limit=2)
    more = Point(
        measurement="daily_aggregates",
        tags={"entity_id": "sensor.late"},
        fields={"avg_value": 1.0},
        time_ns=start_of(FIRST),
    )
    store(job, FIRST, [*points, more])

    with pytest.raises(ArchiveCursorError, match="changed"):
        read_page(job, *SPAN, cursor=page.cursor)
    with pytest.raises(ArchiveCursorError, match="no cursor"):
        read_page(job, *SPAN, cursor="2025-12-30")


def restored(client: InfluxClient) -> list[Point]:
    return [
        point_of(row, name)
        for name in ("daily_aggregates", "carbon_intensity")
        for piece in RowStream(client, f"restored_{name}").read(0, NOW_NS)
        for row in piece.rows
    ]


@pytest.mark.parametrize("slice_rows", [1, 3, 5_000])
def test_what_is_written_back_is_the_same_to_the_bit(
    job: ArchiveJob,
    client: InfluxClient,
    points: list[Point],
    monkeypatch: pytest.MonkeyPatch,
    slice_rows: int,
) -> None:
    monkeypatch.setattr(restore, "_SLICE_ROWS", slice_rows)
    progress: list[tuple[float, str]] = []
    days: list[tuple[str, int]] = []

    result = write_back(
        job,
        client,
        *SPAN,
        work=Work(share=1.0, on_progress=lambda *seen: progress.append(seen)),
        on_day=lambda *done: days.append(done),
    )

    assert (result.days, result.rows, result.rows_written) == (4, 16, 16)
    assert result.measurements == (
        "restored_carbon_intensity",
        "restored_daily_aggregates",
    )
    assert digest_of(restored(client)) == digest_of(points)
    assert days == [(str(day), 4) for day in days_between(FIRST, LAST)]
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    again = write_back(job, client, *SPAN, work=work())
    assert (again.rows, again.rows_written) == (16, 0)


def test_a_write_back_that_was_stopped_is_gone_on_with(
    job: ArchiveJob, client: InfluxClient, points: list[Point]
) -> None:
    done: list[str] = []
    run = work()

    def stop(day: str, rows: int) -> None:
        done.append(day)
        run.cancel()

    with pytest.raises(RetentionCancelledError):
        write_back(job, client, *SPAN, work=run, on_day=stop)

    result = write_back(job, client, *SPAN, work=work(), after_day=done[-1])
    assert result.days == 3
    assert digest_of(restored(client)) == digest_of(points)


def test_only_some_entities_are_written_back(
    job: ArchiveJob, client: InfluxClient
) -> None:
    result = write_back(job, client, *SPAN, work=work(), entity_ids=["sensor.s1"])

    assert result.rows == 4
    assert {point.tags["entity_id"] for point in restored(client)} == {"sensor.s1"}
