"""InfluxDB 3.x: contract from source, not verified on a server."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
import gzip

import pytest

from custom_components.ha_ingestor.const import MEASUREMENT_PROBE
from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    StoreAuthError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreRight,
    StoreUnsupportedError,
)
from custom_components.ha_ingestor.store.influx.admin import (
    create_store,
    has_store,
    list_stores,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.probe import probe_target
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import Reply

type MakeClient = Callable[..., InfluxClient]


@pytest.fixture
def client(make_client: MakeClient, v3_target: Target) -> InfluxClient:
    return make_client(v3_target)


def test_writes_go_where_good_lines_are_kept(
    v3: InfluxDb3StandIn, client: InfluxClient
) -> None:
    client.write(gzip.compress(b"m,room=a value=21.5 1\n"), is_gzip=True)

    assert v3.last.path == "/api/v3/write_lp"
    assert v3.last.query == {
        "db": "home_assistant",
        "precision": "nanosecond",
        "accept_partial": "true",
    }
    assert v3.last.secret == ADMIN_TOKEN
    (series,) = client.execute('SELECT "value" FROM "m" WHERE time >= 0')
    assert series.rows == [[1, 21.5]]


@pytest.mark.parametrize(
    "reply",
    [Reply(status=204), Reply(status=200), Reply(status=200, body=b"{}")],
    ids=["204", "200", "200-object"],
)
def test_every_way_to_say_written(
    v3: InfluxDb3StandIn, client: InfluxClient, reply: Reply
) -> None:
    v3.script(reply)

    client.write(b"m value=1 1\n", is_gzip=False)

    assert v3.last.body == b"m value=1 1\n"


def test_a_page_is_not_written(v3: InfluxDb3StandIn, client: InfluxClient) -> None:
    v3.script(Reply(status=200, body=b"<html>"))

    with pytest.raises(StoreProtocolError):
        client.write(b"m value=1 1\n", is_gzip=False)


def test_every_bad_line_is_named_and_the_rest_is_written(
    v3: InfluxDb3StandIn, client: InfluxClient
) -> None:
    body = b'm value=1 1\nm value="a" 2\nm value=3 3\nm value= 4\n'

    with pytest.raises(BatchRejectedError) as caught:
        client.write(body, is_gzip=False)

    # Counted from zero, as our own lines are.
    assert caught.value.bad_lines == {
        1: "invalid column type for column 'value', expected "
        "iox::column_type::field::float, got iox::column_type::field::string",
        3: "No fields were provided",
    }
    assert caught.value.reason.startswith("partial write of line protocol occurred: ")
    assert [row.time_ns for row in v3.databases["home_assistant"].rows] == [1, 3]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"error": "some limit was reached", "data": None}, id="limit"),
        # With `accept_partial=false`, which is not ours: nothing is written.
        pytest.param(
            {
                "error": "parsing failed for write_lp endpoint",
                "data": {"line_number": 1, "error_message": "x", "original_line": "m"},
            },
            id="nothing-written",
        ),
        pytest.param(
            {"error": "partial write of line protocol occurred", "data": []}, id="empty"
        ),
        pytest.param(
            {
                "error": "partial write of line protocol occurred",
                "data": [{"line_number": 2}, {"error_message": "which?"}],
            },
            id="line-without-number",
        ),
        pytest.param(
            {
                "error": "partial write of line protocol occurred",
                "data": [{"line_number": 0, "error_message": "x"}],
            },
            id="line-zero",
        ),
    ],
)
def test_lines_are_named_only_where_all_others_are_written(
    v3: InfluxDb3StandIn, client: InfluxClient, payload: object
) -> None:
    v3.script(Reply.json(payload, 400))

    with pytest.raises(BatchRejectedError) as caught:
        client.write(b"m value=1 1\n", is_gzip=False)

    assert caught.value.bad_lines is None


def test_a_line_without_a_reason_is_still_named(
    v3: InfluxDb3StandIn, client: InfluxClient
) -> None:
    v3.script(
        Reply.json(
            {
                "error": "partial write of line protocol occurred",
                "data": [{"line_number": 1}],
            },
            400,
        )
    )

    with pytest.raises(BatchRejectedError) as caught:
        client.write(b"m value=1 1\n", is_gzip=False)

    assert caught.value.bad_lines == {0: "refused"}


@pytest.mark.parametrize(
    ("store", "statement", "error"),
    [
        ("home_assistant", "DELETE FROM m", StoreQueryError),
        ("nowhere", 'SELECT "value" FROM "m"', StoreMissingError),
    ],
)
def test_a_failed_query_is_a_200(
    v3_target: Target,
    make_client: MakeClient,
    store: str,
    statement: str,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        make_client(replace(v3_target, store=store)).execute(statement)


def test_rows_cannot_be_deleted(v3: InfluxDb3StandIn, client: InfluxClient) -> None:
    with pytest.raises(StoreUnsupportedError):
        client.delete("m", tags={}, start_ns=0, end_ns=1)

    assert v3.requests == []


def test_databases_are_listed_and_created_once(
    v3: InfluxDb3StandIn, client: InfluxClient
) -> None:
    create_store(client, "raw", shard=timedelta(days=1))
    create_store(client, "raw")
    create_store(client, "daily", retention=timedelta(days=365))

    # Without a period rows stay for ever; zero would expire them at once.
    assert v3.database_requests == [
        {"db": "raw"},
        {"db": "daily", "retention_period": f"{365 * 24}h"},
    ]
    assert list_stores(client) == ["daily", "home_assistant", "raw"]
    assert has_store(client)
    assert not has_store(client, "other")


def test_no_retention_of_nothing(client: InfluxClient) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        create_store(client, "raw", retention=timedelta(0))


def test_the_limit_of_databases_is_told(client: InfluxClient) -> None:
    create_store(client, "b")
    create_store(client, "c")
    create_store(client, "d")
    create_store(client, "e")

    with pytest.raises(StoreQueryError, match="limit of 5"):
        create_store(client, "f")


@pytest.mark.parametrize(
    "reply",
    [Reply(body=b"<html>"), Reply.json([{"name": "a"}]), Reply.json({"a": 1})],
    ids=["page", "other-list", "other"],
)
def test_a_list_that_is_none(
    v3: InfluxDb3StandIn, client: InfluxClient, reply: Reply
) -> None:
    v3.script(reply)

    with pytest.raises(StoreProtocolError):
        list_stores(client)
    assert list_stores(client) == ["home_assistant"]


class TestProbe:
    """What the config flow asks."""

    def test_a_good_target(self, v3: InfluxDb3StandIn, v3_target: Target) -> None:
        result = probe_target(v3_target)

        assert result.server.api_version is ApiVersion.V3
        assert result.server.version == "3.5.0"
        assert result.server.build == "InfluxDB 3 Core"
        assert not result.can_delete
        assert v3.dropped_tables == [("home_assistant", MEASUREMENT_PROBE)]
        assert v3.databases["home_assistant"].rows == []

    def test_a_token_that_cannot_drop_leaves_the_probe(
        self, v3: InfluxDb3StandIn, v3_target: Target
    ) -> None:
        v3.tokens["data-token"] = frozenset({"data"})

        result = probe_target(replace(v3_target, token="data-token"))

        assert not result.can_delete
        assert [row.name for row in v3.databases["home_assistant"].rows] == [
            MEASUREMENT_PROBE
        ]

    def test_a_mistyped_database_is_not_made_by_writing(
        self, v3: InfluxDb3StandIn, v3_target: Target
    ) -> None:
        target = replace(v3_target, store="home_asistant")

        with pytest.raises(StoreMissingError, match="home_asistant"):
            probe_target(target)
        assert "home_asistant" not in v3.databases

        assert probe_target(target, create=True).has_created

    def test_creating_needs_an_admin(
        self, v3: InfluxDb3StandIn, v3_target: Target
    ) -> None:
        v3.tokens["data-token"] = frozenset({"data"})
        target = replace(v3_target, token="data-token", store="new")

        with pytest.raises(StorePermissionError) as caught:
            probe_target(target, create=True)

        assert caught.value.right is StoreRight.CREATE

    @pytest.mark.parametrize("token", ["", "wrong"])
    def test_a_wrong_token(self, v3_target: Target, token: str) -> None:
        with pytest.raises(StoreAuthError):
            probe_target(replace(v3_target, token=token))
