"""Points from Parquet files of ours, and what such a file says about itself.

Blocking, for threads; memory holds a small batch of rows at a time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import json
from typing import IO, Any, Final

from ..errors import ArchiveFormatError, ArchiveNewerError
from ..models import FieldValue, Point
from .layout import MEASUREMENT, TIME, Column, Content, Kind, Layout, Role
from .packages import load

# Raised when a reader of the former would misread the latter.
FORMAT: Final = 1

# Points that are turned into columns, and back, at a time.
BATCH_ROW_COUNT: Final = 2_048

# The last eight bytes: length of the footer, and these.
FOOTER_END_BYTES: Final = 8
_MAGIC: Final = b"PAR1"

LABEL_PREFIX: Final = "ha_ingestor."
LABEL_FORMAT: Final = "format"
LABEL_UNITS: Final = "units"
META_ROLE: Final = b"role"
META_KEY: Final = b"key"
META_KIND: Final = b"kind"
_ENTITY_ID: Final = "entity_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What a file says about itself.

    Attributes:
        labels: What the writer was given, and `format`.
        units: Column to its unit.
    """

    row_count: int
    group_count: int
    layout: Layout
    labels: Mapping[str, str]
    units: Mapping[str, str]


@contextmanager
def _reading() -> Iterator[None]:
    """Map what pyarrow raises for bytes that are not what it expects."""
    try:
        yield
    # It says OSError, too, where a file is damaged.
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        load("pyarrow").ArrowException,
    ) as err:
        raise ArchiveFormatError("This is no Parquet file of ours") from err


def footer_bytes(end: bytes) -> int:
    """Return the length of the whole footer, given a file's last eight bytes.

    Raises:
        ArchiveFormatError: They are not the end of a Parquet file.
    """
    if len(end) < FOOTER_END_BYTES or end[-4:] != _MAGIC:
        raise ArchiveFormatError("This is no Parquet file of ours")
    return int.from_bytes(end[-8:-4], "little") + FOOTER_END_BYTES


def parse_footer(footer: bytes) -> Footer:
    """Read a footer, given a file's last bytes as `footer_bytes` counts them.

    Raises:
        ArchiveFormatError: It is none of ours.
    """
    if footer_bytes(footer[-FOOTER_END_BYTES:]) > len(footer):
        raise ArchiveFormatError("The footer is not whole")
    with _reading():
        # The reader looks at the beginning and the end of a file only.
        source = load("pyarrow").BufferReader(_MAGIC + footer)
        metadata = load("pyarrow.parquet").read_metadata(source)
        return _read_footer(metadata)


def read_footer(source: IO[bytes]) -> Footer:
    """Read the footer of a file.

    Raises:
        ArchiveFormatError: It is none of ours.
    """
    with _reading():
        return _read_footer(load("pyarrow.parquet").read_metadata(source))


def _read_footer(metadata: Any) -> Footer:
    schema = metadata.schema.to_arrow_schema()
    labels = {
        key.decode().removeprefix(LABEL_PREFIX): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.decode().startswith(LABEL_PREFIX)
    }
    if int(labels[LABEL_FORMAT]) > FORMAT:
        raise ArchiveNewerError("A newer version has made this file")
    if schema.names[:2] != [TIME, MEASUREMENT]:
        raise ArchiveFormatError("This is no Parquet file of ours")
    return Footer(
        row_count=metadata.num_rows,
        group_count=metadata.num_row_groups,
        layout=Layout(
            columns=tuple(
                Column(name=field.name, content=_content_of(field.metadata))
                for field in list(schema)[2:]
            ),
            is_in_ns=schema.field(0).type.unit == "ns",
        ),
        units=json.loads(labels.pop(LABEL_UNITS)),
        labels=labels,
    )


def _content_of(metadata: Mapping[bytes, bytes] | None) -> Content:
    found = metadata or {}
    return Content(
        role=Role(found[META_ROLE].decode()),
        key=found[META_KEY].decode(),
        kind=Kind(found[META_KIND].decode()),
    )


def read_points(
    source: IO[bytes],
    *,
    entity_ids: Collection[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Iterator[Point]:
    """Read points in the order they were written.

    Args:
        entity_ids: Only these; None for all, also those without an entity.
        start_ns: First instant, inclusive; None for no bound.
        end_ns: Last instant, exclusive; None for no bound.

    Raises:
        ArchiveFormatError: It is no file of ours, or it is damaged.
    """
    with _reading():
        file = load("pyarrow.parquet").ParquetFile(
            source, page_checksum_verification=True
        )
        layout = _read_footer(file.metadata).layout
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if _may_hold(file.metadata.row_group(group), layout, start_ns, end_ns)
        ]
        batches = file.iter_batches(
            BATCH_ROW_COUNT, row_groups=groups, use_threads=False
        )
    wanted = None if entity_ids is None else frozenset(entity_ids)
    while True:
        with _reading():
            if (batch := next(batches, None)) is None:
                return
            points = _to_points(batch, layout)
        for point in points:
            if (
                (start_ns is None or point.time_ns >= start_ns)
                and (end_ns is None or point.time_ns < end_ns)
                and (wanted is None or point.tags.get(_ENTITY_ID) in wanted)
            ):
                yield point


def _may_hold(
    group: Any, layout: Layout, start_ns: int | None, end_ns: int | None
) -> bool:
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    scale = 1 if layout.is_in_ns else 1_000
    return (start_ns is None or statistics.max_raw * scale >= start_ns) and (
        end_ns is None or statistics.min_raw * scale < end_ns
    )


def _to_points(batch: Any, layout: Layout) -> list[Point]:
    scale = 1 if layout.is_in_ns else 1_000
    tags: list[dict[str, str]] = [{} for _ in range(len(batch))]
    fields: list[dict[str, FieldValue]] = [{} for _ in range(len(batch))]
    rows: Sequence[dict[str, Any]]
    for place, column in enumerate(layout.columns, start=2):
        array = batch.column(place)
        if array.null_count == len(array):
            continue
        rows = tags if column.content.role is Role.TAG else fields
        _fill(rows, column.content.key, _values(array))
    int64 = load("pyarrow").int64()
    return [
        Point(measurement=name, tags=tag, fields=field, time_ns=time * scale)
        for time, name, tag, field in zip(
            batch.column(0).cast(int64).to_pylist(),
            _values(batch.column(1)),
            tags,
            fields,
            strict=True,
        )
    ]


def _fill[V](
    rows: Sequence[dict[str, V]], key: str, values: Iterable[V | None]
) -> None:
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            row[key] = value


def _values(array: Any) -> list[Any]:
    if not hasattr(array, "indices"):
        values: list[Any] = array.to_pylist()
        return values
    # Far cheaper than asking for each value of an array with a dictionary.
    texts = array.dictionary.to_pylist()
    return [
        None if index is None else texts[index] for index in array.indices.to_pylist()
    ]


def read_batches(source: IO[bytes]) -> Iterator[Any]:
    """Read a file as it is, batch by batch.

    Raises:
        ArchiveFormatError: It is no Parquet file, or it is damaged.
    """
    with _reading():
        file = load("pyarrow.parquet").ParquetFile(
            source, page_checksum_verification=True
        )
        batches = file.iter_batches(BATCH_ROW_COUNT, use_threads=False)
    while True:
        with _reading():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch
