"""The view of the home's energy as statistics of Home Assistant."""

from collections.abc import Mapping
import datetime as dt
from typing import Any

from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.maintenance import statistics
from custom_components.ha_ingestor.maintenance.statistics import (
    EnergyStatistics,
    Known,
    find_changes,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    list_statistic_ids,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

COST = "ha_ingestor:test_energy_cost"
CARBON = "ha_ingestor:test_energy_carbon"
# The younger of two hubs named alike, by the end of its entry's id.
OTHER = "ha_ingestor:test_otherhub"
VIEW = "energy_cost_hourly"
HOUR = dt.timedelta(hours=1)


def this_hour() -> dt.datetime:
    return dt_util.utcnow().replace(minute=0, second=0, microsecond=0)


async def put(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    rows: Mapping[dt.datetime, Mapping[str, float]],
    *,
    scope: str = "home",
) -> None:
    """Write rows of the view, as a refresh does."""
    tiers = entry.runtime_data.storage.tiers
    points = [
        Point(
            measurement=VIEW,
            tags={"scope": scope},
            fields={"kwh": 1.0, **fields},
            time_ns=int(start.timestamp()) * 10**9,
        )
        for start, fields in rows.items()
    ]

    def write() -> None:
        tiers.ensure()
        write_points(tiers.client(Tier.DAILY), points)

    await hass.async_add_executor_job(write)


async def read(hass: HomeAssistant, statistic_id: str) -> dict[float, tuple[Any, Any]]:
    """Read a statistic as the dashboard does: start to state and sum."""
    await async_wait_recording_done(hass)
    found = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        dt_util.utc_from_timestamp(0),
        None,
        {statistic_id},
        "hour",
        None,
        {"state", "sum"},
    )
    return {
        row["start"]: (row.get("state"), row.get("sum"))
        for row in found.get(statistic_id, ())
    }


def expected(
    rows: Mapping[dt.datetime, Mapping[str, float]], field: str, factor: float = 1.0
) -> dict[float, tuple[Any, Any]]:
    """What a statistic of the view's rows is."""
    total = 0.0
    found = {}
    for start in sorted(rows):
        state = rows[start][field] * factor
        total += state
        found[start.timestamp()] = (pytest.approx(state), pytest.approx(total))
    return found


def home(hours: range) -> dict[dt.datetime, dict[str, float]]:
    """Rows of the view, so many hours ago."""
    now = this_hour()
    return {
        now - ago * HOUR: {"cost": 0.1 + ago % 7, "carbon_g": 100.0 + ago}
        for ago in hours
    }


