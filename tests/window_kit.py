"""A hub with a price source and a carbon source whose values are known by the hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.coordinators.environment import DATA_BASE_URLS
from custom_components.ha_ingestor.sources.catalog import SOURCES
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from tests.sources.kit import Answer, ProviderServer

HOUR = timedelta(hours=1)


def next_hour() -> datetime:
    """Begin at a full hour that is near, so that what is cached is still true."""
    now = datetime.now(UTC)
    return now.replace(minute=0, second=0, microsecond=0) + HOUR


class AnyIntensity(Answer):
    """The path holds the minute."""

    def fits(self, request: Any) -> bool:
        return request.path.startswith("/intensity/")


def price_answer(base: datetime, prices: Sequence[float | None]) -> Answer:
    """Prices in EUR/kWh by the hour, preceded by three hours that are past."""
    hours = [*[0.5] * 3, *prices]
    items = [
        {
            "start_timestamp": round((base + index * HOUR).timestamp() * 1000),
            "end_timestamp": round((base + (index + 1) * HOUR).timestamp() * 1000),
            "marketprice": price * 1000,
            "unit": "Eur/MWh",
        }
        for index, price in enumerate(hours, -3)
        if price is not None
    ]
    return Answer(path="/v1/marketdata", body={"object": "list", "data": items})


def carbon_answers(base: datetime, grams: Sequence[float]) -> list[Answer]:
    """Intensities by the hour, in slots of half an hour, from two hours before on."""
    values = [grams[0]] * 4 + [value for value in grams for _ in range(2)]
    pattern = "%Y-%m-%dT%H:%MZ"
    items = [
        {
            "from": (base + (index - 4) * HOUR / 2).strftime(pattern),
            "to": (base + (index - 3) * HOUR / 2).strftime(pattern),
            "intensity": {"forecast": value, "actual": None, "index": "low"},
        }
        for index, value in enumerate(values)
    ]
    return [
        AnyIntensity(path="", body={"data": items}),
        Answer(path="/generation", body={"data": {"generationmix": []}}),
    ]


async def start_provider(hass: HomeAssistant) -> ProviderServer:
    """Start a server that every source asks instead of its own provider."""
    server = ProviderServer()
    await server.start()
    hass.data[DATA_BASE_URLS] = dict.fromkeys(SOURCES, server.url)
    return server


async def add_source(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    kind: str,
    provider_key: str,
    title: str,
    **arguments: Any,
) -> str:
    """Add a source as its flow would, and return its id."""
    subentry = ConfigSubentry(
        data={"provider": provider_key, "arguments": arguments, "settings": {}},  # type: ignore[arg-type]
        subentry_type=kind,
        title=title,
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(hub, subentry)
    await hass.async_block_till_done(wait_background_tasks=True)
    return subentry.subentry_id


async def add_price_source(
    hass: HomeAssistant, hub: MockConfigEntry, title: str = "Prices"
) -> str:
    return await add_source(
        hass, hub, "electricity_price", "awattar", title, country="de"
    )


async def add_carbon_source(
    hass: HomeAssistant, hub: MockConfigEntry, title: str = "Carbon"
) -> str:
    return await add_source(hass, hub, "carbon_intensity", "uk_carbon_intensity", title)


def serve(
    provider: ProviderServer,
    base: datetime,
    *,
    prices: Sequence[float | None] = (),
    grams: Sequence[float] = (),
) -> None:
    """Let both providers know the hours from a moment on."""
    provider.answers = []
    if prices:
        provider.answers.append(price_answer(base, prices))
    if grams:
        provider.answers.extend(carbon_answers(base, grams))
