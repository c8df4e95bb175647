"""Sources of carbon intensity in a running hub."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.coordinators.carbon import CarbonCoordinator
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from tests.sources.kit import Answer

KIND = "carbon_intensity"
HALF_HOUR = timedelta(minutes=30)


def present_half_hour() -> datetime:
    """When the slot has begun that the test runs in."""
    now = datetime.now(UTC)
    return now.replace(minute=30 * (now.minute // 30), second=0, microsecond=0)


class Below(Answer):
    """Answers whatever stands below its path: some paths hold the minute."""

    def fits(self, request: Any) -> bool:
        return request.path.startswith(self.path) and all(
            request.query.get(key) == value for key, value in self.query.items()
        )


def list_half_hours(
    values: list[float], *, start: datetime | None = None, mix: bool = False
) -> list[dict[str, Any]]:
    """Slots of UK Carbon Intensity from the present one on."""
    start = start or present_half_hour()
    pattern = "%Y-%m-%dT%H:%MZ"
    return [
        {
            "from": (start + index * HALF_HOUR).strftime(pattern),
            "to": (start + (index + 1) * HALF_HOUR).strftime(pattern),
            "intensity": {"forecast": value, "index": "low"},
            "generationmix": [{"fuel": "wind", "perc": 70}] if mix else [],
        }
        for index, value in enumerate(values)
    ]


def answer_uk(values: list[float], **options: Any) -> list[Answer]:
    """What UK Carbon Intensity answers for Great Britain."""
    mix = [
        {"fuel": "gas", "perc": 40.0},
        {"fuel": "coal", "perc": 1.5},
        {"fuel": "wind", "perc": 35.5},
        {"fuel": "nuclear", "perc": 15.0},
    ]
    return [
        Below(path="/intensity/", body={"data": list_half_hours(values, **options)}),
        Answer(path="/generation", body={"data": {"generationmix": mix}}),
    ]


async def start_flow(
    hass: HomeAssistant, hub: MockConfigEntry, provider: str
) -> dict[str, Any]:
    """Open the form of a provider."""
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, KIND), context={"source": SOURCE_USER}
    )
    assert result["step_id"] == "user"
    return await flows.async_configure(result["flow_id"], {"provider": provider})


async def add_carbon(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: str,
    arguments: dict[str, Any],
    settings: dict[str, Any],
) -> CarbonCoordinator:
    """Add a source through its flow, and wait for its first answer."""
    flows = hass.config_entries.subentries
    result = await start_flow(hass, hub, provider)
    result = await flows.async_configure(result["flow_id"], arguments)
    assert result["step_id"] == "settings", result
    await flows.async_configure(result["flow_id"], settings)
    await hass.async_block_till_done(wait_background_tasks=True)
    found: CarbonCoordinator = hub.runtime_data.sources.coordinators[-1]
    return found


async def refresh(hass: HomeAssistant, source: CarbonCoordinator) -> None:
    """Let the next poll be due."""
    await source.async_refresh()
    await hass.async_block_till_done()
