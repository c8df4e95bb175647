"""Buckets and organizations of InfluxDB 2.x, through InfluxData's own client."""
# Its generated classes carry no annotations.
# mypy: allow-untyped-calls

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from ...errors import (
    StoreError,
    StoreMissingError,
    StoreOrganizationMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreRight,
    StoreTlsError,
)
from .answers import Answer
from .client import InfluxClient
from .transport import MAX_BODY_BYTES, connection_error, create_ssl_context

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.domain.bucket import Bucket
    from influxdb_client.domain.organization import Organization
    from influxdb_client.rest import ApiException


def list_buckets(client: InfluxClient) -> list[str]:
    """List the buckets of the organization that the token may see, sorted."""
    with _api(client, StoreRight.READ) as api:
        found = api.buckets_api().find_buckets_iter(org=client.target.organization)
        # Those that begin with an underscore are the server's own.
        return sorted(b.name for b in found if not b.name.startswith("_"))


def create_bucket(
    client: InfluxClient, name: str, *, retention_s: int, shard_s: int | None
) -> None:
    """Create a bucket; one that exists stays as it is.

    Args:
        retention_s: 0 keeps rows for ever.
        shard_s: None leaves it to the server.
    """
    with _api(client, StoreRight.CREATE) as api:
        # Imported here for the reason given in `_api`.
        from influxdb_client.domain.bucket_retention_rules import (  # noqa: PLC0415
            BucketRetentionRules,
        )
        from influxdb_client.domain.post_bucket_request import (  # noqa: PLC0415
            PostBucketRequest,
        )

        organization = _find_organization(client, api)
        rule = BucketRetentionRules(
            type="expire",
            every_seconds=retention_s,
            shard_group_duration_seconds=shard_s,
        )
        if name in list_buckets(client):
            return
        api.buckets_api().create_bucket(
            bucket=PostBucketRequest(
                name=name, org_id=organization.id, retention_rules=[rule]
            )
        )


def read_bucket_retention(client: InfluxClient) -> int:
    """Read how long rows of the target's bucket are kept.

    Returns:
        Seconds; 0 for ever.

    Raises:
        StoreMissingError: The token sees no such bucket.
    """
    with _api(client, StoreRight.READ) as api:
        return _retention_of(_find_bucket(client, api))


def set_bucket_retention(client: InfluxClient, retention_s: int) -> None:
    """Change how long rows of the target's bucket are kept; 0 for ever.

    Raises:
        StoreMissingError: The token sees no such bucket.
    """
    with _api(client, StoreRight.CREATE) as api:
        from influxdb_client.domain.patch_bucket_request import (  # noqa: PLC0415
            PatchBucketRequest,
        )
        from influxdb_client.domain.patch_retention_rule import (  # noqa: PLC0415
            PatchRetentionRule,
        )
        from influxdb_client.service.buckets_service import (  # noqa: PLC0415
            BucketsService,
        )

        bucket = _find_bucket(client, api)
        # Only what changes: `update_bucket` would send all that was read, and with it
        # labels and links that the server refuses.
        BucketsService(api.api_client).patch_buckets_id(
            bucket_id=bucket.id,
            patch_bucket_request=PatchBucketRequest(
                retention_rules=[
                    PatchRetentionRule(type="expire", every_seconds=retention_s)
                ]
            ),
        )


def _find_bucket(client: InfluxClient, api: InfluxDBClient) -> Bucket:
    name = client.target.store
    found = api.buckets_api().find_buckets_iter(
        org=client.target.organization, name=name
    )
    bucket: Bucket | None = next((one for one in found if one.name == name), None)
    if bucket is not None:
        return bucket
    raise StoreMissingError(f'Bucket "{name}" does not exist, or may not be seen')


def _retention_of(bucket: Bucket) -> int:
    return sum(rule.every_seconds or 0 for rule in bucket.retention_rules or ())


def require_organization(client: InfluxClient) -> None:
    """Raise if the token sees organizations, but not the target's.

    A token for one bucket may see none at all. It can write without, since the
    server takes the token's own.
    """
    try:
        with _api(client, StoreRight.READ) as api:
            seen = _list_organizations(api)
    except StorePermissionError, StoreMissingError:
        return
    if seen and not _pick(seen, client.target.organization):
        raise _organization_missing(client)


def _list_organizations(api: InfluxDBClient) -> list[Organization]:
    return list(api.organizations_api().find_organizations())


def _pick(seen: list[Organization], wanted: str) -> Organization | None:
    """Find an organization by name or id, as the user may give either."""
    return next((one for one in seen if wanted in {one.name, one.id}), None)


def _find_organization(client: InfluxClient, api: InfluxDBClient) -> Organization:
    organization = _pick(_list_organizations(api), client.target.organization)
    if organization is None:
        raise _organization_missing(client)
    return organization


def _organization_missing(client: InfluxClient) -> StoreError:
    return StoreOrganizationMissingError(
        f'Organization "{client.target.organization}" does not exist, or the token '
        "may not see it"
    )


@contextmanager
def _api(client: InfluxClient, right: StoreRight) -> Iterator[InfluxDBClient]:
    """Open InfluxData's client on the same target and map its errors."""
    # Importing it takes 0.6 s and 32 MB for its generated classes; most users have
    # no 2.x, and those who have need it while they set up, not while it runs.
    from influxdb_client.client.influxdb_client import (  # noqa: PLC0415
        InfluxDBClient,
    )
    from influxdb_client.rest import ApiException  # noqa: PLC0415

    target = client.target
    context = (
        create_ssl_context(
            verify_ssl=target.verify_ssl, ca_certificate=target.ca_certificate
        )
        if target.ssl
        else None
    )
    try:
        with InfluxDBClient(
            url=target.url,
            token=target.token,
            org=target.organization,
            timeout=round(client.timeout_s * 1000),
            verify_ssl=target.verify_ssl,
            ssl_context=context,
        ) as api:
            yield api
    except ApiException as err:
        # Not chained: its text holds the whole answer, with what a server echoes.
        raise _api_error(err, client, right) from None
    except HTTPError as err:
        raise connection_error(err, redact=client.transport.redact) from err
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        # How its decoding fails on an answer that is not the API's.
        raise StoreProtocolError("The answer is not one of the 2.x API") from err


def _api_error(
    err: ApiException, client: InfluxClient, right: StoreRight
) -> StoreError:
    """Map an error by its status, as for our own requests."""
    if not err.status:  # its way to say that TLS failed
        return StoreTlsError(client.transport.redact(str(err.reason)))
    answer = Answer(
        status=err.status,
        headers={name.lower(): value for name, value in (err.headers or {}).items()},
        body=(err.body or "").encode()[:MAX_BODY_BYTES],
    )
    error = client.answer_error(answer, right=right)
    if isinstance(error, StoreMissingError) and "organization" in str(error):
        return StoreOrganizationMissingError(str(error))
    return error
