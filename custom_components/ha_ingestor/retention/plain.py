"""Rows that only have an age: activity and forecasts, of which nothing is made.

Blocking, for threads.
"""

from collections.abc import Iterator
from typing import Final

from ..const import MEASUREMENT_ACTIVITY
from ..store.influx.client import InfluxClient
from ..store.query import count_values, count_values_by_day, oldest_time
from .checkpoint import Checkpoint
from .kept import KeptDays
from .ledger import Ledger
from .ledgers import EVENTS_LEDGER, FORECAST_MEASUREMENTS
from .managed import Guards
from .spans import subtract
from .stores import TierStores
from .tiers import Age, Tier
from .windows import NS_PER_DAY, duration_ns, utc_day_start
from .work import Work

# Days that are asked about in one question.
_DAYS_AT_ONCE: Final = 31
_IS_NEEDED: Final = "it is needed to aggregate hours that are still open"
_NOT_ARCHIVED: Final = "it is not in the archive yet"


class PlainExpiry:
    """Deletes whole UTC days by age alone; on one thread at a time.

    Args:
        guards: What has to be verified before rows of a ledger go.
    """

    def __init__(
        self, stores: TierStores, checkpoint: Checkpoint, *, work: Work, guards: Guards
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._work = work
        self._guards = guards

    def run(
        self, kept: KeptDays, *, now_ns: int, activity_age: Age, is_dry_run: bool
    ) -> tuple[int, int]:
        """Delete what is old; returns how many days and field values that were.

        Args:
            kept: Takes what is old enough but stays.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        client = self._stores.client(Tier.RAW)
        raw_age = self._stores.ages.raw
        ages: dict[str, Age] = dict.fromkeys(FORECAST_MEASUREMENTS, raw_age)
        ages[MEASUREMENT_ACTIVITY] = activity_age
        days = values = 0
        for measurement, age in ages.items():
            if age is None:
                continue
            end_ns = utc_day_start(now_ns - duration_ns(age))
            for day_ns, count in _days_with_rows(client, measurement, end_ns):
                self._work.check()
                left = 0
                if not is_dry_run:
                    if (reason := self._obstacle(measurement, day_ns)) is not None:
                        kept.add(measurement, day_ns, reason)
                        continue
                    left = _delete(client, measurement, day_ns)
                days += 1
                values += count - left
        return days, values

    def _obstacle(self, measurement: str, day_ns: int) -> str | None:
        """Say why a day may not go; None if it may."""
        span = (day_ns, day_ns + NS_PER_DAY)
        if measurement == MEASUREMENT_ACTIVITY and self._is_needed(day_ns):
            return _IS_NEEDED
        guards = self._guards(Ledger(tier=Tier.RAW, measurement=measurement))
        if all(self._checkpoint.is_verified(guard, span) for guard in guards):
            return None
        return _NOT_ARCHIVED

    def _is_needed(self, day_ns: int) -> bool:
        """Whether the starts of Home Assistant on a day have yet to be looked at.

        Hours are aggregated with what happened to Home Assistant in them.
        """
        client = self._stores.client(Tier.RAW)
        span = (day_ns, day_ns + NS_PER_DAY)
        gone = self._checkpoint.removed(EVENTS_LEDGER, span)
        return any(
            count_values(
                client, EVENTS_LEDGER.measurement, start_ns=part[0], end_ns=part[1]
            )
            for part in subtract(self._checkpoint.unverified(EVENTS_LEDGER, span), gone)
        )


def _days_with_rows(
    client: InfluxClient, measurement: str, end_ns: int
) -> Iterator[tuple[int, int]]:
    """List the UTC days with rows: start of the day, field values."""
    oldest_ns = oldest_time(client, measurement)
    if oldest_ns is None:
        return
    start_ns = utc_day_start(oldest_ns)
    while start_ns < end_ns:
        until_ns = min(start_ns + _DAYS_AT_ONCE * NS_PER_DAY, end_ns)
        counts = count_values_by_day(
            client, measurement, start_ns=start_ns, end_ns=until_ns
        )
        yield from sorted(counts.items())
        start_ns = until_ns


def _delete(client: InfluxClient, measurement: str, day_ns: int) -> int:
    """Delete a day; how many values are left of it."""
    span = (day_ns, day_ns + NS_PER_DAY)
    client.delete(measurement, tags={}, start_ns=span[0], end_ns=span[1])
    # Cloud deletes after it has answered; what is left then goes with the next run.
    return count_values(client, measurement, start_ns=span[0], end_ns=span[1])
