"""The archive through its actions: rows leave InfluxDB, and come back to the bit."""

import datetime as dt
import json

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.jobs.job import JobStatus
from custom_components.ha_ingestor.models import Point
from devlib.influxd import InfluxServer
from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from tests.archive.kit import (
    call,
    old_rows,
    put_daily,
    ready,
    run_job,
    today,
)
from tests.retention.server_kit import stored

pytestmark = pytest.mark.usefixtures("hub")


def period(points: list[Point]) -> dict[str, str]:
    """Return what asks for all of them."""
    start = today() - dt.timedelta(days=400)
    end = today() - dt.timedelta(days=300)
    return {"start": f"{start}T00:00:00", "end": f"{end}T00:00:00"}


def row_of(point: Point) -> str:
    """Return a point as the action gives it, as text that can be compared."""
    at = dt.datetime.fromtimestamp(point.time_ns // 10**9, dt.UTC)
    return json.dumps(
        {
            "time": at.isoformat(timespec="microseconds"),
            "measurement": point.measurement,
            "tags": dict(point.tags),
            "fields": dict(point.fields),
        },
        sort_keys=True,
    )


def texts(rows: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


async def test_rows_go_and_come_back(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    points = old_rows()
    put_daily(tier_stores, points)
    await ready(hub)

    job = await run_job(hass, hub, "archive_to_s3")

    assert job.status is JobStatus.FINISHED, job.error
    assert job.problems == []
    values = sum(len(point.fields) for point in points)
    assert job.counts["rows"] == len(points)
    assert job.counts["values deleted"] == values
    assert stored(tier_stores, "daily_aggregates", "test_daily") == []
    assert len(stored(tier_stores, "archive_metadata", "test_daily")) == 6

    answer = await call(hass, "restore_from_archive", **period(points))

    assert texts(answer["rows"]) == sorted(map(row_of, points))
    assert (answer["has_more"], answer["cursor"]) == (False, None)

    job = await run_job(
        hass, hub, "restore_from_archive", write_back=True, **period(points)
    )

    assert job.status is JobStatus.FINISHED, job.error
    assert job.counts == {"days": 6, "rows": len(points), "rows written": len(points)}
    restored = stored(tier_stores, "restored_daily_aggregates", "test_daily")
    events = [point for point in points if point.measurement == "daily_aggregates"]
    assert sorted(
        (row["time"], row["entity_id"], row["avg_value"], row.get("state_durations"))
        for row in restored
    ) == sorted(
        (
            point.time_ns,
            point.tags["entity_id"],
            point.fields["avg_value"],
            point.fields.get("state_durations"),
        )
        for point in events
    )

    job = await run_job(
        hass, hub, "restore_from_archive", write_back=True, **period(points)
    )
    assert job.counts["rows written"] == 0


async def test_pages(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    points = old_rows()
    put_daily(tier_stores, points)
    await ready(hub)
    await run_job(hass, hub, "archive_to_s3")
    rows = []
    pages = 0
    cursor: dict[str, str] = {}
    has_more = True

    while has_more:
        answer = await call(
            hass, "restore_from_archive", limit=4, **period(points), **cursor
        )
        rows += answer["rows"]
        has_more = answer["has_more"]
        cursor = {"cursor": answer["cursor"]}
        pages += 1

    assert pages == 5
    assert texts(rows) == sorted(map(row_of, points))
    answer = await call(
        hass, "restore_from_archive", entities=["sensor.s1"], **period(points)
    )
    assert {row["tags"]["entity_id"] for row in answer["rows"]} == {"sensor.s1"}
    assert len(answer["rows"]) == 6
    answer = await call(hass, "restore_from_archive", tier="raw", **period(points))
    assert answer["rows"] == []
    with pytest.raises(ServiceValidationError) as raised:
        await call(hass, "restore_from_archive", cursor="nonsense", **period(points))
    assert raised.value.translation_key == "archive_cursor"
    day = points[0].time_ns // 10**9
    date = dt.datetime.fromtimestamp(day, dt.UTC).date()
    with pytest.raises(ServiceValidationError) as raised:
        await call(
            hass,
            "restore_from_archive",
            cursor=f"{date}.1.0123456789ab",
            **period(points),
        )
    assert raised.value.translation_key == "archive_cursor"


async def test_the_list_of_files(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    put_daily(tier_stores, old_rows())
    await ready(hub)

    assert await call(hass, "list_archives") == {
        "files": [],
        "total": 0,
        "has_more": False,
    }
    await run_job(hass, hub, "archive_to_s3")

    answer = await call(hass, "list_archives", limit=2, offset=1)

    assert answer["has_more"]
    assert answer["total"] >= 6
    first = today() - dt.timedelta(days=374)
    assert [file["date"] for file in answer["files"]] == [
        str(first),
        str(first + dt.timedelta(days=1)),
    ]
    assert {(file["tier"], file["rows"]) for file in answer["files"]} == {("daily", 3)}
    assert all(file["size_bytes"] > 0 for file in answer["files"])
    assert all(len(file["sha256"]) == 64 for file in answer["files"])
    assert (await call(hass, "list_archives", tier=["raw"]))["total"] == 0


async def test_a_dry_run_and_dates(
    hass: HomeAssistant, hub: MockConfigEntry, tier_stores: InfluxServer
) -> None:
    points = old_rows()
    put_daily(tier_stores, points)
    await ready(hub)

    job = await run_job(hass, hub, "archive_to_s3", dry_run=True)

    assert job.counts["days"] == 6
    assert job.counts["values due"] == sum(len(point.fields) for point in points)
    assert (await call(hass, "list_archives"))["total"] == 0
    day = today() - dt.timedelta(days=373)

    job = await run_job(hass, hub, "archive_to_s3", start=str(day), end=str(day))

    assert job.counts["days"] == 1
    files = (await call(hass, "list_archives"))["files"]
    assert [file["date"] for file in files] == [str(day)]


async def test_what_cannot_be_asked(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await ready(hub)

    with pytest.raises(ServiceValidationError) as raised:
        await call(hass, "archive_to_s3", start="2025-03-02", end="2025-03-01")
    assert raised.value.translation_key == "archive_dates"
    with pytest.raises(ServiceValidationError) as raised:
        await call(
            hass,
            "restore_from_archive",
            start="2025-03-02T00:00:00",
            end="2025-03-02T00:00:00",
        )
    assert raised.value.translation_key == "archive_period"


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("archive_to_s3", {}),
        ("list_archives", {}),
        (
            "restore_from_archive",
            {"start": "2025-03-01T00:00:00", "end": "2025-03-02T00:00:00"},
        ),
    ],
)
async def test_only_administrators(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    hass_read_only_user: User,
    action: str,
    data: dict[str, str],
) -> None:
    await ready(hub)

    with pytest.raises(Unauthorized):
        await call(
            hass, action, context=Context(user_id=hass_read_only_user.id), **data
        )


@pytest.mark.parametrize("action", ["archive_to_s3", "list_archives"])
async def test_without_an_archive(
    hass: HomeAssistant, hub: MockConfigEntry, action: str
) -> None:
    await ready(hub)
    hass.config_entries.async_remove_subentry(hub, "01ARCHIVE")
    await hass.async_block_till_done()

    assert hub.runtime_data.storage.archive.figures is None
    assert hub.runtime_data.storage.options.ages.daily is None
    with pytest.raises(ServiceValidationError) as raised:
        await call(hass, action)
    assert raised.value.translation_key == "archive_missing"


async def test_a_bucket_that_is_gone(
    hass: HomeAssistant, hub: MockConfigEntry, owner: object, s3: object
) -> None:
    await ready(hub)
    owner.client.delete_bucket(Bucket="home-archive")  # type: ignore[attr-defined]

    with pytest.raises(HomeAssistantError) as raised:
        await call(hass, "list_archives")
    assert raised.value.translation_key == "archive_failed"
    with pytest.raises(HomeAssistantError) as raised:
        await call(
            hass,
            "restore_from_archive",
            start="2025-03-01T00:00:00",
            end="2025-03-02T00:00:00",
        )
    assert raised.value.translation_key == "archive_failed"
    job = await run_job(hass, hub, "archive_to_s3")
    assert job.status is JobStatus.FINISHED
