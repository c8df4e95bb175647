"""The actions flush and preview."""

from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.const import DOMAIN
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from tests.conftest import entry_data


async def preview(
    hass: HomeAssistant, *entity_ids: str, context: Context | None = None
) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN,
        "preview",
        {"entity_id": list(entity_ids)},
        blocking=True,
        return_response=True,
        context=context,
    )
    assert answer is not None
    entities = answer["entities"]
    assert isinstance(entities, dict)
    return entities


async def test_preview_shows_what_is_then_written(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    hass.states.async_set("sensor.a", "21.5", {"unit_of_measurement": "°C"})
    [line] = (await preview(hass, "sensor.a"))["sensor.a"]["lines"]
    await hub.runtime_data.pipeline.async_flush()
    await hass.async_add_executor_job(
        influxdb.write, line.replace("home_assistant_events", "shown", 1), "test"
    )
    columns = "time, entity_id, domain, unit, state, value, context_id"
    written, shown = [
        await hass.async_add_executor_job(
            influxdb.rows,
            f"SELECT {columns} FROM {name} WHERE entity_id = 'sensor.a'",
            "test",
        )
        for name in ("home_assistant_events", "shown")
    ]
    assert len(written) == 1
    assert written == shown


@pytest.mark.parametrize("options", [{"exclude_entities": ["sensor.a"]}])
async def test_preview_says_why_not(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    hass.states.async_set("sensor.a", "1")
    hass.states.async_set("sensor.b", "1")
    captured = hub.runtime_data.pipeline.snapshot().captured
    shown = await preview(hass, "sensor.a", "sensor.b")
    assert shown["sensor.a"] == {
        "is_captured": False,
        "reason": "excluded_entity",
        "sampling": None,
        "lines": [],
    }
    assert shown["sensor.b"]["is_captured"] is True
    assert shown["sensor.b"]["reason"] == "default"
    # The call of the action is an event of its own; the preview adds none.
    assert hub.runtime_data.pipeline.snapshot().captured == captured + 1


async def test_preview_of_nothing_is_a_clear_error(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await preview(hass, "sensor.none")
    assert caught.value.translation_key == "entity_not_found"
    with pytest.raises(probatio.Invalid):
        await preview(hass, *(f"sensor.s{number}" for number in range(101)))


async def test_preview_respects_permissions(
    hass: HomeAssistant, hub: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    hass.states.async_set("sensor.a", "1")
    hass.states.async_set("sensor.secret", "1")
    hass_read_only_user.mock_policy(
        {"entities": {"entity_ids": {"sensor.a": {"read": True}}}}
    )
    context = Context(user_id=hass_read_only_user.id)
    assert (await preview(hass, "sensor.a", context=context))["sensor.a"]["lines"]
    with pytest.raises(Unauthorized):
        await preview(hass, "sensor.a", "sensor.secret", context=context)
    with pytest.raises(UnknownUser):
        await preview(hass, "sensor.a", context=Context(user_id="gone"))


async def test_which_hub(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    other = MockConfigEntry(domain=DOMAIN, data=entry_data(influxdb, store="other"))
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    with pytest.raises(ServiceValidationError) as caught:
        await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
    assert "multiple" in str(caught.value.translation_key)
    with pytest.raises(ServiceValidationError):
        await hass.services.async_call(
            DOMAIN, "flush", {"config_entry_id": "none"}, blocking=True
        )
    await hass.config_entries.async_remove(other.entry_id)
    await hass.services.async_call(DOMAIN, "flush", {}, blocking=True)
