"""InfluxDB 2.x: contract from source, not verified on a server."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StoreOrganizationMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreRefusedError,
    StoreRight,
    StoreTimeoutError,
    StoreTlsError,
    StoreUnavailableError,
    StoreUnsupportedError,
    StoreVersionError,
)
from custom_components.ha_ingestor.store.influx.admin import (
    check_organization,
    create_store,
    has_store,
    list_stores,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.probe import probe_target
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.stand_ins.certificates import Certificates
from tests.stand_ins.influxdb_v2 import (
    ADMIN_TOKEN,
    ORGANIZATION,
    ORGANIZATION_ID,
    InfluxDb2StandIn,
)
from tests.stand_ins.server import HttpStandIn, Reply

type MakeClient = Callable[..., InfluxClient]


@pytest.fixture
def client(make_client: MakeClient, v2_target: Target) -> InfluxClient:
    return make_client(v2_target)


def test_the_bucket_is_the_database(v2: InfluxDb2StandIn, client: InfluxClient) -> None:
    client.write(b"m,room=a value=21.5 1\n", is_gzip=False)

    assert v2.last.path == "/write"
    assert v2.last.query == {"db": "home_assistant", "precision": "ns"}
    assert v2.last.headers["authorization"].startswith("Basic ")
    assert v2.last.secret == ADMIN_TOKEN
    (series,) = client.execute('SELECT "value" FROM "m" WHERE time >= 0')
    assert series.rows == [[1, 21.5]]


def test_a_type_conflict_is_rejected_and_the_rest_is_written(
    v2: InfluxDb2StandIn, client: InfluxClient
) -> None:
    body = b'm value=1 1\nm value="a" 2\nm value=3 3\n'

    with pytest.raises(BatchRejectedError, match=r"dropped=1") as caught:
        client.write(body, is_gzip=False)

    assert caught.value.bad_lines is None
    assert [row.time_ns for row in v2.buckets["home_assistant"].rows] == [1, 3]


def test_a_bad_line_is_rejected_and_nothing_is_written(
    v2: InfluxDb2StandIn, client: InfluxClient
) -> None:
    with pytest.raises(BatchRejectedError, match="unable to parse"):
        client.write(b"m value=1 1\nm value= 2\n", is_gzip=False)

    assert v2.buckets["home_assistant"].rows == []
    client.write(b"m value=1 1\n", is_gzip=False)
    assert len(v2.buckets["home_assistant"].rows) == 1


def test_rows_are_deleted_up_to_the_end(
    v2: InfluxDb2StandIn, client: InfluxClient
) -> None:
    client.write(
        b"m,room=a value=1 1\nm,room=a value=2 2\nm,room=b value=1 1\n", is_gzip=False
    )

    client.delete("m", tags={"room": "a"}, start_ns=0, end_ns=2)

    left = [
        (dict(r.tags)["room"], r.time_ns) for r in v2.buckets["home_assistant"].rows
    ]
    assert left == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("rights", "error"),
    [
        (frozenset({"read"}), StorePermissionError),
        # What a token may not read has no mapping for it.
        (frozenset({"write"}), StoreMissingError),
    ],
    ids=["read-only", "write-only"],
)
def test_narrow_tokens_cannot_write(
    v2: InfluxDb2StandIn,
    v2_target: Target,
    make_client: MakeClient,
    rights: frozenset[str],
    error: type[StoreError],
) -> None:
    v2.tokens["narrow-token"] = rights
    client = make_client(replace(v2_target, token="narrow-token"))

    with pytest.raises(StoreError) as caught:
        client.write(b"m value=1 1\n", is_gzip=False)

    assert type(caught.value) is error


def test_buckets_are_listed_without_the_servers_own(client: InfluxClient) -> None:
    assert list_stores(client) == ["home_assistant"]
    assert has_store(client)
    assert not has_store(client, "other")


def test_a_long_list_of_buckets_comes_in_pages(
    v2: InfluxDb2StandIn, client: InfluxClient
) -> None:
    names = [f"bucket_{number:03}" for number in range(75)]
    create_all = dict.fromkeys(names, v2.buckets["home_assistant"])
    v2.buckets.update(create_all)

    assert list_stores(client) == sorted([*names, "home_assistant"])


@pytest.mark.parametrize("organization", [ORGANIZATION, ORGANIZATION_ID])
def test_a_bucket_is_created_once(
    v2: InfluxDb2StandIn,
    v2_target: Target,
    make_client: MakeClient,
    organization: str,
) -> None:
    client = make_client(replace(v2_target, organization=organization))

    create_store(client, "raw")
    create_store(client, "raw")
    create_store(
        client, "daily", retention=timedelta(days=365), shard=timedelta(days=364)
    )

    # "rp" is what the library sends by itself.
    assert v2.bucket_requests == [
        {
            "name": "raw",
            "rp": "0",
            "orgID": ORGANIZATION_ID,
            "retentionRules": [{"type": "expire", "everySeconds": 0}],
        },
        {
            "name": "daily",
            "rp": "0",
            "orgID": ORGANIZATION_ID,
            "retentionRules": [
                {
                    "type": "expire",
                    "everySeconds": 365 * 86_400,
                    "shardGroupDurationSeconds": 364 * 86_400,
                }
            ],
        },
    ]


def test_creating_needs_its_own_right(
    v2: InfluxDb2StandIn, v2_target: Target, make_client: MakeClient
) -> None:
    v2.tokens["narrow-token"] = frozenset({"read", "write", "orgs"})
    client = make_client(replace(v2_target, token="narrow-token"))

    # It is a 401 there, though the token is a good one.
    with pytest.raises(StorePermissionError) as caught:
        create_store(client, "raw")

    assert caught.value.right is StoreRight.CREATE


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(body=b"<html>"), StoreProtocolError),
        (Reply.json({"buckets": "none"}), StoreProtocolError),
        (Reply(status=302, headers={"Location": "/login"}), StoreProtocolError),
        (Reply(status=502, body=b"<html>"), StoreUnavailableError),
        (Reply.json({"code": "unauthorized", "message": "no"}, 401), StoreAuthError),
    ],
    ids=["page", "other-json", "redirect", "proxy", "token"],
)
def test_odd_answers_to_the_client_library(
    v2: InfluxDb2StandIn, client: InfluxClient, reply: Reply, error: type[StoreError]
) -> None:
    v2.script(reply)

    with pytest.raises(StoreError) as caught:
        list_stores(client)

    assert type(caught.value) is error
    assert list_stores(client) == ["home_assistant"]


def test_the_client_library_follows_no_redirect_and_tells_no_secret(
    v2: InfluxDb2StandIn, client: InfluxClient
) -> None:
    with HttpStandIn() as elsewhere:
        v2.script(
            Reply(status=307, headers={"Location": f"{elsewhere.url}/api/v2/buckets"}),
            Reply.json({"code": "forbidden", "message": f"not for {ADMIN_TOKEN}"}, 403),
        )

        with pytest.raises(StoreProtocolError, match="Redirected"):
            list_stores(client)
        with pytest.raises(StorePermissionError) as caught:
            list_stores(client)

        assert elsewhere.requests == []
    assert str(caught.value) == "not for **"
    assert caught.value.__cause__ is None


def test_the_client_library_cannot_reach_the_server(
    v2_target: Target, make_client: MakeClient
) -> None:
    with HttpStandIn() as gone:
        port = gone.port

    with pytest.raises(StoreRefusedError):
        list_stores(make_client(replace(v2_target, port=port)))


def test_the_client_library_does_not_wait_for_ever(
    v2: InfluxDb2StandIn, v2_target: Target, make_client: MakeClient
) -> None:
    client = make_client(v2_target, timeout_s=0.2)
    # It is imported at its first use, which the timeout has nothing to do with.
    list_stores(client)
    v2.script(Reply(delay_s=30))

    with pytest.raises(StoreTimeoutError):
        list_stores(client)


def test_creating_in_a_wrong_organization(
    v2_target: Target, make_client: MakeClient
) -> None:
    client = make_client(replace(v2_target, organization="away"))

    with pytest.raises(StoreOrganizationMissingError, match="away"):
        create_store(client, "raw")
    with pytest.raises(StoreOrganizationMissingError, match="away"):
        list_stores(client)


@pytest.mark.parametrize(
    "reply",
    [
        Reply.json(
            {"code": "unauthorized", "message": "read:orgs is unauthorized"}, 401
        ),
        Reply.json({"code": "forbidden", "message": "no"}, 403),
        Reply.json({"code": "not found", "message": "organization not found"}, 404),
    ],
    ids=["401", "403", "404"],
)
def test_a_token_that_may_not_see_organizations_can_do_without(
    v2: InfluxDb2StandIn, client: InfluxClient, reply: Reply
) -> None:
    v2.script(reply)

    check_organization(client)

    assert v2.last.path == "/api/v2/orgs"


def test_the_client_library_uses_the_same_certificates(
    v2_target: Target, certificates: Certificates, make_client: MakeClient
) -> None:
    context = certificates.server_context()
    with InfluxDb2StandIn(buckets=["home_assistant"], tls=context) as server:
        target = replace(v2_target, port=server.port, ssl=True)
        trusting = replace(target, ca_certificate=certificates.authority_pem)
        careless = replace(target, verify_ssl=False)

        with pytest.raises(StoreTlsError, match="ertificate"):
            list_stores(make_client(target))
        assert list_stores(make_client(trusting)) == ["home_assistant"]
        assert probe_target(trusting).can_delete
        assert make_client(careless).ping().api_version is ApiVersion.V2


class TestProbe:
    """What the config flow asks."""

    def test_a_good_target(self, v2: InfluxDb2StandIn, v2_target: Target) -> None:
        result = probe_target(v2_target)

        assert result.server.version == "2.7.12"
        assert result.server.api_version is ApiVersion.V2
        assert result.can_delete
        assert not result.has_created
        assert v2.buckets["home_assistant"].rows == []

    def test_a_token_for_one_bucket_is_enough(
        self, v2: InfluxDb2StandIn, v2_target: Target
    ) -> None:
        v2.tokens["bucket-token"] = frozenset({"read", "write"})

        result = probe_target(replace(v2_target, token="bucket-token"))

        assert result.can_delete

    def test_the_bucket_can_be_created(
        self, v2: InfluxDb2StandIn, v2_target: Target
    ) -> None:
        target = replace(v2_target, store="new")

        with pytest.raises(StoreMissingError) as caught:
            probe_target(target)
        result = probe_target(target, create=True)

        assert type(caught.value) is StoreMissingError
        assert result.has_created
        assert "new" in v2.buckets
        assert not probe_target(target, create=True).has_created

    @pytest.mark.parametrize("create", [False, True])
    def test_a_wrong_organization_is_named(
        self, v2_target: Target, create: bool
    ) -> None:
        target = replace(v2_target, organization="away")

        with pytest.raises(StoreOrganizationMissingError, match="away"):
            probe_target(target, create=create)

    @pytest.mark.parametrize(
        ("rights", "right"),
        [
            (frozenset({"read", "orgs"}), StoreRight.WRITE),
            (frozenset({"read", "write", "orgs"}), StoreRight.CREATE),
        ],
        ids=["write", "create"],
    )
    def test_the_missing_right_is_named(
        self,
        v2: InfluxDb2StandIn,
        v2_target: Target,
        rights: frozenset[str],
        right: StoreRight,
    ) -> None:
        v2.tokens["narrow-token"] = rights
        store = {StoreRight.WRITE: "home_assistant", StoreRight.CREATE: "new"}[right]
        target = replace(v2_target, token="narrow-token", store=store)

        with pytest.raises(StorePermissionError) as caught:
            probe_target(target, create=right is StoreRight.CREATE)

        assert caught.value.right is right

    def test_a_wrong_token(self, v2_target: Target) -> None:
        with pytest.raises(StoreAuthError):
            probe_target(replace(v2_target, token="wrong"))

    def test_another_generation(self, v2_target: Target) -> None:
        target = replace(v2_target, api_version=ApiVersion.V1)

        with pytest.raises(StoreVersionError) as caught:
            probe_target(target)

        assert (caught.value.expected, caught.value.found) == ("1", "2")

    @pytest.mark.parametrize(
        ("version", "is_old"), [("v2.4.0", True), ("2.5.0", False), ("v2.10.1", False)]
    )
    def test_what_is_too_old(
        self, v2: InfluxDb2StandIn, v2_target: Target, version: str, is_old: bool
    ) -> None:
        v2.version = version

        assert _is_too_old(v2_target) is is_old


def _is_too_old(target: Target) -> bool:
    try:
        probe_target(target)
    except StoreUnsupportedError:
        return True
    return False
