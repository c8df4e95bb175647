"""The stores of the tiers: created, or named for a person to create."""

from collections.abc import Iterator
from dataclasses import replace
import datetime as dt
from pathlib import Path

import pytest

from custom_components.ha_ingestor.errors import (
    RetentionStoresError,
    StoreMissingError,
    StorePermissionError,
    StoreUnavailableError,
    StoreUnsupportedError,
)
from custom_components.ha_ingestor.retention.stores import TierStores, is_usable
from custom_components.ha_ingestor.retention.tiers import Ages, Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.store.influx.admin import (
    Retention,
    create_store,
    read_retention,
    set_retention,
)
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.retention.server_kit import DAY, target_of
from tests.stand_ins.influxdb_v2 import (
    ADMIN_TOKEN as V2_TOKEN,
    ORGANIZATION,
    InfluxDb2StandIn,
)
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import Reply

DAYS = dt.timedelta(days=1)
FOR_EVER = Ages(raw=None, hourly=None, daily=None)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def v1(influxdb: InfluxServer) -> Iterator[TierStores]:
    stores = TierStores(target_of(influxdb))
    yield stores
    stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def v2() -> Iterator[InfluxDb2StandIn]:
    with InfluxDb2StandIn(buckets=("_monitoring", "home")) as stand_in:
        yield stand_in


@pytest.fixture
def v3() -> Iterator[InfluxDb3StandIn]:
    with InfluxDb3StandIn(databases=("home",)) as stand_in:
        yield stand_in


@pytest.fixture
def v2_target(v2: InfluxDb2StandIn) -> Target:
    return Target(
        api_version=ApiVersion.V2,
        host="127.0.0.1",
        port=v2.port,
        token=V2_TOKEN,
        organization=ORGANIZATION,
        store="home",
    )


@pytest.fixture
def v3_target(v3: InfluxDb3StandIn) -> Target:
    return Target(
        api_version=ApiVersion.V3,
        host="127.0.0.1",
        port=v3.port,
        token=V3_TOKEN,
        store="home",
    )


def policies(server: InfluxServer, store: str) -> list[list[object]]:
    return server.rows(f'SHOW RETENTION POLICIES ON "{store}"')


def test_stores_are_made_that_take_rows_of_any_age(
    influxdb: InfluxServer, v1: TierStores
) -> None:
    assert v1.ensure() == (Tier.HOURLY, Tier.DAILY)

    assert policies(influxdb, "test_hourly") == [["autogen", "0s", "672h0m0s", 1, True]]
    assert policies(influxdb, "test_daily") == [["autogen", "0s", "8736h0m0s", 1, True]]
    # The user's own store stays as it is.
    assert policies(influxdb, "test") == [["autogen", "0s", "168h0m0s", 1, True]]
    assert v1.ensure() == ()


def test_for_ever_is_for_ever(influxdb: InfluxServer, v1: TierStores) -> None:
    TierStores(target_of(influxdb), ages=FOR_EVER).ensure()

    assert policies(influxdb, "test_daily")[0][1] == "0s"


def test_files_have_no_store(v1: TierStores) -> None:
    with pytest.raises(ValueError, match="no store"):
        v1.plan(Tier.ARCHIVE)


def test_each_tier_has_a_client_of_its_own_store(v1: TierStores) -> None:
    assert [v1.client(tier).target.store for tier in list(Tier)[:3]] == [
        "test",
        "test_hourly",
        "test_daily",
    ]
    assert v1.client(Tier.RAW) is v1.client(Tier.RAW)
    assert v1.capabilities.can_delete


