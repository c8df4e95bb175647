"""A few points in memory, and the InfluxQL that the stand-ins are asked."""

from dataclasses import dataclass
import json
import re
from typing import Any, Final

# Enough of line protocol for what our encoder writes: names without escapes.
_LINE: Final = re.compile(r"^([^\s,]+)((?:,[^\s=]+=[^\s,]+)*) (.+) (-?\d+)$")
_FIELD: Final = re.compile(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]+)')
_FROM: Final = re.compile(
    r'^(SELECT (?P<selection>.+?)|DELETE) FROM "(?P<name>[^"]+)"(?P<where>.*)$'
)
_TERM: Final = re.compile(r'(?:time (>=|<) (-?\d+))|(?:"([^"]+)" = \$(\w+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoint:
    """One row: its identity and its fields."""

    name: str
    tags: tuple[tuple[str, str], ...]
    time_ns: int
    fields: dict[str, Any]


class BadLineError(ValueError):
    """A line that cannot be read."""


class TypeConflictError(ValueError):
    """A field that has another type than before."""

    def __init__(self, field: str, had: str, got: str) -> None:
        super().__init__(f"{field}: {got}, already {had}")
        self.field = field
        self.had = had
        self.got = got


class Points:
    """Points of one database or bucket; same series and time merge their fields."""

    def __init__(self) -> None:
        self.rows: list[StoredPoint] = []
        self._types: dict[tuple[str, str], str] = {}

    def parse(self, line: str) -> StoredPoint:
        """Read a line without storing it."""
        match = _LINE.match(line)
        if match is None:
            raise BadLineError(line)
        fields = {key: _value(text) for key, text in _FIELD.findall(match[3])}
        if not fields:
            raise BadLineError(line)
        tags = tuple(
            (key, value)
            for key, _, value in (t.partition("=") for t in match[2].split(",")[1:])
        )
        return StoredPoint(
            name=match[1], tags=tags, time_ns=int(match[4]), fields=fields
        )

    def add(self, point: StoredPoint) -> None:
        """Store a point, or raise TypeConflictError."""
        for key, value in point.fields.items():
            got = type(value).__name__
            had = self._types.setdefault((point.name, key), got)
            if had != got:
                raise TypeConflictError(key, had, got)
        for row in self.rows:
            if (row.name, row.tags, row.time_ns) == (
                point.name,
                point.tags,
                point.time_ns,
            ):
                row.fields.update(point.fields)
                return
        self.rows.append(point)

    def query(self, statement: str, params: str | None) -> list[dict[str, Any]]:
        """Run a SELECT of plain columns or a DELETE; give the series of the answer."""
        match = _FROM.match(statement)
        if match is None:
            raise ValueError(f"The stand-in cannot run {statement}")
        values = json.loads(params) if params else {}
        rows = [
            row
            for row in self.rows
            if row.name == match["name"] and _is_match(row, match["where"], values)
        ]
        if match["selection"] is None:
            self.rows = [row for row in self.rows if row not in rows]
            return []
        columns = re.findall(r'"([^"]+)"', match["selection"])
        if not rows:
            return []
        return [
            {
                "name": match["name"],
                "columns": ["time", *columns],
                "values": [
                    [r.time_ns, *({**dict(r.tags), **r.fields}.get(c) for c in columns)]
                    for r in sorted(rows, key=lambda row: row.time_ns)
                ],
            }
        ]


def _value(text: str) -> str | float | bool:
    if text.startswith('"'):
        return text[1:-1]
    if text in {"true", "false", "t", "f"}:
        return text.startswith("t")
    try:
        return float(text)
    except ValueError:
        raise BadLineError(text) from None


def _is_match(row: StoredPoint, where: str, params: dict[str, Any]) -> bool:
    for operator, time_text, tag, param in _TERM.findall(where):
        if operator == ">=" and row.time_ns < int(time_text):
            return False
        if operator == "<" and row.time_ns >= int(time_text):
            return False
        if tag and dict(row.tags).get(tag) != params[param]:
            return False
    return True
