"""The hours of what sources deliver: one row per series and field.

A row of a source has several fields, and one that it leaves out is not known any
more. Its times are the provider's. A window hands over what holds at its end, and
nothing else: there are no counters among them.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
import datetime as dt
import itertools
from typing import Final

from ..const import MEASUREMENT_AIR_QUALITY
from ..models import FieldValue, Point
from ..store.influx.client import InfluxClient
from ..store.query import Row, list_tag_keys
from .carries import HOLD_NS, RECENT_NS, hour_of, make_carry
from .carry import Carry, restore_carry
from .hourly import ROWS_AT_ONCE
from .made import Made
from .rows import Aggregate
from .spans import Span
from .stream import GroupKey, RowStream, by_group
from .track import Track, ValueCounts, hold_only
from .windows import Window
from .work import Work

FIELD: Final = "field"
# Tags that follow the value: with another one it is still the same series.
_VALUE_TAGS: Final[Mapping[str, frozenset[str]]] = {
    MEASUREMENT_AIR_QUALITY: frozenset({"category"}),
}
_GAP: Final[Mapping[str, FieldValue]] = {"state": "unknown"}

type _Held = dict[GroupKey, dict[str, Carry]]


def series_tags(client: InfluxClient, measurement: str) -> tuple[str, ...] | None:
    """Return the tags that name a series; None for all that it has.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    if not (left_out := _VALUE_TAGS.get(measurement)):
        return None
    return tuple(
        key for key in list_tag_keys(client, measurement) if key not in left_out
    )


def field_row(row: Row, value: FieldValue) -> Row:
    """Return one field of a source's row as the row of an entity."""
    fields: dict[str, FieldValue]
    if isinstance(value, bool):
        fields = {"state": "on" if value else "off", "value": float(value)}
    elif isinstance(value, str):
        fields = {"state": value}
    else:
        fields = {"value": value}
    return Row(time_ns=row.time_ns, tags=row.tags, fields=fields)


