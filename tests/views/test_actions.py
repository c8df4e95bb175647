"""The actions that ask views and have them made again, as a user calls them."""

from collections.abc import AsyncGenerator
import datetime as dt
from types import MappingProxyType
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.actions.views import QUERY_SCHEMA
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import StoreUnavailableError, TooManyJobsError
from custom_components.ha_ingestor.jobs.registry import JobRegistry
from custom_components.ha_ingestor.maintenance.jobs import JOB_AGGREGATE
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.views.manager import ViewManager
from custom_components.ha_ingestor.views.query import ViewFilter, ViewPage
from devlib.influxd import InfluxServer
from homeassistant.components.energy.data import async_get_manager
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import area_registry as ar, device_registry as dr
from homeassistant.util import dt as dt_util
from tests.flows.texts import load_translations
from tests.maintenance.test_home_energy import grid
from tests.retention.kit import HOUR, MINUTE, POWER
from tests.retention.server_kit import put
from tests.views.views_kit import BERLIN, local, motion

ENERGY = "daily_energy_by_device"
COSTS = "energy_cost_hourly"
ROOMS = "hourly_room_activity"
OVEN = {**POWER, "entity_id": "sensor.oven", "device": "Oven", "area": "Kitchen"}
FAN = {**POWER, "entity_id": "sensor.fan", "device": "Fan 🌀", "area": 'Bath "1"'}


