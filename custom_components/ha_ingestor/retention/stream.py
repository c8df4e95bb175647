"""All rows of a measurement, group by group, through whatever the server allows.

A group is one series, or all series that share some tags: those of one entity, which
was in another room before. Its rows come together and oldest first, each of them
once, also if the server goes away in the middle, cuts its answer off, or refuses to
read so much at a time. Blocking, for threads.

First everything is asked for in one request. What is left of it after a failure is
asked for group by group, in spans of time that get shorter with every failure; 3.x
reads 432 files in one query at most, which are about 72 hours of raw rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
import itertools
import re
import time
from typing import Final

from ..errors import (
    IngestorError,
    RetentionError,
    StoreProtocolError,
    StoreQueryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from ..models import Tags
from ..store.influx.client import InfluxClient
from ..store.influx.influxql import Condition, build_condition, quote_identifier
from ..store.influx.results import Series, Value
from ..store.query import Row, TagFilter, list_tag_keys, to_field_value

# Tags that a group shares, sorted; those that its rows lack are left out.
type GroupKey = tuple[tuple[str, str], ...]

# Rows of one piece. With the hundred columns that attributes can make it is a few
# megabytes.
CHUNK_ROWS: Final = 2_000
# Shorter spans than this are not asked for: then it is not their length.
MIN_SPAN_NS: Final = 60 * 1_000_000_000
# Failures without a row in between. With the pauses that is half a minute, in which a
# server restarts; for longer the job comes back later.
MAX_FAILURES: Final = 5
FIRST_PAUSE_S: Final = 1.0
_MAX_PAUSE_S: Final = 16.0

# What may be over some time later, or with less at a time. A proxy that cuts an answer
# off leaves what cannot be read.
_PASSING: Final = (StoreUnavailableError, StoreProtocolError, StoreQueryError)
# How the servers word a question that is too large: "max-select-point limit
# exceeded", "query-timeout limit exceeded" (1.x, 2.x), "exceeding the file limit",
# "Resources exhausted" (3.x).
_TOO_MUCH: Final = re.compile(r"limit|exceed|exhausted|time.?out", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of one group, oldest first.

    Never does one instant span two pieces.
    """

    key: GroupKey
    rows: Sequence[Row]


@dataclass(slots=True)
class _Progress:
    """What has been handed out of one request for everything."""

    done: set[GroupKey] = field(default_factory=set)
    current: GroupKey | None = None
    next_ns: int = 0  # of the current group: rows before it were handed out
    has_any: bool = False

    def enter(self, key: GroupKey, start_ns: int) -> None:
        """Begin with a group, which ends the one before."""
        if self.current is not None:
            self.done.add(self.current)
        if key in self.done:
            raise RetentionError("The series of the answer are not in order")
        self.current, self.next_ns = key, start_ns


