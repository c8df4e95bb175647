"""Only what is proven goes, whole days of one store; on a real InfluxDB 1.x."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    RetentionLeftoverError,
    RetentionMismatchError,
    RetentionUnverifiedError,
    StoreUnavailableError,
    StoreUnsupportedError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint, count_row
from custom_components.ha_ingestor.retention.deletion import (
    Deletion,
    DeletionProof,
    late_measurement,
)
from custom_components.ha_ingestor.retention.ledger import Ledger, Removal
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY, NS_PER_S
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.retention.server_kit import (
    DAY,
    HOUR,
    HOURLY,
    RAW,
    day_of_events,
    event,
    put,
    stored,
    target_of,
)
from tests.stand_ins.influxdb_v2 import ADMIN_TOKEN as V2_TOKEN, InfluxDb2StandIn
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn

ENTITIES = ("sensor.a", "sensor.b", "light.c")
NEXT_DAY = DAY + NS_PER_DAY


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


class FaultyClient(InfluxClient):
    """Fails, or pretends, where a deletion is sent."""

    on_delete: Callable[[], None] | None = None
    is_deaf = False

    def delete(self, measurement: str, **arguments: Any) -> None:  # type: ignore[override]
        if self.on_delete is not None:
            self.on_delete()
        if not self.is_deaf:
            super().delete(measurement, **arguments)


@pytest.fixture
def stores(influxdb: InfluxServer) -> Iterator[TierStores]:
    stores = TierStores(target_of(influxdb), make_client=FaultyClient)
    stores.ensure()
    yield stores
    stores.close()
    influxdb.query('DROP DATABASE "test_hourly"; DROP DATABASE "test_daily"')


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(tmp_path / "retention.db")
    checkpoint.open()
    yield checkpoint
    checkpoint.close()


@pytest.fixture
def deletion(stores: TierStores, checkpoint: Checkpoint) -> Deletion:
    return Deletion(stores, checkpoint, pause=lambda _: None, visible_within_s=0.5)


@pytest.fixture
def raw(influxdb: InfluxServer, stores: TierStores, checkpoint: Checkpoint) -> None:
    """Two days of three entities; all hours of both are verified."""
    put(influxdb, day_of_events(ENTITIES))
    put(influxdb, day_of_events(ENTITIES, NEXT_DAY))
    verify(stores, checkpoint, DAY, NEXT_DAY + NS_PER_DAY)


def verify(
    stores: TierStores,
    checkpoint: Checkpoint,
    start_ns: int,
    end_ns: int,
    *,
    step_ns: int = HOUR,
    ledger: Ledger = RAW,
) -> None:
    """Record windows as verified, as a job does after it has compared them."""
    stream = RowStream(stores.client(ledger.tier), ledger.measurement)
    while start_ns < end_ns:
        mark = checkpoint.dirty_mark()
        counts: dict[int, int] = {}
        for piece in stream.read(start_ns, start_ns + step_ns):
            for row in piece.rows:
                count_row(counts, row)
        checkpoint.add_verified(
            ledger, (start_ns, start_ns + step_ns), counts=counts, mark=mark
        )
        start_ns += step_ns


def raw_client(stores: TierStores) -> FaultyClient:
    client = stores.client(Tier.RAW)
    assert isinstance(client, FaultyClient)
    return client


def times(influxdb: InfluxServer, store: str = "test") -> list[int]:
    return [row["time"] for row in stored(influxdb, RAW.measurement, store)]


@pytest.mark.usefixtures("raw")
def test_a_proven_day_goes_and_no_other(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    put(influxdb, [event("sensor.a", NEXT_DAY - 1), event("sensor.a", DAY - 1)])
    put(influxdb, [replace(event("x", DAY), measurement="other")])
    put(influxdb, [event("sensor.a", DAY)], "test_hourly")
    verify(deletion._stores, checkpoint, DAY, NEXT_DAY)

    count = deletion.delete(deletion.prove(RAW, DAY))

    assert count == 2 * (24 * 2 * 3 + 1)
    left = times(influxdb)
    assert min(left) == DAY - 1
    assert sorted(left)[1] == NEXT_DAY
    assert len(left) == 1 + 24 * 2 * 3
    assert len(stored(influxdb, "other", "test")) == 1
    assert times(influxdb, "test_hourly") == [DAY]
    assert checkpoint.removals() == []
    assert checkpoint.removed(RAW, (0, NEXT_DAY)) == [(DAY, NEXT_DAY)]


@pytest.mark.usefixtures("raw")
def test_a_proof_cannot_be_made_by_hand(deletion: Deletion) -> None:
    proof = deletion.prove(RAW, DAY)

    with pytest.raises(TypeError, match=r"Deletion\.prove"):
        DeletionProof(store="test", total=1, removal=proof.removal, seal=object())


def test_an_unverified_day_stays(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
) -> None:
    put(influxdb, day_of_events(ENTITIES))
    verify(stores, checkpoint, DAY, DAY + 23 * HOUR)

    with pytest.raises(RetentionUnverifiedError) as caught:
        deletion.prove(RAW, DAY)

    assert caught.value.spans == ((DAY + 23 * HOUR, NEXT_DAY),)
    verify(stores, checkpoint, DAY + 23 * HOUR, NEXT_DAY)
    deletion.delete(deletion.prove(RAW, DAY))
    assert times(influxdb) == []


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    "late",
    [
        pytest.param([event("sensor.new", DAY + HOUR + 1)], id="another-entity"),
        pytest.param([event("sensor.a", DAY + HOUR, value=1.0, extra=2.0)], id="field"),
    ],
)
def test_late_rows_make_their_window_dirty(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
    late: list[Point],
) -> None:
    put(influxdb, late)

    with pytest.raises(RetentionUnverifiedError) as caught:
        deletion.prove(RAW, DAY)

    assert caught.value.spans == ((DAY + HOUR, DAY + 2 * HOUR),)
    assert [d.start_ns for d in checkpoint.dirty(RAW)] == [DAY + HOUR]
    verify(stores, checkpoint, DAY + HOUR, DAY + 2 * HOUR)
    deletion.delete(deletion.prove(RAW, DAY))
    assert min(times(influxdb)) == NEXT_DAY


def test_late_rows_in_an_empty_window_are_seen(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
) -> None:
    put(influxdb, [event("sensor.a", DAY + 5 * HOUR)])
    verify(stores, checkpoint, DAY, NEXT_DAY)
    put(influxdb, [event("sensor.a", DAY + 9 * HOUR)])

    with pytest.raises(RetentionUnverifiedError):
        deletion.prove(RAW, DAY)

    assert not checkpoint.is_verified(RAW, (DAY + 9 * HOUR, DAY + 10 * HOUR))
    assert checkpoint.is_verified(RAW, (DAY + 5 * HOUR, DAY + 6 * HOUR))


@pytest.mark.usefixtures("raw")
def test_rows_that_come_after_the_proof_stay(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    proof = deletion.prove(RAW, DAY)
    put(influxdb, [event("sensor.new", DAY + 1)])

    with pytest.raises(RetentionUnverifiedError, match="changed"):
        deletion.delete(proof)

    assert len(times(influxdb)) == 2 * 24 * 2 * 3 + 1
    assert checkpoint.removals() == []


@pytest.mark.usefixtures("raw")
def test_a_span_marked_dirty_after_the_proof_stays(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    proof = deletion.prove(RAW, DAY)
    checkpoint.mark_dirty(RAW, (DAY, DAY + 1))

    with pytest.raises(RetentionUnverifiedError):
        deletion.delete(proof)

    assert len(times(influxdb)) == 2 * 24 * 2 * 3


@pytest.mark.usefixtures("raw")
def test_rows_that_are_missing_are_told(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    influxdb.query(
        f"DELETE FROM {RAW.measurement} WHERE entity_id = 'sensor.a'"
        f" AND time < {DAY + HOUR}",
        "test",
    )

    with pytest.raises(RetentionMismatchError, match="284 values instead of 288"):
        deletion.prove(RAW, DAY)

    # From what is left nothing may be aggregated again.
    assert checkpoint.is_verified(RAW, (DAY, NEXT_DAY))


@pytest.mark.usefixtures("raw")
def test_a_day_that_the_server_has_dropped_is_gone(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    influxdb.query(f"DELETE FROM {RAW.measurement} WHERE time < {NEXT_DAY}", "test")

    assert deletion.delete(deletion.prove(RAW, DAY)) == 0

    assert checkpoint.removed(RAW, (0, NEXT_DAY)) == [(DAY, NEXT_DAY)]


@pytest.mark.usefixtures("raw")
def test_a_proof_holds_in_its_own_store(
    influxdb: InfluxServer, deletion: Deletion
) -> None:
    proof = deletion.prove(RAW, DAY)
    elsewhere = replace(proof, removal=replace(proof.removal, ledger=HOURLY))

    with pytest.raises(ValueError, match="own store"):
        deletion.delete(elsewhere)

    assert len(times(influxdb)) == 2 * 24 * 2 * 3


def test_only_whole_days(deletion: Deletion) -> None:
    with pytest.raises(ValueError, match="whole UTC days"):
        deletion.prove(RAW, DAY + 1)


@pytest.mark.usefixtures("raw")
def test_entities_with_ages_of_their_own(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
) -> None:
    gone = deletion.delete(
        deletion.prove(RAW, DAY, entity_ids=["sensor.a", "sensor.b", "sensor.none"])
    )

    assert gone == 24 * 2 * 2 * 2
    assert {
        row["entity_id"]
        for row in stored(influxdb, RAW.measurement, "test")
        if row["time"] < NEXT_DAY
    } == {"light.c"}
    assert checkpoint.removed(RAW, (DAY, NEXT_DAY), "sensor.a") == [(DAY, NEXT_DAY)]
    # The rest goes later, and late rows are still seen.
    put(influxdb, [event("light.c", DAY + 7)])
    with pytest.raises(RetentionUnverifiedError):
        deletion.prove(RAW, DAY)
    verify(stores, checkpoint, DAY, DAY + HOUR)
    deletion.delete(deletion.prove(RAW, DAY))
    assert min(times(influxdb)) == NEXT_DAY


@pytest.mark.usefixtures("raw")
def test_many_entities_are_named_in_parts(
    influxdb: InfluxServer, deletion: Deletion
) -> None:
    ids = [f"sensor.x{i}" for i in range(250)] + ["sensor.a"]

    assert deletion.delete(deletion.prove(RAW, DAY, entity_ids=ids)) == 24 * 2 * 2


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("entity_ids", [None, ["sensor.a"]], ids=["all", "entity"])
def test_a_deletion_that_was_cut_off_is_gone_on_with(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
    entity_ids: list[str] | None,
) -> None:
    def half() -> None:
        influxdb.query(
            f"DELETE FROM {RAW.measurement} WHERE entity_id = 'sensor.a'"
            f" AND time >= {DAY} AND time < {DAY + 12 * HOUR}",
            "test",
        )
        raise StoreUnavailableError("gone")

    raw_client(stores).on_delete = half
    with pytest.raises(StoreUnavailableError):
        deletion.delete(deletion.prove(RAW, DAY, entity_ids=entity_ids))
    assert len(checkpoint.removals()) == 1
    raw_client(stores).on_delete = None

    assert deletion.resume() == 1

    assert checkpoint.removals() == []
    expected = 0 if entity_ids is None else 24 * 2 * 2
    assert len([t for t in times(influxdb) if t < NEXT_DAY]) == expected
    assert deletion.resume() == 0


@pytest.mark.usefixtures("raw")
def test_rows_that_came_into_a_deletion_are_not_lost(
    influxdb: InfluxServer,
    stores: TierStores,
    deletion: Deletion,
    checkpoint: Checkpoint,
) -> None:
    def fail() -> None:
        raise StoreUnavailableError("gone")

    raw_client(stores).on_delete = fail
    with pytest.raises(StoreUnavailableError):
        deletion.delete(deletion.prove(RAW, DAY))
    raw_client(stores).on_delete = None
    put(influxdb, [event("sensor.new", DAY + 3)])

    deletion.resume()

    assert DAY + 3 in times(influxdb)
    assert checkpoint.unverified(RAW, (DAY, NEXT_DAY)) == [(DAY, NEXT_DAY)]
    verify(stores, checkpoint, DAY, NEXT_DAY)
    deletion.delete(deletion.prove(RAW, DAY))
    assert min(times(influxdb)) == NEXT_DAY


@pytest.mark.usefixtures("raw")
def test_rows_that_do_not_go_are_told(
    stores: TierStores, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    raw_client(stores).is_deaf = True

    with pytest.raises(RetentionLeftoverError) as caught:
        deletion.delete(deletion.prove(RAW, DAY))

    assert caught.value.count == 288
    assert len(checkpoint.removals()) == 1
    raw_client(stores).is_deaf = False
    deletion.resume()
    assert checkpoint.removals() == []


@pytest.mark.usefixtures("raw")
def test_rows_that_are_back_are_kept_as_late(
    influxdb: InfluxServer, deletion: Deletion, checkpoint: Checkpoint
) -> None:
    deletion.delete(deletion.prove(RAW, DAY))
    assert deletion.find_leftovers(RAW, NEXT_DAY) == {}
    back = [event("sensor.a", DAY + i, value=float(i), state=str(i)) for i in range(9)]
    put(influxdb, back)

    assert deletion.find_leftovers(RAW, NEXT_DAY) == {DAY: 18}
    assert deletion.move_leftovers(RAW, DAY) == 9

    assert deletion.find_leftovers(RAW, NEXT_DAY) == {}
    late = stored(influxdb, "late_events", "test_daily")
    assert [(row["time"], row["value"], row["area"]) for row in late] == [
        (DAY + i, float(i), "Kitchen") for i in range(9)
    ]
    # The same batch once more changes nothing.
    put(influxdb, back)
    deletion.move_leftovers(RAW, DAY)
    assert len(stored(influxdb, "late_events", "test_daily")) == 9
    assert len(times(influxdb)) == 24 * 2 * 3


@pytest.mark.usefixtures("raw")
def test_late_rows_stay_until_they_are_stored(
    influxdb: InfluxServer, stores: TierStores, deletion: Deletion
) -> None:
    deletion.delete(deletion.prove(RAW, DAY))
    put(influxdb, [event("sensor.a", DAY + 1)])
    influxdb.query('DROP DATABASE "test_daily"')

    with pytest.raises(Exception, match="not found"):
        deletion.move_leftovers(RAW, DAY)

    assert DAY + 1 in times(influxdb)
    stores.ensure()
    assert deletion.move_leftovers(RAW, DAY) == 1


@pytest.mark.usefixtures("raw")
def test_a_day_with_rows_is_not_moved_as_late(deletion: Deletion) -> None:
    with pytest.raises(ValueError, match="not been deleted"):
        deletion.move_leftovers(RAW, DAY)


def test_late_rows_of_other_measurements_stand_apart() -> None:
    assert late_measurement(RAW) == "late_events"
    assert (
        late_measurement(replace(RAW, measurement="air_quality")) == "late_air_quality"
    )


def test_a_server_killed_in_the_middle(
    influxd_binary: Path, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "test"')
        stores = TierStores(target_of(server), make_client=FaultyClient)
        stores.ensure()
        put(server, day_of_events(ENTITIES))
        verify(stores, checkpoint, DAY, NEXT_DAY)
        deletion = Deletion(stores, checkpoint, pause=lambda _: None)
        proof = deletion.prove(RAW, DAY)
        raw_client(stores).on_delete = server.kill

        with pytest.raises(StoreUnavailableError):
            deletion.delete(proof)

        raw_client(stores).on_delete = None
        server.start()
        assert len(times(server)) == 144
        # As after a restart of Home Assistant.
        Deletion(stores, checkpoint).resume()
        assert times(server) == []
        assert checkpoint.removed(RAW, (DAY, NEXT_DAY)) == [(DAY, NEXT_DAY)]
        stores.close()


def test_a_day_on_2(tmp_path: Path, checkpoint: Checkpoint) -> None:
    """Contract from source, not verified on a server."""
    with InfluxDb2StandIn(buckets=("test", "test_hourly", "test_daily")) as v2:
        stores = TierStores(
            Target(
                api_version=ApiVersion.V2,
                host="127.0.0.1",
                port=v2.port,
                token=V2_TOKEN,
                organization="home",
                store="test",
            )
        )
        stores.client(Tier.RAW).write(
            b"".join(
                b"home_assistant_events,entity_id=sensor.a value=1 %d\n"
                % (DAY + hour * HOUR)
                for hour in range(25)
            ),
            is_gzip=False,
        )
        verify(stores, checkpoint, DAY, NEXT_DAY, step_ns=6 * HOUR)
        deletion = Deletion(stores, checkpoint)

        assert deletion.delete(deletion.prove(RAW, DAY)) == 24

        assert [row.time_ns for row in v2.buckets["test"].rows] == [NEXT_DAY]
        stores.close()


def test_3_says_that_it_cannot(checkpoint: Checkpoint) -> None:
    """Contract from source, not verified on a server."""
    with InfluxDb3StandIn(databases=("test",)) as v3:
        stores = TierStores(
            Target(
                api_version=ApiVersion.V3,
                host="127.0.0.1",
                port=v3.port,
                token=V3_TOKEN,
                store="test",
            )
        )
        deletion = Deletion(stores, checkpoint)
        with pytest.raises(StoreUnsupportedError):
            deletion.prove(RAW, DAY)

        assert v3.requests == []
        stores.close()


def test_a_removal_counts_its_parts() -> None:
    removal = Removal(
        ledger=RAW, start_ns=0, end_ns=NS_PER_S, entity_ids=None, parts={0: 2, 5: 3}
    )

    assert removal.value_count == 5
