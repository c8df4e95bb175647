"""The user's own template for a price, rendered at most once per slot.

Event loop only: templates must not be rendered elsewhere. A limited template knows
nothing of Home Assistant's states and time, so that what it has said of a slot holds
as long as slot and text do.
"""

from collections.abc import Mapping
from datetime import tzinfo
import math
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import TemplateError
from homeassistant.helpers.template import Template
from homeassistant.util import dt as dt_util

from ..errors import SourceArgumentError
from ..sources.price.model import PriceData
from ..sources.price.settings import (
    CONF_TEMPLATE,
    PriceSettings,
    Resolution,
    check_price_settings,
    read_settings,
)
from ..sources.price.statistics import merge_hours
from ..sources.slots import Slot, Slots

_MAX_WORDS: Final = 200


class PriceTemplate:
    """Computes what the user pays, slot by slot."""

    def __init__(self, hass: HomeAssistant, text: str, time_zone: tzinfo) -> None:
        """Take the text; it is compiled when it is first rendered."""
        self._template = Template(text, hass)
        self._time_zone = time_zone
        self._known: dict[Slot, float] = {}

    def apply(self, slots: Slots) -> tuple[Slots, str | None]:
        """Return the slots with what the user pays, and what was wrong first.

        A slot whose price cannot be computed is left out: it has none.
        """
        computed: list[Slot] = []
        known: dict[Slot, float] = {}
        error: str | None = None
        for slot in slots:
            value = self._known.get(slot)
            if value is None:
                try:
                    value = self._render(slot)
                except (TemplateError, ValueError) as err:
                    error = error or self._describe(err, slot)
                    continue
            known[slot] = value
            computed.append(Slot(start=slot.start, end=slot.end, value=value))
        self._known = known
        return tuple(computed), error

    def _render(self, slot: Slot) -> float:
        text = self._template.async_render(
            {"price": slot.value, "start": slot.start.astimezone(self._time_zone)},
            parse_result=False,
            limited=True,
        )
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"not a number: {text}")
        return value

    def _describe(self, err: Exception, slot: Slot) -> str:
        start = slot.start.astimezone(self._time_zone)
        words = f"{err} (price {slot.value:g}, start {start:%Y-%m-%d %H:%M})"
        return words[:_MAX_WORDS]


def prepare_slots(slots: Slots, settings: PriceSettings) -> Slots:
    """Return a provider's slots as the formula takes them."""
    if settings.resolution is Resolution.HOURLY:
        return merge_hours(slots, dt_util.get_default_time_zone())
    return slots


def check_price_formula(
    hass: HomeAssistant, settings: Mapping[str, Any], answer: PriceData | None
) -> None:
    """Refuse settings that make no sense, or do not with the prices of an answer.

    Args:
        answer: None where there are no prices yet to try them with.

    Raises:
        SourceArgumentError: Says which one, and why.
    """
    read = read_settings(settings)
    check_price_settings(read)
    if read.template is None or answer is None:
        return
    template = PriceTemplate(hass, read.template, dt_util.get_default_time_zone())
    _, error = template.apply(prepare_slots(answer.slots, read))
    if error is not None:
        raise SourceArgumentError(CONF_TEMPLATE, "invalid_template", {"error": error})
