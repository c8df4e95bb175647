"""Runs of maintenance that are killed again and again; prints what was found as JSON.

Arguments: port, folder, number of homes, seed, whether kills are by chance of the
clock, and whether entities have ages of their own. Every life is a fork of this
program, which has loaded everything once. Between two lives the server is asked where
each row is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import datetime as dt
import json
import os
from pathlib import Path
import random
import shutil
import signal
import sqlite3
import sys
import time
from typing import Any

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.tiers import Override, Tier
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from devlib.influxd import InfluxServer
from tests.retention.ledger_kit import Places, misplaced, read_places
from tests.retention.life_kit import (
    make_home,
    make_maintenance,
    make_stores,
    open_checkpoint,
    rows_of_home,
)

# Of one home, where kills are by the clock.
MAX_KILLS = 8
LONGEST_LIFE_S = 0.8
HAS_OVERRIDES = sys.argv[6] == "overrides"


class Fuse:
    """Kills its own process at the n-th step to the server or the disk."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.seen = 0

    def step(self) -> None:
        self.seen += 1
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def light(self) -> None:
        """Count the steps from now on, in this process."""
        for name in ("execute", "write"):
            setattr(InfluxClient, name, self._around(getattr(InfluxClient, name)))
        query, transaction = InfluxClient.query, Checkpoint._transaction

        def counted_query(client: InfluxClient, *args: Any, **kwargs: Any) -> Any:
            self.step()
            yield from query(client, *args, **kwargs)
            self.step()

        @contextmanager
        def counted_transaction(checkpoint: Checkpoint) -> Iterator[sqlite3.Connection]:
            self.step()
            with transaction(checkpoint) as db:
                yield db
                # Before it is committed.
                self.step()
            self.step()

        InfluxClient.query = counted_query  # type: ignore[method-assign]
        Checkpoint._transaction = counted_transaction  # type: ignore[method-assign]

    def _around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step()
            answer = method(*args, **kwargs)
            self.step()
            return answer

        return counted


def live(port: int, folder: Path) -> tuple[str, ...]:
    """Run maintenance once, to its end."""
    stores, checkpoint = make_stores(port), open_checkpoint(folder)
    if HAS_OVERRIDES:
        stores.overrides = (
            Override(target="switch", ages={Tier.RAW: None, Tier.HOURLY: None}),
            Override(target="sensor.s0", ages={Tier.RAW: dt.timedelta(days=4)}),
        )
    try:
        return make_maintenance(stores, checkpoint).run_all().problems
    finally:
        checkpoint.close()
        stores.close()


def live_in_fork(
    port: int, folder: Path, steps: int | None, life_s: float | None
) -> bool:
    """Run it in a process that is killed; returns whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        if steps is not None:
            Fuse(steps).light()
        os._exit(1 if live(port, folder) else 0)
    if steps is None and life_s is not None:
        time.sleep(life_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        if os.WEXITSTATUS(status):
            sys.exit("A run was not content")
        return True
    return False


def count_steps(port: int, folder: Path) -> int:
    """Run once without a kill; returns how many steps that takes."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        fuse = Fuse(0)
        fuse.light()
        live(port, folder)
        os.write(writer, str(fuse.seen).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))


def live_again_and_again(
    server: InfluxServer,
    folder: Path,
    written: list[Point],
    chance: random.Random,
    step_count: int,
    *,
    is_timed: bool,
) -> tuple[int, list[str]]:
    """Kill one home's runs until one of them comes to its end."""
    faults: list[str] = []
    kills = 0
    is_done = False
    while not is_done:
        steps = None if is_timed else chance.randint(1, step_count)
        # On a machine of whatever speed one of them has the time that it takes.
        life_s = chance.uniform(0.02, LONGEST_LIFE_S) if kills < MAX_KILLS else None
        is_done = live_in_fork(server.port, folder, steps, life_s)
        kills += not is_done
        # A server may still be at what a killed process has asked for.
        if not is_timed or is_done:
            faults += misplaced(server, written)
    return kills, faults


def main() -> None:
    """Compare homes that were killed with one that was not."""
    port, root = int(sys.argv[1]), Path(sys.argv[2])
    homes, chance = int(sys.argv[3]), random.Random(int(sys.argv[4]))
    is_timed = sys.argv[5] == "timed"
    server = InfluxServer(Path(), root, port=port)
    written = rows_of_home()
    make_home(server, written)
    folder = root / "undisturbed"
    step_count = count_steps(port, folder)
    expected: Places = read_places(server)
    faults = misplaced(server, written)
    kills = 0
    for number in range(homes):
        make_home(server, written)
        folder = root / f"home{number}"
        more, found = live_again_and_again(
            server, folder, written, chance, step_count, is_timed=is_timed
        )
        kills += more
        faults += found
        if problems := live(port, folder):
            faults += problems
        if read_places(server) != expected:
            faults.append("It did not end like a run that was not killed")
        shutil.rmtree(folder)
    sys.stdout.write(
        json.dumps({"kills": kills, "steps": step_count, "faults": faults[:20]})
    )


main()