class RowStream:
    """Reads one measurement of one store; on one thread at a time.

    Args:
        by: Tags that name a group; none of them for one group of all rows, None for
            each series by itself.
        tags: Read only rows with these values.
        without: Leave out rows in which a text field is missing or has one of these
            values.
        pause: Waits so many seconds; it may raise to end the stream.
    """

    def __init__(
        self,
        client: InfluxClient,
        measurement: str,
        *,
        by: Sequence[str] | None = None,
        tags: TagFilter | None = None,
        without: TagFilter | None = None,
        pause: Callable[[float], object] = time.sleep,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._client = client
        self._without = dict(without or {})
        self._name = quote_identifier(measurement)
        self._measurement = measurement
        self._by = by
        self._tags = dict(tags or {})
        self._pause = pause
        self._chunk_rows = chunk_rows
        self._span_ns: int | None = None  # None for as long as asked for
        names = "*" if by is None else ", ".join(quote_identifier(tag) for tag in by)
        self._grouping = f" GROUP BY {names}" if names else ""

    def read(self, start_ns: int, end_ns: int) -> Iterator[Piece]:
        """Read all rows of a span, group by group.

        Args:
            start_ns: First instant, inclusive.
            end_ns: Last instant, exclusive.

        Raises:
            StoreUnavailableError: The server stayed away; what was handed out is
                complete up to there.
            StoreError: See `InfluxClient.query`.
        """
        tag_keys = self._tag_keys()
        progress = _Progress()
        try:
            yield from self._read_at_once(progress, tag_keys, start_ns, end_ns)
        except _PASSING as err:
            if not _is_passing(err):
                raise
            self._pause(FIRST_PAUSE_S)
            yield from self._read_rest(progress, tag_keys, start_ns, end_ns)

    def last_rows(self, before_ns: int, since_ns: int) -> dict[GroupKey, Row]:
        """Return the last row of each group before a moment.

        Args:
            before_ns: The rows are older than this.
            since_ns: But not older than this.

        Raises:
            StoreError: See `InfluxClient.query`.
        """
        tag_keys = self._tag_keys()

        def ask(start_ns: int, end_ns: int) -> dict[GroupKey, Row]:
            condition = self._condition(self._tags, start_ns, end_ns)
            answer = self._client.query(
                f"SELECT * FROM {self._name}{condition.clause}"  # noqa: S608 - quoted
                f"{self._grouping} ORDER BY time DESC LIMIT 1",
                params=condition.params,
                chunk_size=self._chunk_rows,
            )
            return {
                _key_of(series): row
                for series in answer
                for row in _rows_of(series, tag_keys)
            }

        last: dict[GroupKey, Row] = {}
        for rows in self._in_spans(ask, since_ns, before_ns):
            for key, row in rows.items():
                if key not in last or last[key].time_ns < row.time_ns:
                    last[key] = row
        return last

    def groups(self, start_ns: int, end_ns: int) -> list[GroupKey]:
        """List the groups that have rows in a span, sorted.

        Raises:
            StoreError: See `InfluxClient.query`.
        """

        def ask(start_ns: int, end_ns: int) -> set[GroupKey]:
            condition = self._condition(self._tags, start_ns, end_ns)
            answer = self._client.query(
                f"SELECT count(*) FROM {self._name}{condition.clause}"  # noqa: S608 - quoted
                f"{self._grouping}",
                params=condition.params,
            )
            return {_key_of(series) for series in answer}

        found: set[GroupKey] = set()
        for keys in self._in_spans(ask, start_ns, end_ns):
            found |= keys
        return sorted(found)

    def _tag_keys(self) -> frozenset[str]:
        """Learn which columns are tags; those grouped by are none."""
        if self._by is None:
            return frozenset()
        keys = self._patiently(lambda: list_tag_keys(self._client, self._measurement))
        return frozenset(keys) - set(self._by)

    def _read_at_once(
        self,
        progress: _Progress,
        tag_keys: frozenset[str],
        start_ns: int,
        end_ns: int,
    ) -> Iterator[Piece]:
        held: list[Row] = []
        for series in self._select(self._tags, start_ns, end_ns):
            key = _key_of(series)
            if key != progress.current:
                if held and progress.current is not None:
                    yield Piece(key=progress.current, rows=held)
                held = []
                progress.enter(key, start_ns)
            rows, held = _cut(held, _rows_of(series, tag_keys), progress.next_ns)
            if held:
                progress.next_ns = held[0].time_ns
            if rows:
                yield Piece(key=key, rows=rows)
        if held and progress.current is not None:
            yield Piece(key=progress.current, rows=held)

    def _read_rest(
        self,
        progress: _Progress,
        tag_keys: frozenset[str],
        start_ns: int,
        end_ns: int,
    ) -> Iterator[Piece]:
        current = progress.current
        if current is not None:
            yield from self._read_group(current, tag_keys, progress.next_ns, end_ns)
            progress.done.add(current)
        for key in self.groups(start_ns, end_ns):
            if key not in progress.done:
                yield from self._read_group(key, tag_keys, start_ns, end_ns)

    def _read_group(
        self, key: GroupKey, tag_keys: frozenset[str], start_ns: int, end_ns: int
    ) -> Iterator[Piece]:
        """Read one group in spans of time, shorter after each failure."""
        failures = 0
        while start_ns < end_ns:
            until_ns = min(start_ns + (self._span_ns or end_ns), end_ns)
            # Rows without a tag cannot be asked for alike on all generations, so
            # other groups with the same tags may come along, and are passed over.
            held: list[Row] = []
            try:
                for series in self._select(
                    {**self._tags, **dict(key)}, start_ns, until_ns
                ):
                    if _key_of(series) != key:
                        continue
                    rows, held = _cut(held, _rows_of(series, tag_keys), start_ns)
                    start_ns = held[0].time_ns if held else start_ns
                    if rows:
                        failures = 0
                        yield Piece(key=key, rows=rows)
            except _PASSING as err:
                is_shortest = until_ns - start_ns <= MIN_SPAN_NS
                if not isinstance(err, StoreQueryError):
                    failures += 1
                if (
                    not _is_passing(err)
                    or failures > MAX_FAILURES
                    or (is_shortest and isinstance(err, StoreQueryError))
                ):
                    raise
                # The next groups begin with what this one has learned.
                self._span_ns = max((until_ns - start_ns) // 4, MIN_SPAN_NS)
                if failures:
                    self._pause(_pause_s(failures))
                continue
            if held:
                yield Piece(key=key, rows=held)
            start_ns = until_ns
            failures = 0

    def _select(self, tags: TagFilter, start_ns: int, end_ns: int) -> Iterator[Series]:
        condition = self._condition(tags, start_ns, end_ns)
        return self._client.query(
            f"SELECT * FROM {self._name}{condition.clause}"  # noqa: S608 - quoted
            f"{self._grouping}",
            params=condition.params,
            chunk_size=self._chunk_rows,
        )

    def _condition(self, tags: TagFilter, start_ns: int, end_ns: int) -> Condition:
        condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
        if not self._without:
            return condition
        clause, params = condition.clause, dict(condition.params)
        for field_name, values in self._without.items():
            for value in [values] if isinstance(values, str) else values:
                name = f"field_{len(params)}"
                params[name] = value
                clause += f" AND {quote_identifier(field_name)} != ${name}"
        return Condition(clause=clause, params=params)

    def _in_spans[T](
        self, ask: Callable[[int, int], T], start_ns: int, end_ns: int
    ) -> Iterator[T]:
        """Ask about a span, or about its parts where it is too long; newest first."""
        spans = [(start_ns, end_ns)] if start_ns < end_ns else []
        while spans:
            start_ns, end_ns = spans.pop()
            try:
                yield self._patiently(lambda a=start_ns, b=end_ns: ask(a, b))  # type: ignore[misc]
            except (StoreQueryError, StoreTimeoutError) as err:
                if not _is_passing(err) or end_ns - start_ns <= MIN_SPAN_NS:
                    raise
                middle_ns = (start_ns + end_ns) // 2
                spans += [(start_ns, middle_ns), (middle_ns, end_ns)]

    def _patiently[T](self, ask: Callable[[], T]) -> T:
        """Ask again while the server is away; not for what is too much."""
        failures = 0
        while True:
            try:
                return ask()
            except StoreTimeoutError:
                raise
            except StoreUnavailableError, StoreProtocolError:
                failures += 1
                if failures > MAX_FAILURES:
                    raise
                self._pause(_pause_s(failures))


def by_group(pieces: Iterator[Piece]) -> Iterator[tuple[Tags, Iterator[Row]]]:
    """Join the pieces of each group: its tags, and its rows as they arrive.

    The rows of a group have to be read before the next group is asked for.
    """
    for key, group in itertools.groupby(pieces, key=lambda piece: piece.key):
        yield dict(key), (row for piece in group for row in piece.rows)


def _is_passing(err: IngestorError) -> bool:
    """Whether less at a time, or some time later, may be answered."""
    if isinstance(err, StoreQueryError):
        return _TOO_MUCH.search(str(err)) is not None
    return True


def _pause_s(failures: int) -> float:
    return min(FIRST_PAUSE_S * 2.0 ** (failures - 1), _MAX_PAUSE_S)


def _key_of(series: Series) -> GroupKey:
    # 1.x and 2.x name a tag that a series lacks, with an empty value.
    return tuple(sorted((key, value) for key, value in series.tags.items() if value))


def _cut(
    held: list[Row], rows: list[Row], start_ns: int
) -> tuple[list[Row], list[Row]]:
    """Hold back the last instant: rows of the same time may still come.

    Returns:
        The rows to hand out, and those to hold back.
    """
    rows = held + rows
    if not rows:
        return [], []
    times = [row.time_ns for row in rows]
    if times[0] < start_ns or any(a > b for a, b in itertools.pairwise(times)):
        raise RetentionError("The rows of the answer are not in order")
    first_held = times.index(times[-1])
    return rows[:first_held], rows[first_held:]


def _rows_of(series: Series, tag_keys: frozenset[str]) -> list[Row]:
    columns = series.columns
    # The server gives the second of two columns of one name another one, and which
    # of both is the tag cannot be told.
    if any(f"{key}_1" in columns for key in tag_keys):
        raise RetentionError("A tag and a field have the same name")
    tag_columns = [(i, name) for i, name in enumerate(columns) if name in tag_keys]
    field_columns = [
        (i, name) for i, name in enumerate(columns) if i and name not in tag_keys
    ]
    group_tags = {key: value for key, value in series.tags.items() if value}
    # Rows share their tags: most groups are one series.
    known: dict[tuple[Value, ...], Tags] = {}
    rows: list[Row] = []
    for values in series.rows:
        time_ns = values[0]
        if not isinstance(time_ns, int) or len(values) != len(columns):
            raise StoreProtocolError("A row has no time, or other columns")
        tag_values = tuple(values[i] for i, _ in tag_columns)
        tags = known.get(tag_values)
        if tags is None:
            own = {name: str(values[i]) for i, name in tag_columns if values[i]}
            tags = known[tag_values] = group_tags | own
        fields = {
            name: to_field_value(value)
            for i, name in field_columns
            if (value := values[i]) is not None
        }
        rows.append(Row(time_ns=time_ns, tags=tags, fields=fields))
    return rows
