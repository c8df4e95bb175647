"""A small home whose rows go through the tiers, for tests of whole runs."""

from collections.abc import Callable
import datetime as dt
from pathlib import Path
import random
from typing import Any, Final, override

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.maintenance import Maintenance
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Ages
from custom_components.ha_ingestor.retention.windows import NS_PER_DAY
from custom_components.ha_ingestor.retention.work import Work
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from tests.retention.kit import MINUTE, SWITCH, TEMPERATURE
from tests.retention.server_kit import DAY, HOUR, RAW, put

AGES: Final = Ages(raw=dt.timedelta(days=2), hourly=dt.timedelta(days=4))
# Enough for days to go from both tiers.
DAYS: Final = 7
NOW: Final = DAY + DAYS * NS_PER_DAY + 2 * HOUR


def rows_of_home(
    until_ns: int = NOW, *, entities: int = 3, seed: int = 1
) -> list[Point]:
    """Rows of some sensors and a switch, at irregular times of every day."""
    chance = random.Random(seed)
    points: list[Point] = []
    for number in range(entities):
        at_ns = DAY
        while (at_ns := at_ns + round(chance.uniform(5, 90) * MINUTE)) < until_ns:
            points.append(_row(number, at_ns, chance))
    return points


def _row(number: int, at_ns: int, chance: random.Random) -> Point:
    if number % 3 == 2:
        state = chance.choice(("on", "off"))
        tags = SWITCH | {"entity_id": f"switch.s{number}"}
        fields: dict[str, Any] = {"state": state, "value": float(state == "on")}
    else:
        value = round(chance.uniform(15, 25), 2)
        # An entity that was moved to another room has two series.
        room = "Kitchen" if at_ns < DAY + 2 * NS_PER_DAY + HOUR else "Hall"
        tags = TEMPERATURE | {"entity_id": f"sensor.s{number}", "area": room}
        fields = {"state": str(value), "value": value}
    return Point(measurement=RAW.measurement, tags=tags, fields=fields, time_ns=at_ns)


def make_home(server: InfluxServer, points: list[Point]) -> None:
    """Make the three stores; these rows are of long ago, whenever a test runs."""
    for name in ("test", "test_hourly", "test_daily"):
        server.query(f'DROP DATABASE "{name}"; CREATE DATABASE "{name}"')
    put(server, points)


def make_stores(port: int, *, timeout_s: float = 10.0) -> TierStores:
    """Give the stores of a server that listens on a port of this machine."""
    return TierStores(
        Target(api_version=ApiVersion.V1, host="127.0.0.1", port=port, store="test"),
        ages=AGES,
        make_client=lambda target: InfluxClient(target, timeout_s=timeout_s),
    )


class Impatient(Work):
    """Waits for little, so that a test ends soon."""

    def __init__(self) -> None:
        super().__init__(share=1)

    @override
    def pause(self, seconds: float) -> None:
        super().pause(min(seconds, 0.01))


def make_maintenance(
    stores: TierStores,
    checkpoint: Checkpoint,
    *,
    now_ns: Callable[[], int] = lambda: NOW,
    work: Work | None = None,
    zone: dt.tzinfo = dt.UTC,
    **arguments: Any,
) -> Maintenance:
    """Give what runs the steps, as the hub makes it."""
    return Maintenance(
        stores,
        checkpoint,
        zone=zone,
        work=work or Impatient(),
        now_ns=now_ns,
        settled_until_ns=now_ns,
        activity_age=dt.timedelta(days=90),
        **arguments,
    )


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open the record of a home."""
    checkpoint = Checkpoint(folder / "retention.db")
    checkpoint.open()
    return checkpoint
