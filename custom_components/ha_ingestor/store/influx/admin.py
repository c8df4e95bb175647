"""Databases and buckets: what only an administrator's credentials may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
import math
import re
from typing import Final, Protocol, override
from urllib.parse import urlencode

import orjson

from ...errors import (
    StoreError,
    StoreMissingError,
    StoreProtocolError,
    StoreRight,
    StoreUnsupportedError,
)
from .answers import Answer, is_missing
from .buckets import (
    create_bucket,
    list_buckets,
    read_bucket_retention,
    require_organization,
    set_bucket_retention,
)
from .client import InfluxClient
from .influxql import quote_identifier
from .target import ApiVersion
from .transport import MAX_BODY_BYTES

# Names of a few thousand databases; a list that is longer is cut, and its JSON
# cannot be read then.
_MAX_LIST_BYTES: Final = 16 * MAX_BODY_BYTES


# As Go writes durations: "168h0m0s".
_GO_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)?")
# How 3.x may say that it cannot change a retention: Core takes one at creation only
# (docs.influxdata.com/influxdb3/core/reference/internals/data-retention).
_NOT_SUPPORTED: Final = re.compile(
    r"not (?:supported|implemented|allowed)|unsupported|immutable", re.IGNORECASE
)
_NO_SUCH_METHOD: Final = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
_SECONDS_PER_HOUR: Final = 3_600
_SHORTEST_RETENTION: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a server keeps the rows of a store.

    Attributes:
        duration: None for ever.
    """

    duration: timedelta | None


class StoreAdmin(Protocol):
    """One generation's way to list and create stores."""

    def list_stores(self, client: InfluxClient) -> list[str]:
        """List the stores that these credentials may see, sorted."""

    def create_store(
        self,
        client: InfluxClient,
        store: str,
        *,
        retention: timedelta | None,
        shard: timedelta | None,
    ) -> None:
        """Create a store; one that exists stays as it is."""

    def read_retention(self, client: InfluxClient) -> Retention | None:
        """Read how long the server keeps rows; None if it does not say."""

    def set_retention(self, client: InfluxClient, duration: timedelta | None) -> None:
        """Change how long the server keeps rows; None for ever."""

    def check_organization(self, client: InfluxClient) -> None:
        """Raise if the credentials see organizations, but not the target's."""

    def drop_measurement(self, client: InfluxClient, measurement: str) -> None:
        """Remove a measurement with all of its rows."""


def list_stores(client: InfluxClient) -> list[str]:
    """List the databases or buckets that these credentials may see, sorted."""
    return ADMINS[client.target.api_version].list_stores(client)


def has_store(client: InfluxClient, store: str | None = None) -> bool:
    """Whether these credentials see a store, the target's own if none is named."""
    return (store or client.target.store) in list_stores(client)


def create_store(
    client: InfluxClient,
    store: str | None = None,
    *,
    retention: timedelta | None = None,
    shard: timedelta | None = None,
) -> None:
    """Create a database or bucket; one that exists stays as it is.

    Args:
        store: The target's own if none is named.
        retention: How long rows are kept; None keeps them for ever.
        shard: How much time one shard group covers; None leaves it to the server.
            3.x has no shards.

    Raises:
        StorePermissionError: With `StoreRight.CREATE`.
        StoreOrganizationMissingError: 2.x.
        StoreError: Any other.
    """
    ADMINS[client.target.api_version].create_store(
        client, store or client.target.store, retention=retention, shard=shard
    )


def read_retention(client: InfluxClient) -> Retention | None:
    """Read how long the server keeps the rows of the target's store.

    Returns:
        None where it does not say: always on 3.x.

    Raises:
        StoreMissingError: There is no such store, or it may not be seen.
        StoreError: Any other.
    """
    return ADMINS[client.target.api_version].read_retention(client)


