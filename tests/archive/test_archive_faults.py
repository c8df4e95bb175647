"""S3, InfluxDB or the disk fail in the middle: rows stay, and the next run goes on."""

from collections.abc import Callable
import datetime as dt
import errno
import tempfile
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import StoreUnavailableError
from custom_components.ha_ingestor.jobs.job import Job, JobStatus
from custom_components.ha_ingestor.maintenance import runs
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import transfer
from custom_components.ha_ingestor.retention.archive_read import read_archive
from custom_components.ha_ingestor.retention.deletion import Deletion
from custom_components.ha_ingestor.retention.digest import digest_of
from custom_components.ha_ingestor.retention.s3 import S3Bucket, S3Limits
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import point_of
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.archive.kit import (
    archive_data,
    call,
    ended,
    old_rows,
    put_daily,
    ready,
    run_job,
    subentry_of,
    wait_for,
)
from tests.faults.proxy import FaultProxy, close_before_answer, hang, reset
from tests.retention.archive_kit import (
    Fault,
    cut_body,
    half_upload,
    only,
    s3_error,
    turn_bit_of_upload,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for milliseconds where a real home waits for minutes."""
    limits = S3Limits(
        connect_timeout_s=2, read_timeout_s=0.8, download_timeout_s=5, try_count=1
    )
    original = S3Bucket.__init__

    def init(self: S3Bucket, target: Any, given: S3Limits | None = None) -> None:
        original(self, target, given or limits)

    monkeypatch.setattr(S3Bucket, "__init__", init)
    monkeypatch.setattr(runs, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(runs, "MAX_RETRY_S", 0.05)


@pytest.fixture
def entry(
    entry: MockConfigEntry, proxy: FaultProxy, tier_stores: InfluxServer
) -> MockConfigEntry:
    """A hub whose archive is behind a network that can break."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Test",
        data=dict(entry.data),
        options=dict(entry.options),
        subentries_data=[subentry_of(archive_data(f"http://127.0.0.1:{proxy.port}"))],
    )


@pytest.fixture
async def rows(hub: MockConfigEntry, tier_stores: InfluxServer) -> list[Point]:
    points = old_rows(3)
    put_daily(tier_stores, points)
    await ready(hub)
    return points


def in_store(entry: MockConfigEntry) -> list[Point]:
    """Return what is in the daily store; blocks."""
    client = entry.runtime_data.storage.tiers.client(Tier.DAILY)
    return [
        point_of(row, name)
        for name in ("daily_aggregates", "carbon_intensity")
        for piece in RowStream(client, name).read(0, 2**62)
        for row in piece.rows
    ]


def in_archive(entry: MockConfigEntry) -> list[Point]:
    """Return what is in the archive; blocks."""
    reader = entry.runtime_data.storage.archive.open_reader()
    assert reader is not None
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return list(read_archive(reader, start, dt.datetime.now(dt.UTC)))


async def check_all_gone(
    hass: HomeAssistant, entry: MockConfigEntry, points: list[Point]
) -> None:
    """Make sure that all rows are in the archive, and nowhere else."""
    archived = await hass.async_add_executor_job(in_archive, entry)
    assert await hass.async_add_executor_job(in_store, entry) == []
    assert digest_of(archived) == digest_of(points)


def find_issue(hass: HomeAssistant, entry: MockConfigEntry, kind: str) -> Any:
    return ir.async_get(hass).async_get_issue(
        DOMAIN, f"storage_run_{kind}_archive_{entry.entry_id}"
    )


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> Job:
    answer = await call(hass, "archive_to_s3")
    job = entry.runtime_data.jobs.get(answer["job_id"])
    assert job is not None
    return job


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(only("PUT", s3_error(500, "InternalError")), id="put-500"),
        pytest.param(only("GET", s3_error(503, "SlowDown")), id="get-503"),
        pytest.param(only("HEAD", reset), id="head-reset"),
        pytest.param(only("PUT", hang, key="data_"), id="hangs"),
        pytest.param(only("PUT", close_before_answer, key="_manifest"), id="no-answer"),
        pytest.param(only("GET", cut_body, key="_manifest"), id="half-an-answer"),
    ],
)
async def test_a_service_that_is_away_is_waited_for(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    proxy: FaultProxy,
    rows: list[Point],
    fault: Fault,
) -> None:
    proxy.fault = fault
    job = await start(hass, hub)

    await wait_for(lambda: job.status is JobStatus.WAITING or not job.is_open)
    left = await hass.async_add_executor_job(in_store, hub)
    assert digest_of(left) == digest_of(rows)
    assert job.is_open
    proxy.fault = None
    await ended(hub, job.job_id)

    assert job.status is JobStatus.FINISHED, job.error
    await check_all_gone(hass, hub, rows)


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (s3_error(403, "AccessDenied"), "Give the keys of the archive this right"),
        (s3_error(403, "InvalidAccessKeyId"), "Change the keys of the archive"),
        (s3_error(404, "NoSuchBucket"), "Create the bucket"),
    ],
)
async def test_what_only_a_person_can_mend(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    proxy: FaultProxy,
    rows: list[Point],
    fault: Fault,
    advice: str,
) -> None:
    proxy.fault = only("PUT", fault)

    job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FAILED
    issue = find_issue(hass, hub, "failed")
    assert issue.translation_placeholders["error"].startswith(advice)
    assert issue.translation_placeholders["action"] == "archive_to_s3"
    left = await hass.async_add_executor_job(in_store, hub)
    assert digest_of(left) == digest_of(rows)

    proxy.fault = None
    job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FINISHED, job.error
    assert find_issue(hass, hub, "failed") is None
    await check_all_gone(hass, hub, rows)


