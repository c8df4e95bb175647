"""Through a real InfluxDB 1.x and back: what is read equals what was written."""

from collections.abc import Iterator
import random

import pytest

from custom_components.ha_ingestor.const import MEASUREMENT_HOURLY
from custom_components.ha_ingestor.retention.rollup import RollUp
from custom_components.ha_ingestor.retention.rows import Aggregate, differences
from custom_components.ha_ingestor.retention.windows import (
    Resolution,
    Window,
    window_at,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.line_protocol import format_point
from custom_components.ha_ingestor.store.query import Row, read_points
from devlib.influxd import InfluxServer
from tests.retention.kit import CLIMATE, COUNTER, DAY, POWER, START_NS, UTC, Chain, row

DAY_START_NS = START_NS - START_NS % DAY
A_DAY = Window(
    start_ns=DAY_START_NS, end_ns=DAY_START_NS + DAY, resolution=Resolution.DAY
)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def client(influxdb: InfluxServer) -> Iterator[InfluxClient]:
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=influxdb.port,
            store="test",
        )
    )
    yield client
    client.close()


def a_busy_day(kind: str) -> Chain:
    """A day of an entity with gaps, prices and awkward numbers."""
    generator = random.Random(kind)
    tags = {"power": POWER, "counter": COUNTER, "climate": CLIMATE}[kind]
    rows = []
    for time_us in sorted(generator.sample(range(86_400_000_000), 400)):
        state: str | float = generator.choice(
            ('he "at"', "cool\\", "off", "é", "unknown")
        )
        if kind != "climate":
            state = generator.uniform(0, 1e4) / 3
        rows.append(
            row(
                DAY_START_NS + time_us * 1000,
                state,
                tags,
                electricity_price=generator.random(),
                anyone_home=generator.random() < 0.5,
            )
        )
    chain = Chain(rows, zone=UTC)
    chain.run(A_DAY.start_ns, A_DAY.end_ns)
    return chain


def read_back(client: InfluxClient, written: list[Aggregate]) -> list[Aggregate]:
    """Read all fields and tags of the stored hours."""
    tag_keys = sorted({key for one in written for key in one.tags})
    found: list[Row] = list(
        read_points(
            client,
            MEASUREMENT_HOURLY,
            fields=sorted({name for one in written for name in one.fields}),
            tag_keys=tag_keys,
            start_ns=A_DAY.start_ns,
            end_ns=A_DAY.end_ns,
            limit=1_000,
        )
    )
    return [
        Aggregate(
            window=window_at(Resolution.HOUR, one.time_ns, UTC),
            tags=one.tags,
            fields=one.fields,
        )
        for one in found
    ]


@pytest.mark.parametrize("kind", ["power", "counter", "climate"])
def test_hours_come_back_as_they_were(client: InfluxClient, kind: str) -> None:
    chain = a_busy_day(kind)
    written = [hour for hour in chain.hours.values() if hour is not None]
    lines = [format_point(hour.to_point()) for hour in written]
    # Twice: what is made again replaces itself.
    for _ in range(2):
        client.write("\n".join(lines).encode(), is_gzip=False)

    found = read_back(client, written)
    rolled_up = RollUp(A_DAY)
    for hour in found:
        rolled_up.add(hour)
    day, expected = rolled_up.finish(), chain.direct(A_DAY)

    assert [(hour.window, hour.tags) for hour in found] == [
        (hour.window, hour.tags) for hour in written
    ]
    assert [
        differences(a.fields, b.fields) for a, b in zip(written, found, strict=True)
    ] == ([[]] * len(written))
    assert day is not None
    assert expected is not None
    assert differences(expected.fields, day.fields) == []
