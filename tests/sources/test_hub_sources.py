"""Sources that misbehave in every way: none touches another, the hub, or the disk."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators import fetcher
from custom_components.ha_ingestor.coordinators.carbon import CarbonCoordinator
from custom_components.ha_ingestor.coordinators.health import find_state
from custom_components.ha_ingestor.coordinators.pace import (
    find_first_pause,
    find_retry,
)
from custom_components.ha_ingestor.coordinators.source import SourceCoordinator
from custom_components.ha_ingestor.coordinators.success_rate import SuccessRate
from custom_components.ha_ingestor.errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceUnavailableError,
)
from devlib.influxd import InfluxServer
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from tests.sources.homes import (
    add,
    create_source_entry,
    create_uk,
    get_source,
    great_britain,
)
from tests.sources.kit import Answer, ProviderServer
from tests.sources.scripted import KEY, Script, register

SECRET = "k3y of the user/7"
NOW = dt_util.parse_datetime("2026-11-20T12:00:00+00:00", raise_on_error=True)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A provider that does what the test says."""
    return register(monkeypatch)


def scripted(subentry_id: str = "one", api_key: str = SECRET) -> ConfigSubentry:
    return create_source_entry(
        subentry_id,
        subentry_id.title(),
        kind="carbon_intensity",
        provider=KEY,
        arguments={"api_key": api_key},
    )


async def raise_unexpected(arguments: Mapping[str, Any]) -> float:
    raise ZeroDivisionError(f"with {arguments['api_key']}")


async def hang(arguments: Mapping[str, Any]) -> float:
    await asyncio.Event().wait()
    return 0.0


async def hang_on_to_it(arguments: Mapping[str, Any]) -> float:
    """Answer all the same when nobody waits any more, as some libraries do."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0.2)
    return 666.0


async def let_start(
    hass: HomeAssistant, hub: MockConfigEntry, *subentries: ConfigSubentry
) -> None:
    """Add sources whose answers nobody waits for."""
    for subentry in subentries:
        hass.config_entries.async_add_subentry(hub, subentry)
    await hass.async_block_till_done()


async def fire_later(hass: HomeAssistant, seconds: float) -> None:
    """Fire the timers of the coming time, which goes on: what hangs ends."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done(wait_background_tasks=True)


