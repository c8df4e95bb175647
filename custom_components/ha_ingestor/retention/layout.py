"""Which columns a file of points has.

One file holds all measurements of a day. A tag or a field is a column under its own
name, as far as readers allow: Athena knows small letters, digits and `_` only, and
like DuckDB does not tell `A` from `a`. What a column really is stands in its
metadata, so that points come back as they were.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Final

from ..errors import ArchiveFormatError
from ..models import FieldValue, Point

TIME: Final = "time"
MEASUREMENT: Final = "measurement"

# A home with every attribute of hundreds of devices has some five hundred. Each
# column costs some hundred bytes of every group of rows, even if it is empty.
MAX_COLUMN_COUNT: Final = 5_000

# Tags of events keep their plain names in every file, also on a day on which only a
# field is called so: `unit` is a tag of events and a field of air quality.
_TAG_NAMES: Final = frozenset(
    {
        "area",
        "device",
        "device_class",
        "domain",
        "entity_id",
        "floor",
        "integration",
        "state_class",
        "unit",
    }
)
_FOREIGN: Final = re.compile(r"[^a-z0-9_]+")
# Athena allows 255.
_MAX_NAME_LENGTH: Final = 120
_NS_PER_US: Final = 1_000


class Role(StrEnum):
    """What a column holds of a point."""

    TAG = "tag"
    FIELD = "field"


class Kind(StrEnum):
    """Type of a column's values. In order of who gets the plain name."""

    NUMBER = "number"
    FLAG = "flag"
    TEXT = "text"


_KINDS: Final[dict[type, Kind]] = {
    float: Kind.NUMBER,
    bool: Kind.FLAG,
    str: Kind.TEXT,
}
_KIND_ORDER: Final = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a column holds: a tag, or the values of one type of a field."""

    role: Role
    key: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column beside time and measurement."""

    name: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a file.

    Attributes:
        columns: Tags, then fields, each in the order of their keys.
        is_in_ns: Times need nanoseconds. All of ours are whole microseconds, which
            more programs can read.
    """

    columns: tuple[Column, ...]
    is_in_ns: bool = False


def kind_of(value: FieldValue) -> Kind:
    """Return the type of a field's value.

    Raises:
        ArchiveFormatError: It is no value of a field.
    """
    try:
        return _KINDS[type(value)]
    except KeyError:
        raise ArchiveFormatError(
            f"A field cannot hold {type(value).__name__}"
        ) from None


class LayoutBuilder:
    """Finds the columns that points need; for one thread."""

    def __init__(self) -> None:
        """Begin with no column."""
        self._tags: set[str] = set()
        self._fields: set[tuple[str, type]] = set()
        self._is_in_ns = False

    def add(self, point: Point) -> None:
        """Take a point in.

        Raises:
            ArchiveFormatError: It cannot be stored.
        """
        self._tags.update(point.tags)
        for key, value in point.fields.items():
            if (content := (key, type(value))) not in self._fields:
                kind_of(value)
                self._fields.add(content)
        if point.time_ns % _NS_PER_US:
            self._is_in_ns = True
        if len(self._tags) + len(self._fields) > MAX_COLUMN_COUNT:
            raise ArchiveFormatError(
                f"A day has more than {MAX_COLUMN_COUNT} different tags and fields"
            )

    def build(self) -> Layout:
        """Return the layout of what has been taken in."""
        tags = [Content(role=Role.TAG, key=key, kind=Kind.TEXT) for key in self._tags]
        fields = [
            Content(role=Role.FIELD, key=key, kind=_KINDS[value_type])
            for key, value_type in self._fields
        ]
        return lay_out([*tags, *fields], is_in_ns=self._is_in_ns)


def lay_out(contents: Iterable[Content], *, is_in_ns: bool) -> Layout:
    """Give each content a column; the same ones always get the same names."""
    ordered = sorted(
        set(contents),
        key=lambda content: (
            content.role is Role.FIELD,
            content.key,
            _KIND_ORDER[content.kind],
        ),
    )
    taken = {TIME, MEASUREMENT}
    columns = []
    for content in ordered:
        name = _free_name(content, taken)
        taken.add(name)
        columns.append(Column(name=name, content=content))
    return Layout(columns=tuple(columns), is_in_ns=is_in_ns)


def _free_name(content: Content, taken: set[str]) -> str:
    plain = clean_name(content.key)
    is_plain_free = content.role is Role.TAG or plain not in _TAG_NAMES
    if is_plain_free and plain not in taken:
        return plain
    named = f"{plain}_{content.kind if content.role is Role.FIELD else content.role}"
    name, number = named, 2
    while name in taken:
        name, number = f"{named}_{number}", number + 1
    return name


def clean_name(key: str) -> str:
    """Return the name of a column for a key; several keys may have the same."""
    name = _FOREIGN.sub("_", key.lower())[:_MAX_NAME_LENGTH].strip("_")
    return name if name and not name[0].isdigit() else f"c_{name}"
