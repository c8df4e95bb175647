"""A source of prices in a running hub, fed by an entity or by a canned provider."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.ha_ingestor.coordinators.price import PriceCoordinator
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.sources.kit import Answer

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
MARKET = "sensor.market_price"


def local(text: str) -> datetime:
    """A local time of the home as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def prices(
    start: datetime, values: Sequence[float], *, minutes: int = 60
) -> list[dict[str, Any]]:
    """What an integration shows as attribute."""
    length = timedelta(minutes=minutes)
    return [
        {
            "start": (start + index * length).isoformat(),
            "end": (start + (index + 1) * length).isoformat(),
            "value": value,
        }
        for index, value in enumerate(values)
    ]


def set_market(
    hass: HomeAssistant,
    today: list[dict[str, Any]],
    tomorrow: list[dict[str, Any]] | None = None,
    state: str = "0.3",
) -> None:
    hass.states.async_set(
        MARKET,
        state,
        {
            "unit_of_measurement": "EUR/kWh",
            "friendly_name": "Market",
            "raw_today": today,
            "raw_tomorrow": tomorrow or [],
        },
    )


async def add_source(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: str,
    arguments: dict[str, Any],
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Add a source through its flow."""
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "electricity_price"), context={"source": SOURCE_USER}
    )
    assert result["step_id"] == "user"
    result = await flows.async_configure(result["flow_id"], {"provider": provider})
    assert result["step_id"] == provider
    result = await flows.async_configure(result["flow_id"], arguments)
    if settings is None or result.get("step_id") != "settings":
        return result
    result = await flows.async_configure(result["flow_id"], full(settings))
    await hass.async_block_till_done(wait_background_tasks=True)
    return result


def full(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as the form sends them: with all of its parts."""
    return {
        "resolution": "as_given",
        "window_length": {"hours": 2, "minutes": 0, "seconds": 0},
        "hour_count": 3,
        "formula": {},
        "peak_period": {"peak": "automatic", "peak_share": 80},
        "price_spike": {},
        "price_level": {},
    } | settings


def get_coordinator(hub: MockConfigEntry) -> PriceCoordinator:
    [coordinator] = hub.runtime_data.sources.coordinators
    assert isinstance(coordinator, PriceCoordinator)
    return coordinator


async def go_to(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, moment: datetime
) -> None:
    freezer.move_to(moment)
    async_fire_time_changed(hass, moment)
    await hass.async_block_till_done(wait_background_tasks=True)


def value(hass: HomeAssistant, entity: str) -> str:
    return hass.states.get(entity).state


# 13:00 is the cheapest hour, then come 02:00 and 14:00; 18:00 is twice the mean.
DAY = [
    *(0.20, 0.18, 0.10, 0.17, 0.19, 0.22, 0.25, 0.30, 0.28, 0.24, 0.20, 0.16),
    *(0.14, -0.02, 0.12, 0.21, 0.26, 0.31, 0.60, 0.55, 0.33, 0.27, 0.23, 0.21),
]
CURRENT = "sensor.electricity_price_current_price"
NEXT = "sensor.electricity_price_next_price"
LEVEL = "sensor.electricity_price_price_level"
RANK = "sensor.electricity_price_price_rank"
WINDOW = "sensor.electricity_price_cheapest_window_start"
CHEAPEST = "sensor.electricity_price_cheapest_hours"
DEAREST = "sensor.electricity_price_most_expensive_hours"
RATE = "sensor.electricity_price_success_rate"
PEAK = "binary_sensor.electricity_price_peak_period"
TOMORROW = "binary_sensor.electricity_price_prices_of_tomorrow_known"
DEMAND = "binary_sensor.electricity_price_demand_response"
SPIKE = "event.electricity_price_price_spike"
SAVING = "event.electricity_price_demand_response"


async def add_market(
    hass: HomeAssistant, hub: MockConfigEntry, settings: dict[str, Any] | None = None
) -> None:
    result = await add_source(
        hass, hub, "price_entity", {"entity": MARKET}, settings or {}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def reconfigure(
    hass: HomeAssistant, hub: MockConfigEntry, settings: dict[str, Any]
) -> dict[str, Any]:
    """Change the settings of the only source."""
    flows = hass.config_entries.subentries
    [subentry_id] = hub.subentries
    result = await flows.async_init(
        (hub.entry_id, "electricity_price"),
        context={"source": "reconfigure", "subentry_id": subentry_id},
    )
    result = await flows.async_configure(result["flow_id"], {"entity": MARKET})
    assert result["step_id"] == "settings"
    result = await flows.async_configure(result["flow_id"], full(settings))
    await hass.async_block_till_done(wait_background_tasks=True)
    return result


MARKETDATA = "/v1/marketdata"


def marketdata(start: datetime, values: Sequence[float]) -> list[Answer]:
    """What aWATTar answers, EUR/MWh."""
    items = [
        {
            "start_timestamp": int((start + index * HOUR).timestamp() * 1000),
            "end_timestamp": int((start + (index + 1) * HOUR).timestamp() * 1000),
            "marketprice": price * 1000,
            "unit": "Eur/MWh",
        }
        for index, price in enumerate(values)
    ]
    return [Answer(path=MARKETDATA, body={"object": "list", "data": items})]