class SourceHours:
    """Makes the hours of one measurement of sources; see `HourMaker`."""

    def __init__(
        self,
        raw: InfluxClient,
        hourly: InfluxClient,
        measurement: str,
        *,
        by: tuple[str, ...] | None,
        zone: dt.tzinfo,
        interruptions: Sequence[int],
        work: Work,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            by: See `series_tags`.
            interruptions: Those that end what a provider has said.
        """
        self.at_ns: int | None = None
        self._raw = raw
        self._hourly = hourly
        self._measurement = measurement
        self._by = by
        self._zone = zone
        self._interruptions = interruptions
        self._work = work
        self._held: _Held = {}
        self._reported: set[GroupKey] = set()

    @property
    def series_count(self) -> int:
        """How many series and fields hold something."""
        return sum(map(len, self._held.values()))

    @property
    def is_idle(self) -> bool:
        """Whether nothing holds any more, so that without rows there is nothing."""
        return not self.series_count

    def load(self, at_ns: int, *, oldest_ns: int, has_gone: bool) -> None:
        """Find out what holds at a moment.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        self._held = {}
        self.at_ns = at_ns
        last: dict[GroupKey, list[Row]] = {}
        stream = RowStream(self._raw, self._measurement, pause=self._work.pause)
        for key, row in stream.last_rows(
            at_ns, max(at_ns - HOLD_NS, oldest_ns)
        ).items():
            rows = last.setdefault(self._key_of(dict(key)), [])
            if rows and rows[0].time_ns < row.time_ns:
                rows.clear()
            if not rows or rows[0].time_ns == row.time_ns:
                rows.append(replace(row, tags=dict(key)))
        for group, rows in last.items():
            self._held[group] = self._carries_of(rows, at_ns)
        if has_gone and any(
            group not in last for group, *_ in self._restored(at_ns, RECENT_NS)
        ):
            self._restore(at_ns, last)

    def make(self, windows: Sequence[Window], *, mark: int) -> Made:
        """Make windows that begin where it knows what holds.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        span = (windows[0].start_ns, windows[-1].end_ns)
        counts = ValueCounts(windows)
        points: list[Point] = []
        held: _Held = {}
        for key, rows in self._read(span):
            tracks = self._tracks(key, windows)
            self._feed(tracks, windows, counts, rows)
            self._reported.add(key)
            held[key] = self._finish(tracks, points)
        for key in self._held.keys() - held.keys():
            self._work.check()
            held[key] = self._finish(self._tracks(key, windows), points)
        self._held = held
        self.at_ns = span[1]
        return Made(windows=windows, points=points, counts=counts, mark=mark)

    def fork(self, entity_ids: frozenset[str] | None) -> SourceHours:
        """Return one that goes on with all series until they have reported."""
        made = SourceHours(
            self._raw,
            self._hourly,
            self._measurement,
            by=self._by,
            zone=self._zone,
            interruptions=self._interruptions,
            work=self._work,
        )
        made.at_ns = self.at_ns
        made._held = {key: dict(held) for key, held in self._held.items()}
        return made

    def settle(self) -> bool:
        """Whether anything is left that has not reported."""
        return any(
            held for key, held in self._held.items() if key not in self._reported
        )

    def _key_of(self, tags: Mapping[str, str]) -> GroupKey:
        return tuple(
            sorted(
                item for item in tags.items() if self._by is None or item[0] in self._by
            )
        )

    def _read(self, span: Span) -> Iterator[tuple[GroupKey, Iterator[Row]]]:
        stream = RowStream(
            self._raw, self._measurement, by=self._by, pause=self._work.pause
        )
        for key, rows in by_group(stream.read(*span)):
            yield self._key_of(key), rows

    def _tracks(self, key: GroupKey, windows: Sequence[Window]) -> dict[str, Track]:
        return {
            name: self._track(windows, carry)
            for name, carry in self._held.get(key, {}).items()
        }

    def _track(self, windows: Sequence[Window], carry: Carry | None) -> Track:
        end_ns = windows[-1].end_ns
        return Track(
            windows,
            carry=carry,
            interruptions=[at_ns for at_ns in self._interruptions if at_ns < end_ns],
            forgets=True,
        )

    def _feed(
        self,
        tracks: dict[str, Track],
        windows: Sequence[Window],
        counts: ValueCounts,
        rows: Iterator[Row],
    ) -> None:
        for batch in itertools.batched(rows, ROWS_AT_ONCE, strict=False):
            for row in batch:
                counts.add(row)
                for name, value in row.fields.items():
                    if name not in tracks:
                        tracks[name] = self._track(windows, None)
                    tracks[name].add(field_row(row, value))
                for name in tracks.keys() - row.fields.keys():
                    tracks[name].add_gap(replace(row, fields=_GAP))
            self._work.check()

    def _finish(
        self, tracks: Mapping[str, Track], points: list[Point]
    ) -> dict[str, Carry]:
        held: dict[str, Carry] = {}
        for name, track in tracks.items():
            if (carry := track.finish()) is not None:
                held[name] = carry
            points += [
                replace(
                    point,
                    measurement=self._measurement,
                    tags={**point.tags, FIELD: name},
                )
                for point in (found.to_point() for found in track.aggregates)
            ]
        return held

    def _carries_of(self, rows: Sequence[Row], at_ns: int) -> dict[str, Carry]:
        """Return what the rows of a series' last instant hand over."""
        held: dict[str, Carry] = {}
        for name in {name for row in rows for name in row.fields}:
            carry = make_carry(
                [
                    field_row(row, row.fields[name])
                    if name in row.fields
                    else replace(row, fields=_GAP)
                    for row in rows
                ],
                at_ns=at_ns,
                zone=self._zone,
                interruptions=self._interruptions,
            )
            if carry is not None and (found := hold_only(carry, at_ns)) is not None:
                held[name] = found
        return held

    def _restore(self, at_ns: int, known: Container[GroupKey]) -> None:
        """Take what the hours before say of series whose last row is gone."""
        for group, name, hours in self._restored(at_ns, HOLD_NS):
            if group in known:
                continue
            carry = restore_carry(hours, start_ns=at_ns)
            if carry is not None and (found := hold_only(carry, at_ns)) is not None:
                self._held.setdefault(group, {})[name] = found

    def _restored(
        self, at_ns: int, span_ns: int
    ) -> Iterator[tuple[GroupKey, str, Iterator[Aggregate]]]:
        """Read the hours before, by series and field."""
        stream = RowStream(
            self._hourly,
            self._measurement,
            by=None if self._by is None else (*self._by, FIELD),
            pause=self._work.pause,
        )
        for key, rows in by_group(stream.read(at_ns - span_ns, at_ns)):
            group = self._key_of(_without_field(key))
            yield (
                group,
                key.get(FIELD, ""),
                (hour_of(replace(row, tags=_without_field(row.tags))) for row in rows),
            )


def _without_field(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key != FIELD}
