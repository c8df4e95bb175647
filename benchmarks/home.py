"""A real Home Assistant with a home in it, for one competitor.

What `hass` itself does at start, less what has no part in the figures (the
frontend, automations, the recorder): registries, config entries, authentication,
custom integrations, and the event loop of Home Assistant's own runner.
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from homeassistant import bootstrap, config as conf_util, config_entries, loader
from homeassistant.components.http.config import async_get_and_load_store
from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.core_config import async_process_ha_core_config
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    recorder as recorder_helper,
)
from homeassistant.setup import async_setup_component

COMPETITORS: Final = (
    "none",
    "noop",
    "influxdb",
    "recorder",
    "ours",
    "ours_fast",
    "ours_full_sync",
)
DOMAIN: Final = "benchmark_home"
# As large as a well-equipped home; figures per event do not depend on it.
ENTITY_COUNT: Final = 200
ENTITIES_PER_DEVICE: Final = 5
DEVICES_PER_AREA: Final = 4
AREAS_PER_FLOOR: Final = 4
# The shortest flush interval that a user can choose.
FAST_FLUSH_S: Final = 0.05
OUR_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "ours": {},
    "ours_fast": {"flush_interval_s": FAST_FLUSH_S},
    "ours_full_sync": {"full_sync": True},
}
KINDS: Final = (
    ("power", "W", "measurement"),
    ("temperature", "°C", "measurement"),
    ("humidity", "%", "measurement"),
    ("energy", "kWh", "total_increasing"),
    ("voltage", "V", "measurement"),
)

# The integration that the home's devices belong to: it does nothing.
HOME_MANIFEST: Final = """{
  "domain": "benchmark_home",
  "name": "Benchmark home",
  "codeowners": [],
  "config_flow": true,
  "documentation": "https://example.org",
  "iot_class": "calculated",
  "version": "1.0.0"
}
"""
HOME_CODE: Final = '''"""Own the devices of the benchmark."""


async def async_setup_entry(hass, entry):
    """Have nothing to do."""
    return True
'''
HOME_FLOW: Final = '''"""Exist: an entry is not set up without a flow."""

from homeassistant.config_entries import ConfigFlow


class HomeFlow(ConfigFlow, domain="benchmark_home"):
    """A flow without a step."""
'''
# file_upload, on which both competitors depend, brings the web server with it.
CONFIGURATION: Final = """
homeassistant:
  name: Benchmark
  time_zone: UTC
http:
  server_host: 127.0.0.1
  server_port: {port}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where a competitor writes to."""

    host: str
    port: int
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What one entity of the home is written with."""

    entity_id: str
    attributes: dict[str, Any]


class SetupFailedError(Exception):
    """A competitor could not be set up."""


def write_configuration(folder: Path, *, integration: Path, http_port: int) -> None:
    """Make a configuration folder with the integration in it, as HACS would.

    What an earlier run has stored there stays.
    """
    (folder / "configuration.yaml").write_text(
        CONFIGURATION.format(port=http_port), encoding="utf-8"
    )
    custom = folder / "custom_components"
    if custom.exists():
        return
    (custom / DOMAIN).mkdir(parents=True)
    for name, text in (
        ("manifest.json", HOME_MANIFEST),
        ("__init__.py", HOME_CODE),
        ("config_flow.py", HOME_FLOW),
    ):
        (custom / DOMAIN / name).write_text(text, encoding="utf-8")
    (custom / integration.name).symlink_to(integration, target_is_directory=True)


async def async_start(folder: Path) -> HomeAssistant:
    """Bring up Home Assistant to the point where integrations are set up.

    Raises:
        SetupFailedError: Home Assistant did not come up.
    """
    hass = HomeAssistant(str(folder))
    loader.async_setup(hass)
    config = await conf_util.async_hass_config_yaml(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, config)
    await loader.async_get_custom_components(hass)
    if not await bootstrap.async_load_base_functionality(hass):
        raise SetupFailedError("Home Assistant could not load its registries")
    for domain in bootstrap.CORE_INTEGRATIONS:
        if not await async_setup_component(hass, domain, config):
            raise SetupFailedError(f"Home Assistant could not set up {domain}")
    await async_process_ha_core_config(hass, config["homeassistant"])
    return hass


async def async_confirm_web_server(hass: HomeAssistant) -> None:
    """Say that the web server can be reached where it is.

    Nobody else will: after five minutes without a word Home Assistant goes back to
    its default port and stops to start again, in the middle of a measurement.
    """
    store = await async_get_and_load_store(hass)
    if store.pending is not None:
        await store.async_promote_pending()


async def async_furnish(hass: HomeAssistant) -> list[Sensor]:
    """Register floors, areas, devices and entities, and give each a state.

    What Home Assistant has loaded of them is used.
    """
    if entries := hass.config_entries.async_entries(DOMAIN):
        entry = entries[0]
        await async_setup_component(hass, DOMAIN, {})
    else:
        entry = make_entry(DOMAIN, title="Home", data={})
        await hass.config_entries.async_add(entry)
    devices = dr.async_get(hass)
    entities = er.async_get(hass)
    sensors = []
    for number in range(ENTITY_COUNT):
        device_number, kind_number = divmod(number, ENTITIES_PER_DEVICE)
        device_class, unit, state_class = KINDS[kind_number % len(KINDS)]
        device = devices.async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={(DOMAIN, f"device-{device_number}")},
            name=f"Meter {device_number}",
        )
        if kind_number == 0:
            area_id = find_area(hass, device_number // DEVICES_PER_AREA)
            devices.async_update_device(device.id, area_id=area_id)
        name = f"Meter {device_number} {device_class}"
        registered = entities.async_get_or_create(
            "sensor",
            DOMAIN,
            f"sensor-{number}",
            config_entry=entry,
            device_id=device.id,
            original_device_class=device_class,
            original_name=device_class.capitalize(),
            suggested_object_id=name,
            unit_of_measurement=unit,
        )
        attributes = {
            "state_class": state_class,
            "unit_of_measurement": unit,
            "device_class": device_class,
            "friendly_name": name,
        }
        hass.states.async_set(registered.entity_id, "0.5", attributes)
        sensors.append(Sensor(entity_id=registered.entity_id, attributes=attributes))
    await hass.async_block_till_done()
    return sensors


def find_area(hass: HomeAssistant, number: int) -> str:
    """Return the id of an area, made with its floor where it is missing."""
    floors, areas = fr.async_get(hass), ar.async_get(hass)
    floor_name = f"Floor {number // AREAS_PER_FLOOR}"
    floor = floors.async_get_floor_by_name(floor_name) or floors.async_create(
        floor_name
    )
    area_name = f"Room {number}"
    area = areas.async_get_area_by_name(area_name) or areas.async_create(
        area_name, floor_id=floor.floor_id
    )
    return area.id


def make_entry(
    domain: str,
    *,
    title: str,
    data: dict[str, Any],
    options: dict[str, Any] | None = None,
) -> ConfigEntry:
    """Make a config entry as a finished flow would."""
    return ConfigEntry(
        data=data,
        discovery_keys=MappingProxyType({}),
        domain=domain,
        minor_version=1,
        options=options or {},
        source=SOURCE_USER,
        subentries_data=(),
        title=title,
        unique_id=None,
        version=1,
    )


async def async_enter(hass: HomeAssistant, competitor: str, store: Store) -> None:
    """Set one competitor up, or let it start again with what it has stored.

    Raises:
        SetupFailedError: It did not come up.
    """
    domain = "ha_ingestor" if competitor in OUR_OPTIONS else competitor
    accepted = {ConfigEntryState.LOADED}
    if competitor == "noop":
        hass.bus.async_listen(EVENT_STATE_CHANGED, ignore)
    elif competitor == "recorder":
        await _async_enter_recorder(hass)
    elif hass.config_entries.async_entries(domain):
        await async_setup_component(hass, domain, {})
        # The database may be away: who has to wait for it goes on trying.
        accepted.add(ConfigEntryState.SETUP_RETRY)
    elif competitor == "influxdb":
        await _async_enter_core(hass, store)
    elif competitor in OUR_OPTIONS:
        await _async_enter_ours(hass, store, OUR_OPTIONS[competitor])
    await hass.async_block_till_done()
    for entry in hass.config_entries.async_entries():
        if entry.state not in accepted:
            raise SetupFailedError(
                f"{entry.domain} is {entry.state.value}: {entry.reason}"
            )


@callback
def ignore(event: Event[EventStateChangedData]) -> None:
    """Do nothing: what any listener costs at least."""


async def _async_enter_recorder(hass: HomeAssistant) -> None:
    """Set Home Assistant's own history up, as it is by default."""
    recorder_helper.async_initialize_recorder(hass)
    if not await async_setup_component(hass, "recorder", {"recorder": {}}):
        raise SetupFailedError("it was not set up")


async def _async_enter_core(hass: HomeAssistant, store: Store) -> None:
    """Go through the config flow of Home Assistant's own integration."""
    flow = hass.config_entries.flow
    result = await flow.async_init("influxdb", context={"source": SOURCE_USER})
    result = await flow.async_configure(
        result["flow_id"], {"next_step_id": "configure_v1"}
    )
    result = await flow.async_configure(
        result["flow_id"],
        {
            "url": f"http://{store.host}:{store.port}",
            "verify_ssl": False,
            "database": store.database,
        },
    )
    if result["type"] is not FlowResultType.CREATE_ENTRY:
        raise SetupFailedError(f"its flow ended with {result}")


async def _async_enter_ours(
    hass: HomeAssistant, store: Store, options: dict[str, Any]
) -> None:
    """Add the entry that our flow makes for a 1.x server without users."""
    await hass.config_entries.async_add(
        make_entry(
            "ha_ingestor",
            title=store.database,
            data={
                "api_version": "1",
                "host": store.host,
                "port": store.port,
                "ssl": False,
                "path": "",
                "verify_ssl": True,
                "username": "",
                "password": "",
                "store": store.database,
            },
            options=options,
        )
    )
