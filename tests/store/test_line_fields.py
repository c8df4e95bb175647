"""Lines are read back as they were written, and changed as they were told to be."""

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.store.line_fields import (
    Cast,
    FieldEdit,
    edit_line,
    parse_line,
    read_entity_id,
    read_measurement,
)
from custom_components.ha_ingestor.store.line_protocol import clean_name, format_point

LINE = b'm,entity_id=sensor.a,unit=\xc2\xb0C state="on",value=21.5,flag=true 17'

names = st.text(min_size=1).filter(lambda text: clean_name(text) == text)
values = st.one_of(
    st.text(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)


@given(
    measurement=names.filter(lambda text: not text.startswith("#")),
    tags=st.dictionaries(names, names, max_size=3),
    fields=st.dictionaries(names, values, min_size=1, max_size=4),
    time_ns=st.integers(min_value=-(2**62), max_value=2**62),
)
def test_every_line_that_is_written_can_be_read(
    measurement: str,
    tags: dict[str, str],
    fields: dict[str, str | float | bool],
    time_ns: int,
) -> None:
    point = Point(measurement=measurement, tags=tags, fields=fields, time_ns=time_ns)
    line = format_point(point).encode("utf-8", "replace")
    parsed = parse_line(line)
    assert parsed is not None
    assert [name for name, _ in parsed.fields] == list(fields)
    assert parsed.time == str(time_ns).encode()
    assert parsed.measurement == read_measurement(line) == measurement
    assert read_entity_id(line) == tags.get("entity_id", read_entity_id(line))
    # A change of nothing changes nothing.
    assert edit_line(line, [FieldEdit(field="\0", cast=Cast.DROP)]) == line


@pytest.mark.parametrize(
    ("line", "entity_id"),
    [
        (LINE, "sensor.a"),
        (rb"m,entity_id=a\ b v=1 1", "a b"),
        (b'm,domain=automation entity_id="automation.x",v=1 1', "automation.x"),
        (b"m entity_id=1 1", None),
        (b"m v=1 1", None),
        (b'm entity_id="broken 1', None),
        (b"StateRecord(x)", None),
    ],
)
def test_entity_of_a_line(line: bytes, entity_id: str | None) -> None:
    assert read_entity_id(line) == entity_id


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"m",
        b"m ",
        b"m v",
        b"m v=",
        b"m v= 1",
        b'm v="open 1',
        b"m v=1 x",
        b"m v=1,",
    ],
)
def test_what_is_no_line(line: bytes) -> None:
    assert parse_line(line) is None
    assert edit_line(line, [FieldEdit(field="v", cast=Cast.TEXT)]) is None
    # Without a mapping it is not looked at.
    assert edit_line(line, []) == line


def test_measurement_of_nothing() -> None:
    assert read_measurement(b"x") is None
    assert read_measurement(b",a=b v=1 1") == ""


@pytest.mark.parametrize(
    ("value", "cast", "expected"),
    [
        (b"21.5", Cast.TEXT, b'"21.5"'),
        (b"4i", Cast.TEXT, b'"4"'),
        (b"true", Cast.TEXT, b'"true"'),
        (b"F", Cast.TEXT, b'"false"'),
        (rb'"a \"b\" \\c"', Cast.TEXT, rb'"a \"b\" \\c"'),
        (b"nonsense", Cast.TEXT, b'"nonsense"'),
        (b'"21.5"', Cast.FLOAT, b"21.5"),
        (b"4i", Cast.FLOAT, b"4.0"),
        (b"5u", Cast.FLOAT, b"5.0"),
        (b"true", Cast.FLOAT, b"1.0"),
        (b'"on"', Cast.FLOAT, None),
        (b'"inf"', Cast.FLOAT, None),
        (b"nonsense", Cast.FLOAT, None),
        (b"1.0", Cast.BOOLEAN, b"true"),
        (b'"False"', Cast.BOOLEAN, b"false"),
        (b"t", Cast.BOOLEAN, b"true"),
        (b"2", Cast.BOOLEAN, None),
        (b'"maybe"', Cast.BOOLEAN, None),
        (b"nonsense", Cast.BOOLEAN, None),
    ],
)
def test_casts(value: bytes, cast: Cast, expected: bytes | None) -> None:
    line = edit_line(b"m v=" + value + b" 1", [FieldEdit(field="v", cast=cast)])
    assert line == (None if expected is None else b"m v=" + expected + b" 1")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            FieldEdit(field="value", rename="value text"),
            LINE.replace(b"value=", rb"value\ text="),
            id="rename",
        ),
        pytest.param(
            FieldEdit(field="value", cast=Cast.TEXT, rename="value_text"),
            LINE.replace(b"value=21.5", b'value_text="21.5"'),
            id="cast-and-rename",
        ),
        pytest.param(
            FieldEdit(field="value", cast=Cast.DROP),
            LINE.replace(b",value=21.5", b""),
            id="drop",
        ),
        pytest.param(
            FieldEdit(field="value", cast=Cast.DROP, measurement="m"),
            LINE.replace(b",value=21.5", b""),
            id="this-measurement",
        ),
        pytest.param(
            FieldEdit(field="value", cast=Cast.DROP, measurement="n"),
            LINE,
            id="another-measurement",
        ),
        pytest.param(FieldEdit(field="none", cast=Cast.DROP), LINE, id="no-such-field"),
        pytest.param(FieldEdit(field="value", rename="flag"), None, id="name-is-taken"),
        pytest.param(FieldEdit(field="value", rename=" "), None, id="no-name"),
    ],
)
def test_edits(edit: FieldEdit, expected: bytes | None) -> None:
    assert edit_line(LINE, [edit]) == expected


def test_a_line_needs_a_field() -> None:
    assert edit_line(b"m v=1 1", [FieldEdit(field="v", cast=Cast.DROP)]) is None


def test_a_line_without_a_time_stays_without() -> None:
    assert edit_line(b"m v=1", [FieldEdit(field="v", rename="w")]) == b"m w=1"
