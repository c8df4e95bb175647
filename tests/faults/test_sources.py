"""Every provider hangs for an hour while the home goes on: nothing else notices."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
import logging
import sys
import threading
import time
import traceback

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators import fetcher
from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.coordinators.health import find_state
from custom_components.ha_ingestor.models import SourceKind
from custom_components.ha_ingestor.sources import http
from custom_components.ha_ingestor.sources.catalog import SOURCES, list_sources
from custom_components.ha_ingestor.sources.meter import emporia_client, sense_client
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from tests.conftest import entry_data
from tests.sources.calendars import StandInCalendar, add_calendars, create_person
from tests.sources.homes import create_source_entry, create_uk
from tests.sources.kit import list_cases
from tests.sources.meter_libraries import create_libraries
from tests.sources.silent import SilentServer, serve_silence

# Real seconds per minute of the hour.
MINUTE_S = 0.2
MINUTES = 60
RATE = 200
# What stopping may cost beyond a hub without sources: each source is stopped at the
# same time as the others, and a request is given up at once.
MAX_EXTRA_S = 3.0


def list_asking_sources() -> list[ConfigSubentry]:
    """All sources that ask somebody, as their test cases are set up."""
    arguments = {
        case.provider: case.read("args.json").get("arguments", {})
        for case in list_cases()
        if not case.is_error
    }
    subentries = [create_uk("uk", "UK"), create_uk("region", "Region", postcode="M1")]
    for kind in SourceKind:
        asking = [
            source
            for source in list_sources(kind)
            if source.base_url and source.key in arguments
        ]
        subentries += [
            create_source_entry(
                source.key,
                source.name,
                kind=kind.value,
                provider=source.key,
                arguments=arguments[source.key],
            )
            for source in asking
        ]
    return [*subentries, create_person("Anna")]


@pytest.fixture
async def silent(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[SilentServer]:
    """What answers, or does not, instead of every provider."""
    async with serve_silence() as server:
        hass.data[DATA_BASE_URLS] = dict.fromkeys(SOURCES, server.url)
        for name, module in create_libraries(server.url).items():
            monkeypatch.setitem(sys.modules, name, module)
        yield server
    for login in list_logins():
        # The end of the server is the end of what waits for it.
        await hass.async_add_executor_job(login.join)


def list_logins() -> list[threading.Thread]:
    return [item for item in threading.enumerate() if item.name == "Emporia login"]


@pytest.fixture
async def calendar(hass: HomeAssistant) -> StandInCalendar:
    """A calendar of another integration, which never answers."""
    [calendar] = await add_calendars(hass, ["anna"])
    calendar.is_silent = True
    return calendar


def list_blocked_threads() -> Iterator[str]:
    """List the threads that ask a provider, and that a stop would wait for."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread is threading.main_thread() or thread.daemon:
            continue
        stack = traceback.extract_stack(frames.get(thread.ident or 0))
        if any("/sources/" in line.filename for line in stack):
            yield thread.name


@pytest.fixture
def bare(influxdb: InfluxServer) -> MockConfigEntry:
    """A hub without sources, to compare with."""
    return MockConfigEntry(
        domain=DOMAIN, title="Bare", data=entry_data(influxdb, store="bare")
    )


async def measure(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, float]:
    """Return how long a hub takes for each step of its life."""
    manager = hass.config_entries
    taken: dict[str, float] = {}
    for name, step in {
        "start": manager.async_setup,
        "reload": manager.async_reload,
        "stop": manager.async_unload,
    }.items():
        started_at = time.monotonic()
        await step(entry.entry_id)
        taken[name] = time.monotonic() - started_at
        # What a request that hangs is stopped in the middle of.
        await asyncio.sleep(0.2)
    return taken