@pytest.fixture(autouse=True)
async def _zone(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")


@pytest.fixture
def day() -> dt.date:
    """A day that is over in any case."""
    return dt_util.now(BERLIN).date() - dt.timedelta(days=2)


def raw(tags: dict[str, str], at_ns: int, state: str, **fields: float) -> Point:
    return Point(
        measurement="home_assistant_events",
        tags=tags,
        fields={"state": state, **fields},
        time_ns=at_ns,
    )


@pytest.fixture
async def home(
    hass: HomeAssistant, influxdb: InfluxServer, entry: MockConfigEntry, day: dt.date
) -> AsyncGenerator[MockConfigEntry]:
    """A hub with some rows of two days ago, all of them aggregated."""
    start = local(day.year, day.month, day.day)
    put(
        influxdb,
        [
            raw(OVEN, start + HOUR, "1000", value=1000.0, electricity_price=0.5),
            raw(OVEN, start + 2 * HOUR, "0", value=0.0),
            raw(FAN, start + HOUR, "100", value=100.0),
            raw(FAN, start + 2 * HOUR, "0", value=0.0),
            raw(motion("hall"), start + HOUR, "on", value=1.0),
            raw(motion("hall"), start + HOUR + 30 * MINUTE, "off", value=0.0),
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await run_job(entry, JOB_AGGREGATE)
    yield entry
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_add_executor_job(
        influxdb.query, 'DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"'
    )


async def run_job(entry: MockConfigEntry, kind: str, **parameters: Any) -> None:
    job = await entry.runtime_data.jobs.async_add(kind, parameters)
    await job.has_ended.wait()
    assert job.error is None
    assert job.problems == []


async def refresh(hass: HomeAssistant, entry: MockConfigEntry, **data: Any) -> Any:
    answer: Any = await hass.services.async_call(
        DOMAIN, "refresh_views", data, blocking=True, return_response=True
    )
    if (job := entry.runtime_data.jobs.get(answer["job_id"])) is not None:
        await job.has_ended.wait()
        assert job.error is None
    return job


async def ask(
    hass: HomeAssistant, view: str = ENERGY, user: MockUser | None = None, **data: Any
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "query_view",
        {"view": view, **data},
        blocking=True,
        return_response=True,
        context=Context(user_id=None if user is None else user.id),
    )


def at(day: dt.date, hour: int = 0) -> str:
    return dt.datetime.combine(day, dt.time(hour), tzinfo=BERLIN).isoformat()


def allow(user: MockUser, *entity_ids: str) -> None:
    user.mock_policy(
        {"entities": {"entity_ids": {key: {"read": True} for key in entity_ids}}}
    )


async def test_a_view_answers(
    hass: HomeAssistant, home: MockConfigEntry, day: dt.date
) -> None:
    await refresh(hass, home)

    answer = await ask(hass, start_date=day.isoformat(), end_date=day.isoformat())

    assert {key: value for key, value in answer.items() if key != "rows"} == {
        "view": ENERGY,
        "start": at(day),
        "end": at(day + dt.timedelta(days=1)),
        "units": {
            "total_kwh": "kWh",
            "avg_power_w": "W",
            "peak_power_w": "W",
            "cost": "EUR",
            "carbon_g": "gCO2eq",
            "measured_hours": "h",
        },
        "has_more": False,
        "next_offset": None,
    }
    fan, oven = answer["rows"]
    assert (fan["entity_id"], fan["device"], fan["area"]) == (
        "sensor.fan",
        "Fan 🌀",
        'Bath "1"',
    )
    assert oven == {
        "start": at(day),
        "entity_id": "sensor.oven",
        "device": "Oven",
        "area": "Kitchen",
        "date": day.isoformat(),
        "total_kwh": 1.0,
        "cost": 0.5,
        "peak_power_w": 1000.0,
        "avg_power_w": pytest.approx(1000 / oven["measured_hours"]),
        "measured_hours": oven["measured_hours"],
    }


async def test_rooms_and_months(
    hass: HomeAssistant, home: MockConfigEntry, day: dt.date
) -> None:
    await refresh(hass, home, views=[ROOMS], full=True)

    rows = (await ask(hass, ROOMS))["rows"]
    months = await ask(hass, ROOMS, period="month")

    assert rows[0] == {
        "start": at(day, 1),
        "area": "Hall",
        "hour": 1.0,
        "weekday": float(day.weekday()),
        "motion_count": 1.0,
        "occupancy_rate": 0.5,
        "sensor_count": 1.0,
    }
    assert months["view"] == "monthly_room_activity"
    first = at(day.replace(day=1))
    assert first in {row["start"] for row in months["rows"]}
    assert sum(row["motion_count"] for row in months["rows"]) == 1


async def test_only_the_views_that_are_named_are_made(
    hass: HomeAssistant, home: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, bool]] = []
    true_refresh = ViewManager.refresh

    def spy(
        self: ViewManager, work: Any, names: Any = None, is_full: bool = False
    ) -> Any:
        calls.append((names, is_full))
        return true_refresh(self, work, names, is_full)

    monkeypatch.setattr(ViewManager, "refresh", spy)

    await refresh(hass, home, views=[COSTS, ENERGY, ENERGY], full=True)
    await refresh(hass, home)

    assert calls == [([ENERGY, COSTS], True), (None, False)]


async def test_pages(hass: HomeAssistant, home: MockConfigEntry) -> None:
    await refresh(hass, home)
    everything = (await ask(hass))["rows"]

    first = await ask(hass, limit=1)
    second = await ask(hass, limit=1, offset=first["next_offset"])

    assert (first["has_more"], first["next_offset"]) == (True, 1)
    assert [*first["rows"], *second["rows"]] == everything[:2]


async def test_filters_by_what_people_choose(
    hass: HomeAssistant,
    home: MockConfigEntry,
    area_registry: ar.AreaRegistry,
    device_registry: dr.DeviceRegistry,
) -> None:
    await refresh(hass, home)
    area = area_registry.async_create('Bath "1"')
    device = device_registry.async_get_or_create(
        config_entry_id=home.entry_id, identifiers={("x", "oven")}, name="Stove"
    )
    device_registry.async_update_device(device.id, name_by_user="Oven")

    async def entities(**data: Any) -> set[str]:
        return {row["entity_id"] for row in (await ask(hass, **data))["rows"]}

    assert await entities(entity_id="sensor.oven") == {"sensor.oven"}
    assert await entities(area=[area.id]) == {"sensor.fan"}
    assert await entities(area="Kitchen") == {"sensor.oven"}
    assert await entities(device=[device.id]) == {"sensor.oven"}
    # One that is gone is known by its name.
    assert await entities(device=["Fan 🌀"]) == {"sensor.fan"}
    assert await entities(device=["nothing"]) == set()


async def test_rows_that_a_user_may_not_see_are_left_out(
    hass: HomeAssistant, home: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    await refresh(hass, home)
    user = hass_read_only_user
    allow(user, "sensor.oven", "sensor.other")

    rows = (await ask(hass, user=user))["rows"]
    named = await ask(hass, user=user, entity_id=["sensor.oven", "sensor.fan"])
    hidden = await ask(hass, user=user, entity_id=["sensor.fan"])
    monthly = await ask(hass, user=user, period="month")

    assert {row["entity_id"] for row in rows} == {"sensor.oven"}
    assert named["rows"] == rows
    assert hidden["rows"] == []
    assert {row["entity_id"] for row in monthly["rows"]} == {"sensor.oven"}


async def test_what_is_about_the_home_needs_all_of_it(
    hass: HomeAssistant,
    influxdb: InfluxServer,
    home: MockConfigEntry,
    day: dt.date,
    hass_read_only_user: MockUser,
) -> None:
    await refresh(hass, home)
    view = home.runtime_data.storage.views.get(COSTS)
    at_ns = local(day.year, day.month, day.day)
    await hass.async_add_executor_job(
        put,
        influxdb,
        [view.point({"scope": "home"}, {"kwh": 1.0}, at_ns)],
        "test_daily",
    )
    user = hass_read_only_user
    # Read-only users may see all entities.
    assert (await ask(hass, ROOMS, user=user))["rows"]
    [row] = (await ask(hass, COSTS, user=user))["rows"]
    assert (row["scope"], row["kwh"]) == ("home", 1.0)

    allow(user, "sensor.oven", "binary_sensor.hall")

    for name in (ROOMS, "monthly_room_activity", "daily_carbon_summary", COSTS):
        with pytest.raises(Unauthorized):
            await ask(hass, name, user=user)


async def test_the_home_is_what_the_energy_dashboard_says(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    hass.config.components.add("energy")
    manager = await async_get_manager(hass)
    await manager.async_update({"energy_sources": [grid("sensor.oven")]})  # type: ignore[typeddict-item]

    await refresh(hass, home, views=[COSTS], full=True)

    answer = await ask(hass, COSTS)
    homes = answer["rows"]
    assert {row["scope"] for row in homes} == {"home"}
    assert sum(row["kwh"] for row in homes) == pytest.approx(1)
    assert sum(row.get("cost", 0) for row in homes) == pytest.approx(0.5)
    assert "note" not in answer


@pytest.mark.parametrize("period", ["detail", "month"])
async def test_where_nothing_measures_the_home_the_answer_says_so(
    hass: HomeAssistant, home: MockConfigEntry, period: str
) -> None:
    await refresh(hass, home)

    answer = await ask(hass, COSTS, period=period)

    assert answer["rows"] == []
    assert "Set up the Energy dashboard" in answer["note"]
    assert "note" not in await ask(hass, ENERGY, period=period)

    meter = ConfigSubentry(
        data=MappingProxyType({"provider": "unknown"}),
        subentry_type="smart_meter",
        title="Meter",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(home, meter)
    assert "note" not in await ask(hass, COSTS, period=period)


async def test_a_user_who_is_gone_sees_nothing(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    with pytest.raises(UnknownUser):
        await hass.services.async_call(
            DOMAIN,
            "query_view",
            {"view": ENERGY},
            blocking=True,
            return_response=True,
            context=Context(user_id="gone"),
        )


async def test_only_administrators_refresh(
    hass: HomeAssistant, hub: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            "refresh_views",
            {},
            blocking=True,
            context=Context(user_id=hass_read_only_user.id),
        )


@pytest.mark.parametrize(
    ("service", "data"),
    [
        pytest.param("query_view", {"view": "nope"}, id="query"),
        pytest.param("refresh_views", {"views": [ENERGY, "nope"]}, id="refresh"),
    ],
)
async def test_an_unknown_view_is_told(
    hass: HomeAssistant, hub: MockConfigEntry, service: str, data: dict[str, Any]
) -> None:
    before = len(hub.runtime_data.jobs.jobs)
    with pytest.raises(ServiceValidationError) as caught:
        await hass.services.async_call(
            DOMAIN, service, data, blocking=True, return_response=True
        )

    err = caught.value
    assert err.translation_key == "view_not_found"
    assert err.translation_placeholders is not None
    text = load_translations()["exceptions"]["view_not_found"]["message"].format(
        **err.translation_placeholders
    )
    assert text.startswith("There is no view nope. Choose one of these: hourly_room")
    assert ENERGY in text
    assert len(hub.runtime_data.jobs.jobs) == before


@pytest.mark.parametrize(
    ("data", "key"),
    [
        pytest.param(
            {"view": ROOMS, "entity_id": ["sensor.oven"]}, "view_filter", id="filter"
        ),
        pytest.param(
            {"view": ENERGY, "start_date": "2026-03-02", "end_date": "2026-03-01"},
            "view_dates",
            id="dates",
        ),
    ],
)
async def test_questions_that_cannot_be_answered(
    hass: HomeAssistant, hub: MockConfigEntry, data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await hass.services.async_call(
            DOMAIN, "query_view", data, blocking=True, return_response=True
        )

    assert caught.value.translation_key == key


@pytest.mark.parametrize(
    "data",
    [
        {"limit": 0},
        {"limit": 5_001},
        {"offset": -1},
        {"period": "week"},
        {"start_date": "yesterday"},
        {"entity_id": []},
        {"other": 1},
    ],
)
def test_questions_are_bounded(data: dict[str, Any]) -> None:
    with pytest.raises(probatio.Invalid):
        QUERY_SCHEMA({"view": ENERGY, **data})


async def test_a_server_that_is_away_is_told(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ViewManager, name: str, wanted: ViewFilter) -> ViewPage:
        raise StoreUnavailableError("Connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(ViewManager, "query", fail)
        with pytest.raises(HomeAssistantError) as caught:
            await ask(hass)

    assert caught.value.translation_key == "view_unreadable"
    assert caught.value.translation_placeholders == {
        "view": ENERGY,
        "error": "Connection refused",
    }


async def test_too_many_jobs_are_told(
    hass: HomeAssistant, hub: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise TooManyJobsError("full")

    with monkeypatch.context() as patch:
        patch.setattr(JobRegistry, "async_add", refuse)
        with pytest.raises(ServiceValidationError) as caught:
            await refresh(hass, hub)
    assert caught.value.translation_key == "too_many_jobs"
