"""Reading a CSV of entity, time and value, line by line.

Blocking, for threads. A line that cannot be read is told by its number and stops
nothing; no line, however long, is more than a bounded piece of memory.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
import re
from typing import BinaryIO, Final, Self

from homeassistant.const import MAX_LENGTH_STATE_STATE
from homeassistant.core import valid_entity_id

from ..errors import ImportColumnsError, ImportFileError

MAX_LINE_BYTES: Final = 16_384

# Enough to see that a file is no text, and that no line of it is good.
_TEXT_CHECK_BYTES: Final = 4_096
_CHECKED_LINES: Final = 100

_DELIMITERS: Final = (",", ";", "\t")
# What other programs, and Home Assistant's own history, call the columns.
_COLUMN_NAMES: Final = {
    "entity": ("entity_id", "entity", "name"),
    "time": ("time", "timestamp", "datetime", "date", "last_changed", "last_updated"),
    "value": ("value", "state"),
}
# Beyond this a number is no second before the year 5000, so it is milliseconds.
_MAX_UNIX_S: Final = 1e11
_is_number: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII).fullmatch
_is_decimal_comma: Final = re.compile(r"[+-]?\d+,\d+", re.ASCII).fullmatch


class _BadLineError(Exception):
    """A line that says nothing; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvValue:
    """What a good line says."""

    entity_id: str
    time_s: float
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvPage:
    """Some lines of the file.

    Attributes:
        problems: What is wrong with the bad lines, each with its number.
        offset: Where the next page begins, in bytes; None at the end of the file.
        line_count: Lines of the file up to there.
    """

    values: list[CsvValue]
    problems: list[str]
    offset: int | None
    line_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvLayout:
    """What the first line says of all of them.

    Attributes:
        missing: Columns that a line lacks which names some; none for a line of data.
    """

    delimiter: str
    columns: tuple[int, int, int]
    has_header: bool
    missing: tuple[str, ...] = ()

    @classmethod
    def from_first_line(cls, line: str) -> Self:
        """Find delimiter and columns."""
        delimiter = max(_DELIMITERS, key=line.count)
        try:
            names = [cell.strip().lower() for cell in _split(line, delimiter)]
        except _BadLineError:
            names = []
        found = [
            next((names.index(name) for name in known if name in names), None)
            for known in _COLUMN_NAMES.values()
        ]
        entity, time, value = found
        if entity is None or time is None or value is None:
            missing = tuple(
                known[0]
                for known, place in zip(_COLUMN_NAMES.values(), found, strict=True)
                if place is None
            )
            return cls(
                delimiter=delimiter,
                columns=(0, 1, 2),
                has_header=False,
                missing=missing if len(missing) < len(found) else (),
            )
        return cls(delimiter=delimiter, columns=(entity, time, value), has_header=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """Tells whether a file is still the same."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at a file.

        Raises:
            ImportFileError: There is none, or it cannot be read.
        """
        try:
            stat = path.stat()
        except OSError as err:
            raise ImportFileError(f"{path} cannot be read: {err.strerror}") from err
        return cls(size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns)


def read_page(
    path: Path,
    *,
    offset: int,
    line_count: int,
    limit: int,
    time_zone: tzinfo,
    now_s: float,
) -> CsvPage:
    """Read some lines.

    Args:
        offset: Where to begin, in bytes.
        line_count: Lines before that.
        limit: Lines at most.
        time_zone: Of times that do not name one.
        now_s: Later times are refused; Unix time.

    Raises:
        ImportFileError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            layout = CsvLayout.from_first_line(_decode(_read_line(file)[0]))
            file.seek(offset)
            reader = _PageReader(file, layout, time_zone, now_s, line_count)
            is_at_end = reader.read(limit)
            return CsvPage(
                values=reader.values,
                problems=reader.problems,
                offset=None if is_at_end else file.tell(),
                line_count=reader.line_count,
            )
    except OSError as err:
        raise ImportFileError(f"{path} cannot be read: {err.strerror}") from err


def check_start(path: Path, *, time_zone: tzinfo, now_s: float) -> str | None:
    """Look whether a file can be read at all, by its first lines.

    Args:
        time_zone: As for `read_page`.
        now_s: As for `read_page`.

    Returns:
        What is wrong with it, None if at least one line is good.

    Raises:
        ImportColumnsError: Its header lacks a column.
        ImportFileError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_TEXT_CHECK_BYTES)
            file.seek(0)
            layout = CsvLayout.from_first_line(_decode(_read_line(file)[0]))
    except OSError as err:
        raise ImportFileError(f"The file cannot be read: {err.strerror}") from err
    if b"\0" in start:
        # Tables of spreadsheet programs, and texts in UTF-16.
        return "it is not UTF-8 text"
    if layout.missing:
        raise ImportColumnsError(layout.missing)
    page = read_page(
        path,
        offset=0,
        line_count=0,
        limit=_CHECKED_LINES,
        time_zone=time_zone,
        now_s=now_s,
    )
    if page.values:
        return None
    return page.problems[0] if page.problems else "it holds no values"


