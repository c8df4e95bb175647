"""What the action `get_sources` and its endpoint answer, and to whom."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion

from custom_components.ha_ingestor.api import sources as sources_api
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.entities.source import (
    SourceBinarySensorDescription,
    SourceEventDescription,
)
from custom_components.ha_ingestor.entities.source_tables import (
    BINARY_SENSORS,
    EVENTS,
)
from custom_components.ha_ingestor.models import SourceKind
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, UnknownUser
from homeassistant.helpers import entity_registry as er
from tests.conftest import entry_data
from tests.sources.conftest import provider  # noqa: F401 - a fixture
from tests.sources.homes import (
    UK,
    add,
    create_uk,
    get_source,
    great_britain,
    region,
)
from tests.sources.kit import ProviderServer
from tests.sources.silent import serve_silence

URL = "/api/ha_ingestor/sources"
INTENSITY = "sensor.north_carbon_intensity"


@pytest.fixture
async def sources(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,  # noqa: F811 - the fixture
) -> MockConfigEntry:
    """A hub with two sources that have answered."""
    provider.answers = [*great_britain(143), region("RG41", 90)]
    await add(hass, hub, create_uk("north", "North"))
    await add(hass, hub, create_uk("south", "South", postcode="RG41"))
    return hub


async def call(
    hass: HomeAssistant, *, context: Context | None = None, **data: Any
) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN,
        "get_sources",
        data,
        blocking=True,
        return_response=True,
        context=context,
    )
    assert answer is not None
    return dict(answer)


def values_of(item: dict[str, Any]) -> dict[str, Any]:
    return {value["key"]: value for value in item["values"]}


async def allow(hass: HomeAssistant, user: MockUser, *entity_ids: str) -> None:
    user.mock_policy(
        {"entities": {"entity_ids": {key: {"read": True} for key in entity_ids}}}
    )


async def test_action_and_endpoint_answer_the_same(
    hass: HomeAssistant, sources: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    response = await client.get(URL)
    assert response.status == 200
    shown = await response.json()
    assert shown["is_truncated"] is False
    assert [item["title"] for item in shown["sources"]] == ["North", "South"]
    [north, south] = shown["sources"]
    values = {key: north.pop(key) for key in ("values", "age_s", "next_update")}
    source = get_source(sources, "north")
    assert source.fetched_at is not None
    assert north == {
        "subentry_id": "north",
        "config_entry_id": sources.entry_id,
        "hub": "Test",
        "kind": "carbon_intensity",
        "provider": "uk_carbon_intensity",
        "state": "ok",
        "title": "North",
        "fetched_at": source.fetched_at.isoformat(),
        "success_rate": 100.0,
        "last_error": None,
    }
    assert 0 <= values["age_s"] < 60
    assert values["next_update"] > source.fetched_at.isoformat()
    assert values_of(values)["carbon_intensity"] == {
        "key": "carbon_intensity",
        "entity_id": INTENSITY,
        "name": "Carbon intensity",
        "value": 143.0,
        "unit": "gCO2eq/kWh",
    }
    assert values_of(values)["grid_clean"]["value"] is True
    assert values_of(south)["carbon_intensity"]["value"] == 90.0
    called = (await call(hass))["sources"][1]
    assert called | {"age_s": 0} == south | {"age_s": 0}


async def test_every_entity_of_a_source_is_there(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    [north, _] = (await call(hass))["sources"]
    made = {
        entry.entity_id
        for entry in er.async_entries_for_config_entry(
            entity_registry, sources.entry_id
        )
        if entry.config_subentry_id == "north"
        and not entry.unique_id.endswith("_success_rate")
    }
    assert {value["entity_id"] for value in north["values"]} == made
    states = {
        value["entity_id"]: hass.states.get(value["entity_id"])
        for value in north["values"]
    }
    numbers = {
        value["entity_id"]: value["value"]
        for value in north["values"]
        if isinstance(value["value"], float) and states[value["entity_id"]]
    }
    assert numbers
    assert numbers == {
        entity_id: pytest.approx(float(states[entity_id].state))
        for entity_id in numbers
    }


async def test_nobody_without_a_token(
    sources: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    assert (await client.get(URL)).status == 401


async def test_a_limited_user_sees_what_they_may_read(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    hass_read_only_user: MockUser,
) -> None:
    get_source(sources, "north").last_error = "of the administrator's concern"
    await allow(hass, hass_read_only_user, INTENSITY)
    context = Context(user_id=hass_read_only_user.id)
    [north] = (await call(hass, context=context))["sources"]
    assert north["title"] == "North"
    assert [value["entity_id"] for value in north["values"]] == [INTENSITY]
    assert north["last_error"] is None
    assert north["hub"] is None
    assert north["state"] == "stale"

    await allow(hass, hass_read_only_user)
    assert (await call(hass, context=context))["sources"] == []

    [north, _] = (await call(hass))["sources"]
    assert north["last_error"] == "of the administrator's concern"
    assert north["hub"] == "Test"


async def test_the_endpoint_knows_who_asks(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    hass_read_only_user: MockUser,
    hass_read_only_access_token: str,
) -> None:
    client = await hass_client(hass_read_only_access_token)
    await allow(hass, hass_read_only_user, INTENSITY)
    [north] = (await (await client.get(URL)).json())["sources"]
    assert [value["entity_id"] for value in north["values"]] == [INTENSITY]
    await allow(hass, hass_read_only_user, "sensor.kitchen")
    assert (await (await client.get(URL)).json())["sources"] == []


async def test_an_entity_that_was_renamed_is_known_by_its_new_id(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    hass_read_only_user: MockUser,
) -> None:
    entity_registry.async_update_entity(
        INTENSITY, new_entity_id="sensor.secret", name="Mine"
    )
    await hass.async_block_till_done()
    [north, _] = (await call(hass))["sources"]
    value = values_of(north)["carbon_intensity"]
    assert (value["entity_id"], value["name"]) == ("sensor.secret", "Mine")
    await allow(hass, hass_read_only_user, INTENSITY)
    context = Context(user_id=hass_read_only_user.id)
    assert (await call(hass, context=context))["sources"] == []


async def test_what_home_assistant_has_not_made_is_for_who_may_read_all(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    hass_read_only_user: MockUser,
) -> None:
    entity_registry.async_remove(INTENSITY)
    await hass.async_block_till_done()
    context = Context(user_id=hass_read_only_user.id)
    hass_read_only_user.mock_policy({"entities": True})
    shown = (await call(hass, context=context))["sources"][0]
    assert values_of(shown)["carbon_intensity"]["entity_id"] is None
    assert values_of(shown)["carbon_intensity"]["value"] == 143.0
    hass_read_only_user.mock_policy({"entities": {"domains": {"sensor": True}}})
    shown = (await call(hass, context=context))["sources"][0]
    assert "carbon_intensity" not in values_of(shown)


async def test_a_caller_who_has_gone(
    hass: HomeAssistant, sources: MockConfigEntry
) -> None:
    with pytest.raises(UnknownUser):
        await call(hass, context=Context(user_id="gone"))


async def test_one_hub_or_all(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    influxdb: InfluxServer,
    hass_client: ClientSessionGenerator,
) -> None:
    other = MockConfigEntry(
        domain=DOMAIN, title="Other", data=entry_data(influxdb, store="other")
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    await add(hass, other, create_uk("third", "Third"))
    client = await hass_client()

    async def titles(query: str = "") -> list[str]:
        answer = await (await client.get(URL + query)).json()
        return [item["title"] for item in answer["sources"]]

    assert await titles() == ["North", "South", "Third"]
    assert await titles(f"?config_entry_id={other.entry_id}") == ["Third"]
    shown = await call(hass, config_entry_id=sources.entry_id)
    assert [item["title"] for item in shown["sources"]] == ["North", "South"]

    await hass.config_entries.async_remove(other.entry_id)
    response = await client.get(f"{URL}?config_entry_id={other.entry_id}")
    assert response.status == 404
    assert (await response.json())["code"] == "hub_not_found"
    with pytest.raises(ServiceValidationError):
        await call(hass, config_entry_id=other.entry_id)
    assert await titles() == ["North", "South"]


async def test_no_hub_at_all(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await hass.config_entries.async_unload(hub.entry_id)
    assert await call(hass) == {"sources": [], "is_truncated": False}
    await hass.config_entries.async_setup(hub.entry_id)


async def test_a_source_that_is_away_then_comes_back(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,  # noqa: F811 - the fixture
) -> None:
    provider.answers = []
    await add(hass, hub, create_uk("north", "North"))
    [north] = (await call(hass))["sources"]
    assert (north["state"], north["fetched_at"]) == ("failing", None)
    assert north["success_rate"] == 0
    assert north["last_error"]
    assert north["next_update"]
    assert values_of(north)["grid_clean"]["value"] is None

    provider.answers = great_britain(143)
    await get_source(hub, "north").async_refresh()
    [north] = (await call(hass))["sources"]
    assert (north["state"], north["success_rate"]) == ("ok", 50)
    assert north["last_error"] is None

    provider.answers = []
    await get_source(hub, "north").async_refresh()
    [north] = (await call(hass))["sources"]
    assert north["state"] == "stale"
    assert values_of(north)["carbon_intensity"]["value"] == 143


async def test_what_has_expired_is_said_to_be(
    hass: HomeAssistant, sources: MockConfigEntry, freezer: Any
) -> None:
    freezer.tick(4 * 3600)
    source = get_source(sources, "north")
    source.async_refresh_view()
    [north, _] = (await call(hass))["sources"]
    assert north["state"] == "expired"
    assert values_of(north)["carbon_intensity"]["value"] is None
    assert north["age_s"] == pytest.approx(4 * 3600, abs=60)


async def test_an_answer_is_bounded(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources_api, "MAX_SOURCES", 1)
    shown = await call(hass)
    assert [item["title"] for item in shown["sources"]] == ["North"]
    assert shown["is_truncated"] is True
    monkeypatch.setattr(sources_api, "MAX_SOURCES", 2)
    monkeypatch.setattr(sources_api, "MAX_VALUES_PER_SOURCE", 1)
    shown = await call(hass)
    assert [len(item["values"]) for item in shown["sources"]] == [1, 1]
    assert shown["is_truncated"] is True


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (datetime(2026, 11, 20, 12, tzinfo=UTC), "2026-11-20T12:00:00+00:00"),
        (date(2026, 11, 20), "2026-11-20"),
        (SourceKind.OCCUPANCY, "occupancy"),
        (1.5, 1.5),
        (3, 3),
        ("text", "text"),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_values_fit_into_json(value: Any, expected: Any) -> None:
    assert sources_api._to_json(value) == expected


async def test_the_endpoint_is_registered_once(
    hass: HomeAssistant, hub: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    sources_api.async_setup_api(hass)
    await hass.config_entries.async_reload(hub.entry_id)
    client = await hass_client()
    assert (await client.get(URL)).status == 200
    routes = [
        route
        for route in hass.http.app.router.routes()
        if route.resource is not None and route.resource.canonical == URL
    ]
    assert {route.method for route in routes} <= {"GET", "HEAD", "OPTIONS"}
    assert len([route for route in routes if route.method == "GET"]) == 1


async def test_a_source_that_has_not_answered_yet(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    async with serve_silence() as silent:
        hass.data[DATA_BASE_URLS] = {UK: silent.url}
        hass.config_entries.async_add_subentry(hub, create_uk("north", "North"))
        await hass.async_block_till_done()
        [north] = (await call(hass))["sources"]
        assert (north["state"], north["success_rate"]) == ("waiting", None)
        assert (north["fetched_at"], north["age_s"]) == (None, None)
        hass.config_entries.async_remove_subentry(hub, "north")
        await hass.async_block_till_done()
    assert (await call(hass))["sources"] == []


async def test_events_show_what_happened_last(
    hass: HomeAssistant,
    sources: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    description = SourceEventDescription(key="alarm", event_types=["begun", "over"])
    monkeypatch.setitem(EVENTS, SourceKind.CARBON_INTENSITY, (description,))
    [north, south] = (await call(hass))["sources"]
    assert values_of(north)["alarm"]["value"] is None
    assert values_of(south)["alarm"]["entity_id"] is None

    made = entity_registry.async_get_or_create(
        "event", DOMAIN, "north_alarm", config_entry=sources, original_name="Alarm"
    )
    hass.states.async_set(
        made.entity_id, "2026-11-20T12:00:00+00:00", {"event_type": "begun"}
    )
    [north, _] = (await call(hass))["sources"]
    assert values_of(north)["alarm"] == {
        "key": "alarm",
        "entity_id": made.entity_id,
        "name": "Alarm",
        "value": "begun",
        "unit": None,
    }


async def test_a_value_that_cannot_be_read_costs_no_other(
    hass: HomeAssistant, sources: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = SourceBinarySensorDescription[Any](
        key="broken", is_on=lambda view: view.no_such_thing
    )
    table = (broken, *BINARY_SENSORS[SourceKind.CARBON_INTENSITY])
    monkeypatch.setitem(BINARY_SENSORS, SourceKind.CARBON_INTENSITY, table)
    [north, _] = (await call(hass))["sources"]
    assert values_of(north)["broken"]["value"] is None
    assert values_of(north)["grid_clean"]["value"] is True
    assert values_of(north)["carbon_intensity"]["value"] == 143.0


async def test_what_a_source_is_made_of(
    hass: HomeAssistant, sources: MockConfigEntry, snapshot: SnapshotAssertion
) -> None:
    snapshot = snapshot.use_extension(HomeAssistantSnapshotExtension)
    # Values and times depend on the moment, the rest must stay as it is: scripts and
    # dashboards read it.
    [north, _] = (await call(hass))["sources"]
    assert sorted(north) == snapshot(name="keys of a source")
    assert [
        {name: value[name] for name in ("key", "entity_id", "name", "unit")}
        for value in north["values"]
    ] == snapshot(name="values of a source")
