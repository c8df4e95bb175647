"""What tests of air quality share: Open-Meteo's answers, and adding a source."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.coordinators.air_quality import (
    AirQualityCoordinator,
)
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.sources.kit import Answer, ProviderServer

PLACE: Final = {"latitude": 52.52, "longitude": 13.405}
# Fixed for a whole run: no test may see the hour change.
MEASURED_AT: Final = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def open_meteo(
    us: int | None = 61,
    european: int | None = 42,
    measured_at: datetime | None = None,
    **changed: float | None,
) -> list[Answer]:
    """What Open-Meteo answers; PM2.5 decides on both scales."""
    values: dict[str, float | None] = {
        "pm2_5": 14.2,
        "pm10": 21.4,
        "ozone": 31.0,
        "nitrogen_dioxide": 28.6,
        "sulphur_dioxide": 3.1,
        "carbon_monoxide": 241.0,
        "us_aqi": us,
        "us_aqi_pm2_5": us,
        "us_aqi_pm10": 20,
        "us_aqi_carbon_monoxide": 2,
        "european_aqi": european,
        "european_aqi_pm2_5": european,
        "european_aqi_pm10": 24,
        **changed,
    }
    time = (measured_at or MEASURED_AT).timestamp()
    body = {"current": {"time": round(time), "interval": 3600, **values}}
    return [Answer(path="/v1/air-quality", body=body)]


def find_home(hass: HomeAssistant) -> dict[str, float]:
    return {"latitude": hass.config.latitude, "longitude": hass.config.longitude}


async def start_flow(
    hass: HomeAssistant, hub: MockConfigEntry, provider: str
) -> dict[str, Any]:
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "air_quality"), context={"source": SOURCE_USER}
    )
    assert result["step_id"] == "user"
    result = await flows.async_configure(result["flow_id"], {"provider": provider})
    assert result["step_id"] == provider
    return result


async def add(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: str,
    arguments: Mapping[str, Any],
    scale: str,
) -> AirQualityCoordinator:
    """Add a source through its flow; it answers already."""
    flows = hass.config_entries.subentries
    result = await start_flow(hass, hub, provider)
    result = await flows.async_configure(result["flow_id"], dict(arguments))
    assert result["step_id"] == "settings"
    result = await flows.async_configure(result["flow_id"], {"scale": scale})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    return hub.runtime_data.sources.coordinators[-1]


async def add_open_meteo(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    scale: str = "us",
    **answer: Any,
) -> AirQualityCoordinator:
    provider.answers = open_meteo(**answer)
    return await add(hass, hub, "open_meteo", {"location": find_home(hass)}, scale)


async def poll(
    hass: HomeAssistant, provider: ProviderServer, answers: list[Answer], hub: Any
) -> None:
    """Let the next poll be due."""
    provider.answers = answers
    [coordinator] = hub.runtime_data.sources.coordinators
    await coordinator.async_refresh()
    await hass.async_block_till_done()