async def pass_time(hass: HomeAssistant, freezer: Any, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


# --- one and the others


TROUBLES: dict[str, Callable[[pytest.MonkeyPatch, Script], None]] = {}


def trouble(
    make: Callable[[pytest.MonkeyPatch, Script], None],
) -> Callable[[pytest.MonkeyPatch, Script], None]:
    TROUBLES[make.__name__] = make
    return make


def fail(*_: Any) -> Any:
    raise ZeroDivisionError


async def fail_later(*_: Any) -> Any:
    raise ZeroDivisionError


def break_method(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a method of the kind fail, for the scripted source only."""
    method = getattr(CarbonCoordinator, name)

    def call(self: CarbonCoordinator, *args: Any) -> Any:
        return fail() if self.description.key == KEY else method(self, *args)

    monkeypatch.setattr(CarbonCoordinator, name, call)


@trouble
def making(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.create = fail


@trouble
def closing(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.close = fail_later


@trouble
def asking(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.act = raise_unexpected


@trouble
def hanging(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script.act = hang


@trouble
def broken_view(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "evaluate")


@trouble
def broken_points(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "create_points")


@trouble
def broken_pace(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "get_interval")


@trouble
def broken_settings(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "settings_changed")


@trouble
def broken_start(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "async_start")


@trouble
def broken_stop(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "async_forget")


@trouble
def broken_context(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    break_method(monkeypatch, "get_context_value")


@pytest.mark.parametrize("make_trouble", TROUBLES.values(), ids=TROUBLES)
async def test_one_in_trouble_touches_nothing_else(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    provider: ProviderServer,
    influxdb: InfluxServer,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    make_trouble: Callable[[pytest.MonkeyPatch, Script], None],
) -> None:
    make_trouble(monkeypatch, script)
    provider.answers = great_britain(143)
    await let_start(hass, hub, scripted(), create_uk("north", "North"))
    await hass.config_entries.async_reload(hub.entry_id)
    await get_source(hub, "north").async_refresh()
    hass.states.async_set("sensor.kitchen", "1")
    await hass.services.async_call(DOMAIN, "flush", blocking=True)

    assert hub.state is ConfigEntryState.LOADED
    assert find_state(get_source(hub, "north")) == "ok"
    assert hass.states.get("sensor.north_carbon_intensity").state == "143.0"
    rows = await hass.async_add_executor_job(
        influxdb.rows,
        "SELECT value FROM home_assistant_events WHERE entity_id = 'sensor.kitchen'",
        "test",
    )
    assert len(rows) == 1
    hass.config_entries.async_remove_subentry(hub, "one")
    await hass.async_block_till_done()
    sources = hub.runtime_data.sources.coordinators
    assert [source.subentry.subentry_id for source in sources] == ["north"]


async def test_a_source_of_a_later_version_is_left_alone(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.answers = great_britain(143)
    unknown = create_source_entry(
        "later", "Later", kind="carbon_intensity", provider="from_the_future"
    )
    strange = create_source_entry("odd", "Odd", kind="tides", provider="moon")
    await add(hass, hub, unknown, strange, create_uk("north", "North"))
    sources = hub.runtime_data.sources.coordinators
    assert [source.subentry.subentry_id for source in sources] == ["north"]
    assert "No source of this version: from_the_future" in caplog.text
    assert set(hub.subentries) == {"later", "odd", "north"}


async def test_who_begins_to_listen_meanwhile_is_told_once(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[SourceCoordinator[Any, Any]] = []
    start = SourceCoordinator.async_start

    async def listen_and_start(source: SourceCoordinator[Any, Any]) -> None:
        hub.runtime_data.sources.async_listen(told.append)
        await start(source)

    monkeypatch.setattr(SourceCoordinator, "async_start", listen_and_start)
    await add(hass, hub, scripted())
    assert told == [get_source(hub, "one")]


# --- stopped and changed in the middle of it


@pytest.mark.parametrize("act", [hang, hang_on_to_it])
async def test_removed_while_it_hangs(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    act: Any,
) -> None:
    script.act = act
    await let_start(hass, hub, scripted())
    source = get_source(hub, "one")
    assert len(script.asked) == 1
    hass.config_entries.async_remove_subentry(hub, "one")
    await hass.async_block_till_done()
    assert hub.runtime_data.sources.coordinators == []
    await fire_later(hass, 3600)
    assert f"{DOMAIN}/source_one" not in hass_storage
    assert len(script.asked) == 1
    assert source.success_rate.attempts == 0


async def test_unloaded_while_it_hangs(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    script.act = hang
    await let_start(hass, hub, scripted())
    async with asyncio.timeout(10):
        assert await hass.config_entries.async_unload(hub.entry_id)
    assert hub.state is ConfigEntryState.NOT_LOADED
    script.act = Script().act
    assert await hass.config_entries.async_setup(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    source = get_source(hub, "one")
    assert source.data.intensity == 100
    # What was cut off was neither a success nor a failure.
    assert (source.success_rate.attempts, source.success_rate.percent) == (1, 100)


async def test_changed_while_it_hangs(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang_with_old_key(arguments: Mapping[str, Any]) -> float:
        return await hang(arguments) if arguments["api_key"] == SECRET else 7.0

    script.act = hang_with_old_key
    await let_start(hass, hub, scripted())
    hass.config_entries.async_update_subentry(
        hub, hub.subentries["one"], data=scripted(api_key="another").data
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    source = get_source(hub, "one")
    assert source.data.intensity == 7
    assert [item["api_key"] for item in script.asked] == [SECRET, "another"]
    assert (source.success_rate.attempts, source.success_rate.percent) == (1, 100)
    assert "Error" not in caplog.text


async def test_an_answer_to_an_old_question_is_not_believed(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    async def answer_late(arguments: Mapping[str, Any]) -> float:
        is_old = arguments["api_key"] == SECRET
        return await hang_on_to_it(arguments) if is_old else 7.0

    script.act = answer_late
    await let_start(hass, hub, scripted())
    seen: list[float | None] = []
    source = get_source(hub, "one")
    source.async_add_listener(
        lambda: seen.append(source.data.intensity if source.data else None)
    )
    hass.config_entries.async_update_subentry(
        hub, hub.subentries["one"], data=scripted(api_key="another").data
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    assert source.data.intensity == 7
    assert 666.0 not in seen


async def test_who_hangs_is_asked_again(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetcher, "FETCH_TIMEOUT_S", 0.05)
    script.act = hang
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    assert source.last_error == "No answer in time"
    script.act = Script().act
    await fire_later(hass, 70)
    assert find_state(source) == "ok"


# --- when it is asked


async def test_a_first_failure_is_not_the_last_attempt(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, freezer: Any
) -> None:
    provider.answers = [Answer(path="/", status=503)]
    await add(hass, hub, create_uk("north", "North"))
    source = get_source(hub, "north")
    assert find_state(source) == "failing"
    provider.answers = great_britain(143)
    await pass_time(hass, freezer, 50)
    assert find_state(source) == "failing"
    await pass_time(hass, freezer, 20)
    assert find_state(source) == "ok"


async def test_failures_are_further_and_further_apart(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    async def fail(arguments: Mapping[str, Any]) -> float:
        raise SourceDataError("again")

    script.act = fail
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    pauses_s: list[float] = []
    for _ in range(9):
        assert source.next_refresh_at is not None
        pause_s = (source.next_refresh_at - dt_util.utcnow()).total_seconds()
        pauses_s.append(pause_s)
        await pass_time(hass, freezer, pause_s + 2)
    expected = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert [
        (pause_s, at_least)
        for pause_s, at_least in zip(pauses_s, expected, strict=True)
        if not at_least - 1 <= pause_s <= 1.1 * at_least
    ] == []
    assert len(script.asked) == 10
    script.act = Script().act
    await source.async_refresh()
    assert source.next_refresh_at is not None
    pause_s = (source.next_refresh_at - dt_util.utcnow()).total_seconds()
    assert 900 <= pause_s <= 990


async def test_a_provider_that_wants_to_be_left_alone(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise SourceUnavailableError(
            "Too many requests", retry_after_s=7200, is_rate_limited=True
        )

    script.act = refuse
    await add(hass, hub, scripted())
    script.act = Script().act
    await pass_time(hass, freezer, 4000)
    assert len(script.asked) == 1
    # A restart is no reason to ask again.
    await hass.config_entries.async_reload(hub.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(script.asked) == 1
    await pass_time(hass, freezer, 3300)
    assert len(script.asked) == 2
    assert find_state(get_source(hub, "one")) == "ok"


async def test_a_clock_that_went_back_holds_nothing_up(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script, freezer: Any
) -> None:
    freezer.tick(365 * 24 * 3600)
    await add(hass, hub, scripted())
    await hass.config_entries.async_unload(hub.entry_id)
    freezer.tick(-365 * 24 * 3600)
    await hass.config_entries.async_setup(hub.entry_id)
    await pass_time(hass, freezer, 1000)
    assert len(script.asked) == 2


@given(
    failures=st.integers(0, 10_000),
    retry_after_s=st.none() | st.floats(0, 86_400),
    longest_s=st.none() | st.floats(1, 3600),
)
def test_every_pause_after_a_failure(
    failures: int, retry_after_s: float | None, longest_s: float | None
) -> None:
    error = SourceUnavailableError("x", retry_after_s=retry_after_s)
    longest = None if longest_s is None else timedelta(seconds=longest_s)
    pause_s = find_retry(error, failures, longest=longest).total_seconds()
    own_s = min(60 * 2 ** max(0, failures - 1), 3600, longest_s or 3600)
    assert pause_s >= max(own_s, retry_after_s or 0) - 1e-5
    assert pause_s <= max(1.1 * own_s, retry_after_s or 0) + 1e-5


@given(
    age_s=st.none() | st.floats(-1e8, 1e8),
    interval_s=st.floats(60, 86_400),
    left_alone_s=st.none() | st.floats(-1e8, 1e8),
)
def test_every_pause_at_the_start(
    age_s: float | None, interval_s: float, left_alone_s: float | None
) -> None:
    pause_s = find_first_pause(
        NOW,
        timedelta(seconds=interval_s),
        None if age_s is None else NOW - timedelta(seconds=age_s),
        None if left_alone_s is None else NOW + timedelta(seconds=left_alone_s),
    ).total_seconds()
    due_s = 0.0 if age_s is None else min(max(interval_s - age_s, 0.0), interval_s)
    expected_s = max(due_s, min(left_alone_s or 0.0, 86_400.0))
    assert pause_s == pytest.approx(expected_s, abs=1e-5)


# --- what is said of it


async def test_what_nobody_expects_is_logged_once_and_without_secrets(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    caplog: pytest.LogCaptureFixture,
) -> None:
    script.act = raise_unexpected
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    await source.async_refresh()
    await source.async_refresh()
    assert caplog.text.count("Unexpected error while asking One") == 1
    assert "ZeroDivisionError: with ***" in caplog.text
    assert source.last_error == "Unexpected ZeroDivisionError"

    script.act = Script().act
    await source.async_refresh()
    script.act = raise_unexpected
    await source.async_refresh()
    assert caplog.text.count("Unexpected error while asking One") == 2
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        SourceAuthError(f"Key {SECRET} is bad"),
        SourceAuthError("Look at https://x.example/?key=k3y%20of%20the%20user%2F7"),
        SourceArgumentError("zone", "unknown_zone", {"key": SECRET}),
    ],
)
async def test_what_only_a_person_can_mend(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    issue_registry: ir.IssueRegistry,
    error: Exception,
) -> None:
    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise error

    script.act = refuse
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    assert not issue_registry.issues
    await source.async_refresh()
    [issue] = issue_registry.issues.values()
    assert issue.issue_id == "source_one"
    shown = str(issue.translation_placeholders) + str(source.last_error)
    assert "k3y" not in shown

    script.act = Script().act
    await source.async_refresh()
    assert not issue_registry.issues


async def test_nobody_can_give_credentials_where_there_are_none(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = register(monkeypatch, arguments=())

    async def refuse(arguments: Mapping[str, Any]) -> float:
        raise SourceAuthError("HTTP status 403")

    script.act = refuse
    await add(hass, hub, scripted())
    await get_source(hub, "one").async_refresh()
    assert not issue_registry.issues


# --- on disk


@pytest.mark.parametrize(
    "stored",
    [
        {"version": 99, "minor_version": 1, "data": {"answer": 1}},
        {"version": 1, "minor_version": 1, "data": {"answer": 1}},
        {"version": 1, "minor_version": 1, "data": [1, 2]},
        {"version": 1, "minor_version": 1, "data": "?"},
    ],
    ids=["newer", "incomplete", "list", "text"],
)
async def test_a_cache_that_cannot_be_used(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    stored: dict[str, Any],
) -> None:
    key = f"{DOMAIN}/source_one"
    hass_storage[key] = {"key": key, **stored}
    await add(hass, hub, scripted())
    assert find_state(get_source(hub, "one")) == "ok"
    await hass.config_entries.async_reload(hub.entry_id)
    assert hass_storage[key]["data"]["answer"]["intensity"] == 100


async def test_the_cache_is_written_while_the_source_is_busy(
    hass: HomeAssistant,
    *,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
    freezer: Any,
) -> None:
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    for _ in range(4):
        await source.async_refresh()
        await pass_time(hass, freezer, 10)
    assert hass_storage[f"{DOMAIN}/source_one"]["data"]["answer"]["intensity"] == 100


async def test_no_secret_is_on_disk_outside_the_entry(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    script: Script,
    hass_storage: dict[str, Any],
) -> None:
    await add(hass, hub, scripted())
    await hass.config_entries.async_reload(hub.entry_id)
    assert SECRET not in str(hass_storage[f"{DOMAIN}/source_one"])


# --- how reliable it is


def test_the_success_rate_forgets_after_30_days() -> None:
    rate = SuccessRate()
    assert rate.percent is None
    for day in range(30):
        rate.note((NOW + timedelta(days=day)).date(), is_success=day != 0)
    assert rate.attempts == 30
    assert rate.percent == pytest.approx(100 * 29 / 30)
    rate.note((NOW + timedelta(days=30)).date(), is_success=True)
    assert (rate.attempts, rate.percent) == (30, 100)
    again = SuccessRate(rate.to_json())
    assert (again.attempts, again.percent) == (30, 100)
    again.note((NOW + timedelta(days=90)).date(), is_success=False)
    assert (again.attempts, again.percent) == (1, 0)


async def test_a_home_without_a_hub_has_no_sources_running(
    hass: HomeAssistant, hub: MockConfigEntry, script: Script
) -> None:
    await add(hass, hub, scripted())
    source = get_source(hub, "one")
    hass.config_entries.async_update_subentry(
        hub,
        hub.subentries["one"],
        data=MappingProxyType(dict(hub.subentries["one"].data)),
    )
    await hass.config_entries.async_unload(hub.entry_id)
    asked = len(script.asked)
    await source.async_refresh()
    assert len(script.asked) == asked
    await hass.config_entries.async_setup(hub.entry_id)
