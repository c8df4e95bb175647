"""Proof that a target can be written, read and cleaned up, before it is trusted."""

from dataclasses import dataclass
import logging
import re
import time
from typing import Final

from ...const import MEASUREMENT_PROBE
from ...errors import (
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreUnsupportedError,
    StoreVersionError,
)
from .admin import check_organization, create_store, drop_measurement, has_store
from .client import InfluxClient
from .detect import ServerInfo
from .influxql import build_condition, quote_identifier
from .target import ApiVersion, Target

_LOGGER = logging.getLogger(__name__)

# OSS shows a row, and its deletion, as soon as it has answered. Cloud works
# asynchronously; a person waits for this in front of a form.
_VISIBLE_WITHIN_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.1

# Before it a bucket is not found under its name by the v1 API (#23731).
_MIN_V2: Final = (2, 5)

_PROBE_FIELD: Final = "value"
_PROBE_VALUE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a target has shown that it can do, beside being written and read.

    Attributes:
        can_delete: Rows can be deleted; never on 3.x.
        has_created: The store was missing and has been created.
    """

    server: ServerInfo
    can_delete: bool
    has_created: bool


def probe_target(
    target: Target, *, create: bool = False, timeout_s: float = 10.0
) -> ProbeResult:
    """Write a point, read it back and delete it; blocking.

    Nothing stays behind, except on 3.x where the credentials may not drop a table.

    Args:
        create: Create the store if it is missing.
        timeout_s: For each wait for the server.

    Raises:
        StoreHostUnknownError, StoreRefusedError, StoreTlsError, StoreTimeoutError:
            It cannot be reached.
        StoreProtocolError: It is not an InfluxDB.
        StoreVersionError: It is one of another generation.
        StoreUnsupportedError: It is too old.
        StoreAuthError: It does not know the credentials.
        StorePermissionError: They lack the right in its `right`.
        StoreOrganizationMissingError: 2.x.
        StoreMissingError: The store is missing.
        StoreError: Any other.
    """
    client = InfluxClient(target, timeout_s=timeout_s)
    try:
        server = client.ping()
        _check_version(target, server)
        check_organization(client)
        has_created = _ensure_store(client, create=create)
        can_delete = _round_trip(client)
        return ProbeResult(
            server=server, can_delete=can_delete, has_created=has_created
        )
    finally:
        client.close()


def _check_version(target: Target, server: ServerInfo) -> None:
    if server.api_version is not target.api_version:
        raise StoreVersionError(
            f"This is InfluxDB {server.version}",
            expected=target.api_version.value,
            found=server.api_version.value,
        )
    match = re.match(r"(\d+)\.(\d+)", server.version)
    if (
        server.api_version is ApiVersion.V2
        and match is not None
        and (int(match[1]), int(match[2])) < _MIN_V2
    ):
        raise StoreUnsupportedError(
            f"InfluxDB {server.version} is too old, 2.5 is the oldest that works"
        )


def _ensure_store(client: InfluxClient, *, create: bool) -> bool:
    """Make sure that the store exists, and tell whether it had to be created."""
    try:
        is_there = has_store(client)
    except StorePermissionError, StoreMissingError:
        # Credentials for one store need not see the list, nor the organization.
        # Writing will tell.
        is_there = not create
    if is_there:
        return False
    if not create:
        # 2.x hides buckets that the token may not read, and writing then says what
        # is wrong; 1.x and 3.x show what there is.
        if client.target.api_version is ApiVersion.V2:
            return False
        raise StoreMissingError(f'"{client.target.store}" does not exist')
    create_store(client)
    return True


def _round_trip(client: InfluxClient) -> bool:
    """Write, read and delete the point; tell whether deleting is possible."""
    time_ns = time.time_ns()
    line = f"{MEASUREMENT_PROBE} {_PROBE_FIELD}={_PROBE_VALUE} {time_ns}\n"
    client.write(line.encode(), is_gzip=False)
    if not _wait_for(client, time_ns, is_there=True):
        raise StoreQueryError("The probe was written and cannot be read back")
    if not client.has_delete:
        try:
            drop_measurement(client, MEASUREMENT_PROBE)
        except StoreError as err:
            _LOGGER.debug("The probe stays in %s: %s", client.target.store, err)
        return False
    client.delete(MEASUREMENT_PROBE, tags={}, start_ns=time_ns, end_ns=time_ns + 1)
    return _wait_for(client, time_ns, is_there=False)


def _wait_for(client: InfluxClient, time_ns: int, *, is_there: bool) -> bool:
    """Wait until the point is there, or gone."""
    deadline = time.monotonic() + _VISIBLE_WITHIN_S
    pause_s = _FIRST_PAUSE_S
    while _has_point(client, time_ns) is not is_there:
        if time.monotonic() + pause_s > deadline:
            return False
        time.sleep(pause_s)
        pause_s *= 2
    return True


def _has_point(client: InfluxClient, time_ns: int) -> bool:
    condition = build_condition(start_ns=time_ns, end_ns=time_ns + 1)
    field, name = quote_identifier(_PROBE_FIELD), quote_identifier(MEASUREMENT_PROBE)
    statement = f"SELECT {field} FROM {name}{condition.clause}"  # noqa: S608 - constants
    rows = [row for series in client.execute(statement) for row in series.rows]
    if rows and rows != [[time_ns, _PROBE_VALUE]]:
        raise StoreProtocolError("The probe came back with another value")
    return bool(rows)
