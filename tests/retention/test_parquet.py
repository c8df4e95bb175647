"""Points as Parquet and back, to the bit, and as others read it."""

from datetime import UTC, datetime
from io import BytesIO
import json
import math
from pathlib import Path
import struct
import subprocess
import sys
import tracemalloc

from hypothesis import HealthCheck, given, settings, strategies as st
import pandas as pd
import pyarrow.parquet as pq
import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveDiskError,
    ArchiveFormatError,
    ArchiveLibraryError,
    ArchiveNewerError,
)
from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention import (
    packages,
    parquet as parquet_module,
    parquet_read,
)
from custom_components.ha_ingestor.retention.digest import combine, digest_of
from custom_components.ha_ingestor.retention.layout import LayoutBuilder
from custom_components.ha_ingestor.retention.parquet import (
    Compression,
    concatenate,
    write_points,
)
from custom_components.ha_ingestor.retention.parquet_read import (
    footer_bytes,
    parse_footer,
    read_footer,
    read_points,
)
from tests.retention.archive_kit import DAY_START_NS, day_points, encode, point

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[FieldValue] = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.booleans(), TEXTS
)
POINTS = st.builds(
    Point,
    measurement=KEYS,
    tags=st.dictionaries(KEYS, TEXTS.filter(bool), max_size=3),
    fields=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    time_ns=st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**62) // 1_000, 2**62 // 1_000).map(lambda us: us * 1_000),
    ),
)
SLOWLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def bits(points: list[Point]) -> list[object]:
    """Return what tells points apart, floats by their bits and types by name."""
    return [
        (
            each.measurement,
            sorted(each.tags.items()),
            sorted(
                (key, type(value).__name__, _bits_of(value))
                for key, value in each.fields.items()
            ),
            each.time_ns,
        )
        for each in points
    ]


def _bits_of(value: FieldValue) -> object:
    return struct.pack("<d", value) if isinstance(value, float) else value


def decode(data: bytes) -> list[Point]:
    return list(read_points(BytesIO(data)))


# ---------------------------------------------------------------------- round trips
@SLOWLY
@given(st.lists(POINTS, max_size=12), st.sampled_from(Compression))
def test_points_come_back_to_the_bit(
    points: list[Point], compression: Compression
) -> None:
    back = decode(encode(points, compression=compression))

    assert bits(back) == bits(points)
    assert digest_of(back) == digest_of(points)


@pytest.mark.parametrize(
    "value",
    [
        0.1 + 0.2,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        math.nan,
        struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0],
    ],
)
def test_a_float_keeps_its_bits(value: float) -> None:
    assert bits(decode(encode([point(x=value)]))) == bits([point(x=value)])


@SLOWLY
@given(st.lists(st.lists(POINTS, max_size=5), max_size=4))
def test_files_are_put_together_to_the_bit(days: list[list[Point]]) -> None:
    sink = BytesIO()

    count = concatenate(
        [BytesIO(encode(day)) for day in days], sink, labels={"tier": "daily"}
    )

    everything = [each for day in days for each in day]
    assert count == len(everything)
    assert bits(decode(sink.getvalue())) == bits(everything)
    assert combine(digest_of(day) for day in days) == digest_of(everything)


def test_units_survive_a_roll_up() -> None:
    days = [
        encode([point(a=1.0)], units={"a": "W"}),
        encode([point(b=1.0)], units={"b": "kWh"}),
    ]
    sink = BytesIO()

    concatenate([BytesIO(day) for day in days], sink, labels={})

    assert read_footer(sink).units == {"a": "W", "b": "kWh"}


def test_many_small_days_become_one_group_of_rows() -> None:
    sink = BytesIO()

    concatenate([BytesIO(encode(day_points(10)))] * 30, sink, labels={})

    footer = read_footer(sink)
    assert (footer.row_count, footer.group_count) == (300, 1)


def test_files_are_compressed_as_chosen() -> None:
    points = day_points(5_000)

    chunks = [
        pq.ParquetFile(BytesIO(encode(points, compression=compression)))
        .metadata.row_group(0)
        .column(0)
        .compression
        for compression in Compression
    ]

    assert chunks == ["GZIP", "ZSTD"]


# -------------------------------------------------------------------------- reading
def test_rows_are_chosen_by_time_and_entity() -> None:
    points = [
        point(DAY_START_NS + hour * 3_600 * 10**9, entity_id=f"sensor.s{hour % 2}")
        for hour in range(10)
    ]

    found = read_points(
        BytesIO(encode(points)),
        entity_ids=["sensor.s1", "sensor.none"],
        start_ns=points[2].time_ns,
        end_ns=points[7].time_ns,
    )

    assert list(found) == [points[3], points[5]]


