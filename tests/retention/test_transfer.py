"""Rows into a store: written, replaced, proven; on a real InfluxDB 1.x."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BatchTooLargeError,
    RetentionMismatchError,
    RetentionRegressionError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.rows import ROW_COUNT, differences
from custom_components.ha_ingestor.retention.transfer import (
    Plan,
    Transfer,
    TransferResult,
    exact_differences,
    write_points,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.retention.server_kit import DAY, HOUR, HOURLY, stored, target_of
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN, InfluxDb3StandIn

AT = "2026-03-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


class SpyClient(InfluxClient):
    """Remembers what it was asked, and can fail or falsify."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, timeout_s=5.0)
        self.bodies: list[int] = []
        self.max_bytes: int | None = None
        self.fail_writes = 0

    def write(self, body: bytes, **kwargs: Any) -> None:  # type: ignore[override]
        if self.fail_writes:
            self.fail_writes -= 1
            raise StoreUnavailableError("gone")
        if self.max_bytes is not None and len(body) > self.max_bytes:
            raise BatchTooLargeError("too large")
        self.bodies.append(len(body))
        super().write(body, **kwargs)


@pytest.fixture
def client(influxdb: InfluxServer) -> Iterator[SpyClient]:
    client = SpyClient(target_of(influxdb))
    yield client
    client.close()


def row(
    entity_id: str = "sensor.a", *, area: str | None = "Kitchen", **fields: FieldValue
) -> Point:
    tags = {"entity_id": entity_id, **({} if area is None else {"area": area})}
    return Point(
        measurement=HOURLY.measurement,
        tags=tags,
        fields={ROW_COUNT: 2.0, "avg_value": 1.5, "last_state": "on"} | fields,
        time_ns=DAY,
    )


def plan(*points: Point, **changes: Any) -> Plan:
    base = Plan(
        measurement=HOURLY.measurement,
        start_ns=DAY,
        end_ns=DAY + HOUR,
        points=points,
        identity=("entity_id",),
        count_field=ROW_COUNT,
        differences=differences,
    )
    return replace(base, **changes)


def transfer(client: InfluxClient) -> Transfer:
    return Transfer(client, pause=lambda _: None, visible_within_s=0.5)


def rows_of(influxdb: InfluxServer) -> list[dict[str, Any]]:
    return stored(influxdb, HOURLY.measurement, "test")


def test_rows_are_written_once(influxdb: InfluxServer, client: SpyClient) -> None:
    wanted = plan(row(), row("sensor.b", area=None, avg_value=0.1 + 0.2))

    first = transfer(client).run(wanted)
    second = transfer(client).run(wanted)

    assert first == TransferResult(point_count=2, written_count=2, kept_count=0)
    assert second == TransferResult(point_count=2, written_count=0, kept_count=0)
    assert [(r["entity_id"], r["avg_value"]) for r in rows_of(influxdb)] == [
        ("sensor.a", 1.5),
        ("sensor.b", 0.30000000000000004),
    ]


def test_an_empty_window_is_proven_too(client: SpyClient) -> None:
    assert transfer(client).run(plan()).point_count == 0
    assert client.bodies == []


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(row(area="Hall", row_count=3.0), id="moved"),
        pytest.param(row(area=None, row_count=3.0), id="without-area"),
        pytest.param(row(row_count=3.0, avg_value=7.0), id="value"),
        pytest.param(
            replace(row(), fields={ROW_COUNT: 2.0, "avg_value": 1.5}), id="field-gone"
        ),
    ],
)
def test_a_row_that_changed_is_replaced(
    influxdb: InfluxServer, client: SpyClient, new: Point
) -> None:
    other = row("sensor.b", area=None)
    transfer(client).run(plan(row(), other))

    result = transfer(client).run(plan(new, other))

    assert result.written_count == 1
    (found,) = [r for r in rows_of(influxdb) if r["entity_id"] == "sensor.a"]
    assert found == {"time": DAY, **new.tags, **new.fields}
    assert len(rows_of(influxdb)) == 2


