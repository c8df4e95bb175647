"""How often entities changed, asked of Home Assistant's own recorder.

The tables are read by `recorder_queries`, which is imported only where there is a
recorder: without one, the library that it is made of need not be installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance
from homeassistant.util import dt as dt_util

from ..errors import RecorderMissingError

_HOUR_S: Final = 3_600
_DAY_S: Final = 24 * _HOUR_S
# Less history than this says nothing about a day; it is taken for this long.
_MIN_WINDOW_S: Final = _HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRates:
    """How often each entity changed.

    Attributes:
        per_day: Changes per day by entity; who is missing did not change.
        hours: Length of the time that was looked at, at most a day.
    """

    per_day: Mapping[str, float]
    hours: float


async def async_count_changes(hass: HomeAssistant) -> ChangeRates:
    """Count the states of the last day, or of as much of it as was recorded.

    Raises:
        RecorderMissingError: There is no recorder, or its database is not ready.
    """
    if DATA_INSTANCE not in hass.data:
        raise RecorderMissingError("Home Assistant's recorder is not in use")
    instance = get_instance(hass)
    # It stays so during a migration, which nobody wants to wait for here.
    if not instance.async_db_ready.done() or not instance.async_db_ready.result():
        raise RecorderMissingError("Home Assistant's recorder is not ready")
    queries = await async_import_module(hass, f"{__package__}.recorder_queries")
    now_s = dt_util.utcnow().timestamp()
    oldest_s: float | None
    counts: dict[str, int]
    oldest_s, counts = await instance.async_add_executor_job(
        queries.count_states, hass, now_s - _DAY_S
    )
    window_s = min(_DAY_S, max(_MIN_WINDOW_S, now_s - (oldest_s or now_s)))
    return ChangeRates(
        per_day={
            entity_id: count * _DAY_S / window_s for entity_id, count in counts.items()
        },
        hours=window_s / _HOUR_S,
    )
