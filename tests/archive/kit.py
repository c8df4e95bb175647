"""What the tests of the archive share: a hub's archive, old rows, its jobs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
import datetime as dt
from typing import Any, Final

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.jobs.job import Job
from custom_components.ha_ingestor.models import Point
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigSubentryDataWithId
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.retention.archive_kit import BUCKET, KEY_ID, SECRET
from tests.retention.archiver_kit import daily_rows, days_between
from tests.retention.server_kit import put

FOLDER: Final = "01HUB"
SUBENTRY_ID: Final = "01ARCHIVE"


def archive_data(url: str, **changes: Any) -> dict[str, Any]:
    """Return what the flow stores for a server of the tests."""
    return {
        "service": "other",
        "endpoint_url": url,
        "bucket": BUCKET,
        "region": "",
        "path_style": True,
        "verify_ssl": True,
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "storage_class": "",
        "prefix": "homes",
        "folder": FOLDER,
        "compression": "gzip",
        "tiers": [],
        "expiry_years": 5,
        "add_lifecycle_rule": False,
    } | changes


def subentry_of(data: Mapping[str, Any]) -> ConfigSubentryDataWithId:
    """Return a subentry as it is on disk."""
    return ConfigSubentryDataWithId(
        data=dict(data),
        subentry_id=SUBENTRY_ID,
        subentry_type="archive",
        title=BUCKET,
        unique_id=None,
    )


def today() -> dt.date:
    """The date at home."""
    return dt_util.now().date()


def old_rows(days: int = 6, *, age: int = 375) -> list[Point]:
    """Daily rows of some days that are due, the first one so many days old."""
    first = today() - dt.timedelta(days=age)
    dates = days_between(first, first + dt.timedelta(days=days - 1))
    return daily_rows(dates, zone=dt_util.get_default_time_zone(), entities=2)


def put_daily(server: InfluxServer, points: Iterable[Point]) -> None:
    """Write daily rows."""
    put(server, points, "test_daily")


async def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that nothing tells of."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - that is what it is for
            await asyncio.sleep(0.02)


async def ready(entry: MockConfigEntry) -> None:
    """Wait until the archive can be used, and has told what it has."""
    archive = entry.runtime_data.storage.archive

    def has_told() -> bool:
        figures = archive.figures
        return figures is not None and (
            figures.file_count is not None or figures.problem is not None
        )

    await wait_for(has_told)


async def call(
    hass: HomeAssistant, action: str, context: Any = None, **data: Any
) -> dict[str, Any]:
    """Call an action as an administrator, and return its answer."""
    answer = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True, context=context
    )
    assert isinstance(answer, dict)
    return answer


async def run_job(
    hass: HomeAssistant, entry: MockConfigEntry, action: str, **data: Any
) -> Job:
    """Call an action that starts a job, and wait for its end."""
    answer = await call(hass, action, **data)
    return await ended(entry, answer["job_id"])


async def ended(entry: MockConfigEntry, job_id: str) -> Job:
    """Wait for the end of a job."""
    job = entry.runtime_data.jobs.get(job_id)
    assert job is not None
    async with asyncio.timeout(120):
        await job.has_ended.wait()
    found: Job = job
    return found
