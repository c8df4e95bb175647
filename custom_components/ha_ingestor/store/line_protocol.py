r"""Points as InfluxDB's line protocol, safe on every generation.

Rules that the servers do not state, and that were measured or read in their
source (a real 1.6.7, the parsers of 2.x and 3.x):

- Only `,`, `=` and space have escapes, and only in keys and tag values. A
  backslash before one of them, before `"` or at the end swallows what follows, or
  vanishes: it is written as `/`.
- A line break in a tag cuts the line: control characters become a space.
- An empty tag value is refused: the tag is left out.
- A measurement that starts with `#` is a comment and vanishes: `_` instead.
- In a quoted string only `"` and `\` are escaped; a raw line break is kept.
- NaN and infinity are refused, an integer would fix the field's type: numbers
  are written as finite floats only.
- The longest string that every server takes is just under 64 KiB.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
import math
import re
from typing import Final

from ..models import FieldValue, Point

# 3.x without its build feature for large strings takes 64 KiB at most.
MAX_STRING_BYTES: Final = 60 * 1024
# A tag is a name of something. The key of a series is limited to 65,535 bytes
# in all, so one tag must stay far below that.
MAX_TAG_LENGTH: Final = 1_024

_UNSAFE_BACKSLASHES: Final = re.compile(r'\\+(?=[,= "]|$)')
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_ESCAPE_KEY: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_ESCAPE_MEASUREMENT: Final = str.maketrans({",": r"\,", " ": r"\ "})
_ESCAPE_STRING: Final = str.maketrans({'"': r"\"", "\\": r"\\"})
_QUOTE_OR_BACKSLASH: Final = re.compile(rb'\\.|"', re.DOTALL)
_END_OF_KEY: Final = re.compile(rb"(?<!\\) ")


def clean_name(text: str) -> str:
    """Make a key or tag value that every server reads back unchanged.

    Returns:
        The text itself unless it broke a rule; empty if nothing is left.
    """
    text = _CONTROL_CHARACTERS.sub(" ", text[:MAX_TAG_LENGTH]).strip()
    if "\\" in text:
        text = _UNSAFE_BACKSLASHES.sub(lambda match: "/" * len(match[0]), text)
    return text


def escape_key(text: str) -> str:
    """Escape a tag key, tag value or field key that `clean_name` has passed."""
    return text.translate(_ESCAPE_KEY)


def escape_string(text: str) -> str:
    """Escape what stands between the quotes of a string field."""
    if '"' in text or "\\" in text:
        return text.translate(_ESCAPE_STRING)
    return text


def truncate_string(text: str, max_bytes: int = MAX_STRING_BYTES) -> str:
    """Cut a text to what fits, never inside a character."""
    # A character has at most four bytes, so most texts need no encoding.
    if len(text) * 4 <= max_bytes:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return text
    return encoded[:max_bytes].decode("utf-8", "ignore")


def format_series_key(measurement: str, tags: Mapping[str, str]) -> str:
    """Return measurement and sorted tags, escaped: all that precedes the fields."""
    name = clean_name(measurement)
    if name.startswith("#"):
        name = "_" + name[1:]
    parts = [name.translate(_ESCAPE_MEASUREMENT)]
    for key in sorted(tags):
        clean_key, value = clean_name(key), clean_name(tags[key])
        if clean_key and value:
            parts.append(f"{escape_key(clean_key)}={escape_key(value)}")
    return ",".join(parts)


# An aggregate has twenty fields, always of the same names.
@lru_cache(maxsize=1_024)
def _field_key(key: str) -> str:
    return escape_key(clean_name(key))


def format_field(key: str, value: FieldValue) -> str | None:
    """Return `key=value`, or None for a number that cannot be stored."""
    name = _field_key(key)
    if isinstance(value, str):
        return f'{name}="{escape_string(truncate_string(value))}"'
    if isinstance(value, bool):
        return f"{name}={'true' if value else 'false'}"
    if not math.isfinite(value):
        return None
    return f"{name}={float(value)!r}"


def format_point(point: Point) -> str:
    """Return the line of a point.

    Raises:
        ValueError: No field is left that could be stored.
    """
    fields = [
        text
        for key, value in point.fields.items()
        if (text := format_field(key, value)) is not None
    ]
    if not fields:
        raise ValueError(f"No field to store in a point of {point.measurement}")
    key = format_series_key(point.measurement, point.tags)
    return f"{key} {','.join(fields)} {point.time_ns}"


def split_lines(body: bytes) -> Iterator[bytes]:
    """Split a body into its lines, minding line breaks inside quoted strings."""
    pending: list[bytes] = []
    is_open = False
    for piece in body.split(b"\n"):
        start = 0
        if not pending:
            # Before the first bare space a quote is an ordinary character.
            end_of_key = _END_OF_KEY.search(piece)
            start = end_of_key.end() if end_of_key else len(piece)
        quotes = sum(
            match[0] == b'"' for match in _QUOTE_OR_BACKSLASH.finditer(piece, start)
        )
        is_open ^= quotes % 2 == 1
        pending.append(piece)
        if not is_open:
            if line := b"\n".join(pending):
                yield line
            pending = []
    if pending:
        yield b"\n".join(pending)
