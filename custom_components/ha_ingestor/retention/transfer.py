"""Rows into the store of a tier: written, read back, compared.

Doing it twice changes nothing: rows that are there already are not written again, and
rows that are wrong are replaced. Blocking, for threads.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
import time
from typing import Final

from ..errors import (
    BatchTooLargeError,
    RetentionMismatchError,
    RetentionRegressionError,
)
from ..models import Fields, Point, Tags
from ..store.compression import compress
from ..store.influx.client import InfluxClient
from ..store.line_protocol import clean_name, format_point
from ..store.query import Row, TagFilter, list_tag_keys
from .stream import GroupKey, RowStream
from .windows import to_datetime

type Differences = Callable[[Fields, Fields], Sequence[str]]
type _RowKey = tuple[GroupKey, int]

# The knee of the servers' write speed, and what every proxy lets pass.
BATCH_LINES: Final = 5_000
BATCH_BYTES: Final = 4 * 1024 * 1024
# OSS shows a row as soon as it has answered; Cloud works asynchronously.
VISIBLE_WITHIN_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.2
# Disagreements that are spelled out; a person needs the first ones and the number.
_MAX_LISTED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """What a transfer has proven.

    Attributes:
        point_count: Rows that are stored as they should be.
        written_count: How many of them had to be written.
        kept_count: Rows of the span that the transfer said nothing about.
    """

    point_count: int
    written_count: int
    kept_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of one measurement in one span, as they should be.

    Attributes:
        identity: Tags of which one instant has one row only: a row under other tags
            is replaced. None where every series stands for itself.
        count_field: Field that says from how many rows a row was made: it is never
            replaced by one that was made from fewer, whose source is gone. None for
            rows that were not made from others.
        differences: Names the fields in which two rows disagree.
        scope: Look at rows with these tags only.
        start_ns: First instant, inclusive.
        end_ns: Last instant, exclusive.
    """

    measurement: str
    start_ns: int
    end_ns: int
    points: Sequence[Point]
    identity: tuple[str, ...] | None = None
    count_field: str | None = None
    differences: Differences
    scope: TagFilter | None = None


def exact_differences(expected: Fields, found: Fields) -> list[str]:
    """Name the fields that are not the same, to the bit."""
    return [
        name
        for name in sorted({*expected, *found})
        if type(expected.get(name)) is not type(found.get(name))
        or expected.get(name) != found.get(name)
    ]