async def test_starting_and_stopping_while_every_source_hangs(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bare: MockConfigEntry,
    silent: SilentServer,
    calendar: StandInCalendar,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bare.add_to_hass(hass)
    # The first start also loads the integration itself.
    await hass.config_entries.async_setup(bare.entry_id)
    await hass.config_entries.async_unload(bare.entry_id)
    without = await measure(hass, bare)
    entry.add_to_hass(hass)
    for subentry in list_asking_sources():
        hass.config_entries.async_add_subentry(entry, subentry)
    taken = await measure(hass, entry)
    # The calendar is no server.
    assert silent.asked >= 2 * (len(list_asking_sources()) - 1)
    assert calendar.asked_count == 2
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert list_logins() != []
    assert list(list_blocked_threads()) == []
    slow = {
        name: (seconds, without[name])
        for name, seconds in taken.items()
        if seconds > 5 * without[name] + MAX_EXTRA_S
    }
    assert slow == {}
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.config_entries.async_remove(bare.entry_id)


async def test_home_assistant_stops_while_every_source_hangs(
    hass: HomeAssistant,
    *,
    entry: MockConfigEntry,
    silent: SilentServer,
    calendar: StandInCalendar,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry.add_to_hass(hass)
    for subentry in list_asking_sources():
        hass.config_entries.async_add_subentry(entry, subentry)
    await hass.config_entries.async_setup(entry.entry_id)
    async with asyncio.timeout(60):
        while silent.asked < len(list_asking_sources()) - 1 or not calendar.asked_count:  # noqa: ASYNC110 - the server counts, and tells nobody
            await asyncio.sleep(0.01)

    await hass.async_stop(force=True)

    # It says so where it has lost its patience with what goes on.
    assert [line for line in caplog.messages if "imed out" in line] == []
    assert list(list_blocked_threads()) == []


async def test_an_hour_in_which_every_source_hangs(
    hass: HomeAssistant,
    *,
    calendar: StandInCalendar,
    hub: MockConfigEntry,
    silent: SilentServer,
    influxdb: InfluxServer,
    entity_registry: er.EntityRegistry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # As much of a minute as it is in a home.
    for module in (http, emporia_client, sense_client):
        monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", MINUTE_S * 5 / 60)
    monkeypatch.setattr(fetcher, "FETCH_TIMEOUT_S", MINUTE_S)
    for subentry in list_asking_sources():
        hass.config_entries.async_add_subentry(hub, subentry)
    await asyncio.sleep(MINUTE_S)
    began_at, began_s = dt_util.utcnow(), time.monotonic()
    count = 0
    for minute in range(1, MINUTES + 1):
        async_fire_time_changed(hass, began_at + timedelta(minutes=minute))
        while time.monotonic() - began_s < minute * MINUTE_S:
            due = int((time.monotonic() - began_s) * RATE) + 1
            for number in range(count, due):
                hass.states.async_set(f"sensor.n{number % 20}", str(number))
            count = max(count, due)
            await asyncio.sleep(0.005)
    await hass.async_block_till_done(wait_background_tasks=True)
    answer = await hass.services.async_call(
        DOMAIN, "flush", {}, blocking=True, return_response=True
    )
    assert answer is not None
    assert (answer["dropped"], answer["rejected"]) == (0, 0)
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value FROM home_assistant_events WHERE entity_id =~ /sensor.n/",
        "test",
    )
    assert sorted(int(row[1]) for row in rows) == list(range(count))
    assert count > 0.9 * MINUTES * MINUTE_S * RATE

    sources = hub.runtime_data.sources.coordinators
    assert {str(find_state(source)) for source in sources} == {"failing"}
    # Asked again and again, and less and less often; entities are asked at the pace
    # that they have, which this clock, far ahead of the loop's own, does not show.
    attempts = {
        source.subentry.subentry_id: source.success_rate.attempts
        for source in sources
        if not source.description.is_local
    }
    assert calendar.asked_count >= 4
    assert {key: n for key, n in attempts.items() if not 4 <= n <= 8} == {}

    shown = {
        entity.entity_id: state.state
        for entity in er.async_entries_for_config_entry(entity_registry, hub.entry_id)
        if entity.config_subentry_id
        # An event that has happened stays true.
        and entity.domain != "event"
        and entity.entity_category is not EntityCategory.DIAGNOSTIC
        and (state := hass.states.get(entity.entity_id))
    }
    kinds = ("sensor.emporia_power", "sensor.sense_power", "sensor.calendar_anna_")
    assert all(any(entity_id.startswith(kind) for entity_id in shown) for kind in kinds)
    assert {key: said for key, said in shown.items() if said != "unavailable"} == {}

    # What failed is said once, however often it is tried.
    lines = {
        source.name: [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.INFO and source.name in record.getMessage()
        ]
        for source in sources
    }
    assert {name: said for name, said in lines.items() if len(said) != 1} == {}
    assert list(list_blocked_threads()) == []
