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
_UNLIKE: Final = re.compile(r'"([^"]+)" != \$(\w+)')
_GROUP: Final = re.compile(r' GROUP BY (\*|"[^"]+"(?:, "[^"]+")*)')
_LIMIT: Final = re.compile(r" ORDER BY time ASC LIMIT (\d+)$")
_BY_DAY: Final = " GROUP BY time(1d) "
_DAY_NS: Final = 86_400_000_000_000
_SHOW_TAGS: Final = re.compile(r'^SHOW TAG KEYS FROM "([^"]+)"$')


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
        """Run a SELECT of columns, a sum, `*` or `count(*)`, a SHOW or a DELETE.

        Gives the series of the answer.
        """
        if statement.startswith("SHOW MEASUREMENTS"):
            return _list("name", {row.name for row in self.rows})
        if shown := _SHOW_TAGS.match(statement):
            rows = [row for row in self.rows if row.name == shown[1]]
            return _list("tagKey", {key for row in rows for key, _ in row.tags})
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
        if not columns:
            return _grouped(rows, match["selection"], match["where"])
        if match["selection"].startswith("sum("):
            total = sum(row.fields.get(columns[0], 0.0) for row in rows)
            return [{"columns": ["time", "sum"], "values": [[0, total]]}]
        rows = sorted(
            (row for row in rows if any(column in row.fields for column in columns)),
            key=lambda row: row.time_ns,
        )
        if limit := _LIMIT.search(match["where"]):
            rows = rows[: int(limit[1])]
        if not rows:
            return []
        return [
            {
                "name": match["name"],
                "columns": ["time", *columns],
                "values": [
                    [r.time_ns, *({**dict(r.tags), **r.fields}.get(c) for c in columns)]
                    for r in rows
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


def _list(column: str, names: set[str]) -> list[dict[str, Any]]:
    values = [[name] for name in sorted(names)]
    return [{"columns": [column], "values": values}] if values else []


def _grouped(
    rows: list[StoredPoint], selection: str, rest: str
) -> list[dict[str, Any]]:
    """Answer `*` and `count(*)`, whose tags are columns unless grouped by."""
    tags = sorted({key for row in rows for key, _ in row.tags})
    fields = sorted({key for row in rows for key in row.fields})
    group = _GROUP.search(rest)
    names = [] if group is None else re.findall(r'"([^"]+)"', group[1]) or tags
    groups: dict[tuple[str, ...], list[StoredPoint]] = {}
    for row in sorted(rows, key=lambda row: row.time_ns):
        key = tuple(dict(row.tags).get(name, "") for name in names)
        groups.setdefault(key, []).append(row)
    columns = fields if "count" in selection else sorted({*fields, *tags} - {*names})
    answer = []
    for key, members in sorted(groups.items()):
        if "count" in selection:
            days = {0: members}
            if _BY_DAY in rest:
                days = {row.time_ns // _DAY_NS * _DAY_NS: [] for row in members}
                for row in members:
                    days[row.time_ns // _DAY_NS * _DAY_NS].append(row)
            values = [
                [day, *(sum(c in r.fields for r in of_day) or None for c in columns)]
                for day, of_day in days.items()
            ]
        else:
            values = [
                [r.time_ns, *({**dict(r.tags), **r.fields}.get(c) for c in columns)]
                for r in members
            ]
        if "ORDER BY time DESC LIMIT 1" in rest:
            values = values[-1:]
        series = {"name": rows[0].name, "columns": ["time", *columns], "values": values}
        if names:
            series["tags"] = dict(zip(names, key, strict=True))
        answer.append(series)
    return answer


def _is_match(row: StoredPoint, where: str, params: dict[str, Any]) -> bool:
    for field, param in _UNLIKE.findall(where):
        if row.fields.get(field, params[param]) == params[param]:
            return False
    wanted: dict[str, set[str]] = {}
    for operator, time_text, tag, param in _TERM.findall(where):
        if operator == ">=" and row.time_ns < int(time_text):
            return False
        if operator == "<" and row.time_ns >= int(time_text):
            return False
        if tag:
            wanted.setdefault(tag, set()).add(params[param])
    tags = dict(row.tags)
    return all(tags.get(tag, "") in values for tag, values in wanted.items())