class Transfer:
    """Brings one store to where a plan says; on one thread at a time.

    Args:
        pause: Waits so many seconds; it may raise to end the transfer.
    """

    def __init__(
        self,
        client: InfluxClient,
        *,
        pause: Callable[[float], object] = time.sleep,
        visible_within_s: float = VISIBLE_WITHIN_S,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._client = client
        self._pause = pause
        self._visible_within_s = visible_within_s

    def run(self, plan: Plan) -> TransferResult:
        """Write what is missing, replace what is wrong, prove that it is right.

        Killed at any point it leaves rows that the same plan brings to their end.

        Raises:
            RetentionRegressionError: Nothing was changed.
            RetentionMismatchError: Rows are stored, but not as they should be.
            StoreError: See `InfluxClient`.
        """
        existing = self._read(plan)
        expected = _by_key(plan)
        _require_growth(plan, expected, existing)
        stale = _stale(plan, expected, existing)
        if stale and not self._client.has_delete:
            # A row that cannot go is written over, under the labels that it has.
            expected = _under_old_labels(plan, expected, stale)
            stale = {}
        self._delete(plan, stale)
        missing = [
            point
            for key, point in expected.items()
            if key not in existing
            or key in stale
            or exact_differences(point.fields, existing[key])
        ]
        write_points(self._client, missing)
        kept = self._verify(plan, expected)
        return TransferResult(
            point_count=len(expected), written_count=len(missing), kept_count=kept
        )

    def verify(self, plan: Plan) -> TransferResult:
        """Prove that the rows are stored as they should be; changes nothing.

        Raises:
            RetentionMismatchError: They are not.
            StoreError: See `InfluxClient`.
        """
        expected = _by_key(plan)
        kept = self._verify(plan, expected)
        return TransferResult(
            point_count=len(expected), written_count=0, kept_count=kept
        )

    def _read(self, plan: Plan) -> dict[_RowKey, Fields]:
        stream = RowStream(
            self._client, plan.measurement, tags=plan.scope, pause=self._pause
        )
        return {
            (piece.key, row.time_ns): row.fields
            for piece in stream.read(plan.start_ns, plan.end_ns)
            for row in piece.rows
        }

    def _verify(self, plan: Plan, expected: Mapping[_RowKey, Point]) -> int:
        waited_s, pause_s = 0.0, _FIRST_PAUSE_S
        while True:
            found = self._read(plan)
            disagreements = list(_disagreements(plan, expected, found))
            if not disagreements:
                return len(found) - len(expected)
            if waited_s >= self._visible_within_s:
                raise RetentionMismatchError(
                    tuple(disagreements[:_MAX_LISTED]), len(disagreements)
                )
            self._pause(pause_s)
            waited_s += pause_s
            pause_s *= 2

    def _delete(self, plan: Plan, stale: Iterable[_RowKey]) -> None:
        """Delete rows, each by all of its tags and its instant.

        What they held comes again from the rows they were made from, which are still
        there.
        """
        stale = list(stale)
        if not stale:
            return
        tag_keys = list_tag_keys(self._client, plan.measurement)
        for key, time_ns in stale:
            tags = dict(key)
            self._client.delete(
                plan.measurement,
                # Without the empty ones a series with more tags would go as well.
                tags={name: tags.get(name, "") for name in tag_keys},
                start_ns=time_ns,
                end_ns=time_ns + 1,
            )


def write_points(client: InfluxClient, points: Iterable[Point]) -> None:
    """Write points in batches.

    Raises:
        BatchRejectedError: At least one is bad.
        StoreError: See `InfluxClient.write`.
    """
    batch: list[str] = []
    size = 0
    for point in points:
        line = format_point(point)
        if batch and (len(batch) >= BATCH_LINES or size + len(line) > BATCH_BYTES):
            _write(client, batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        _write(client, batch)


def _write(client: InfluxClient, lines: Sequence[str]) -> None:
    body = "".join(f"{line}\n" for line in lines).encode()
    try:
        client.write(compress(body), is_gzip=True)
    except BatchTooLargeError:
        if len(lines) == 1:
            raise
        middle = len(lines) // 2
        _write(client, lines[:middle])
        _write(client, lines[middle:])


def _by_key(plan: Plan) -> dict[_RowKey, Point]:
    """Order the points by what the server tells them apart.

    Raises:
        ValueError: They are not what the plan is about, or two are the same row.
    """
    points: dict[_RowKey, Point] = {}
    for point in plan.points:
        key = (series_of(point.tags), point.time_ns)
        if (
            point.measurement != plan.measurement
            or not plan.start_ns <= point.time_ns < plan.end_ns
            or key in points
        ):
            raise ValueError("A point is not of this plan, or there twice")
        points[key] = point
    if len({_identity(plan, key) for key in points}) < len(points):
        raise ValueError("Two points are the same row")
    return points


def series_of(tags: Tags) -> GroupKey:
    """Return the tags of a point as they are read back."""
    cleaned = {clean_name(key): clean_name(value) for key, value in tags.items()}
    return tuple(
        sorted((key, value) for key, value in cleaned.items() if key and value)
    )


def _identity(plan: Plan, key: _RowKey) -> _RowKey:
    series, time_ns = key
    if plan.identity is None:
        return key
    return tuple(tag for tag in series if tag[0] in plan.identity), time_ns


def _require_growth(
    plan: Plan,
    expected: Mapping[_RowKey, Point],
    existing: Mapping[_RowKey, Fields],
) -> None:
    """Refuse to make a row again from less than before."""
    if (name := plan.count_field) is None:
        return
    counts = {_identity(plan, key): point.fields for key, point in expected.items()}
    lost: list[str] = []
    for key, fields in existing.items():
        new = counts.get(_identity(plan, key))
        if new is not None and _number(new, name) < _number(fields, name):
            lost.append(
                f"{_describe(plan, key)}: {_number(new, name):g} instead of"
                f" {_number(fields, name):g}"
            )
    if lost:
        raise RetentionRegressionError(tuple(lost[:_MAX_LISTED]))


def _number(fields: Fields, name: str) -> float:
    value = fields.get(name, 0.0)
    return 0.0 if isinstance(value, str) else float(value)


def _stale(
    plan: Plan,
    expected: Mapping[_RowKey, Point],
    existing: Mapping[_RowKey, Fields],
) -> dict[_RowKey, Fields]:
    """Find rows that another one replaces, or that have a field too many.

    A row of which the plan says nothing stays: its source may be gone. Only if it
    was made from no row at all there is nothing that could be lost.
    """
    wanted = {_identity(plan, key) for key in expected}
    stale: dict[_RowKey, Fields] = {}
    for key, fields in existing.items():
        if key in expected:
            is_stale = not set(fields) <= set(expected[key].fields)
        elif _identity(plan, key) in wanted:
            is_stale = True
        else:
            name = plan.count_field
            is_stale = name is not None and fields.get(name) == 0
        if is_stale:
            stale[key] = fields
    return stale


def _under_old_labels(
    plan: Plan, expected: Mapping[_RowKey, Point], stale: Iterable[_RowKey]
) -> dict[_RowKey, Point]:
    old: dict[_RowKey, list[GroupKey]] = defaultdict(list)
    for key in stale:
        old[_identity(plan, key)].append(key[0])
    relabeled: dict[_RowKey, Point] = {}
    for key, point in expected.items():
        labels = old.get(_identity(plan, key))
        tags = min(labels) if labels else key[0]
        relabeled[tags, point.time_ns] = replace(point, tags=dict(tags))
    return relabeled


def _disagreements(
    plan: Plan, expected: Mapping[_RowKey, Point], found: Mapping[_RowKey, Fields]
) -> Iterator[str]:
    wanted = {_identity(plan, key) for key in expected}
    for key, point in expected.items():
        fields = found.get(key)
        if fields is None:
            yield f"{_describe(plan, key)} is missing"
            continue
        for name in plan.differences(point.fields, fields):
            yield (
                f"{_describe(plan, key)}: {name} is {fields.get(name)!r} instead of"
                f" {point.fields.get(name)!r}"
            )
    for key in found:
        if key not in expected and _identity(plan, key) in wanted:
            yield f"{_describe(plan, key)} is there beside the row that replaces it"


def _describe(plan: Plan, key: _RowKey) -> str:
    series, time_ns = key
    labels = dict(series)
    names = plan.identity if plan.identity is not None else tuple(sorted(labels))
    text = ",".join(f"{name}={labels[name]}" for name in names if name in labels)
    return f"{plan.measurement}[{text}] at {to_datetime(time_ns).isoformat()}"


def point_of(row: Row, measurement: str) -> Point:
    """Return a row as a point of a measurement."""
    return Point(
        measurement=measurement,
        tags=row.tags,
        fields=row.fields,
        time_ns=row.time_ns,
    )
