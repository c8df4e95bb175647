"""A home whose rows are in any state of their way through the tiers."""

from collections.abc import Iterable, Mapping, Sequence
import datetime as dt
from itertools import count
from pathlib import Path
from typing import Final, Self

from custom_components.ha_ingestor.history.query import (
    Detail,
    HistoryPage,
    HistoryQuery,
    HistoryRow,
)
from custom_components.ha_ingestor.history.reader import HistoryReader
from custom_components.ha_ingestor.models import Fields, FieldValue, Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint, count_row
from custom_components.ha_ingestor.retention.ledger import Ledger
from custom_components.ha_ingestor.retention.ledgers import (
    EVENTS_LEDGER,
    HOURLY_LEDGER,
)
from custom_components.ha_ingestor.retention.spans import Span
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from custom_components.ha_ingestor.retention.windows import (
    NS_PER_DAY,
    Resolution,
    Window,
    to_datetime,
    window_at,
    windows_between,
)
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.retention.kit import (
    BALANCE,
    CLIMATE,
    COUNTER,
    POWER,
    SWITCH,
    TEMPERATURE,
    Chain,
)
from tests.retention.server_kit import target_of

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sensor.power": POWER,
    "sensor.energy": COUNTER,
    "sensor.balance": BALANCE,
    "sensor.outside": TEMPERATURE,
    "switch.fan": SWITCH,
    "climate.hall": CLIMATE,
}
# Statistic to the fields of an aggregate, the first of those that are there.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": ("avg_value",),
    "min": ("min_value",),
    "max": ("max_value",),
    "first": ("first_value",),
    "last": ("last_state", "last_value"),
    "count": ("sample_count",),
    "energy": ("total_energy",),
    "cost": ("energy_cost",),
    "carbon": ("energy_carbon",),
    "on_seconds": ("on_seconds",),
    "changes": ("state_changes",),
    "top_state": ("top_state",),
}
_numbers = count()


def tags_of(entity_id: str) -> dict[str, str]:
    """The tags of an entity of the home."""
    kind = KINDS[entity_id]
    return {**kind, "entity_id": entity_id, "domain": entity_id.partition(".")[0]}