def set_retention(client: InfluxClient, duration: timedelta | None) -> None:
    """Change how long the server keeps the rows of the target's store.

    Args:
        duration: None for ever. Nothing shorter than an hour.

    Raises:
        StorePermissionError: With `StoreRight.CREATE`.
        StoreUnsupportedError: 3.x Core, whose retention is given at creation.
        StoreError: Any other.
    """
    if duration is not None and duration < _SHORTEST_RETENTION:
        # 3.x takes zero for "nothing": it would expire every row at once.
        raise ValueError("A store keeps its rows for an hour at least")
    ADMINS[client.target.api_version].set_retention(client, duration)


def check_organization(client: InfluxClient) -> None:
    """Raise StoreOrganizationMissingError if a 2.x target names a wrong one."""
    ADMINS[client.target.api_version].check_organization(client)


def drop_measurement(client: InfluxClient, measurement: str) -> None:
    """Remove a measurement with all of its rows; needs an administrator on 1.x."""
    ADMINS[client.target.api_version].drop_measurement(client, measurement)


class V1Admin(StoreAdmin):
    """1.x: InfluxQL."""

    @override
    def list_stores(self, client: InfluxClient) -> list[str]:
        return sorted(
            str(row[0])
            for series in client.execute("SHOW DATABASES")
            for row in series.rows
            if row[0] != "_internal"  # the server's own figures
        )

    @override
    def create_store(
        self,
        client: InfluxClient,
        store: str,
        *,
        retention: timedelta | None,
        shard: timedelta | None,
    ) -> None:
        statement = f"CREATE DATABASE {quote_identifier(store)}"
        if retention is not None or shard is not None:
            duration = "INF" if retention is None else _seconds(retention)
            statement += f" WITH DURATION {duration} REPLICATION 1"
            statement += "" if shard is None else f" SHARD DURATION {_seconds(shard)}"
            # The name that CREATE DATABASE gives by itself and that 2.x maps to.
            statement += ' NAME "autogen"'
        client.execute(statement, right=StoreRight.CREATE)

    @override
    def read_retention(self, client: InfluxClient) -> Retention | None:
        _, duration = _default_policy(client)
        return Retention(duration=duration or None)

    @override
    def set_retention(self, client: InfluxClient, duration: timedelta | None) -> None:
        policy, _ = _default_policy(client)
        client.execute(
            f"ALTER RETENTION POLICY {quote_identifier(policy)}"
            f" ON {quote_identifier(client.target.store)}"
            f" DURATION {'INF' if duration is None else _seconds(duration)}",
            right=StoreRight.CREATE,
        )

    @override
    def check_organization(self, client: InfluxClient) -> None:
        """1.x has none."""

    @override
    def drop_measurement(self, client: InfluxClient, measurement: str) -> None:
        client.execute(
            f"DROP MEASUREMENT {quote_identifier(measurement)}",
            right=StoreRight.DELETE,
        )


class V2Admin(V1Admin):
    """2.x: the organization's buckets."""

    @override
    def list_stores(self, client: InfluxClient) -> list[str]:
        return list_buckets(client)

    @override
    def create_store(
        self,
        client: InfluxClient,
        store: str,
        *,
        retention: timedelta | None,
        shard: timedelta | None,
    ) -> None:
        create_bucket(
            client,
            store,
            retention_s=0 if retention is None else _whole_seconds(retention),
            shard_s=None if shard is None else _whole_seconds(shard),
        )

    @override
    def read_retention(self, client: InfluxClient) -> Retention | None:
        seconds = read_bucket_retention(client)
        return Retention(duration=timedelta(seconds=seconds) if seconds else None)

    @override
    def set_retention(self, client: InfluxClient, duration: timedelta | None) -> None:
        set_bucket_retention(
            client, 0 if duration is None else _whole_seconds(duration)
        )

    @override
    def check_organization(self, client: InfluxClient) -> None:
        require_organization(client)