class _PageReader:
    """Reads lines of an open file and keeps what they say."""

    def __init__(
        self,
        file: BinaryIO,
        layout: CsvLayout,
        time_zone: tzinfo,
        now_s: float,
        line_count: int,
    ) -> None:
        self._file = file
        self._layout = layout
        self._time_zone = time_zone
        self._now_s = now_s
        self.line_count = line_count
        self.values: list[CsvValue] = []
        self.problems: list[str] = []

    def read(self, limit: int) -> bool:
        """Read so many lines at most; returns whether the file has ended."""
        for _ in range(limit):
            raw, is_whole = _read_line(self._file)
            if not raw:
                return True
            self.line_count += 1
            if self.line_count == 1 and self._layout.has_header:
                continue
            try:
                if not is_whole:
                    raise _BadLineError(f"longer than {MAX_LINE_BYTES} bytes")
                self._take(_decode(raw).strip())
            except _BadLineError as err:
                self.problems.append(f"Line {self.line_count}: {err}")
        return False

    def _take(self, line: str) -> None:
        if not line:
            return
        cells = _split(line, self._layout.delimiter)
        if len(cells) <= max(self._layout.columns):
            raise _BadLineError("entity, time and value are not all there")
        entity, time, value = (cells[column].strip() for column in self._layout.columns)
        if not valid_entity_id(entity):
            raise _BadLineError(f"{entity[:80]!r} is not an entity ID")
        if not value:
            raise _BadLineError("there is no value")
        if len(value) > MAX_LENGTH_STATE_STATE:
            raise _BadLineError(
                f"the value is longer than {MAX_LENGTH_STATE_STATE} characters"
            )
        if self._layout.delimiter != "," and _is_decimal_comma(value):
            # Where the comma separates no columns, it separates the decimals.
            value = value.replace(",", ".")
        time_s = _parse_time(time, self._time_zone)
        if not 0 <= time_s <= self._now_s:
            raise _BadLineError(f"{time[:80]!r} is before 1970 or in the future")
        self.values.append(CsvValue(entity_id=entity, time_s=time_s, value=value))


def _read_line(file: BinaryIO) -> tuple[bytes, bool]:
    """Return a line, or its begin, and whether that is all of it."""
    raw = piece = file.readline(MAX_LINE_BYTES)
    while len(piece) == MAX_LINE_BYTES and not piece.endswith(b"\n"):
        piece = file.readline(MAX_LINE_BYTES)
    return raw, piece is raw


def _decode(raw: bytes) -> str:
    # A mark of the byte order is what spreadsheets begin a file with.
    return raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as err:
        raise _BadLineError(str(err)) from err


def _parse_time(text: str, time_zone: tzinfo) -> float:
    """Return Unix time, seconds.

    Raises:
        _BadLineError: It is neither ISO 8601 nor a number of seconds or milliseconds
            since 1970.
    """
    if _is_number(text):
        number = float(text)
        return number if abs(number) < _MAX_UNIX_S else number / 1000
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=time_zone)
        return at.astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as err:
        raise _BadLineError(f"{text[:80]!r} is not a time") from err
