"""What odd answers and broken ways to a server mean, whatever its generation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
import logging

import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BatchTooLargeError,
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.store.influx.answers import retry_after_s
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.stand_ins.server import HttpStandIn, Reply

type MakeClient = Callable[..., InfluxClient]

LINE = b"m value=1 1\n"
HTML = b"<html><body>Bad things happened</body></html>"
WRITTEN = Reply(status=204)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def http_target(http: HttpStandIn) -> Target:
    return Target(
        api_version=ApiVersion.V1,
        host="127.0.0.1",
        port=http.port,
        username="writer",
        password="s3cr3t-password",
    )


@pytest.fixture
def scripted(make_client: MakeClient, http_target: Target) -> InfluxClient:
    return make_client(http_target)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(Reply.json({"error": "x"}, 401), StoreAuthError, id="401"),
        pytest.param(Reply(status=401, body=HTML), StoreAuthError, id="401-page"),
        pytest.param(Reply.json({"error": "x"}, 403), StorePermissionError, id="403"),
        pytest.param(Reply.json({"error": "x"}, 404), StoreMissingError, id="404"),
        pytest.param(Reply(status=404, body=HTML), StoreProtocolError, id="404-page"),
        pytest.param(
            Reply(
                status=404,
                headers={"X-Influxdb-Version": "1.8.10"},
                body=b"404 page not found\n",
            ),
            StoreProtocolError,
            id="404-path",
        ),
        pytest.param(
            Reply(status=405, body=b"no"), StoreProtocolError, id="405-not-influx"
        ),
        pytest.param(Reply(status=408), StoreUnavailableError, id="408"),
        pytest.param(Reply(status=413), BatchTooLargeError, id="413"),
        pytest.param(
            Reply(status=413, body=HTML), BatchTooLargeError, id="413-of-a-proxy"
        ),
        pytest.param(Reply(status=429, body=b"slow"), StoreUnavailableError, id="429"),
        pytest.param(Reply(status=500, body=HTML), StoreUnavailableError, id="500"),
        pytest.param(
            Reply.json({"error": "timeout"}, 500), StoreUnavailableError, id="500-json"
        ),
        pytest.param(
            Reply.json({"error": "retention policy not found: a"}, 500),
            StoreMissingError,
            id="500-missing",
        ),
        pytest.param(Reply(status=502, body=HTML), StoreUnavailableError, id="502"),
        pytest.param(Reply(status=503, body=b"busy"), StoreUnavailableError, id="503"),
        pytest.param(Reply(status=504), StoreUnavailableError, id="504"),
        # A proxy's refusal says nothing about a line; giving points up for it would
        # lose them.
        pytest.param(Reply(status=400, body=HTML), StoreProtocolError, id="400-page"),
        pytest.param(Reply(status=400), StoreProtocolError, id="400-empty"),
        pytest.param(
            Reply.json({"message": "Bad Request"}, 400),
            StoreProtocolError,
            id="400-other-json",
        ),
        pytest.param(Reply(status=422, body=HTML), StoreProtocolError, id="422-page"),
        # A portal or a login page must not pass for a success.
        pytest.param(Reply(status=200, body=HTML), StoreProtocolError, id="200-page"),
        pytest.param(Reply(status=200), StoreProtocolError, id="200-empty"),
        pytest.param(Reply.json({"ok": True}), StoreProtocolError, id="200-json"),
        pytest.param(
            Reply(status=302, headers={"Location": "/login"}),
            StoreProtocolError,
            id="302",
        ),
        pytest.param(
            Reply(status=599, body=b"?"), StoreUnavailableError, id="unknown-status"
        ),
    ],
)
def test_a_write_keeps_its_batch_and_is_written_later(
    http: HttpStandIn, scripted: InfluxClient, reply: Reply, error: type[StoreError]
) -> None:
    http.script(reply, WRITTEN)

    with pytest.raises(StoreError) as caught:
        scripted.write(LINE, is_gzip=False)
    scripted.write(LINE, is_gzip=False)

    assert type(caught.value) is error
    assert [request.body for request in http.requests] == [LINE, LINE]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply.json({"error": "unable to parse 'm'"}, 400), id="1.x"),
        pytest.param(
            Reply.json({"code": "invalid", "message": "unable to parse"}, 400), id="2.x"
        ),
        pytest.param(
            Reply(
                status=400,
                headers={
                    "X-Influxdb-Version": "1.8.10",
                    "X-Influxdb-Error": "unable to parse",
                },
            ),
            id="header",
        ),
        # 5,000 bad lines make an answer of megabytes.
        pytest.param(
            Reply.json({"error": "unable to parse 'm'\n" * 10_000}, 400), id="endless"
        ),
    ],
)
def test_only_the_servers_own_refusal_rejects(
    http: HttpStandIn, scripted: InfluxClient, reply: Reply
) -> None:
    http.script(reply, WRITTEN)

    with pytest.raises(BatchRejectedError, match="unable to parse") as caught:
        scripted.write(LINE, is_gzip=False)
    scripted.write(LINE, is_gzip=False)

    assert caught.value.bad_lines is None
    assert len(caught.value.reason) <= 1_000


def test_a_redirect_is_not_followed(http: HttpStandIn, scripted: InfluxClient) -> None:
    with HttpStandIn() as elsewhere:
        http.script(Reply(status=307, headers={"Location": f"{elsewhere.url}/write"}))

        with pytest.raises(StoreProtocolError, match="Redirected"):
            scripted.write(LINE, is_gzip=False)

        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("0.5", 0.5, id="fraction"),
        pytest.param("86400", 300.0, id="capped"),
        pytest.param("-3", 0.0, id="negative"),
        pytest.param("nan", None, id="nan"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("Sat, 21 Nov 2026 12:00:30 GMT", 30.0, id="date"),
        pytest.param("Sat, 21 Nov 2026 12:00:30 -0000", 30.0, id="date-without-zone"),
        pytest.param("Sat, 21 Nov 2026 11:00:00 GMT", 0.0, id="past"),
        pytest.param("Sat, 21 Nov 2099 11:00:00 GMT", 300.0, id="far"),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, now=NOW) == expected


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_reaches_the_writer(
    http: HttpStandIn, scripted: InfluxClient, status: int
) -> None:
    http.script(
        Reply(status=status, headers={"Retry-After": "12"}), Reply(status=status)
    )

    with pytest.raises(StoreUnavailableError) as asked:
        scripted.write(LINE, is_gzip=False)
    with pytest.raises(StoreUnavailableError) as silent:
        scripted.write(LINE, is_gzip=False)

    assert asked.value.retry_after_s == 12.0
    assert silent.value.retry_after_s is None


def test_secrets_stay_out_of_url_message_and_log(
    http: HttpStandIn, scripted: InfluxClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {
        "error": "user writer with s3cr3t-password (d3JpdGVyOnMzY3IzdC1wYXNzd29yZA==)"
    }
    http.script(
        Reply.json(echo, 403), Reply.json(echo, 400), Reply.json({"results": [echo]})
    )

    with pytest.raises(StoreError) as on_permission:
        scripted.write(LINE, is_gzip=False)
    with pytest.raises(StoreError) as on_rejection:
        scripted.write(LINE, is_gzip=False)
    with pytest.raises(StoreError) as on_query:
        scripted.execute("SELECT value FROM m")

    texts = [repr(caught.value) for caught in (on_permission, on_rejection, on_query)]
    everything = " ".join(
        [
            *texts,
            caplog.text,
            repr(scripted.target),
            *(f"{r.path} {r.query}" for r in http.requests),
        ]
    )
    assert http.last.secret == "s3cr3t-password"
    assert "s3cr3t" not in everything
    assert "d3JpdGVy" not in everything
    assert all("user writer with ** (**)" in text for text in texts)


@pytest.mark.parametrize(
    ("password", "words", "expected"),
    [
        ("ab", "ab is wrong for cabs", "** is wrong for cabs"),
        ("abcd", "abcdef", "**ef"),
        ("p w/ü", "p w/ü or p%20w%2F%C3%BC", "** or **"),
        ("", "nothing to hide", "nothing to hide"),
    ],
)
def test_redaction(
    make_client: MakeClient,
    http_target: Target,
    password: str,
    words: str,
    expected: str,
) -> None:
    client = make_client(replace(http_target, password=password))

    assert client.transport.redact(words) == expected


def test_a_missing_store_is_missing_whatever_its_status(
    http: HttpStandIn, scripted: InfluxClient
) -> None:
    http.script(Reply.json({"error": "database not found: x"}, 400))

    with pytest.raises(StoreMissingError):
        scripted.write(LINE, is_gzip=False)


def test_an_error_that_is_no_text(http: HttpStandIn, scripted: InfluxClient) -> None:
    http.script(Reply.json({"error": {"code": 7}}, 500))

    with pytest.raises(StoreUnavailableError, match="HTTP status 500"):
        scripted.write(LINE, is_gzip=False)


def test_a_closed_client_is_no_reason_to_give_up_points(
    http: HttpStandIn, scripted: InfluxClient
) -> None:
    scripted.close()

    with pytest.raises(StoreUnavailableError):
        scripted.write(LINE, is_gzip=False)
    assert http.requests == []


class TestQueries:
    """Answers to a question that are none."""

    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            pytest.param(Reply(body=HTML), StoreProtocolError, id="page"),
            pytest.param(Reply.json([1, 2]), StoreProtocolError, id="list"),
            pytest.param(Reply.json({"a": 1}), StoreProtocolError, id="other"),
            pytest.param(
                Reply.json({"results": [{"series": [{"name": "m"}]}]}),
                StoreProtocolError,
                id="no-columns",
            ),
            pytest.param(
                Reply.json({"results": [{"series": [7]}]}),
                StoreProtocolError,
                id="no-series",
            ),
            pytest.param(
                Reply.json({"results": [{"error": "database not found: a"}]}),
                StoreMissingError,
                id="missing",
            ),
            pytest.param(
                Reply.json({"results": [{"error": "max-select-point limit"}]}),
                StoreQueryError,
                id="limit",
            ),
            pytest.param(Reply.json({"error": "boom"}), StoreQueryError, id="bare"),
            pytest.param(Reply.json({"error": "x"}, 400), StoreQueryError, id="400"),
            pytest.param(Reply(status=400, body=HTML), StoreProtocolError, id="proxy"),
            pytest.param(Reply(status=503), StoreUnavailableError, id="503"),
            pytest.param(
                Reply(pieces=(b'{"results":[{"statement_id"',), is_cut=True),
                StoreUnavailableError,
                id="cut",
            ),
            pytest.param(
                Reply(
                    body=(
                        b'{"results":[{"series":[{"name":"m","columns":["time"],'
                        b'"values":[[1]],"partial":true}],"partial":true}]}\n'
                    )
                ),
                StoreUnavailableError,
                id="ends-early",
            ),
        ],
    )
    def test_each_is_an_error(
        self, http: HttpStandIn, scripted: InfluxClient, reply: Reply, error: type
    ) -> None:
        http.script(reply, Reply.json({"results": [{"statement_id": 0}]}))

        with pytest.raises(StoreError) as caught:
            scripted.execute("SELECT value FROM m")

        assert type(caught.value) is error
        assert scripted.execute("SELECT value FROM m") == []

    def test_the_statement_travels_in_the_body(
        self, http: HttpStandIn, scripted: InfluxClient
    ) -> None:
        http.script(Reply.json({"results": []}))

        scripted.execute("SELECT value FROM m WHERE a = $a", params={"a": "ü'"})

        assert http.last.query == {}
        assert http.last.headers["accept"] == "application/json"
        assert http.last.form == {
            "db": "home_assistant",
            "q": "SELECT value FROM m WHERE a = $a",
            "epoch": "ns",
            "chunked": "true",
            "chunk_size": "10000",
            "params": '{"a":"ü\'"}',
        }
