"""Synchronous client of one store, on threads only."""

from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import orjson

from ...errors import (
    BatchRejectedError,
    StoreError,
    StoreRight,
    StoreUnsupportedError,
)
from .answers import Answer, is_missing, query_error, status_error
from .detect import ServerInfo, identify
from .dialect import Dialect
from .influxql import ParamValue, build_condition, quote_identifier
from .results import Series, iterate_series
from .target import ApiVersion, Target
from .transport import Transport, read_answer, stream_body
from .v1 import V1Dialect
from .v2 import V2Dialect
from .v3 import V3Dialect

DIALECTS: Final[Mapping[ApiVersion, Dialect]] = {
    ApiVersion.V1: V1Dialect(),
    ApiVersion.V2: V2Dialect(),
    ApiVersion.V3: V3Dialect(),
}

# 3.x waits for its log to be flushed, which is up to a second; a small machine that
# compacts takes a few more.
DEFAULT_TIMEOUT_S: Final = 10.0
# The servers' own default: a piece of an answer is a few hundred kilobytes.
CHUNK_ROWS: Final = 10_000

_REJECTED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


class InfluxClient:
    """Writes to, reads and deletes from one store.

    Owns its connections. Made and used on threads only, never on the event loop:
    making it may read certificates from disk, and every method blocks. Several
    threads may share it. Every error it raises is of `errors.py`, without secrets.
    """

    def __init__(self, target: Target, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """Prepare; nothing is sent yet.

        Args:
            timeout_s: For connecting, and for each wait for the server.

        Raises:
            StoreTlsError: The target's CA certificate cannot be read.
        """
        self.target = target
        self.timeout_s = timeout_s
        self._dialect = DIALECTS[target.api_version]
        self._write_path = self._dialect.write_path(target.store)
        self.transport = Transport(
            host=target.host,
            port=target.port,
            ssl=target.ssl,
            path=target.path,
            verify_ssl=target.verify_ssl,
            ca_certificate=target.ca_certificate,
            credentials=self._dialect.credentials(target),
            timeout_s=timeout_s,
        )

    @property
    def has_delete(self) -> bool:
        """Whether this generation can delete rows."""
        return self._dialect.has_delete

    def ping(self, *, timeout_s: float | None = None) -> ServerInfo:
        """Ask the server what it is. Proves nothing about the credentials."""
        return identify(self.transport, timeout_s=timeout_s)

    def write(
        self, body: bytes, *, is_gzip: bool, timeout_s: float | None = None
    ) -> None:
        r"""Write line protocol; return only once all of it is stored.

        Args:
            body: Lines that end with `\n`, times in nanoseconds.
            is_gzip: Whether the body is compressed.

        Raises:
            BatchRejectedError: At least one line is bad. Others may be stored or
                not; writing them again changes nothing.
            BatchTooLargeError: Send less at a time.
            StoreError: Any other; the batch must be kept.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if is_gzip:
            headers["Content-Encoding"] = "gzip"
        answer = self.transport.request(
            "POST", self._write_path, body=body, headers=headers, timeout_s=timeout_s
        )
        if not self._dialect.has_accepted(answer):
            raise self._write_error(answer)

    def query(
        self,
        statement: str,
        *,
        params: Mapping[str, ParamValue] | None = None,
        chunk_size: int = CHUNK_ROWS,
        timeout_s: float | None = None,
        right: StoreRight = StoreRight.READ,
    ) -> Iterator[Series]:
        """Run one InfluxQL statement and give its answer as it arrives.

        Nothing is sent before the first item is asked for, and an error may come
        after the first items. Times are nanoseconds.

        Args:
            params: Values for `$name` in the statement.
            chunk_size: Rows in memory at a time.
            right: What the statement needs, for the error if it is missing.

        Raises:
            StoreQueryError: The server refused or failed it.
            StoreMissingError: There is no such database or bucket.
            StoreError: Any other.
        """
        form: dict[str, str | int] = {
            "db": self.target.store,
            "q": statement,
            "epoch": "ns",
            "chunked": "true",
            "chunk_size": chunk_size,
        }
        if params:
            form["params"] = orjson.dumps(dict(params)).decode()
        with self.transport.open(
            "POST",
            "/query",
            body=urlencode(form).encode(),
            # In the body: a statement may be longer than a URL may be, and proxies
            # log URLs.
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout_s=timeout_s,
        ) as response:
            if response.status != HTTPStatus.OK:
                raise self.answer_error(read_answer(response), right=right)
            try:
                yield from iterate_series(stream_body(response))
            except StoreError as err:
                # The server's words may hold what it was sent.
                err.args = (self.transport.redact(str(err)),)
                raise

    def execute(
        self,
        statement: str,
        *,
        params: Mapping[str, ParamValue] | None = None,
        timeout_s: float | None = None,
        right: StoreRight = StoreRight.READ,
    ) -> list[Series]:
        """Run one InfluxQL statement whose answer is small, or none."""
        return list(
            self.query(statement, params=params, timeout_s=timeout_s, right=right)
        )

    def delete(
        self,
        measurement: str,
        *,
        tags: Mapping[str, str | Collection[str]],
        start_ns: int,
        end_ns: int,
        timeout_s: float | None = None,
    ) -> None:
        """Delete rows of one measurement; returns when they are gone.

        1.x deletes in all retention policies of the database. InfluxDB Cloud
        returns earlier, so read back what must be sure.

        Args:
            tags: Values that the rows have, or several of which any matches; an
                empty value for rows without the tag. Empty for all rows.
            start_ns: First instant, inclusive.
            end_ns: Last instant, exclusive.

        Raises:
            StoreUnsupportedError: 3.x.
        """
        if not self._dialect.has_delete:
            raise StoreUnsupportedError("InfluxDB 3 cannot delete rows")
        condition = build_condition(tags=tags, start_ns=start_ns, end_ns=end_ns)
        name = quote_identifier(measurement)
        self.execute(
            f"DELETE FROM {name}{condition.clause}",  # noqa: S608 - all of it quoted or bound
            params=condition.params,
            timeout_s=timeout_s,
            right=StoreRight.DELETE,
        )

    def close(self) -> None:
        """Close the idle connections. A request under way ends by itself."""
        self.transport.close()

    def answer_error(self, answer: Answer, *, right: StoreRight) -> StoreError:
        """Give the error for any answer but a success; not for writes."""
        words = self.transport.redact(answer.words)
        if answer.status in _REJECTED and answer.is_influx:
            return query_error(words)
        return status_error(answer, words, right=right)

    def _write_error(self, answer: Answer) -> StoreError:
        words = self.transport.redact(answer.words)
        # A page of a proxy with status 400 says nothing about the lines: only the
        # server's own refusal may cost a point its place in the buffer.
        if answer.status not in _REJECTED or not answer.is_influx:
            return status_error(answer, words, right=StoreRight.WRITE)
        if is_missing(words):
            return query_error(words)
        payload = answer.payload
        bad_lines = (
            self._dialect.bad_lines(payload) if isinstance(payload, dict) else None
        )
        return BatchRejectedError(
            words,
            bad_lines=None
            if bad_lines is None
            else {
                line: self.transport.redact(reason)
                for line, reason in bad_lines.items()
            },
        )
