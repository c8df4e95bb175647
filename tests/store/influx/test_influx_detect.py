"""Telling generations apart, and what is no InfluxDB."""

import pytest

from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreError,
    StoreProtocolError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.store.influx.detect import (
    Address,
    ServerInfo,
    detect,
    parse_url,
)
from custom_components.ha_ingestor.store.influx.target import ApiVersion
from devlib.influxd import InfluxServer
from tests.stand_ins.influxdb_v2 import InfluxDb2StandIn
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import HttpStandIn, Reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("influx", Address("influx", 8086, False, "")),
        ("influx:9999", Address("influx", 9999, False, "")),
        ("  http://influx/ ", Address("influx", 8086, False, "")),
        ("http://influx:8181", Address("influx", 8181, False, "")),
        ("http://influx:80", Address("influx", 80, False, "")),
        ("https://influx", Address("influx", 443, True, "")),
        ("HTTPS://Influx:8086", Address("influx", 8086, True, "")),
        ("http://10.0.0.7/db/", Address("10.0.0.7", 8086, False, "/db")),
        ("http://[fe80::1]:8086", Address("fe80::1", 8086, False, "")),
        ("[::1]", Address("::1", 8086, False, "")),
    ],
)
def test_urls(text: str, expected: Address) -> None:
    assert parse_url(text) == expected


def test_the_port_that_is_meant_can_be_given() -> None:
    assert parse_url("influx", default_port=8181).port == 8181
    assert parse_url("https://influx", default_port=8181).port == 443


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "http://",
        "http://:8086",
        "ftp://influx",
        "influxdb://influx",
        "http://user:secret@influx",
        "http://token@influx",
        "http://influx/?db=a",
        "http://influx/#a",
        "http://influx:70000",
        "http://influx:port",
        "http://in flux",
        "http://influx\\evil",
        "http://[::1",
    ],
)
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(text)


def test_a_real_server(influxdb: InfluxServer) -> None:
    info = detect(influxdb.url)

    assert info.api_version is ApiVersion.V1
    assert info.version.startswith("1.")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"X-Influxdb-Version": "1.6.7~rc0", "X-Influxdb-Build": "OSS"},
            ServerInfo(version="1.6.7~rc0", api_version=ApiVersion.V1, build="OSS"),
        ),
        (
            {"X-Influxdb-Version": "1.8.10"},
            ServerInfo(version="1.8.10", api_version=ApiVersion.V1),
        ),
        (
            {"X-Influxdb-Version": "1.11.8-c1.11.8", "X-Influxdb-Build": "ENT"},
            ServerInfo(
                version="1.11.8-c1.11.8", api_version=ApiVersion.V1, build="ENT"
            ),
        ),
        (
            {"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"},
            ServerInfo(version="2.7.12", api_version=ApiVersion.V2, build="OSS"),
        ),
        (
            {"X-Influxdb-Version": "a1b2c3", "X-Influxdb-Build": "cloud2"},
            ServerInfo(version="a1b2c3", api_version=ApiVersion.V2, build="cloud2"),
        ),
    ],
    ids=["1.6", "1.8", "1.11", "2.7", "cloud"],
)
def test_by_the_headers_of_ping(
    http: HttpStandIn, headers: dict[str, str], expected: ServerInfo
) -> None:
    http.script(Reply(status=204, headers=headers))

    assert detect(http.url) == expected


def test_a_server_that_tells_its_version_with_a_refusal(http: HttpStandIn) -> None:
    # 1.8 with `ping-auth-enabled`.
    http.script(
        Reply(
            status=401,
            headers={"X-Influxdb-Version": "1.8.10"},
            body=b'{"error":"unable to parse authentication credentials"}',
        )
    )

    assert detect(http.url).api_version is ApiVersion.V1


def test_by_health_where_a_proxy_takes_the_headers_away(http: HttpStandIn) -> None:
    http.script(
        Reply(status=204),
        Reply.json({"name": "influxdb", "status": "pass", "version": "v2.7.1"}),
    )

    assert detect(http.url).version == "2.7.1"


def test_2x(v2: InfluxDb2StandIn) -> None:
    assert detect(v2.url).api_version is ApiVersion.V2


def test_3x_tells_those_whom_it_knows(v3: InfluxDb3StandIn) -> None:
    with pytest.raises(StoreAuthError):
        detect(v3.url)

    info = detect(v3.url, token=ADMIN_TOKEN)

    assert info == ServerInfo(
        version="3.5.0", api_version=ApiVersion.V3, build="InfluxDB 3 Core"
    )


def test_credentials_and_path_are_used(http: HttpStandIn) -> None:
    http.script(Reply(status=204, headers={"X-Influxdb-Version": "1.8.10"}))

    detect(f"{http.url}/influx/", username="reader", password="secret")

    assert http.last.path == "/influx/ping"
    assert http.last.secret == "secret"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(Reply(body=b"<html>"), StoreProtocolError, id="page"),
        pytest.param(Reply(status=404, body=b"<html>"), StoreProtocolError, id="404"),
        pytest.param(
            Reply.json({"version": "3.1.0"}), StoreProtocolError, id="other-json"
        ),
        pytest.param(Reply.json(["3.1.0"]), StoreProtocolError, id="list"),
        pytest.param(Reply(status=204), StoreProtocolError, id="204-without-header"),
        pytest.param(
            Reply(status=204, headers={"X-Influxdb-Version": "9.0.0"}),
            StoreProtocolError,
            id="unknown-generation",
        ),
        pytest.param(
            Reply(status=302, headers={"Location": "/"}), StoreProtocolError, id="302"
        ),
        pytest.param(Reply(status=503), StoreUnavailableError, id="503"),
        pytest.param(Reply(status=401, body=b"<html>"), StoreAuthError, id="401"),
    ],
)
def test_what_is_no_influxdb(
    http: HttpStandIn, reply: Reply, error: type[StoreError]
) -> None:
    http.script(reply, reply)

    with pytest.raises(StoreError) as caught:
        detect(http.url)

    assert type(caught.value) is error