async def test_statistics_are_those_of_the_view(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    rows = home(range(1, 200))
    await put(hass, hub, rows)
    await put(hass, hub, home(range(1, 50)), scope="entity")

    count = await EnergyStatistics(hub.runtime_data.storage).async_update()

    assert count == 2 * 199
    assert await read(hass, COST) == expected(rows, "cost")
    assert await read(hass, CARBON) == expected(rows, "carbon_g", 0.001)
    shown = await get_instance(hass).async_add_executor_job(
        list_statistic_ids, hass, {COST, CARBON}
    )
    assert {
        one["statistic_id"]: (
            one["name"],
            one["has_sum"],
            one["unit_class"],
            one["statistics_unit_of_measurement"],
            one["source"],
        )
        for one in shown
    } == {
        COST: ("Test energy cost", True, None, hass.config.currency, DOMAIN),
        CARBON: ("Test energy carbon", True, "mass", "kg", DOMAIN),
    }


async def test_only_what_is_new_is_written(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    bringer = EnergyStatistics(hub.runtime_data.storage)
    await put(hass, hub, home(range(5, 30)))
    await bringer.async_update()
    await async_wait_recording_done(hass)

    again = await bringer.async_update()
    await put(hass, hub, home(range(1, 5)))
    new = await bringer.async_update()

    assert (again, new) == (0, 2 * 4)
    assert await read(hass, COST) == expected(home(range(1, 30)), "cost")


async def test_a_corrected_hour_corrects_what_follows(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    bringer = EnergyStatistics(hub.runtime_data.storage)
    rows = home(range(1, 30))
    await put(hass, hub, rows)
    await bringer.async_update()
    await async_wait_recording_done(hass)
    corrected = {this_hour() - 10 * HOUR: {"cost": 50.0, "carbon_g": 110.0}}
    await put(hass, hub, corrected)

    count = await bringer.async_update()

    # That hour and the nine after it; carbon is as before.
    assert count == 10
    assert await read(hass, COST) == expected({**rows, **corrected}, "cost")


async def test_years_are_brought_in_pieces(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics, "CHUNK_S", 50 * 3600)
    monkeypatch.setattr(statistics, "RECENT_S", 30 * 3600)
    bringer = EnergyStatistics(hub.runtime_data.storage)
    rows = home(range(1, 120)) | home(range(400, 500))
    await put(hass, hub, rows)
    await bringer.async_update()
    first = await read(hass, COST)
    # A backfill of what was before, and between.
    more = home(range(200, 300)) | home(range(550, 600))
    await put(hass, hub, more)

    recent = await bringer.async_update()
    full = await bringer.async_update(is_full=True)

    assert first == expected(rows, "cost")
    assert recent == 0
    assert full == 2 * (119 + 100 + 100 + 50)
    assert await read(hass, COST) == expected(rows | more, "cost")


async def test_hours_that_the_view_has_lost_stay_in_the_sum(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    rows = home(range(1, 100))
    await put(hass, hub, rows)
    await EnergyStatistics(hub.runtime_data.storage).async_update()
    before = await read(hass, COST)
    tiers = hub.runtime_data.storage.tiers
    await hass.async_add_executor_job(
        lambda: tiers.client(Tier.DAILY).delete(
            VIEW,
            tags={},
            start_ns=0,
            end_ns=int((this_hour() - 50 * HOUR).timestamp()) * 10**9,
        )
    )

    count = await EnergyStatistics(hub.runtime_data.storage).async_update()

    assert count == 0
    assert await read(hass, COST) == before


async def test_two_hubs_of_one_name_have_statistics_of_their_own(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    other = MockConfigEntry(
        domain=DOMAIN, title="TEST", data=hub.data, entry_id="01OTHERHUB"
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    await put(hass, hub, home(range(1, 3)))

    for entry in (hub, other):
        await EnergyStatistics(entry.runtime_data.storage).async_update()

    mine, theirs = await read(hass, COST), await read(hass, f"{OTHER}_energy_cost")
    # Both read one view here; each writes under its own id.
    assert mine == theirs == expected(home(range(1, 3)), "cost")
    await hass.config_entries.async_remove(other.entry_id)


async def test_a_view_without_rows_brings_nothing(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    tiers = hub.runtime_data.storage.tiers
    await hass.async_add_executor_job(tiers.ensure)

    assert await EnergyStatistics(hub.runtime_data.storage).async_update() == 0
    assert await read(hass, COST) == {}


async def add(hass: HomeAssistant, statistic_id: str, *hours: dict[str, Any]) -> None:
    """Write hours of a statistic past the integration."""
    async_add_external_statistics(
        hass,
        {
            "mean_type": StatisticMeanType.NONE,
            "has_sum": True,
            "name": "Test energy cost",
            "source": DOMAIN,
            "statistic_id": statistic_id,
            "unit_class": None,
            "unit_of_measurement": hass.config.currency,
        },
        hours,
    )
    await async_wait_recording_done(hass)


@pytest.mark.parametrize("days", [4, 100])
async def test_hours_of_a_clock_that_was_ahead_do_not_count_twice(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry, days: int
) -> None:
    ahead = this_hour() + days * 24 * HOUR
    await add(hass, COST, {"start": ahead, "state": 2.0, "sum": 30.0})
    bringer = EnergyStatistics(hub.runtime_data.storage)
    rows = home(range(1, 5))
    await put(hass, hub, rows)

    await bringer.async_update()
    found = await read(hass, COST)
    again = await bringer.async_update()

    assert found.pop(ahead.timestamp()) == (2.0, 30.0)
    assert found == {
        start: (state, pytest.approx(28.0 + total.expected))
        for start, (state, total) in expected(rows, "cost").items()
    }
    assert again == 0


async def test_hours_that_have_no_sum_get_one(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await add(hass, COST, {"start": this_hour() - 3 * HOUR, "state": 2.0})
    rows = home(range(1, 5))
    await put(hass, hub, rows)

    await EnergyStatistics(hub.runtime_data.storage).async_update()

    assert await read(hass, COST) == expected(rows, "cost")


async def test_what_is_no_number_is_passed_over(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    """Somebody else has written text to a measurement of that name."""
    rows: dict[dt.datetime, dict[str, Any]] = {
        this_hour() - HOUR: {"cost": "free", "carbon_g": 5.0}
    }
    await put(hass, hub, rows)

    await EnergyStatistics(hub.runtime_data.storage).async_update()

    assert await read(hass, COST) == {}
    assert list((await read(hass, CARBON)).values()) == [(0.005, 0.005)]


async def test_without_prices_there_is_no_cost(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(hass, hub, {this_hour() - HOUR: {"carbon_g": 5.0}})

    await EnergyStatistics(hub.runtime_data.storage).async_update()

    assert await read(hass, COST) == {}
    assert list((await read(hass, CARBON)).values()) == [(0.005, 0.005)]


async def test_nothing_is_brought_without_a_recorder(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(hass, hub, home(range(1, 3)))

    assert await EnergyStatistics(hub.runtime_data.storage).async_update() == 0


async def test_nothing_is_brought_of_a_store_that_is_missing(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    bringer = EnergyStatistics(hub.runtime_data.storage)
    before = await bringer.async_update()
    await put(hass, hub, home(range(1, 3)))

    assert before == 0
    assert await bringer.async_update() == 4


@given(
    st.dictionaries(st.integers(0, 30), st.floats(-10, 1000), max_size=20),
    st.dictionaries(st.integers(0, 30), st.floats(-10, 1000), max_size=20),
    st.floats(0, 1e6),
)
def test_sums_go_on_whatever_was_there(
    hours: dict[int, float], before: dict[int, float], base: float
) -> None:
    there, _ = find_changes(before, (), base)

    changes, total = find_changes(hours, there, base)

    found = {one.start_s: one for one in there} | {one.start_s: one for one in changes}
    assert total == pytest.approx(base + sum(hours.values()), abs=1e-4)
    running = base
    for start_s in sorted(found):
        running += hours.get(start_s, 0.0)
        assert found[start_s] == Known(
            start_s=start_s,
            state=pytest.approx(hours.get(start_s, 0.0), abs=1e-4),
            total=pytest.approx(running, abs=1e-4),
        )


async def test_a_refresh_of_the_views_brings_them(
    recorder_mock: Recorder, hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    rows = home(range(3, 8))
    await put(hass, hub, rows)

    answer = await hass.services.async_call(
        DOMAIN, "refresh_views", {}, blocking=True, return_response=True
    )
    await hass.async_block_till_done(wait_background_tasks=True)

    (job,) = [
        job
        for job in hub.runtime_data.jobs.jobs
        if answer is not None and job.job_id == answer["job_id"]
    ]
    assert job.status.value == "finished"
    assert await read(hass, COST) == expected(rows, "cost")