class Home:
    """Rows of some entities, on a server.

    Attributes:
        rows: All there ever were, by entity.
        now_ns: What the reader takes for now.
    """

    def __init__(
        self,
        server: InfluxServer,
        folder: Path,
        rows: Mapping[str, Sequence[Row]],
        *,
        zone: dt.tzinfo,
        now_ns: int,
    ) -> None:
        self.server = server
        self.zone = zone
        self.now_ns = now_ns
        self.rows = {entity_id: list(some) for entity_id, some in rows.items()}
        self._folder = folder
        # Dropping a database and making it again under its name takes longer.
        self._store = f"home_{next(_numbers)}"
        server.query(f'CREATE DATABASE "{self._store}"')
        self.stores = TierStores(target_of(server, self._store))
        self.stores.ensure()
        self.checkpoint = self._open_checkpoint()
        for some in self.rows.values():
            self._write(some)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.checkpoint.close()
        self.stores.close()
        for suffix in ("", "_hourly", "_daily"):
            self.server.query(f'DROP DATABASE "{self._store}{suffix}"')

    def reader(self, **arguments: float) -> HistoryReader:
        return HistoryReader(
            self.stores,
            self.checkpoint,
            zone=self.zone,
            now_ns=lambda: self.now_ns,
            **arguments,
        )

    def lose_checkpoint(self) -> None:
        """As after a damaged file: nothing is known to be verified or gone."""
        self.checkpoint.close()
        self.checkpoint = self._open_checkpoint()

    def put(self, points: Iterable[Point], tier: Tier = Tier.RAW) -> None:
        """Write any rows."""
        write_points(self.stores.client(tier), points)

    def aggregate(self, start_ns: int, end_ns: int) -> None:
        """Make the hours of a span, verified; nothing was before it."""
        counts: dict[int, int] = {}
        for some in self.rows.values():
            chain = Chain(some, zone=self.zone)
            chain.run(start_ns, end_ns)
            self.put(
                (hour.to_point() for hour in chain.hours.values() if hour is not None),
                Tier.HOURLY,
            )
            for row in some:
                if start_ns <= row.time_ns < end_ns:
                    count_row(counts, row)
        for window in windows_between(Resolution.HOUR, start_ns, end_ns, self.zone):
            self._verify(EVENTS_LEDGER, (window.start_ns, window.end_ns), counts)

    def roll_up(self, start_ns: int, end_ns: int) -> None:
        """Make the days of a span, verified; after their hours."""
        for some in self.rows.values():
            chain = Chain(some, zone=self.zone)
            chain.run(start_ns, end_ns)
            days = [
                chain.roll_up(day)
                for day in windows_between(Resolution.DAY, start_ns, end_ns, self.zone)
            ]
            self.put((day.to_point() for day in days if day is not None), Tier.DAILY)
        for day in windows_between(Resolution.DAY, start_ns, end_ns, self.zone):
            self._verify(HOURLY_LEDGER, (day.start_ns, day.end_ns), {})

    def delete(self, ledger: Ledger, start_ns: int, end_ns: int) -> list[Span]:
        """Delete the whole UTC days of a span, as it is done by age."""
        day_ns = -(-start_ns // NS_PER_DAY) * NS_PER_DAY
        gone = []
        while day_ns + NS_PER_DAY <= end_ns:
            span = (day_ns, day_ns + NS_PER_DAY)
            self.stores.client(ledger.tier).delete(
                ledger.measurement, tags={}, start_ns=span[0], end_ns=span[1]
            )
            self.checkpoint.forget(ledger, span)
            gone.append(span)
            day_ns += NS_PER_DAY
        return gone

    def come_late(self, entity_id: str, rows: Sequence[Row]) -> None:
        """Bring rows of the past; what follows them is no longer true either."""
        if rows:
            hour = window_at(
                Resolution.HOUR, min(row.time_ns for row in rows), self.zone
            )
            self.checkpoint.mark_dirty(EVENTS_LEDGER, (hour.start_ns, self.now_ns))
        self.rows[entity_id] += rows
        self._write(rows)

    def read(
        self,
        start_ns: int,
        end_ns: int,
        detail: Detail,
        *,
        entity_ids: Sequence[str] | None = None,
        limit: int = 5_000,
    ) -> dict[str, list[HistoryRow]]:
        """Ask for all pages; the rows of each entity."""
        found: dict[str, list[HistoryRow]] = {
            entity_id: [] for entity_id in entity_ids or self.rows
        }
        for page in self.pages(
            start_ns, end_ns, detail, entity_ids=entity_ids, limit=limit
        ):
            for entity_id, history in page.entities.items():
                found[entity_id] += history.rows
        return found

    def pages(
        self,
        start_ns: int,
        end_ns: int,
        detail: Detail,
        *,
        entity_ids: Sequence[str] | None = None,
        limit: int = 5_000,
        **arguments: float,
    ) -> list[HistoryPage]:
        reader = self.reader(**arguments)
        pages: list[HistoryPage] = []
        cursor: str | None = None
        while not pages or cursor is not None:
            query = HistoryQuery(
                entity_ids=list(entity_ids or self.rows),
                start_at=to_datetime(start_ns),
                end_at=to_datetime(end_ns),
                detail=detail,
                limit=limit,
                cursor=cursor,
            )
            pages.append(reader.read(query, Work(share=1)))
            cursor = pages[-1].cursor
        return pages

    def _open_checkpoint(self) -> Checkpoint:
        checkpoint = Checkpoint(self._folder / f"{self._store}_{next(_numbers)}.db")
        checkpoint.open()
        if (connection := checkpoint._connection) is not None:
            # Hundreds of windows: no test pulls the plug.
            connection.execute("PRAGMA synchronous=OFF")
        return checkpoint

    def _verify(self, ledger: Ledger, span: Span, counts: dict[int, int]) -> None:
        mark = self.checkpoint.dirty_mark()
        self.checkpoint.add_verified(ledger, span, counts=counts, mark=mark)

    def _write(self, rows: Iterable[Row]) -> None:
        self.put(
            Point(
                measurement=EVENTS_LEDGER.measurement,
                tags={key: value for key, value in row.tags.items() if value},
                fields=row.fields,
                time_ns=row.time_ns,
            )
            for row in rows
        )


def values_of(fields: Fields | None) -> dict[str, FieldValue] | None:
    """What is answered of a window whose aggregate has these fields."""
    if fields is None:
        return None
    return {
        statistic: next(fields[name] for name in names if name in fields)
        for statistic, names in FIELDS.items()
        if any(name in fields for name in names)
    }


def fields_of(row: HistoryRow) -> dict[str, FieldValue]:
    """The values of a row under the first names of their fields, to compare them."""
    return {FIELDS[name][0]: value for name, value in row.values.items()}


def as_fields(values: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """The same of values that are expected."""
    return {FIELDS[name][0]: value for name, value in values.items()}


def window_to(window: Window, now_ns: int) -> Window:
    """A window, or as much of it as is over."""
    return Window(
        start_ns=window.start_ns,
        end_ns=min(window.end_ns, now_ns),
        resolution=window.resolution,
    )
