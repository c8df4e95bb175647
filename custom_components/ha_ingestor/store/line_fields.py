r"""Reading lines of line protocol back, and changing their fields.

For dead letters only: no line on its way to a server is ever taken apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
import math
import re
from typing import Final

from ..models import FieldValue
from .line_protocol import clean_name, escape_key, format_field

_KEY: Final = re.compile(rb"(?:\\.|[^\\ ])+(?= )", re.DOTALL)
_TAG: Final = re.compile(rb",((?:\\.|[^\\,=])+)=((?:\\.|[^\\,])+)", re.DOTALL)
_MEASUREMENT: Final = re.compile(rb"(?:\\.|[^\\,])+", re.DOTALL)
_FIELD: Final = re.compile(
    rb'((?:\\.|[^\\,= ])+)=("(?:\\.|[^"\\])*"|[^",= ]+)(,|(?= )|$)', re.DOTALL
)
_TIME: Final = re.compile(rb"(?: (-?\d+))?\s*$")
_ESCAPED_IN_KEY: Final = re.compile(rb"\\([,= ])")
_ESCAPED_IN_STRING: Final = re.compile(rb'\\(["\\])')
_TRUE: Final = frozenset({b"t", b"T", b"true", b"True", b"TRUE"})
_FALSE: Final = frozenset({b"f", b"F", b"false", b"False", b"FALSE"})
_ENTITY_ID: Final = "entity_id"


class Cast(StrEnum):
    """What a field of a dead letter is to become."""

    TEXT = "text"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEdit:
    """A change of one field.

    Attributes:
        field: Name of the field.
        measurement: Only in this one; None for all.
        cast: None leaves the value as it is.
        rename: None leaves the name as it is.
    """

    field: str
    measurement: str | None = None
    cast: Cast | None = None
    rename: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, taken apart.

    Attributes:
        key: Measurement and tags as they stand in the line.
        fields: Name, and value as it stands in the line, in their order.
        time: As it stands in the line; None if there is none.
    """

    key: bytes
    fields: tuple[tuple[str, bytes], ...]
    time: bytes | None

    @property
    def measurement(self) -> str:
        """Name without escapes."""
        return _measurement_of(self.key)


def _unescape_key(text: bytes) -> str:
    return _ESCAPED_IN_KEY.sub(rb"\1", text).decode("utf-8", "replace")


def _unescape_string(value: bytes) -> str:
    return _ESCAPED_IN_STRING.sub(rb"\1", value[1:-1]).decode("utf-8", "replace")


def parse_line(line: bytes) -> Line | None:
    """Take a line apart; None if it is not one."""
    if (key := _KEY.match(line)) is None:
        return None
    fields: list[tuple[str, bytes]] = []
    position = key.end() + 1
    while True:
        if (field := _FIELD.match(line, position)) is None:
            return None
        fields.append((_unescape_key(field[1]), field[2]))
        position = field.end()
        if not field[3]:
            break
    if (time := _TIME.match(line, position)) is None:
        return None
    return Line(key=key[0], fields=tuple(fields), time=time[1])


def read_measurement(line: bytes) -> str | None:
    """Return the measurement that a line begins with."""
    return None if (key := _KEY.match(line)) is None else _measurement_of(key[0])


def _measurement_of(key: bytes) -> str:
    name = _MEASUREMENT.match(key)
    return "" if name is None else _unescape_key(name[0])


def read_entity_id(line: bytes) -> str | None:
    """Return which entity a line is about: by its tag, else by its field."""
    if (key := _KEY.match(line)) is None:
        return None
    for name, value in _TAG.findall(key[0]):
        if name == _ENTITY_ID.encode():
            return _unescape_key(value)
    if b"entity_id=" not in line or (parsed := parse_line(line)) is None:
        return None
    value = dict(parsed.fields).get(_ENTITY_ID, b"")
    return _unescape_string(value) if value.startswith(b'"') else None


def edit_line(line: bytes, edits: Sequence[FieldEdit]) -> bytes | None:
    """Change the fields of a line.

    Returns:
        None if that cannot be done: the line cannot be read, a value cannot be
        cast, two fields would have one name, or no field would be left.
    """
    if not edits:
        return line
    if (parsed := parse_line(line)) is None:
        return None
    measurement = parsed.measurement
    parts: dict[str, bytes] = {}
    for name, value in parsed.fields:
        edit = next(
            (
                edit
                for edit in edits
                if edit.field == name and edit.measurement in (None, measurement)
            ),
            None,
        )
        if edit is not None and edit.cast is Cast.DROP:
            continue
        new_name = clean_name((edit.rename if edit else None) or name)
        new_value = _cast(value, edit.cast) if edit and edit.cast else value
        if not new_name or new_name in parts or new_value is None:
            return None
        parts[new_name] = new_value
    if not parts:
        return None
    fields = b",".join(
        b"%s=%s" % (escape_key(name).encode(), value) for name, value in parts.items()
    )
    pieces = [parsed.key, fields]
    if parsed.time is not None:
        pieces.append(parsed.time)
    return b" ".join(pieces)


def _cast(value: bytes, cast: Cast) -> bytes | None:
    """Return a value as line protocol has it in another type; None if it has none."""
    held = _read_value(value)
    new: FieldValue | None
    match cast:
        case Cast.TEXT:
            new = held if isinstance(held, str) else value.decode().rstrip("iu")
            if isinstance(held, bool):
                new = str(held).lower()
        case Cast.FLOAT:
            new = _to_float(held)
        case _:
            new = _to_boolean(held)
    if new is None or (text := format_field("x", new)) is None:
        return None
    return text.removeprefix("x=").encode()


def _read_value(value: bytes) -> FieldValue | None:
    """Return a value in its own type; None if it has none that we know."""
    if value.startswith(b'"'):
        return _unescape_string(value)
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    return _to_float(value.decode("utf-8", "replace").rstrip("iu"))


def _to_float(value: FieldValue | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _to_boolean(value: FieldValue | None) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None if value is None or value not in (0, 1) else bool(value)