@pytest.mark.parametrize("fault", [half_upload, turn_bit_of_upload])
async def test_a_damaged_upload_keeps_its_rows(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    proxy: FaultProxy,
    rows: list[Point],
    fault: Fault,
) -> None:
    proxy.fault = only("PUT", fault, key="data_")

    job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FINISHED
    assert len(job.problems) == 3
    assert find_issue(hass, hub, "disagreed") is not None
    left = await hass.async_add_executor_job(in_store, hub)
    assert digest_of(left) == digest_of(rows)

    proxy.fault = None
    await run_job(hass, hub, "archive_to_s3")

    assert find_issue(hass, hub, "disagreed") is None
    await check_all_gone(hass, hub, rows)


async def test_a_full_disk(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    rows: list[Point],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: Any, **kwargs: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkdtemp", full)
        job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.startswith("Make room on the disk")
    left = await hass.async_add_executor_job(in_store, hub)
    assert digest_of(left) == digest_of(rows)

    job = await run_job(hass, hub, "archive_to_s3")
    assert job.status is JobStatus.FINISHED, job.error
    await check_all_gone(hass, hub, rows)


@pytest.mark.parametrize("name", ["begin", "delete", "write"])
async def test_influxdb_goes_away_in_the_middle(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    rows: list[Point],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    failures = iter(range(2))

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            for _ in failures:
                raise StoreUnavailableError("No answer")
            return method(*args, **kwargs)

        return fail

    places: dict[str, tuple[Any, str]] = {
        "begin": (Deletion, "prove"),
        "delete": (Deletion, "_send"),
        "write": (transfer, "write_points"),
    }
    target, method = places[name]
    monkeypatch.setattr(target, method, failing(getattr(target, method)))

    job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FINISHED, job.error
    assert next(failures, None) is None
    await check_all_gone(hass, hub, rows)


async def test_a_reload_in_the_middle(
    hass: HomeAssistant, hub: MockConfigEntry, proxy: FaultProxy, rows: list[Point]
) -> None:
    proxy.fault = only("PUT", hang, key="data_")
    job = await start(hass, hub)
    await wait_for(lambda: proxy.seen > 2)

    assert await hass.config_entries.async_reload(hub.entry_id)

    assert hub.state is ConfigEntryState.LOADED
    proxy.fault = None
    await ended(hub, job.job_id)
    again = hub.runtime_data.jobs.get(job.job_id)
    assert again.status is JobStatus.FINISHED, again.error
    await check_all_gone(hass, hub, rows)


async def test_it_can_be_cancelled(
    hass: HomeAssistant, hub: MockConfigEntry, proxy: FaultProxy, rows: list[Point]
) -> None:
    proxy.fault = only("PUT", s3_error(503, "SlowDown"))
    job = await start(hass, hub)
    await wait_for(lambda: job.status is JobStatus.WAITING)

    await call(hass, "cancel_job", job_id=job.job_id)

    assert job.status is JobStatus.CANCELLED
    left = await hass.async_add_executor_job(in_store, hub)
    assert digest_of(left) == digest_of(rows)
    proxy.fault = None
    await run_job(hass, hub, "archive_to_s3")
    await check_all_gone(hass, hub, rows)


async def test_a_restore_goes_on_where_it_was(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    proxy: FaultProxy,
    rows: list[Point],
    tier_stores: InfluxServer,
) -> None:
    await run_job(hass, hub, "archive_to_s3")
    proxy.fault = only("GET", s3_error(503, "SlowDown"), key="data_")
    answer = await call(
        hass,
        "restore_from_archive",
        start="2024-01-01T00:00:00",
        end="2099-01-01T00:00:00",
        write_back=True,
    )
    job = hub.runtime_data.jobs.get(answer["job_id"])
    await wait_for(lambda: job.status is JobStatus.WAITING)

    assert await hass.config_entries.async_reload(hub.entry_id)
    await ready(hub)
    proxy.fault = None
    job = await ended(hub, answer["job_id"])

    assert job.status is JobStatus.FINISHED, job.error
    assert job.counts["rows"] == len(rows)
