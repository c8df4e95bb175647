"""What the home's energy costs and emits, as long-term statistics of Home Assistant.

Home Assistant's own statistics know cost from the day on which it was set up to count
it; the view of this integration knows it for as long as there are prices. So the view
is brought to statistics that the Energy dashboard takes as the cost of the grid (under
"Use an entity tracking the total costs") and that statistics cards show. They stay
when the hub is removed. Event loop only; what blocks runs on the recorder's executor
or in a thread.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import datetime as dt
from functools import partial
from itertools import takewhile
import logging
import math
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance
from homeassistant.util import dt as dt_util, slugify

from ..const import DOMAIN
from ..errors import IngestorError
from ..retention.tiers import Tier
from ..retention.work import Work
from ..store.query import oldest_time, read_points
from ..views.energy import HOURLY_COST
from .storage import HubStorage

if TYPE_CHECKING:
    from homeassistant.components.recorder.models import (
        StatisticData,
        StatisticMetaData,
    )
    from homeassistant.components.recorder.statistics import StatisticsRow

_LOGGER = logging.getLogger(__name__)

HOUR_S: Final = 3_600
_NS_PER_S: Final = 1_000_000_000
# Hours that are compared at a time: a quarter of a year.
CHUNK_S: Final = 90 * 24 * HOUR_S
# What is compared every time; a backfill of older hours is found once a day.
RECENT_S: Final = 40 * 24 * HOUR_S
_FULL_INTERVAL: Final = dt.timedelta(hours=23)
# Of a currency or a kilogram: sums of years of hours are rounded on their way.
_TOLERANCE: Final = 1e-6
_G_PER_KG: Final = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An hour of a statistic, as Home Assistant has it; seconds of Unix time."""

    start_s: int
    state: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One statistic.

    Attributes:
        key: Ends its id; never changes.
        field: Of the view.
        factor: From the view's unit to that of the statistic.
        unit: None for the home's currency.
        unit_class: By which Home Assistant converts it; None for not at all.
    """

    key: str
    name: str
    field: str
    factor: float
    unit: str | None
    unit_class: str | None


SERIES: Final = (
    Series(
        key="energy_cost",
        name="energy cost",
        field="cost",
        factor=1.0,
        unit=None,
        unit_class=None,
    ),
    Series(
        key="energy_carbon",
        name="energy carbon",
        field="carbon_g",
        factor=1 / _G_PER_KG,
        unit="kg",
        unit_class="mass",
    ),
)


def find_changes(
    hours: Mapping[int, float], known: Iterable[Known], total: float
) -> tuple[list[Known], float]:
    """List the hours of a statistic that have to be written.

    Args:
        hours: Start of an hour to what it should add.
        known: What is there of the same time.
        total: The sum before.

    Returns:
        The hours, oldest first, and the sum after them all. Sums go on, so that what
        follows a changed hour changes as well. An hour that is there and should not
        be adds nothing.
    """
    there = {one.start_s: one for one in known}
    changes: list[Known] = []
    for start_s in sorted({*hours, *there}):
        state = hours.get(start_s, 0.0)
        total += state
        before = there.get(start_s)
        if (
            before is None
            or not _is_equal(before.state, state)
            or not _is_equal(before.total, total)
        ):
            changes.append(Known(start_s=start_s, state=state, total=total))
    return changes, total


class EnergyStatistics:
    """Brings the view of the home's energy to Home Assistant's statistics."""

    def __init__(self, storage: HubStorage) -> None:
        """Prepare; nothing is read yet."""
        self._storage = storage
        self._hass: HomeAssistant = storage.hass
        self._full_at: dt.datetime | None = None
        self._lock = asyncio.Lock()

    def statistic_id(self, series: Series) -> str:
        """Return the id of a statistic of this hub."""
        entry = self._storage.entry
        slug = slugify(entry.title) or DOMAIN
        older = takewhile(
            lambda other: other.entry_id != entry.entry_id,
            self._hass.config_entries.async_entries(DOMAIN),
        )
        if slug in {slugify(other.title) or DOMAIN for other in older}:
            # Of two hubs of one name the older one has it.
            slug = f"{slug}_{entry.entry_id[-8:].lower()}"
        return f"{DOMAIN}:{slug}_{series.key}"

    async def async_update(self, *, is_full: bool = False) -> int:
        """Bring what is new or has changed; of a view that cannot be read, nothing.

        Args:
            is_full: Compare all hours, also long past ones.

        Returns:
            How many hours were written.
        """
        if DATA_INSTANCE not in self._hass.data:
            return 0
        async with self._lock:
            now = dt_util.utcnow()
            is_due = self._full_at is None or now - self._full_at >= _FULL_INTERVAL
            try:
                oldest_ns = await self._storage.async_ask(self._oldest)
                if oldest_ns is None:
                    return 0
                end_s = int(now.timestamp()) + HOUR_S
                first_s = start_s = _hour(oldest_ns)
                if not (is_full or is_due):
                    start_s = max(first_s, _hour_of(end_s - RECENT_S))
                count = 0
                for series in SERIES:
                    count += await self._async_bring(series, first_s, start_s, end_s)
            except (IngestorError, HomeAssistantError) as err:
                _LOGGER.debug("Statistics are brought up to date later: %s", err)
                return 0
            if start_s == first_s:
                self._full_at = now
        return count

    async def _async_bring(
        self, series: Series, first_s: int, start_s: int, end_s: int
    ) -> int:
        total = await self._async_read_base(series, start_s, end_s)
        if total is None:
            # Nothing is there yet to go on from.
            start_s, total = first_s, 0.0
        count = 0
        for at_s in range(start_s, end_s, CHUNK_S):
            span = at_s, min(at_s + CHUNK_S, end_s)
            known = await self._async_read_known(series, *span)
            hours = await self._storage.async_ask(
                partial(self._read_hours, series, span)
            )
            changes, total = find_changes(hours, known, total)
            if changes:
                self._add(series, changes)
                count += len(changes)
        return count

    async def _async_read_base(
        self, series: Series, start_s: int, end_s: int
    ) -> float | None:
        """Return the sum before an hour; None if nothing is there at all.

        Hours that the view no longer has, or that are missing before others, are in
        the sums of those that come after them.
        """
        last = await self._async_read_last(series)
        if last is None or last.start_s < start_s:
            return None if last is None else last.total
        for at_s in range(start_s, end_s, CHUNK_S):
            known = await self._async_read_known(series, at_s, at_s + CHUNK_S)
            if known:
                return known[0].total - known[0].state
        # The clock was ahead of now by more than a quarter of a year.
        return last.total - last.state

    def _oldest(self, _: Work) -> int | None:
        made = self._storage.checkpoint.verified(HOURLY_COST.ledger)
        return oldest_time(
            self._storage.tiers.client(Tier.DAILY),
            HOURLY_COST.name,
            field="kwh",
            near_ns=made[0][0] if made else None,
        )

    def _read_hours(
        self, series: Series, span: tuple[int, int], work: Work
    ) -> dict[int, float]:
        """Read what the home's hours add; by hours of UTC, as the recorder has them."""
        hours: dict[int, float] = {}
        for row in read_points(
            self._storage.tiers.client(Tier.DAILY),
            HOURLY_COST.name,
            fields=(series.field,),
            tags={"scope": "home"},
            start_ns=span[0] * _NS_PER_S,
            end_ns=span[1] * _NS_PER_S,
            # Where the clock is set by half an hour, there are more windows.
            limit=2 * CHUNK_S // HOUR_S,
        ):
            work.check()
            value = row.fields[series.field]
            if isinstance(value, float) and math.isfinite(value):
                start_s = _hour(row.time_ns)
                hours[start_s] = hours.get(start_s, 0.0) + value * series.factor
        return hours

    async def _async_read_known(
        self, series: Series, start_s: int, end_s: int
    ) -> list[Known]:
        # Not at the top: without a recorder, what it is made of may not be there.
        from homeassistant.components.recorder.statistics import (  # noqa: PLC0415
            statistics_during_period,
        )

        statistic_id = self.statistic_id(series)
        found = await get_instance(self._hass).async_add_executor_job(
            statistics_during_period,
            self._hass,
            dt_util.utc_from_timestamp(start_s),
            dt_util.utc_from_timestamp(end_s),
            {statistic_id},
            "hour",
            {} if series.unit_class is None else {series.unit_class: series.unit},
            {"state", "sum"},
        )
        return list(_known(found.get(statistic_id, ())))

    async def _async_read_last(self, series: Series) -> Known | None:
        from homeassistant.components.recorder.statistics import (  # noqa: PLC0415
            get_last_statistics,
        )

        statistic_id = self.statistic_id(series)
        found = await get_instance(self._hass).async_add_executor_job(
            get_last_statistics, self._hass, 1, statistic_id, False, {"state", "sum"}
        )
        return next(_known(found.get(statistic_id, ())), None)

    def _add(self, series: Series, changes: Sequence[Known]) -> None:
        from homeassistant.components.recorder.models import (  # noqa: PLC0415
            StatisticMeanType,
        )
        from homeassistant.components.recorder.statistics import (  # noqa: PLC0415
            async_add_external_statistics,
        )

        metadata: StatisticMetaData = {
            "mean_type": StatisticMeanType.NONE,
            "has_sum": True,
            "name": f"{self._storage.entry.title} {series.name}",
            "source": DOMAIN,
            "statistic_id": self.statistic_id(series),
            "unit_class": series.unit_class,
            "unit_of_measurement": series.unit or self._hass.config.currency,
        }
        statistics: list[StatisticData] = [
            {
                "start": dt_util.utc_from_timestamp(one.start_s),
                "state": one.state,
                "sum": one.total,
            }
            for one in changes
        ]
        async_add_external_statistics(self._hass, metadata, statistics)


def _known(rows: Iterable[StatisticsRow]) -> Iterator[Known]:
    for row in rows:
        state, total = row.get("state"), row.get("sum")
        if state is not None and total is not None:
            yield Known(start_s=round(row["start"]), state=state, total=total)


def _is_equal(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE


def _hour(at_ns: int) -> int:
    """Return the begin of the UTC hour in which a local hour begins."""
    return _hour_of(at_ns // _NS_PER_S)


def _hour_of(at_s: int) -> int:
    return at_s - at_s % HOUR_S