def test_a_series_with_more_tags_survives_its_neighbor(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    # The stale row has a subset of the tags of a right one.
    right = row("sensor.a", area="Kitchen")
    transfer(client).run(plan(replace(right, time_ns=DAY + 1)))
    transfer(client).run(plan(row(area=None), scope={"area": ""}))
    transfer(client).run(plan(row(area="Hall")))

    assert [(r["time"], r["area"]) for r in rows_of(influxdb)] == [
        (DAY, "Hall"),
        (DAY + 1, "Kitchen"),
    ]


def test_a_window_is_not_made_again_from_less(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    transfer(client).run(plan(row(row_count=5.0)))

    with pytest.raises(RetentionRegressionError, match="4 instead of 5"):
        transfer(client).run(plan(row(area="Hall", row_count=4.0)))

    (found,) = rows_of(influxdb)
    assert (found["row_count"], found["area"]) == (5.0, "Kitchen")


def test_a_row_whose_source_is_gone_stays(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    transfer(client).run(plan(row(), row("sensor.b"), row("sensor.c", row_count=0.0)))

    result = transfer(client).run(plan(row()))

    # What was only carried in, and is not any more, had no source to lose.
    assert result.kept_count == 1
    assert [r["entity_id"] for r in rows_of(influxdb)] == ["sensor.a", "sensor.b"]


def test_only_what_is_in_scope_is_looked_at(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    transfer(client).run(plan(row(), row("sensor.b")))

    result = transfer(client).run(
        plan(row("sensor.b", row_count=9.0), scope={"entity_id": "sensor.b"})
    )

    assert result == TransferResult(point_count=1, written_count=1, kept_count=0)
    assert [r["row_count"] for r in rows_of(influxdb)] == [2.0, 9.0]


@pytest.mark.parametrize(
    ("falsified", "expected"),
    [
        ("row_count=3", "row_count is 3.0 instead of 2.0"),
        ("avg_value=1.50000001", "avg_value is 1.50000001 instead of 1.5"),
        ('last_state="off"', "last_state is 'off' instead of 'on'"),
        ("min_value=1", "min_value is 1.0 instead of None"),
    ],
)
def test_a_disagreement_is_told_precisely(
    influxdb: InfluxServer, client: SpyClient, falsified: str, expected: str
) -> None:
    transfer(client).run(plan(row()))
    influxdb.write(
        f"hourly_aggregates,entity_id=sensor.a,area=Kitchen {falsified} {DAY}\n", "test"
    )

    with pytest.raises(RetentionMismatchError) as caught:
        transfer(client).verify(plan(row()))

    assert caught.value.count == 1
    assert caught.value.disagreements == (
        f"hourly_aggregates[entity_id=sensor.a] at {AT}: {expected}",
    )
    transfer(client).run(plan(row(row_count=3.0, avg_value=1.6, last_state="off")))
    assert len(rows_of(influxdb)) == 1


def test_sums_agree_to_a_part_in_a_billion(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    transfer(client).run(plan(row()))
    influxdb.write(
        f"hourly_aggregates,entity_id=sensor.a,area=Kitchen avg_value={1.5 + 1e-10}"
        f" {DAY}\n",
        "test",
    )

    assert transfer(client).verify(plan(row())).point_count == 1
    with pytest.raises(RetentionMismatchError):
        transfer(client).verify(plan(row(), differences=exact_differences))


def test_a_missing_row_is_told(client: SpyClient) -> None:
    with pytest.raises(RetentionMismatchError, match=r"sensor\.a.* is missing"):
        transfer(client).verify(plan(row()))


def test_many_disagreements_are_counted(client: SpyClient) -> None:
    points = [row(f"sensor.s{i}") for i in range(30)]

    with pytest.raises(RetentionMismatchError) as caught:
        transfer(client).verify(plan(*points))

    assert (caught.value.count, len(caught.value.disagreements)) == (30, 20)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param((row(), row(area="Hall")), id="one-row-twice"),
        pytest.param((row(), row()), id="one-series-twice"),
        pytest.param((replace(row(), time_ns=DAY + HOUR),), id="after-the-end"),
        pytest.param((replace(row(), measurement="other"),), id="other-measurement"),
    ],
)
def test_a_wrong_plan_is_refused(client: SpyClient, points: tuple[Point, ...]) -> None:
    with pytest.raises(ValueError, match="point"):
        transfer(client).run(plan(*points))

    assert client.bodies == []


def test_a_killed_write_is_ended_by_the_next_run(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    transfer(client).run(plan(row()))
    client.fail_writes = 1

    # After the old row is deleted, before the new one is written.
    with pytest.raises(StoreUnavailableError):
        transfer(client).run(plan(row(area="Hall")))
    assert rows_of(influxdb) == []
    transfer(client).run(plan(row(area="Hall")))

    assert [r["area"] for r in rows_of(influxdb)] == ["Hall"]


def test_batches_are_bounded_and_halved(
    influxdb: InfluxServer, client: SpyClient
) -> None:
    points = [row(f"sensor.s{i}", note="x" * 50) for i in range(12_000)]

    write_points(client, points)
    assert len(client.bodies) == 3
    client.bodies.clear()
    client.max_bytes = 5_000
    write_points(client, points)

    assert len(client.bodies) > 3
    assert max(client.bodies) <= 5_000
    assert len(rows_of(influxdb)) == 12_000
    client.max_bytes = 10
    with pytest.raises(BatchTooLargeError):
        write_points(client, points[:2])


def test_a_refused_row_is_an_error(influxdb: InfluxServer, client: SpyClient) -> None:
    influxdb.write(f"hourly_aggregates,entity_id=x row_count=true {DAY}\n", "test")

    with pytest.raises(BatchRejectedError):
        transfer(client).run(plan(row()))


def test_names_that_need_escapes_come_back_equal(client: SpyClient) -> None:
    points = (
        row("sensor.a", area="Kitchen, old = \\ new\\", last_state='a "b"\n\\c'),
        row("sensor.b", area=" ", last_state=""),
    )

    result = transfer(client).run(plan(*points))

    assert result.point_count == 2
    assert transfer(client).run(plan(*points)).written_count == 0


def test_a_server_killed_between_write_and_proof(
    influxd_binary: Path, tmp_path: Path
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "test"')
        client = SpyClient(target_of(server))
        points = tuple(row(f"sensor.s{i}") for i in range(500))
        write_points(client, points)
        server.kill()
        restarted: list[float] = []

        def pause(seconds: float) -> None:
            if not restarted:
                server.start()
            restarted.append(seconds)

        result = Transfer(client, pause=pause).verify(plan(*points))
        client.close()

    assert result.point_count == 500
    assert len(restarted) > 0


@pytest.fixture
def v3_client() -> Iterator[InfluxClient]:
    """Contract from source, not verified on a server."""
    with InfluxDb3StandIn(databases=("test",)) as stand_in:
        client = InfluxClient(
            Target(
                api_version=ApiVersion.V3,
                host="127.0.0.1",
                port=stand_in.port,
                token=ADMIN_TOKEN,
                store="test",
            )
        )
        yield client
        client.close()


def test_without_deletion_a_row_keeps_its_labels(v3_client: InfluxClient) -> None:
    transfer(v3_client).run(plan(row()))

    result = transfer(v3_client).run(plan(row(area="Hall", row_count=3.0)))

    assert result == TransferResult(point_count=1, written_count=1, kept_count=0)
    (series,) = v3_client.execute('SELECT * FROM "hourly_aggregates" GROUP BY *')
    assert series.tags == {"area": "Kitchen", "entity_id": "sensor.a"}
    assert dict(zip(series.columns, series.rows[0], strict=True))[ROW_COUNT] == 3.0


def test_without_deletion_a_field_too_many_is_told(v3_client: InfluxClient) -> None:
    transfer(v3_client).run(plan(row(total_energy=1.0)))

    with pytest.raises(RetentionMismatchError, match="total_energy is"):
        transfer(v3_client).run(plan(row()))
