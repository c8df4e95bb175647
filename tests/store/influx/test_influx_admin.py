"""Databases and the probe against a real InfluxDB 1.x."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_socket

from custom_components.ha_ingestor.const import MEASUREMENT_PROBE
from custom_components.ha_ingestor.errors import (
    StoreAuthError,
    StoreError,
    StoreMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreQueryError,
    StoreRefusedError,
    StoreRight,
    StoreUnavailableError,
    StoreVersionError,
)
from custom_components.ha_ingestor.store.influx import probe
from custom_components.ha_ingestor.store.influx.admin import (
    check_organization,
    create_store,
    drop_measurement,
    has_store,
    list_stores,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.probe import probe_target
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.stand_ins.server import HttpStandIn, Reply

type MakeClient = Callable[..., InfluxClient]

PING = Reply(status=204, headers={"X-Influxdb-Version": "1.8.10"})
DATABASES = Reply.json(
    {"results": [{"series": [{"columns": ["name"], "values": [["home_assistant"]]}]}]}
)
NOTHING = Reply.json({"results": [{"statement_id": 0}]})


@pytest.fixture
def names(influxdb: InfluxServer) -> Iterator[tuple[str, str]]:
    """Two names that need quoting, free before and after the test."""
    names = ('odd "name" here', "plain")
    yield names
    for name in ('odd \\"name\\" here', "plain"):
        influxdb.query(f'DROP DATABASE "{name}"')


def test_databases_are_listed_and_created_once(
    client: InfluxClient, names: tuple[str, str]
) -> None:
    odd, plain = names
    assert not has_store(client, odd)

    create_store(client, odd)
    create_store(client, odd)
    create_store(client, plain)

    assert list_stores(client) == sorted([odd, plain, "test"])
    assert has_store(client)
    assert has_store(client, odd)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("retention", "shard", "expected"),
    [
        (None, None, ["autogen", "0s", "168h0m0s"]),
        (None, timedelta(days=1), ["autogen", "0s", "24h0m0s"]),
        (timedelta(days=30), timedelta(days=1), ["autogen", "720h0m0s", "24h0m0s"]),
        (timedelta(days=2), None, ["autogen", "48h0m0s", "24h0m0s"]),
    ],
    ids=["default", "shard", "both", "retention"],
)
def test_retention_and_shards(
    client: InfluxClient,
    influxdb: InfluxServer,
    retention: timedelta | None,
    shard: timedelta | None,
    expected: list[str],
) -> None:
    create_store(client, "plain", retention=retention, shard=shard)

    (policy,) = influxdb.rows('SHOW RETENTION POLICIES ON "plain"')
    assert policy[:3] == expected
    assert policy[-1] is True


@pytest.mark.parametrize("retention", [timedelta(0), timedelta(days=-1)])
def test_no_retention_of_nothing(client: InfluxClient, retention: timedelta) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        create_store(client, "plain", retention=retention)


def test_a_measurement_can_be_dropped(client: InfluxClient) -> None:
    client.write(b"a value=1 1\nb value=1 1", is_gzip=False)

    drop_measurement(client, "a")

    assert client.execute("SHOW MEASUREMENTS")[0].rows == [["b"]]


def test_there_are_no_organizations(client: InfluxClient) -> None:
    check_organization(client)

    assert has_store(client)


class TestProbe:
    """What the config flow asks."""

    def test_a_good_target_is_left_as_it_was(
        self, client: InfluxClient, target: Target
    ) -> None:
        client.write(b"m value=1 1", is_gzip=False)

        result = probe_target(target)

        assert result.server.api_version is ApiVersion.V1
        assert result.can_delete
        assert not result.has_created
        assert client.execute("SHOW MEASUREMENTS")[0].rows == [["m"]]

    def test_a_probe_leaves_the_points_of_another_alone(
        self, client: InfluxClient, target: Target
    ) -> None:
        client.write(f"{MEASUREMENT_PROBE} value=1 1".encode(), is_gzip=False)

        probe_target(target)

        (series,) = client.execute(f'SELECT * FROM "{MEASUREMENT_PROBE}"')
        assert series.rows == [[1, 1]]

    @pytest.mark.usefixtures("names")
    def test_the_database_can_be_created(self, target: Target) -> None:
        missing = replace(target, store="plain")

        with pytest.raises(StoreMissingError, match="plain"):
            probe_target(missing)
        first = probe_target(missing, create=True)
        second = probe_target(missing, create=True)

        assert first.has_created
        assert not second.has_created

    def test_nobody_there(self, target: Target) -> None:
        with HttpStandIn() as gone:
            port = gone.port

        with pytest.raises(StoreRefusedError):
            probe_target(replace(target, port=port))

    def test_another_generation(self, target: Target) -> None:
        with pytest.raises(StoreVersionError) as caught:
            probe_target(replace(target, api_version=ApiVersion.V2, token="a"))

        assert (caught.value.expected, caught.value.found) == ("2", "1")


class TestAuth:
    """A server that asks who one is."""

    @pytest.fixture(scope="class")
    def server(
        self, influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[InfluxServer]:
        # See the fixture `shared_influxdb`.
        pytest_socket.enable_socket()
        folder = tmp_path_factory.mktemp("auth")
        with InfluxServer(influxd_binary, folder, auth=True) as server:
            server.create_admin("admin", "admin-secret")
            server.query("CREATE DATABASE home_assistant")
            for user, right in (
                ("reader", "READ"),
                ("writer", "WRITE"),
                ("both", "ALL"),
            ):
                server.query(f"CREATE USER {user} WITH PASSWORD '{user}-secret'")
                server.query(f"GRANT {right} ON home_assistant TO {user}")
            yield server

    @pytest.fixture
    def protected(self, server: InfluxServer) -> Target:
        return Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=server.port,
            username="both",
            password="both-secret",
        )

    def test_all_rights_on_the_database_are_enough(self, protected: Target) -> None:
        result = probe_target(protected)

        assert result.can_delete
        assert not probe_target(protected, create=True).has_created

    @pytest.mark.parametrize(
        ("username", "right"),
        [("reader", StoreRight.WRITE), ("writer", StoreRight.READ)],
    )
    def test_the_missing_right_is_named(
        self, protected: Target, username: str, right: StoreRight
    ) -> None:
        target = replace(protected, username=username, password=f"{username}-secret")

        with pytest.raises(StorePermissionError) as caught:
            probe_target(target)

        assert caught.value.right is right

    def test_creating_needs_an_admin(self, protected: Target) -> None:
        with pytest.raises(StorePermissionError) as caught:
            probe_target(replace(protected, store="new"), create=True)

        assert caught.value.right is StoreRight.CREATE

        admin = replace(
            protected, store="new", username="admin", password="admin-secret"
        )
        assert probe_target(admin, create=True).has_created

    def test_wrong_credentials(self, protected: Target) -> None:
        with pytest.raises(StoreAuthError):
            probe_target(replace(protected, password="wrong"))


class TestOddServers:
    """Steps of the probe that no sound server gets wrong."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probe, "_VISIBLE_WITHIN_S", 0.05)
        monkeypatch.setattr(probe, "_FIRST_PAUSE_S", 0.01)

    @pytest.fixture
    def odd(self, http: HttpStandIn) -> Target:
        return Target(api_version=ApiVersion.V1, host="127.0.0.1", port=http.port)

    @pytest.mark.parametrize(
        ("replies", "error"),
        [
            ([Reply(body=b"<html>")] * 2, StoreProtocolError),
            ([PING, Reply(status=503)], StoreUnavailableError),
            ([PING, DATABASES, Reply(status=404, body=b"<html>")], StoreProtocolError),
            ([PING, DATABASES, Reply(status=204), *[NOTHING] * 20], StoreQueryError),
            (
                [
                    PING,
                    DATABASES,
                    Reply(status=204),
                    Reply.json(
                        {
                            "results": [
                                {"series": [{"columns": ["time"], "values": [[7, 7]]}]}
                            ]
                        }
                    ),
                ],
                StoreProtocolError,
            ),
        ],
        ids=["page", "busy", "no-write-path", "never-visible", "other-value"],
    )
    def test_each_is_told(
        self,
        http: HttpStandIn,
        odd: Target,
        replies: list[Reply],
        error: type[StoreError],
    ) -> None:
        http.script(*replies)

        with pytest.raises(StoreError) as caught:
            probe_target(odd)

        assert type(caught.value) is error

    def test_what_stays_after_its_deletion_cannot_be_deleted(
        self, odd: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(probe, "_has_point", lambda client, time_ns: True)
        with HttpStandIn() as server:
            server.script(PING, DATABASES, Reply(status=204), NOTHING)

            result = probe_target(replace(odd, port=server.port))

            assert server.last.form["q"].startswith(
                f'DELETE FROM "{MEASUREMENT_PROBE}" WHERE time >= '
            )
        assert not result.can_delete
