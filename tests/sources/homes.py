"""Hubs with sources that were added before the test begins."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, override

from aiohttp import web
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.coordinators.source import SourceCoordinator
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from tests.sources.kit import Answer

UK = "uk_carbon_intensity"


def create_uk(
    subentry_id: str,
    title: str,
    *,
    postcode: str | None = None,
    clean_below: float = 150,
) -> ConfigSubentry:
    """A source of carbon intensity, as its flow stores it."""
    return create_source_entry(
        subentry_id,
        title,
        kind="carbon_intensity",
        provider=UK,
        arguments={} if postcode is None else {"postcode": postcode},
        settings={"clean_below": clean_below},
    )


def create_source_entry(
    subentry_id: str,
    title: str,
    *,
    kind: str,
    provider: str,
    arguments: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ConfigSubentry:
    """A source, as its flow stores it."""
    return ConfigSubentry(
        data=MappingProxyType(
            {
                "provider": provider,
                "arguments": dict(arguments or {}),
                "settings": dict(settings or {}),
            }
        ),
        subentry_id=subentry_id,
        subentry_type=kind,
        title=title,
        unique_id=None,
    )


async def add(
    hass: HomeAssistant, hub: MockConfigEntry, *subentries: ConfigSubentry
) -> None:
    """Add sources to a hub, and wait until they have been asked."""
    for subentry in subentries:
        hass.config_entries.async_add_subentry(hub, subentry)
    await hass.async_block_till_done(wait_background_tasks=True)


def get_source(hub: MockConfigEntry, subentry_id: str) -> SourceCoordinator[Any, Any]:
    """Return the running source of a subentry."""
    [found] = [
        source
        for source in hub.runtime_data.sources.coordinators
        if source.subentry.subentry_id == subentry_id
    ]
    return found


class AnswerBelow(Answer):
    """Fits whatever begins with its path, such as one that holds the minute."""

    @override
    def fits(self, request: web.BaseRequest) -> bool:
        return request.path.startswith(self.path)


def half_hours(value: float, count: int = 96) -> list[dict[str, Any]]:
    """Slots from the present one on, each one dirtier by 1 g than the last."""
    now = datetime.now(UTC)
    start = now.replace(minute=30 * (now.minute // 30), second=0, microsecond=0)
    pattern = "%Y-%m-%dT%H:%MZ"
    return [
        {
            "from": (start + index * timedelta(minutes=30)).strftime(pattern),
            "to": (start + (index + 1) * timedelta(minutes=30)).strftime(pattern),
            "intensity": {"forecast": value + index, "actual": None, "index": "low"},
        }
        for index in range(count)
    ]


def great_britain(value: float) -> list[Answer]:
    """All of Great Britain."""
    return [
        AnswerBelow(path="/intensity/", body={"data": half_hours(value)}),
        Answer(
            path="/generation",
            body={"data": {"generationmix": [{"fuel": "wind", "perc": 35.5}]}},
        ),
    ]


def region(postcode: str, value: float) -> Answer:
    """A region; there is one of its own for each postcode."""

    class Region(Answer):
        def fits(self, request: web.BaseRequest) -> bool:
            return request.path.endswith(f"/postcode/{postcode}")

    return Region(
        path="",
        body={"data": {"shortname": postcode, "data": half_hours(value)}},
    )
