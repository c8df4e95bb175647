"""Demo home: plays the recording of a real house. For development only."""

from pathlib import Path

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .const import CONF_PATH, DOMAIN
from .house import async_build_house
from .player import DemoHomeConfigEntry, Player
from .recording import RecordingError, load_recording
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = (
    Platform.BINARY_SENSOR,
    Platform.DEVICE_TRACKER,
    Platform.LIGHT,
    Platform.SENSOR,
    Platform.WEATHER,
)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions."""
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: DemoHomeConfigEntry) -> bool:
    """Build the house and furnish it."""
    path = Path(hass.config.path(entry.data[CONF_PATH]))
    try:
        rows = await hass.async_add_executor_job(load_recording, path)
    except (OSError, RecordingError) as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="recording_unusable",
            translation_placeholders={"path": str(path), "reason": str(err)},
        ) from err
    # Before the first entity: its first state shall already be in its area.
    async_build_house(hass)
    entry.runtime_data = Player(hass, rows)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: DemoHomeConfigEntry) -> bool:
    """Stop playing and take the entities away."""
    entry.runtime_data.async_stop()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