class V3Admin(V1Admin):
    """3.x: its configuration endpoints, which need an admin token."""

    _DATABASES: Final = "/api/v3/configure/database"
    _TABLES: Final = "/api/v3/configure/table"

    @override
    def list_stores(self, client: InfluxClient) -> list[str]:
        answer = client.transport.request(
            "GET", f"{self._DATABASES}?format=json", max_body_bytes=_MAX_LIST_BYTES
        )
        if answer.status != HTTPStatus.OK:
            raise client.answer_error(answer, right=StoreRight.READ)
        try:
            names = [row["iox::database"] for row in answer.payload]
        except (KeyError, TypeError) as err:
            raise StoreProtocolError("The list of databases has no shape") from err
        return sorted(name for name in names if name != "_internal")

    @override
    def create_store(
        self,
        client: InfluxClient,
        store: str,
        *,
        retention: timedelta | None,
        shard: timedelta | None,
    ) -> None:
        body = {"db": store}
        if retention is not None:
            # Left out it means for ever; zero would expire every row at once.
            body["retention_period"] = _hours(retention)
        answer = client.transport.request(
            "POST",
            self._DATABASES,
            body=orjson.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        if answer.status == HTTPStatus.CONFLICT:
            return  # It exists.
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise client.answer_error(answer, right=StoreRight.CREATE)

    @override
    def read_retention(self, client: InfluxClient) -> Retention | None:
        # Only its own program shows it, from a system table without a stable form.
        return None

    @override
    def set_retention(self, client: InfluxClient, duration: timedelta | None) -> None:
        body = {
            "db": client.target.store,
            "retention_period": "none" if duration is None else _hours(duration),
        }
        answer = client.transport.request(
            "PUT",
            self._DATABASES,
            body=orjson.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._retention_error(client, answer)

    @staticmethod
    def _retention_error(client: InfluxClient, answer: Answer) -> StoreError:
        words = client.transport.redact(answer.words)
        if is_missing(words):
            return StoreMissingError(words)
        if answer.status in _NO_SUCH_METHOD or _NOT_SUPPORTED.search(words):
            return StoreUnsupportedError(
                f"This server cannot change the retention of a database ({words})"
            )
        return client.answer_error(answer, right=StoreRight.CREATE)

    @override
    def drop_measurement(self, client: InfluxClient, measurement: str) -> None:
        query = {"db": client.target.store, "table": measurement}
        answer = client.transport.request(
            "DELETE", f"{self._TABLES}?{urlencode(query)}"
        )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise client.answer_error(answer, right=StoreRight.DELETE)


ADMINS: Final[Mapping[ApiVersion, StoreAdmin]] = {
    ApiVersion.V1: V1Admin(),
    ApiVersion.V2: V2Admin(),
    ApiVersion.V3: V3Admin(),
}


def _whole_seconds(duration: timedelta) -> int:
    seconds = int(duration.total_seconds())
    if seconds <= 0:
        raise ValueError("A duration is longer than nothing")
    return seconds


def _seconds(duration: timedelta) -> str:
    return f"{_whole_seconds(duration)}s"


def _hours(duration: timedelta) -> str:
    """Return a duration for 3.x, which promises no unit below hours."""
    return f"{math.ceil(_whole_seconds(duration) / _SECONDS_PER_HOUR)}h"


def _default_policy(client: InfluxClient) -> tuple[str, timedelta]:
    """Return name and duration of the policy that rows go to; zero for ever."""
    store = quote_identifier(client.target.store)
    for series in client.execute(f"SHOW RETENTION POLICIES ON {store}"):
        for row in series.rows:
            policy = dict(zip(series.columns, row, strict=False))
            if policy.get("default") is True:
                return str(policy["name"]), _read_duration(policy.get("duration"))
    raise StoreProtocolError("The database has no default retention policy")


def _read_duration(text: object) -> timedelta:
    match = _GO_DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise StoreProtocolError("A retention policy has no duration")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
