"""What sources are handed: the home, the moment, and a way to their provider."""

from collections.abc import Mapping, Sequence
from datetime import datetime
import json
import logging
import os
from typing import Any, Final

from homeassistant.core import HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..errors import SourceUnavailableError
from ..sources.base import (
    Source,
    SourceContext,
    SourceData,
    SourceDescription,
    SourceEnvironment,
)
from ..sources.http import HttpClient

_LOGGER = logging.getLogger(__name__)

# Base URLs to ask instead of the providers' own, by key of the source: for whoever
# serves stand-ins. A JSON object in the environment, or put here before a source is
# made.
ENVIRONMENT_VARIABLE: Final = "HA_INGESTOR_BASE_URLS"
DATA_BASE_URLS: HassKey[dict[str, str]] = HassKey(f"{DOMAIN}_base_urls")


@callback
def create_source[DataT: SourceData](
    hass: HomeAssistant,
    description: SourceDescription[DataT],
    arguments: Mapping[str, Any],
) -> Source[DataT]:
    """Return a source that is ready to be asked."""
    base_url = _base_urls(hass).get(
        description.key, description.get_base_url(arguments)
    )
    environment = SourceEnvironment(
        http=HttpClient(async_get_clientsession(hass), base_url),
        run_blocking=hass.async_add_executor_job,
    )
    return description.create(environment, arguments)


def _base_urls(hass: HomeAssistant) -> dict[str, str]:
    if DATA_BASE_URLS not in hass.data:
        try:
            found: dict[str, str] = json.loads(
                os.environ.get(ENVIRONMENT_VARIABLE, "{}")
            )
        except ValueError:
            _LOGGER.exception("%s is not JSON", ENVIRONMENT_VARIABLE)
            found = {}
        hass.data[DATA_BASE_URLS] = found
    return hass.data[DATA_BASE_URLS]


@callback
def create_context(hass: HomeAssistant) -> SourceContext:
    """Return the home as it is now."""

    def get_state(entity_id: str) -> State | None:
        return hass.states.get(entity_id)

    async def get_events(
        entity_id: str, start: datetime, end: datetime
    ) -> Sequence[Mapping[str, Any]]:
        try:
            response = await hass.services.async_call(
                "calendar",
                "get_events",
                {"start_date_time": start, "end_date_time": end},
                target={"entity_id": entity_id},
                blocking=True,
                return_response=True,
            )
        except HomeAssistantError as err:
            raise SourceUnavailableError(str(err)) from err
        found: Any = (response or {}).get(entity_id)
        if found is None:
            raise SourceUnavailableError(f"{entity_id} does not answer")
        events: list[Mapping[str, Any]] = found["events"]
        return events

    return SourceContext(
        now=dt_util.utcnow(),
        time_zone=dt_util.get_default_time_zone(),
        latitude=hass.config.latitude,
        longitude=hass.config.longitude,
        country=hass.config.country,
        currency=hass.config.currency,
        get_state=get_state,
        get_events=get_events,
    )
