"""Kill -9 in the middle of the archive's runs: no row is ever nowhere."""

import os
from pathlib import Path
import random
import subprocess
import sys

from devlib.influxd import InfluxServer
from devlib.s3_server import S3Server
from tests.retention.archiver_kit import daily_rows, days_between
from tests.retention.server_kit import put


def test_kills_at_random_points(
    s3: S3Server, tier_stores: InfluxServer, tmp_path: Path
) -> None:
    put(tier_stores, daily_rows(days_between()), "test_daily")
    root = Path(__file__).parent.parent.parent
    # Shown with a failure, to have the same once more.
    seed = random.randrange(10_000)

    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.archive.killed_runs",
            s3.url,
            str(tier_stores.port),
            str(tmp_path),
            str(seed),
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root}/scripts"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, f"seed {seed}: {ended.stdout} {ended.stderr}"
    assert int(ended.stdout.split()[0]) > 0
