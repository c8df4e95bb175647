"""What the tests of maintenance share: events of the past, jobs to their end."""

from collections.abc import Iterable
import datetime as dt
from typing import Any, Final

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.maintenance.record import (
    Operation,
    Outcome,
    RunRecord,
)
from custom_components.ha_ingestor.maintenance.storage import HubStorage
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, utc_day_start
from devlib.influxd import InfluxServer
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from tests.retention.server_kit import day_of_events, put

# Of the last days there has to be something, or nothing is believed to be old.
RECENT: Final = (3, 2, 1)
ENTITIES: Final = ("sensor.power", "sensor.temperature")
STORES: Final = ("test", "test_hourly", "test_daily")


def days_ago(days: int) -> int:
    """Start of a UTC day; nanoseconds."""
    now_ns = int(dt_util.utcnow().timestamp() * 1e9)
    return utc_day_start(now_ns) - days * NS_PER_DAY


def put_days(
    server: InfluxServer, days: Iterable[int], entities: Iterable[str] = ENTITIES
) -> None:
    """Write events on days that are so long ago."""
    for day in days:
        put(server, day_of_events(entities, days_ago(day), per_hour=1))


def count(server: InfluxServer, measurement: str, field: str, store: str) -> int:
    """Count rows."""
    answer = server.query(f'SELECT count("{field}") FROM "{measurement}"', store)
    series = answer["results"][0].get("series")
    return int(series[0]["values"][0][1]) if series else 0


def storage_of(entry: MockConfigEntry) -> HubStorage:
    """The storage of a hub that runs."""
    storage: HubStorage = entry.runtime_data.storage
    return storage


def record_of(entry: MockConfigEntry, operation: Operation) -> RunRecord | None:
    """The last run of an operation."""
    return storage_of(entry).journal.records.get(operation)


async def call(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Call an action for its answer."""
    answer = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert answer is not None
    return dict(answer)


async def run(
    hass: HomeAssistant, entry: MockConfigEntry, action: str, **data: Any
) -> dict[str, Any]:
    """Start a job by its action and wait for its end; returns it."""
    answer = await call(hass, action, **data)
    job = entry.runtime_data.jobs.get(answer["job_id"])
    assert job is not None
    await job.has_ended.wait()
    return dict(job.view())


def a_record(operation: Operation, **changes: Any) -> RunRecord:
    """A run that has just ended."""
    now = dt_util.utcnow()
    values: dict[str, Any] = {
        "operation": operation,
        "outcome": Outcome.DONE,
        "started_at": now - dt.timedelta(seconds=1),
        "ended_at": now,
    }
    return RunRecord(**(values | changes))
