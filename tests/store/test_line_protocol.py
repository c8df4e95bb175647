"""The encoder against the official client's `Point` and against the real server."""

import itertools
import math
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from influxdb_client import Point as OfficialPoint
import pytest

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.store.line_protocol import (
    MAX_STRING_BYTES,
    MAX_TAG_LENGTH,
    clean_name,
    escape_string,
    format_field,
    format_point,
    format_series_key,
    split_lines,
    truncate_string,
)
from devlib.influxd import InfluxServer

# What breaks parsers: separators, quotes, backslashes, other scripts, emoji.
NASTY = r"""ab ,="'\/#°µ中🙂-_.:;{}()[]$%&*?!~^|<>@`0"""
names = st.text(alphabet=NASTY, min_size=1, max_size=20).map(clean_name).filter(bool)
# Line breaks are legal in a string field, and the only control characters there.
texts = st.text(alphabet=NASTY + "\n\t", max_size=60)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(texts, numbers, st.booleans())
# A tag or field of the name `time` means something else to the server.
keys = names.filter(lambda name: name.lower() != "time")


def official(point: Point) -> str:
    """Return the line that the official client makes of a point."""
    oracle = OfficialPoint(point.measurement)
    for key, value in point.tags.items():
        oracle.tag(key, value)
    for key, field in point.fields.items():
        oracle.field(key, field)
    return oracle.time(point.time_ns).to_line_protocol()


def normalized(line: str) -> str:
    """Iron out what two encoders may write differently for the same value."""
    return line.replace("=True", "=true").replace("=False", "=false")


plain_names = st.text(alphabet="ab ,=°中", min_size=1, max_size=12).filter(
    lambda name: name == name.strip() and name.lower() != "time"
)
plain_texts = st.text(alphabet='ab ,="\\°中', max_size=30)


# Examples share a database: to drop one takes longer than the rest of an example.
EXAMPLE_NUMBERS = itertools.count()


def as_written(value: Any) -> Any:
    """Undo JSON's habit of writing a whole float as an integer."""
    return float(value) if type(value) is int else value


@given(
    measurement=plain_names,
    tags=st.dictionaries(plain_names, plain_names, max_size=4),
    text=plain_texts,
    flag=st.booleans(),
    number=st.floats(
        min_value=-1e6, max_value=1e6, allow_nan=False, allow_infinity=False
    ).filter(lambda value: value != int(value)),
    time_ns=st.integers(min_value=0, max_value=2**62),
)
def test_same_as_official_client(
    measurement: str,
    tags: dict[str, str],
    text: str,
    flag: bool,
    number: float,
    time_ns: int,
) -> None:
    # The official client sorts the fields too.
    fields: dict[str, Any] = {"flag": flag, "number": number, "text": text}
    point = Point(measurement=measurement, tags=tags, fields=fields, time_ns=time_ns)
    assert format_point(point) == normalized(official(point))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    points=st.lists(
        st.tuples(
            st.dictionaries(keys, names, max_size=4),
            st.dictionaries(keys, values, min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_real_server_reads_back_what_was_written(
    influxdb: InfluxServer,
    points: list[tuple[dict[str, str], dict[str, Any]]],
) -> None:
    example = next(EXAMPLE_NUMBERS)
    made = [
        Point(
            # A measurement of its own each, since the field types differ.
            measurement=f"m{example}_{number}",
            tags={f"t{key}": value for key, value in tags.items()},
            fields={f"f{key}": value for key, value in fields.items()},
            time_ns=1_000 + number,
        )
        for number, (tags, fields) in enumerate(points)
    ]
    influxdb.write("\n".join(map(format_point, made)), "test")
    for point in made:
        answer = influxdb.query(f'SELECT * FROM "{point.measurement}"', "test")
        [series] = answer["results"][0]["series"]
        [row] = series["values"]
        stored = {
            key: as_written(value)
            for key, value in zip(series["columns"], row, strict=True)
            if value is not None
        }
        assert stored == {"time": point.time_ns, **point.tags, **point.fields}


@given(st.lists(st.tuples(names, texts), min_size=1, max_size=20))
def test_split_lines_minds_quotes_and_line_breaks(rows: list[tuple[str, str]]) -> None:
    lines = [
        format_point(
            Point(
                measurement="m",
                tags={"device": name},
                fields={"a": text, "b": f'"{text}'},
                time_ns=1,
            )
        ).encode()
        for name, text in rows
    ]
    assert list(split_lines(b"\n".join(lines))) == lines


def test_split_lines_of_a_cut_body() -> None:
    assert list(split_lines(b'm a="open\nend')) == [b'm a="open\nend']
    assert list(split_lines(b"")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Living room", "Living room"),
        ("a\\", "a/"),
        ("a\\\\", "a//"),
        ("a\\,b", "a/,b"),
        ("a\\ b", "a/ b"),
        ("a\\=b", "a/=b"),
        ("C:\\temp", "C:\\temp"),
        ("two\nlines\r\n", "two lines"),
        ("\x00nul\x7f", "nul"),
        (" \t ", ""),
        ("x" * 2_000, "x" * MAX_TAG_LENGTH),
    ],
)
def test_clean_name(text: str, expected: str) -> None:
    assert clean_name(text) == expected


def test_key_leaves_out_empty_tags_and_sorts() -> None:
    tags = {"unit": "°C", "area": "", "device": "\n", "": "x", "domain": "a b"}
    assert format_series_key("m", tags) == "m,domain=a\\ b,unit=°C"


def test_a_measurement_is_never_a_comment(influxdb: InfluxServer) -> None:
    point = Point(measurement="#m", tags={}, fields={"a": 1.0}, time_ns=1)
    assert format_point(point) == "_m a=1.0 1"
    # The trap: the server takes a comment and says that all is well.
    influxdb.write("#m a=1 1", "test")
    assert influxdb.rows("SHOW MEASUREMENTS", "test") == []
    influxdb.write(format_point(point), "test")
    assert influxdb.rows("SHOW MEASUREMENTS", "test") == [["_m"]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_left_out(value: float) -> None:
    assert format_field("a", value) is None
    point = Point(measurement="m", tags={}, fields={"a": value, "b": 1}, time_ns=1)
    assert format_point(point) == "m b=1.0 1"
    with pytest.raises(ValueError, match="No field"):
        format_point(Point(measurement="m", tags={}, fields={"a": value}, time_ns=1))


def test_integers_are_written_as_floats() -> None:
    assert format_field("a", 3) == "a=3.0"
    assert format_field("a", 10**300) == f"a={float(10**300)!r}"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a" * MAX_STRING_BYTES, MAX_STRING_BYTES),
        ("a" * (MAX_STRING_BYTES + 1), MAX_STRING_BYTES),
        ("é" * MAX_STRING_BYTES, MAX_STRING_BYTES),
        ("€" * MAX_STRING_BYTES, MAX_STRING_BYTES),
        ("🙂" * 10_000, 40_000),
    ],
)
def test_truncation_is_inside_no_character(text: str, size: int) -> None:
    cut = truncate_string(text)
    assert len(cut.encode()) <= size
    assert len(cut.encode()) > size - 4
    assert text.startswith(cut)


def test_longest_string_is_stored(influxdb: InfluxServer) -> None:
    text = "€" * MAX_STRING_BYTES
    point = Point(measurement="m", tags={}, fields={"a": text}, time_ns=1)
    influxdb.write(format_point(point), "test")
    assert influxdb.rows("SELECT a FROM m", "test") == [[1, truncate_string(text)]]


def test_escape_string() -> None:
    assert escape_string('say "hi" \\ bye') == 'say \\"hi\\" \\\\ bye'