def test_groups_outside_the_time_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "_GROUP_ROW_COUNT", 1_024)
    monkeypatch.setattr(parquet_module, "BATCH_ROW_COUNT", 1_024)
    points = day_points(4_096)
    data = bytearray(encode(points))
    metadata = pq.ParquetFile(BytesIO(data)).metadata
    # Whoever reads the first group finds it damaged.
    first = metadata.row_group(0).column(2)
    start = first.dictionary_page_offset or first.data_page_offset
    data[start : start + first.total_compressed_size] = bytes(
        first.total_compressed_size
    )

    found = list(read_points(BytesIO(data), start_ns=points[3_000].time_ns))

    assert metadata.num_row_groups == 4
    assert found == points[3_000:]
    with pytest.raises(ArchiveFormatError):
        decode(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-1], id="last-byte-cut"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
        pytest.param(
            lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1", id="length-of-footer"
        ),
    ],
)
def test_a_damaged_file_is_said_to_be_one(damage: object) -> None:
    assert callable(damage)
    data = damage(encode(day_points()))

    with pytest.raises(ArchiveFormatError):
        decode(data)
    with pytest.raises(ArchiveFormatError):
        read_footer(BytesIO(data))


def test_a_turned_bit_is_found_by_the_checksum_of_its_page() -> None:
    data = bytearray(encode([point(x=float(number)) for number in range(3_000)]))
    column = pq.ParquetFile(BytesIO(data)).metadata.row_group(0).column(3)
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1

    with pytest.raises(ArchiveFormatError):
        decode(bytes(data))


def test_the_end_of_a_file_is_enough_for_its_footer() -> None:
    data = encode(day_points(), labels={"tier": "daily"}, units={"avg_value": "W"})

    length = footer_bytes(data[-8:])
    footer = parse_footer(data[-length:])

    assert footer.row_count == 20
    assert footer.labels == {"tier": "daily", "format": "1"}
    assert footer.units == {"avg_value": "W"}
    with pytest.raises(ArchiveFormatError, match="not whole"):
        parse_footer(data[-length + 1 :])


def test_a_foreign_parquet_file_is_none_of_ours() -> None:
    sink = BytesIO()
    pd.DataFrame({"time": [1], "value": [2.0]}).to_parquet(sink)

    with pytest.raises(ArchiveFormatError):
        decode(sink.getvalue())


def test_a_file_of_a_newer_version_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet_module, "FORMAT", 2)

    with pytest.raises(ArchiveNewerError):
        decode(encode(day_points()))


# -------------------------------------------------------------------------- writing
@pytest.mark.parametrize(
    "intruder",
    [
        pytest.param(point(other=1.0), id="field"),
        pytest.param(point(avg_value="text"), id="type"),
        pytest.param(point(tags={"area": "Hall"}), id="tag"),
        pytest.param(point(DAY_START_NS + 1), id="nanosecond"),
    ],
)
def test_points_that_were_not_surveyed_are_refused(intruder: Point) -> None:
    builder = LayoutBuilder()
    builder.add(point())

    with pytest.raises(ArchiveFormatError, match="changed"):
        write_points(
            [point(), intruder], BytesIO(), layout=builder.build(), labels={}, units={}
        )


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ArchiveFormatError):
        encode([point(x="\ud800")])


class FullDisk(BytesIO):
    """Takes some bytes and then no more."""

    def write(self, data: object) -> int:
        if self.tell() > 2_000:
            raise OSError(28, "No space left on device")
        return super().write(bytes(data))  # type: ignore[call-overload]


def test_a_full_disk_is_said_to_be_one() -> None:
    points = day_points(3_000)
    builder = LayoutBuilder()
    for each in points:
        builder.add(each)

    with pytest.raises(ArchiveDiskError):
        write_points(points, FullDisk(), layout=builder.build(), labels={}, units={})


