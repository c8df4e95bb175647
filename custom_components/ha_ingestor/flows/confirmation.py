"""What the options flow says of a change before it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant, callback

from ..estimate.recorder import ChangeRates
from ..estimate.volume import BYTES_PER_POINT, estimate_volume
from ..ingest.enrich import EntityPlanner
from ..options import HubOptions

# Groups of three digits are set apart by a thin space: a comma or a point would
# be read as a decimal mark in half of the world.
_DIGIT_SEPARATOR: Final = "\N{NARROW NO-BREAK SPACE}"
_BYTES_PER_MEGABYTE: Final = 1_000_000
# From here on decimals say more than an estimate knows.
_MIN_WHOLE: Final = 10
_NONE: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Options, and the entities that they capture."""

    options: HubOptions
    captured: frozenset[str]
    entity_count: int


@callback
def create_choice(hass: HomeAssistant, options: HubOptions) -> Choice:
    """Apply the rules of options to all entities."""
    decisions = EntityPlanner(hass, options).decide_all()
    return Choice(
        options=options,
        captured=frozenset(
            entity_id
            for entity_id, decision in decisions.items()
            if decision.is_captured
        ),
        entity_count=len(decisions),
    )


def describe_entities(new: Choice, now: Choice) -> dict[str, str]:
    """Return the placeholders that tell what is captured."""
    return {
        "captured": format_number(len(new.captured)),
        "total": format_number(new.entity_count),
        "added": format_number(len(new.captured - now.captured)),
        "removed": format_number(len(now.captured - new.captured)),
    }


def describe_volume(new: Choice, now: Choice, rates: ChangeRates) -> dict[str, str]:
    """Return the placeholders that tell what it will write."""
    volume, volume_now = (
        estimate_volume(choice.captured, rates.per_day, choice.options)
        for choice in (new, now)
    )
    return {
        "points": format_number(volume.points_per_day),
        "points_now": format_number(volume_now.points_per_day),
        "megabytes": format_number(volume.bytes_per_year / _BYTES_PER_MEGABYTE),
        "megabytes_now": format_number(volume_now.bytes_per_year / _BYTES_PER_MEGABYTE),
        "hours": format_number(rates.hours),
        "bytes_per_point": str(BYTES_PER_POINT),
        "busiest": _format_list(dict(volume.busiest)),
    }


def _format_list(points: Mapping[str, float]) -> str:
    """Return a list in Markdown, which holds no words to translate."""
    lines = [
        f"- `{entity}`: {format_number(count)}" for entity, count in points.items()
    ]
    return "\n".join(lines) or _NONE


def format_number(value: float) -> str:
    """Return a number that reads the same in every language."""
    if value < _MIN_WHOLE and round(value, 1) % 1:
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", _DIGIT_SEPARATOR)
