"""Which rows are old enough to go: whole UTC days, each entity by its own age."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import datetime as dt

from .checkpoint import Checkpoint
from .ledger import Ledger, by_day
from .ledgers import ENTITY_LEDGERS
from .oldest import oldest_row
from .spans import subtract
from .stores import TierStores
from .stream import RowStream
from .tiers import Age, Tier, ages_of, longest_age
from .windows import NS_PER_DAY, duration_ns, utc_day_start

_ENTITY_ID = "entity_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDay:
    """What of a UTC day is old enough.

    Attributes:
        entity_ids: Only the rows of these; None for all.
    """

    day_ns: int
    entity_ids: tuple[str, ...] | None


class DueDays:
    """Finds the days of one tier; on one thread at a time.

    Args:
        pause: Waits so many seconds; it may raise.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        tier: Tier,
        *,
        now_ns: int,
        pause: Callable[[float], object],
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._tier = tier
        self._now_ns = now_ns
        self._pause = pause
        self._age_by_entity: dict[str, Age] = {}

    def first_day(self, ledger: Ledger) -> int | None:
        """Return the oldest day that has rows, or had some when it was verified.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        oldest_ns = oldest_row(
            self._stores.client(self._tier), self._checkpoint, ledger
        )
        segments = self._checkpoint.segments(ledger, (0, self._now_ns))
        starts = [segment.start_ns for segment in segments[:1]]
        if oldest_ns is not None:
            starts.append(oldest_ns)
        return utc_day_start(min(starts)) if starts else None

    def shortest_age(self, ledger: Ledger) -> Age:
        """Return the age at which the first rows of any entity go; None for never."""
        ages = [self._stores.ages.of(self._tier)]
        if ledger in ENTITY_LEDGERS:
            ages += [self._age_of(one.target) for one in self._stores.overrides]
        return min((age for age in ages if age is not None), default=None)

    def find(self, ledger: Ledger) -> Iterator[DueDay]:
        """List what is old enough and not gone yet, oldest first.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        age, first_ns = self.shortest_age(ledger), self.first_day(ledger)
        if age is None or first_ns is None:
            return
        for day_ns in self._days(ledger, first_ns, age):
            if ledger not in ENTITY_LEDGERS or not self._stores.overrides:
                yield DueDay(day_ns=day_ns, entity_ids=None)
            elif (due := self._by_entity(ledger, day_ns)) is not None:
                yield due

    def _days(self, ledger: Ledger, first_ns: int, age: dt.timedelta) -> Sequence[int]:
        end_ns = utc_day_start(self._now_ns - duration_ns(age))
        if end_ns <= first_ns:
            return ()
        # Of a day with a window that has lost rows elsewhere, a part counts as gone.
        gone = self._checkpoint.removed(ledger, (first_ns, end_ns))
        left = subtract([(first_ns, end_ns)], gone)
        return sorted({day_ns for span in left for day_ns, _ in by_day(span)})

    def _by_entity(self, ledger: Ledger, day_ns: int) -> DueDay | None:
        stream = RowStream(
            self._stores.client(self._tier),
            ledger.measurement,
            by=(_ENTITY_ID,),
            pause=self._pause,
        )
        groups = stream.groups(day_ns, day_ns + NS_PER_DAY)
        present = [dict(key).get(_ENTITY_ID, "") for key in groups]
        if not present:
            # Rows of whoever is kept for longest could still be imported.
            age = longest_age(self._tier, self._stores.ages, self._stores.overrides)
            is_due = self._is_due(day_ns, age)
            return DueDay(day_ns=day_ns, entity_ids=None) if is_due else None
        due = [
            entity_id
            for entity_id in present
            if self._is_due(day_ns, self._age_of(entity_id))
        ]
        if len(due) == len(present):
            return DueDay(day_ns=day_ns, entity_ids=None)
        # Rows without an entity cannot be named; they go with the last one.
        named = tuple(entity_id for entity_id in due if entity_id)
        return DueDay(day_ns=day_ns, entity_ids=named) if named else None

    def _is_due(self, day_ns: int, age: Age) -> bool:
        if age is None:
            return False
        return day_ns + NS_PER_DAY <= self._now_ns - duration_ns(age)

    def _age_of(self, entity_id: str) -> Age:
        if entity_id not in self._age_by_entity:
            ages = ages_of(entity_id, self._stores.ages, self._stores.overrides)
            self._age_by_entity[entity_id] = ages.of(self._tier)
        return self._age_by_entity[entity_id]