def test_memory_does_not_grow_with_the_day() -> None:
    def points(count: int) -> list[int]:
        builder = LayoutBuilder()
        builder.add(point(x=1.0, y="a"))
        tracemalloc.start()
        tracemalloc.reset_peak()
        write_points(
            (point(number * 1_000, x=float(number), y="a") for number in range(count)),
            BytesIO(),
            layout=builder.build(),
            labels={},
            units={},
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return [peak]

    # What is written, in memory here, is a few bytes of each point.
    assert points(40_000)[0] < points(4_000)[0] + 2_000_000


# -------------------------------------------------------------------- other readers
@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data_2025-03-30.parquet"
    points = [
        point(DAY_START_NS, tags={"unit": "W"}, avg_value=1.5, top_state="on"),
        point(DAY_START_NS + 1_000, avg_value=2.5, ends_unknown=True),
    ]
    path.write_bytes(encode(points, units={"avg_value": "W"}))
    return path


def test_pandas_reads_it_as_it_is(file: Path) -> None:
    frame = pd.read_parquet(file)

    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "time": "datetime64[us, UTC]",
        "measurement": "category",
        "entity_id": "category",
        "unit": "category",
        "avg_value": "float64",
        "ends_unknown": "object",
        "top_state": "object",
    }
    assert frame["time"][0] == pd.Timestamp("2025-03-29 23:00:00+00:00")
    assert frame["avg_value"].sum() == 4.0
    assert frame["unit"].isna().tolist() == [False, True]


# A process of its own: at the end of one, DuckDB reports leaks of its bindings.
DUCKDB_PROGRAM = """
import duckdb, json, sys
with duckdb.connect() as connection:
    columns = connection.execute(
        f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{sys.argv[1]}')"
    ).fetchall()
    rows = connection.execute(
        "SELECT epoch_us(time), unit, ends_unknown, avg_value "
        f"FROM '{sys.argv[1]}' WHERE avg_value > 2"
    ).fetchall()
print(json.dumps([columns, rows]))
"""


def test_duckdb_reads_it_as_it_is(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DUCKDB_PROGRAM, str(file)],
        capture_output=True,
        check=True,
    )
    columns, rows = json.loads(done.stdout)

    assert columns == [
        ["time", "TIMESTAMP WITH TIME ZONE"],
        ["measurement", "VARCHAR"],
        ["entity_id", "VARCHAR"],
        ["unit", "VARCHAR"],
        ["avg_value", "DOUBLE"],
        ["ends_unknown", "BOOLEAN"],
        ["top_state", "VARCHAR"],
    ]
    assert rows == [[DAY_START_NS // 1_000 + 1, None, True, 2.5]]


MICROSECONDS = (
    "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, "
    "is_from_converted_type=false, force_set_converted_type=false)"
)


def test_what_athena_reads_is_in_the_file_itself(file: Path) -> None:
    """Its types are those of the Parquet schema, without pyarrow's own."""
    schema = pq.ParquetFile(file).metadata.schema

    assert {
        schema.column(number).name: (
            schema.column(number).physical_type,
            str(schema.column(number).logical_type),
        )
        for number in range(5)
    } == {
        "time": (
            "INT64",
            MICROSECONDS,
        ),
        "measurement": ("BYTE_ARRAY", "String"),
        "entity_id": ("BYTE_ARRAY", "String"),
        "unit": ("BYTE_ARRAY", "String"),
        "avg_value": ("DOUBLE", "None"),
    }


def test_units_and_tier_are_in_the_metadata(file: Path) -> None:
    schema = pq.read_schema(file)

    assert schema.metadata[b"ha_ingestor.tier"] == b"daily"
    assert schema.metadata[b"ha_ingestor.units"] == b'{"avg_value": "W"}'
    assert schema.field("avg_value").metadata[b"unit"] == b"W"


def test_times_are_instants(file: Path) -> None:
    first = pq.read_table(file).column("time")[0].as_py()

    assert first == datetime(2025, 3, 29, 23, tzinfo=UTC)


# ------------------------------------------------------------------------- packages
def test_nothing_large_is_loaded_before_it_is_needed() -> None:
    # Home Assistant's own cloud component has loaded boto3 by then.
    program = """
import sys
import custom_components.ha_ingestor
large = ("boto3", "botocore", "pyarrow")
for name in [n for n in sys.modules if n.partition(".")[0] in large]:
    del sys.modules[name]
import custom_components.ha_ingestor.retention.archive_read
import custom_components.ha_ingestor.retention.lifecycle
import custom_components.ha_ingestor.retention.monthly
import custom_components.ha_ingestor.retention.s3
print([n for n in large if n in sys.modules])
"""
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )

    assert loaded.stdout.strip() == "[]"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ArchiveLibraryError, match="pyarrow"):
        encode(day_points())
    with pytest.raises(ArchiveLibraryError, match="pyarrow"):
        parquet_read.parse_footer(b"\0\0\0\0PAR1")


def test_requirements_are_ranges_that_fit_what_is_tested() -> None:
    assert packages.REQUIREMENTS == ("boto3>=1.42.97,<2", "pyarrow>=23,<27")
