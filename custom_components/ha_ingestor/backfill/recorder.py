"""Home Assistant's own recorder, as far as a backfill needs it.

The tables are read by `recorder_queries`, which is imported only where there is a
recorder: without one, the library that it is made of need not be installed.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from homeassistant.core import HomeAssistant
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance

from ..errors import RecorderMissingError

# A database server that restarts takes seconds; a question that fails leaves a
# traceback in the log, so none of them in a row is asked too often.
FIRST_RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """One state change as the recorder has kept it.

    Attributes:
        state: None if the entity was removed.
        time_s: Unix time in whole microseconds.
        changed_s: Since when the text of the state is the same.
        attributes: Of a removed entity those that it had before.
        previous: State before it, None if that was removed, purged or of another run.
        previous_changed_s: Since when the text before it was the same.
        context_id: None for one that the recorder could not keep.
    """

    state_id: int
    entity_id: str
    state: str | None
    time_s: float
    changed_s: float
    attributes: Mapping[str, Any]
    previous: str | None
    previous_changed_s: float | None
    context_id: str | None
    context_parent_id: str | None
    context_user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticRow:
    """One hour of an entity's long-term statistics.

    Attributes:
        start_s: Begin of the hour; Unix time.
        unit: Of all the values, which may not be the one that the entity has today.
        sum: The growth of a counter since its statistics began.
    """

    start_s: float
    mean: float | None
    min: float | None
    max: float | None
    state: float | None
    sum: float | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place among the states: behind the row of this time and number."""

    time_s: float
    state_id: int = 0


class RecorderReader(Protocol):
    """Reads the recorder's tables; blocking, on the recorder's own executor only.

    Everything raises `RecorderMissingError` if the database fails.
    """

    def read_oldest_s(self) -> float | None:
        """Return the time of the oldest state, None if there is none."""

    def read_states(
        self,
        after: Cursor,
        end_s: float,
        *,
        entity_ids: Collection[str] | None,
        limit: int,
    ) -> list[StateRow]:
        """Read states in the order of their time.

        Args:
            after: Rows of exactly this time come if their number is higher.
            end_s: Before this time.
            entity_ids: None for all.
            limit: Rows at most.
        """

    def read_state_at(self, entity_id: str, before: Cursor) -> StateRow | None:
        """Return the last state of an entity up to a place, itself included."""

    def has_states(self, start_s: float, end_s: float) -> bool:
        """Tell whether any state changed from the start until before the end."""

    def read_statistic_ids(self) -> list[str]:
        """Return the entities that have long-term statistics, sorted."""

    def read_first_state_s(self, entity_id: str) -> float | None:
        """Return since when there are states of an entity, None for never."""

    def read_statistics(
        self, entity_id: str, start_s: float, end_s: float, *, limit: int
    ) -> list[StatisticRow]:
        """Read the hours that begin from the start until before the end."""


def has_recorder(hass: HomeAssistant) -> bool:
    """Tell whether Home Assistant uses its recorder."""
    return DATA_INSTANCE in hass.data


class RecorderAccess:
    """Runs questions to the recorder where they belong. Event loop only.

    Attributes:
        run_start_s: Since when this run of Home Assistant has been recorded.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        reader: RecorderReader,
        wait_for: Callable[[str | None], None],
    ) -> None:
        """Take a reader whose recorder is ready, and whom to tell of waiting."""
        self._hass = hass
        self._wait_for = wait_for
        self.reader = reader
        runs = get_instance(hass).recorder_runs_manager
        self.run_start_s = runs.recording_start.timestamp()

    async def async_run[**P, T](
        self, question: _Question[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Ask the reader on the recorder's executor, again while it is down."""
        retry_s = FIRST_RETRY_S
        is_waiting = False
        while True:
            try:
                answer = await get_instance(self._hass).async_add_executor_job(
                    lambda: question(*args, **kwargs)
                )
            except RecorderMissingError as err:
                is_waiting = True
                self._wait_for(str(err))
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, MAX_RETRY_S)
            else:
                if is_waiting:
                    self._wait_for(None)
                return answer


class _Question[**P, T](Protocol):
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...


async def async_open_recorder(
    hass: HomeAssistant, wait_for: Callable[[str | None], None]
) -> RecorderAccess:
    """Wait until the recorder is ready and has written what it knows.

    That is after the start of Home Assistant and after a migration, which may take
    hours.

    Raises:
        RecorderMissingError: There is none, or it cannot reach its database.
    """
    if not has_recorder(hass):
        raise RecorderMissingError("Home Assistant's recorder is not in use")
    instance = get_instance(hass)
    # Shielded: whoever gives up waiting must not end it for the recorder itself.
    if not await asyncio.shield(instance.async_db_ready):
        raise RecorderMissingError("Home Assistant's recorder has no database")
    await instance.async_recorder_ready.wait()
    await instance.async_block_till_done()
    queries = await async_import_module(hass, f"{__package__}.recorder_queries")
    return RecorderAccess(hass, cast("RecorderReader", queries.Reader(hass)), wait_for)
