"""Runs the archive in processes that are killed in the middle; a program.

Each run is a fork, so that loading what it needs is paid for once. It is killed at a
request or a transaction that chance has chosen. After each one a fork looks whether
every row is somewhere.
"""

from collections.abc import Callable
import os
from pathlib import Path
import random
import signal
import sys
from typing import Any, Final

from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.archive_read import read_archive
from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.digest import point_hash
from custom_components.ha_ingestor.retention.packages import load
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.stream import RowStream
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import point_of
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.retention.archive_kit import target
from tests.retention.archiver_kit import (
    AGES,
    NOW_NS,
    archiver,
    daily_rows,
    days_between,
    place,
)
from tests.retention.test_archiver import ALL

ROUNDS: Final = 6
# A whole run has some hundreds of them.
MAX_STEPS: Final = 150


class Killer:
    """Kills its own process at the step that was chosen."""

    def __init__(self, left: int) -> None:
        self.left = left

    def watch(self, cls: type, *names: str) -> None:
        """Count the calls of methods as steps."""
        for name in names:
            setattr(cls, name, self._wrap(getattr(cls, name)))

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*args, **kwargs)

        return wrapped


class Home:
    """One hub's stores, its archive and its record."""

    def __init__(self, s3_url: str, port: str, folder: str) -> None:
        self.stores = TierStores(
            Target(
                api_version=ApiVersion.V1,
                host="127.0.0.1",
                port=int(port),
                store="test",
            ),
            ages=AGES,
        )
        self.bucket = S3Bucket(target(s3_url))
        self.folder = Path(folder)

    def run(self, steps: int | None) -> None:
        """Run the archive, up to a number of steps."""
        if steps is not None:
            killer = Killer(steps)
            killer.watch(S3Bucket, "upload", "head", "read_range", "download")
            killer.watch(InfluxClient, "query", "execute", "write", "delete")
            killer.watch(Checkpoint, "_transaction")
        checkpoint = Checkpoint(self.folder / "retention.db")
        checkpoint.open()
        result = archiver(
            self.stores, checkpoint, place(self.bucket, self.folder)
        ).run()
        assert result.kept == [], result.kept

    def check(self, *, is_done: bool = False) -> None:
        """Make sure that every row is somewhere."""
        left = list(self._left())
        job = place(self.bucket, self.folder).job(Tier.DAILY)
        archived = list(read_archive(job, *ALL))
        known = {point_hash(point) for point in [*left, *archived]}
        expected = [point_hash(point) for point in daily_rows(days_between())]
        missing = sum(each not in known for each in expected)
        assert missing == 0, f"{missing} rows are lost"
        if is_done:
            assert len(left) + len(archived) == len(expected)

    def _left(self) -> list[Point]:
        return [
            point_of(row, name)
            for name in ("daily_aggregates", "carbon_intensity")
            for piece in RowStream(self.stores.client(Tier.DAILY), name).read(0, NOW_NS)
            for row in piece.rows
        ]


def fork(work: Callable[[], object]) -> int:
    """Do something in a process of its own; returns how it ended."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as err:  # noqa: BLE001 - it is the end of this process
            print(f"{type(err).__name__}: {err}", flush=True)  # noqa: T201
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(s3_url: str, port: str, folder: str, seed: str) -> None:
    """Kill runs, look for every row each time, and end with one that is not killed."""
    for name in ("boto3", "botocore.config", "pyarrow.parquet"):
        load(name)
    chance = random.Random(int(seed))
    kills = 0
    for _ in range(ROUNDS):
        steps = chance.randrange(MAX_STEPS)
        ended = fork(lambda steps=steps: Home(s3_url, port, folder).run(steps))  # type: ignore[misc]
        assert ended in {0, -signal.SIGKILL}, ended
        kills += ended != 0
        assert fork(lambda: Home(s3_url, port, folder).check()) == 0
    assert fork(lambda: Home(s3_url, port, folder).run(None)) == 0
    assert fork(lambda: Home(s3_url, port, folder).check(is_done=True)) == 0
    print(f"{kills} kills")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
