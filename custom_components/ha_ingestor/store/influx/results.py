"""The answer to an InfluxQL query, piece by piece as it arrives."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ...errors import StoreProtocolError, StoreUnavailableError
from .answers import query_error

type Value = str | int | float | bool | None

# One piece holds at most `chunk_size` rows. 10,000 rows of 100 fields are about
# 20 MB; what is larger is no answer to a question of ours.
MAX_PIECE_BYTES: Final = 64 * 1024 * 1024

# 1.x and 2.x end every piece with a newline, the source of 3.x does not promise
# one. The second form cannot stand inside a JSON text, where quotes are escaped.
_NEWLINE: Final = b"\n"
_NEXT_PIECE: Final = b'}{"results"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Rows of one series, or a part of them: a long series comes in pieces.

    Attributes:
        tags: What the query grouped by.
        columns: "time" first in a SELECT, as nanoseconds.
        rows: A value per column. A float without a fraction arrives as an int,
            since the server writes it so.
    """

    name: str
    tags: Mapping[str, str]
    columns: tuple[str, ...]
    rows: list[list[Value]]


def iterate_series(pieces: Iterable[bytes]) -> Iterator[Series]:
    """Turn a chunked answer into series.

    Args:
        pieces: The body, cut anywhere.

    Raises:
        StoreQueryError, StoreMissingError: The server says so, which it may do
            after the first rows.
        StoreUnavailableError: The answer ended before the server said it was
            complete.
        StoreProtocolError: It is not an answer to a query.
    """
    is_partial = False
    for text in _split(pieces):
        document = _load(text)
        for result in document["results"]:
            yield from _series_of(result)
            is_partial = result.get("partial", False)
    if is_partial:
        raise StoreUnavailableError("The answer to the query broke off")


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for piece in pieces:
        # An end may be split between two pieces, so look a little further back
        # than the new bytes, but not at everything again.
        searched = max(len(buffer) - len(_NEXT_PIECE), 0)
        buffer += piece
        while (end := _find_end(buffer, searched)) is not None:
            yield bytes(buffer[: end[0]])
            del buffer[: end[1]]
            searched = 0
        if len(buffer) > MAX_PIECE_BYTES:
            raise StoreProtocolError("The answer to the query is without end")
    yield bytes(buffer)


def _find_end(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Return where the first piece ends and the next begins; None if it goes on."""
    # Not a regular expression, which would take longer than all else that is done
    # with an answer.
    newline = buffer.find(_NEWLINE, start)
    end = len(buffer) if newline < 0 else newline
    if (joint := buffer.find(_NEXT_PIECE, start, end)) >= 0:
        return joint + 1, joint + 1
    return None if newline < 0 else (newline, newline + 1)


def _load(text: bytes) -> dict[str, Any]:
    if not text.strip():
        return {"results": []}
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as err:
        raise StoreProtocolError("The answer to the query is not JSON") from err
    if isinstance(document, dict):
        if isinstance(error := document.get("error"), str):
            raise query_error(error)
        results = document.get("results")
        if isinstance(results, list) and all(isinstance(r, dict) for r in results):
            return document
    raise StoreProtocolError("The answer is not one to an InfluxQL query")


def _series_of(result: dict[str, Any]) -> Iterator[Series]:
    try:
        for series in result.get("series") or ():
            yield Series(
                name=series.get("name", ""),
                tags=series.get("tags") or {},
                columns=tuple(series["columns"]),
                rows=series.get("values") or [],
            )
    except (AttributeError, KeyError, TypeError) as err:
        raise StoreProtocolError("The series in the answer have no shape") from err
    # 3.x may have rows and an error in one result.
    if isinstance(error := result.get("error"), str):
        raise query_error(error)