def test_without_the_right_it_says_what_to_create(
    influxd_binary: Path, tmp_path: Path
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd", auth=True) as server:
        server.create_admin("root", "secret-of-root")
        server.query(
            'CREATE DATABASE "test"; CREATE DATABASE "test_daily";'
            " CREATE USER writer WITH PASSWORD 'secret-of-writer';"
            ' GRANT ALL ON "test" TO writer'
        )
        target = replace(
            target_of(server), username="writer", password="secret-of-writer"
        )
        stores = TierStores(target)

        with pytest.raises(RetentionStoresError) as caught:
            stores.ensure()

        # The third exists, but the user may not use it.
        assert caught.value.missing == ("test_hourly", "test_daily")
        assert "secret" not in str(caught.value)
        assert is_usable(stores.client(Tier.RAW))

        server.query(
            'CREATE DATABASE "test_hourly"; GRANT ALL ON "test_hourly" TO writer;'
            ' GRANT ALL ON "test_daily" TO writer'
        )
        assert stores.ensure() == ()
        assert stores.too_short() == {}
        stores.close()


def test_a_server_that_is_away_is_not_a_missing_store(
    influxd_binary: Path, tmp_path: Path
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        stores = TierStores(target_of(server))
        server.kill()

        with pytest.raises(StoreUnavailableError):
            stores.ensure()

        server.start()
        assert stores.ensure() == (Tier.RAW, Tier.HOURLY, Tier.DAILY)
        # A backfill of years would be refused by a shorter one.
        assert policies(server, "test")[0][1] == "0s"
        stores.close()


def test_a_store_that_drops_rows_too_early_is_found(
    influxdb: InfluxServer, v1: TierStores
) -> None:
    v1.ensure()
    assert v1.too_short() == {}

    set_retention(v1.client(Tier.HOURLY), 60 * DAYS)
    set_retention(v1.client(Tier.RAW), 7 * DAYS)

    assert v1.too_short() == {Tier.HOURLY: 60 * DAYS}
    set_retention(v1.client(Tier.RAW), None)
    assert read_retention(v1.client(Tier.RAW)) == Retention(duration=None)


@pytest.mark.parametrize("duration", [dt.timedelta(0), -DAYS, dt.timedelta(minutes=59)])
def test_no_retention_of_nothing(v1: TierStores, duration: dt.timedelta) -> None:
    with pytest.raises(ValueError, match="an hour"):
        set_retention(v1.client(Tier.RAW), duration)


def test_buckets_of_2(v2: InfluxDb2StandIn, v2_target: Target) -> None:
    """Contract from source, not verified on a server."""
    stores = TierStores(v2_target)

    assert stores.ensure() == (Tier.HOURLY, Tier.DAILY)

    assert [
        (r["name"], r["retentionRules"][0]["everySeconds"]) for r in v2.bucket_requests
    ] == [("home_hourly", 0), ("home_daily", 0)]
    assert stores.ensure() == ()
    assert stores.too_short() == {}
    set_retention(stores.client(Tier.HOURLY), 2 * DAYS)
    assert v2.retention["home_hourly"] == 2 * 86_400
    assert stores.too_short() == {Tier.HOURLY: 2 * DAYS}
    set_retention(stores.client(Tier.HOURLY), None)
    assert read_retention(stores.client(Tier.HOURLY)) == Retention(duration=None)
    stores.close()


def test_2_without_the_right(v2: InfluxDb2StandIn, v2_target: Target) -> None:
    v2.tokens["narrow"] = frozenset({"read", "write", "orgs"})
    stores = TierStores(replace(v2_target, token="narrow"))

    with pytest.raises(RetentionStoresError) as caught:
        stores.ensure()

    assert caught.value.missing == ("home_hourly", "home_daily")
    with pytest.raises(StorePermissionError):
        set_retention(stores.client(Tier.RAW), DAYS)
    with pytest.raises(StoreMissingError):
        read_retention(stores.client(Tier.HOURLY))
    stores.close()


def test_databases_of_3(v3: InfluxDb3StandIn, v3_target: Target) -> None:
    """Contract from source, not verified on a server."""
    stores = TierStores(v3_target)

    assert stores.ensure() == (Tier.HOURLY, Tier.DAILY)

    assert v3.database_requests == [
        {"db": "home_hourly", "retention_period": f"{92 * 24}h"},
        {"db": "home_daily"},
    ]
    assert not stores.capabilities.can_delete
    assert stores.too_short() == {}
    stores.close()


def test_a_sixth_database_of_3(v3: InfluxDb3StandIn, v3_target: Target) -> None:
    for name in ("one", "two", "three"):
        create_store(TierStores(replace(v3_target, store=name)).client(Tier.RAW))
    stores = TierStores(v3_target)

    with pytest.raises(RetentionStoresError, match="limit of 5") as caught:
        stores.ensure()

    assert caught.value.missing == ("home_daily",)
    stores.close()


def test_3_keeps_what_is_not_verified(v3: InfluxDb3StandIn, v3_target: Target) -> None:
    stores = TierStores(v3_target)
    now_ns = DAY

    def manage(oldest_days: int | None) -> dt.timedelta | None:
        return stores.manage_retention(
            Tier.RAW,
            now_ns=now_ns,
            oldest_unverified_ns=None
            if oldest_days is None
            else now_ns - oldest_days * NS_PER_DAY,
        )

    assert [manage(days) for days in (None, 0, 3, 20, 21, None)] == [
        9 * DAYS,
        9 * DAYS,
        9 * DAYS,
        22 * DAYS,
        23 * DAYS,
        9 * DAYS,
    ]
    # Only what changes is sent, and never a zero.
    assert [update["retention_period"] for update in v3.updates] == [
        f"{days * 24}h" for days in (9, 22, 23, 9)
    ]
    stores.close()


def test_3_for_ever(v3: InfluxDb3StandIn, v3_target: Target) -> None:
    stores = TierStores(v3_target, ages=FOR_EVER)

    assert stores.manage_retention(Tier.RAW, now_ns=DAY, oldest_unverified_ns=0) is None

    assert v3.updates == [{"db": "home", "retention_period": "none"}]
    stores.close()


def test_core_cannot_change_a_retention(
    v3: InfluxDb3StandIn, v3_target: Target
) -> None:
    v3.has_updates = False
    stores = TierStores(v3_target)

    with pytest.raises(StoreUnsupportedError):
        stores.manage_retention(Tier.RAW, now_ns=DAY, oldest_unverified_ns=None)

    v3.has_updates = True
    assert stores.manage_retention(Tier.RAW, now_ns=DAY, oldest_unverified_ns=None)
    stores.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (
            Reply(status=404, body=b'{"error": "Database home not found"}'),
            StoreMissingError,
        ),
        (Reply(status=403, body=b'{"error": "forbidden"}'), StorePermissionError),
        (Reply(status=503), StoreUnavailableError),
        (
            Reply(status=400, body=b'{"error": "retention is immutable"}'),
            StoreUnsupportedError,
        ),
    ],
)
def test_refusals_of_3(
    v3: InfluxDb3StandIn, v3_target: Target, reply: Reply, error: type[Exception]
) -> None:
    stores = TierStores(v3_target)
    v3.script(reply)

    with pytest.raises(error):
        set_retention(stores.client(Tier.RAW), DAYS)
    stores.close()
