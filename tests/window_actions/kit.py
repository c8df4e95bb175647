"""Calling the window actions, and reading their answers."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.const import DOMAIN
from homeassistant.core import Context, HomeAssistant
from tests.window_kit import (
    HOUR,
)

PRICES = [0.4, 0.3, 0.1, 0.2, -0.1, 0.3]


GRAMS = [100, 300, 200, 150, 400, 350]


async def find(
    hass: HomeAssistant,
    what: str = "cheapest",
    *,
    context: Context | None = None,
    **data: Any,
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        f"find_{what}_window",
        {key: value for key, value in data.items() if value is not None},
        blocking=True,
        return_response=True,
        context=context,
    )


def local(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat()


def hours(window: dict[str, Any], base: datetime) -> list[tuple[float, float]]:
    return [
        (
            (datetime.fromisoformat(part["start"]) - base) / HOUR,
            (datetime.fromisoformat(part["end"]) - base) / HOUR,
        )
        for part in window["parts"]
    ]
