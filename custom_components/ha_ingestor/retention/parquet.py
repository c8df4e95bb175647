"""Points as Parquet; `parquet_read` gives them back to the bit.

Blocking, for threads; memory holds one group of rows at a time. pyarrow is loaded by
the first call, here and in `parquet_read`, and nowhere else.

Readers such as pandas, DuckDB and Athena see typed columns: `time` as an instant in
UTC, `measurement` and tags as text with a dictionary, fields as double, boolean or
text. What a point lacks is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
import json
from typing import IO, Any, Final

from ..errors import ArchiveDiskError, ArchiveFormatError
from ..models import FieldValue, Point
from .layout import (
    MEASUREMENT,
    TIME,
    Kind,
    Layout,
    Role,
    kind_of,
    lay_out,
)
from .packages import load
from .parquet_read import (
    BATCH_ROW_COUNT,
    FORMAT,
    LABEL_FORMAT,
    LABEL_PREFIX,
    LABEL_UNITS,
    META_KEY,
    META_KIND,
    META_ROLE,
    read_batches,
    read_footer,
)

# A group is held in memory as a whole: two million values are some 16 MB.
_GROUP_CELL_COUNT: Final = 2_000_000
_GROUP_ROW_COUNT: Final = 65_536
_MIN_GROUP_ROW_COUNT: Final = 1_024

_META_UNIT: Final = b"unit"


class Compression(StrEnum):
    """How a file is compressed."""

    GZIP = "gzip"  # every reader knows it
    ZSTD = "zstd"  # smaller and faster; not for old readers


@contextmanager
def _writing() -> Iterator[None]:
    """Map what pyarrow raises; the reading of points must be outside."""
    try:
        yield
    except OSError as err:
        raise ArchiveDiskError("The working folder cannot be written to") from err
    # Text that is no Unicode is a ValueError, like most of pyarrow's own.
    except (ValueError, TypeError, load("pyarrow").ArrowException) as err:
        raise ArchiveFormatError("The points cannot be stored as Parquet") from err


def write_points(
    points: Iterable[Point],
    sink: IO[bytes],
    *,
    layout: Layout,
    labels: Mapping[str, str],
    units: Mapping[str, str],
    compression: Compression = Compression.GZIP,
) -> int:
    """Write points in the order they come in.

    Args:
        layout: Has a column for each of their tags and fields.
        labels: Kept in the file, such as the tier.
        units: Key of a field to its unit.

    Returns:
        How many they were.

    Raises:
        ArchiveFormatError: A point does not fit the layout.
        ArchiveDiskError: The sink takes no more.
    """
    writer = _GroupWriter(
        sink,
        _schema(layout, labels=labels, units=units),
        compression=compression,
    )
    try:
        chunk: list[Point] = []
        for point in points:
            chunk.append(point)
            if len(chunk) == BATCH_ROW_COUNT:
                writer.add(_to_batch(chunk, layout, writer.schema))
                chunk = []
        if chunk:
            writer.add(_to_batch(chunk, layout, writer.schema))
        writer.finish()
    finally:
        writer.close()
    return writer.row_count


class _GroupWriter:
    """Collects batches to groups of rows; for one thread."""

    def __init__(
        self, sink: IO[bytes], schema: Any, *, compression: Compression
    ) -> None:
        self.schema = schema
        self.row_count = 0
        self._pa = load("pyarrow")
        self._held: list[Any] = []
        self._held_count = 0
        self._group_count = max(
            _MIN_GROUP_ROW_COUNT,
            min(_GROUP_ROW_COUNT, _GROUP_CELL_COUNT // len(schema)),
        )
        with _writing():
            self._writer = load("pyarrow.parquet").ParquetWriter(
                sink,
                schema,
                compression=compression.value,
                write_page_checksum=True,
                # Columns of numbers gain nothing from it and cost time.
                use_dictionary=[
                    field.name
                    for field in schema
                    if field.type not in (self._pa.float64(), self._pa.bool_())
                    and field.name != TIME
                ],
            )

    def add(self, batch: Any) -> None:
        """Take a batch in; writes a group once there is enough for one."""
        self._held.append(batch)
        self._held_count += len(batch)
        self.row_count += len(batch)
        if self._held_count >= self._group_count:
            self._flush()

    def finish(self) -> None:
        """Write the rest and the footer."""
        self._flush()
        with _writing():
            self._writer.close()

    def close(self) -> None:
        """Let go of what is held; after `finish`, or instead of it."""
        self._held = []
        if self._writer.is_open:
            # Only the footer is written, into a file that its owner throws away.
            try:
                self._writer.close()
            except OSError, ValueError:
                self._writer.is_open = False
        self._pa.default_memory_pool().release_unused()

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held, self._held_count = self._held, [], 0
        with _writing():
            table = self._pa.Table.from_batches(held, schema=self.schema)
            # One dictionary per group instead of one per batch.
            self._writer.write_table(table.unify_dictionaries(), row_group_size=None)


def _schema(
    layout: Layout, *, labels: Mapping[str, str], units: Mapping[str, str]
) -> Any:
    pa = load("pyarrow")
    text = pa.dictionary(pa.int32(), pa.string())
    types = {Kind.NUMBER: pa.float64(), Kind.FLAG: pa.bool_(), Kind.TEXT: pa.string()}
    fields = [
        pa.field(TIME, _time_type(layout), nullable=False),
        pa.field(MEASUREMENT, text, nullable=False),
    ]
    column_units = {}
    for column in layout.columns:
        content = column.content
        is_tag = content.role is Role.TAG
        metadata = {
            META_ROLE: content.role.encode(),
            META_KEY: content.key.encode(),
            META_KIND: content.kind.encode(),
        }
        if not is_tag and content.key in units:
            column_units[column.name] = units[content.key]
            metadata[_META_UNIT] = units[content.key].encode()
        field_type = text if is_tag else types[content.kind]
        fields.append(pa.field(column.name, field_type, metadata=metadata))
    own = {
        **labels,
        LABEL_FORMAT: str(FORMAT),
        LABEL_UNITS: json.dumps(column_units, ensure_ascii=False, sort_keys=True),
    }
    return pa.schema(
        fields, metadata={f"{LABEL_PREFIX}{key}": value for key, value in own.items()}
    )


def _time_type(layout: Layout) -> Any:
    return load("pyarrow").timestamp("ns" if layout.is_in_ns else "us", tz="UTC")


def _to_batch(points: Sequence[Point], layout: Layout, schema: Any) -> Any:
    places = {
        (content.role, content.key, content.kind): place
        for place, content in enumerate(column.content for column in layout.columns)
    }
    # Most columns of a wide file have no value in most batches.
    values: list[list[FieldValue | None] | None] = [None] * len(places)

    def put(row: int, content: tuple[Role, str, Kind], value: FieldValue) -> None:
        if (place := places.get(content)) is None:
            raise ArchiveFormatError(
                "The points have changed while they were being archived"
            )
        if (column := values[place]) is None:
            column = values[place] = [None] * len(points)
        column[row] = value

    for row, point in enumerate(points):
        for key, tag in point.tags.items():
            put(row, (Role.TAG, key, Kind.TEXT), tag)
        for key, value in point.fields.items():
            put(row, (Role.FIELD, key, kind_of(value)), value)
    return _assemble(points, values, layout, schema)


def _assemble(
    points: Sequence[Point],
    values: Sequence[list[FieldValue | None] | None],
    layout: Layout,
    schema: Any,
) -> Any:
    pa = load("pyarrow")
    count = len(points)
    scale = 1 if layout.is_in_ns else 1_000
    if not layout.is_in_ns and any(point.time_ns % scale for point in points):
        raise ArchiveFormatError(
            "The points have changed while they were being archived"
        )
    with _writing():
        times = pa.array([point.time_ns // scale for point in points], pa.int64())
        names = pa.array([point.measurement for point in points], pa.string())
        arrays = [times.cast(_time_type(layout)), names.dictionary_encode()]
        for column, held in zip(layout.columns, values, strict=True):
            field_type = schema.field(len(arrays)).type
            if held is None:
                arrays.append(pa.nulls(count, field_type))
            elif column.content.role is Role.TAG:
                arrays.append(pa.array(held, pa.string()).dictionary_encode())
            else:
                arrays.append(pa.array(held, field_type))
        return pa.record_batch(arrays, schema=schema)


def concatenate(
    sources: Sequence[IO[bytes]],
    sink: IO[bytes],
    *,
    labels: Mapping[str, str],
    compression: Compression = Compression.GZIP,
) -> int:
    """Write the rows of files one after another into one.

    Args:
        sources: Files of ours; columns that one lacks are null in its rows.

    Returns:
        How many rows there are.

    Raises:
        ArchiveFormatError: A source is no file of ours, or it is damaged.
        ArchiveDiskError: The sink takes no more.
    """
    footers = [read_footer(source) for source in sources]
    contents = [
        column.content for footer in footers for column in footer.layout.columns
    ]
    layout = lay_out(
        contents, is_in_ns=any(footer.layout.is_in_ns for footer in footers)
    )
    units = {
        column.content.key: footer.units[column.name]
        for footer in footers
        for column in footer.layout.columns
        if column.name in footer.units
    }
    writer = _GroupWriter(
        sink, _schema(layout, labels=labels, units=units), compression=compression
    )
    try:
        for source, footer in zip(sources, footers, strict=True):
            source.seek(0)
            for batch in read_batches(source):
                writer.add(_rearrange(batch, footer.layout, layout, writer.schema))
        writer.finish()
    finally:
        writer.close()
    return writer.row_count


def _rearrange(batch: Any, old: Layout, new: Layout, schema: Any) -> Any:
    pa = load("pyarrow")
    places = {
        column.content: place for place, column in enumerate(old.columns, start=2)
    }
    with _writing():
        arrays = [batch.column(0).cast(_time_type(new)), batch.column(1)]
        for column in new.columns:
            field_type = schema.field(len(arrays)).type
            place = places.get(column.content)
            arrays.append(
                pa.nulls(len(batch), field_type)
                if place is None
                else batch.column(place)
            )
        return pa.record_batch(arrays, schema=schema)
