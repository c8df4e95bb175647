"""Measure how small and how fast a year of history becomes.

    benchmarks/run --storage [--days N] [--json FILE] [--year FOLDER]

See README.md beside this file for what the figures mean.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import datetime as dt
import json
import os
from pathlib import Path
import platform
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Final

from processes import ROOT, BenchmarkError, say
from questions import ask_all
from storage_report import print_storage_report
from stored import EAGER, Stored, measure, settle
from tickers import forget_peak, resident_bytes
from year import ZONE, Year

from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer
from homeassistant.const import __version__ as ha_version

_INFLUXD: Final = ROOT / ".dev" / "influxdb" / "influxd"
# It has pyarrow, which Home Assistant installs only for who archives.
_PARQUET_PYTHON: Final = ROOT / ".dev" / "test" / "bin" / "python"
_UPKEEP: Final = Path(__file__).with_name("upkeep.py")
_PARQUET: Final = Path(__file__).with_name("parquet_sizes.py")
_BATCH_LINES: Final = 5_000
# Nights begin at two; the last events of a day have left every buffer by then.
_NIGHT_NS: Final = 2 * 3_600 * 10**9
# Days after the year: one for the hourly job alone, one for a whole night.
_EXTRA_DAYS: Final = 2
RAW: Final = "home"
# The same rows as the server itself would lay them out: in pieces of seven days.
RAW_WEEKS: Final = "home_in_weeks"
_YEAR_FILE: Final = "year.json"


class Storage:
    """One run: a server, a year in it, and what was measured so far.

    Attributes:
        figures: All that is reported.
    """

    def __init__(
        self, server: InfluxServer, folder: Path, *, days: int, last_date: dt.date
    ) -> None:
        """Begin with an empty server.

        Args:
            folder: For the record of progress.
            last_date: The last day of all; some days are left for single runs.
        """
        self.server = server
        self.days = days
        self.year = Year(last_date=last_date, days=days + _EXTRA_DAYS)
        self.figures: dict[str, Any] = {"days": days, "jobs": {}, "stored": {}}
        self._lines = self.year.lines()
        self._date = self.year.first_date
        self._checkpoint = folder / "checkpoint.db"

    @property
    def date(self) -> dt.date:
        """The last day that was made."""
        return self._date - dt.timedelta(days=1)

    @property
    def _midnight_ns(self) -> int:
        """The end of the last day that was made."""
        midnight = dt.datetime.combine(self._date, dt.time(), tzinfo=ZONE)
        return round(midnight.timestamp()) * 10**9

    @property
    def _now_ns(self) -> int:
        """The night after it."""
        return self._midnight_ns + _NIGHT_NS

    def load(self) -> None:
        """Write the year as the integration would have."""
        self.server.query(f'CREATE DATABASE "{RAW}" WITH SHARD DURATION 1d')
        self.server.query(f'CREATE DATABASE "{RAW_WEEKS}"')
        begun, count = time.monotonic(), 0
        for number in range(self.days):
            count += self.write_day(RAW, RAW_WEEKS)
            if number % 30 == 29:  # noqa: PLR2004 - about a month
                say(f"{number + 1} days, {count:,} rows")
        self.figures |= {"raw_rows": count, "load_s": time.monotonic() - begun}
        settle(self.server.folder, [RAW, RAW_WEEKS])

    def skip(self, figures: dict[str, Any]) -> None:
        """Make the same days, which are in the server already."""
        self.figures |= figures
        for _ in range(self.days):
            self.write_day()

    def write_day(self, *databases: str) -> int:
        """Write the next day; then it is the night after it."""
        lines = next(self._lines)
        for start in range(0, len(lines), _BATCH_LINES):
            body = "\n".join(lines[start : start + _BATCH_LINES]) + "\n"
            for database in databases:
                self.server.write(body, database)
        self._date += dt.timedelta(days=1)
        return len(lines)

    def measure_stored(self, name: str, *databases: str) -> None:
        """Note what databases take on the disk."""
        settle(self.server.folder, list(databases))
        stored: dict[str, Stored] = {
            database: measure(self.server.folder, database) for database in databases
        }
        self.figures["stored"][name] = {
            database: {**one.to_json(), "rows": self._row_counts(database, one)}
            for database, one in stored.items()
        }

    def _row_counts(self, database: str, stored: Stored) -> dict[str, int]:
        """Count the rows of each measurement: those of its most frequent field."""
        counts: dict[str, int] = {}
        for measurement in stored.measurements:
            answer = self.server.rows(
                f'SELECT count(*) FROM "{measurement}"',  # noqa: S608 - what it has told
                database,
            )
            counts[measurement] = max(
                (count for row in answer for count in row[1:] if count is not None),
                default=0,
            )
        return counts

    def run_job(self, name: str, job: str) -> None:
        """Run one job of maintenance in a process of its own, and note its figures.

        Raises:
            BenchmarkError: It did not end well.
        """
        say(f"job: {name}")
        forget_peak(self.server.pid)
        before_bytes = resident_bytes(pid=self.server.pid)
        process = subprocess.run(
            [
                sys.executable,
                str(_UPKEEP),
                f"--job={job}",
                f"--port={self.server.port}",
                f"--store={RAW}",
                f"--checkpoint={self._checkpoint}",
                f"--now-ns={self._now_ns}",
                f"--zone={ZONE.key}",
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if process.returncode != 0:
            raise BenchmarkError(f"{name} ended with {process.returncode}")
        peak_bytes = resident_bytes("VmHWM", pid=self.server.pid)
        figures = json.loads(process.stdout)
        figures |= {
            "server_before_bytes": before_bytes,
            "server_peak_bytes": peak_bytes,
        }
        say(json.dumps(figures))
        self.figures["jobs"][name] = figures

    def ask(self) -> None:
        """Ask views and raw rows the same questions."""
        target = Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=self.server.port,
            store=RAW,
        )
        stores, checkpoint = TierStores(target), Checkpoint(self._checkpoint)
        try:
            self.figures["questions"] = ask_all(
                stores,
                checkpoint,
                first=self.year.first_date,
                last=self.date,
                now_ns=self._now_ns,
            )
        finally:
            stores.close()

    def measure_parquet(self) -> None:
        """Note how large the daily rows are as files, where pyarrow is at hand."""
        if not _PARQUET_PYTHON.exists():
            return
        process = subprocess.run(
            [
                str(_PARQUET_PYTHON),
                str(_PARQUET),
                f"--port={self.server.port}",
                f"--store={RAW}",
                f"--start-ns={self.year.start_ns}",
                f"--end-ns={self._midnight_ns}",
                f"--zone={ZONE.key}",
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if process.returncode == 0:
            self.figures["parquet"] = json.loads(process.stdout)


def steps(storage: Storage) -> Iterator[None]:
    """Run everything, in the only order in which it can be."""
    storage.run_job("catch_up", "aggregate")
    yield
    storage.run_job("views", "refresh_views")
    yield
    storage.ask()
    yield
    # The first night lets all go that is old by now.
    storage.run_job("first_night", "run_maintenance")
    yield
    storage.measure_stored("tiers", RAW, f"{RAW}_hourly", f"{RAW}_daily")
    yield
    storage.measure_parquet()
    storage.write_day(RAW)
    storage.run_job("hourly", "downsample_hourly")
    storage.run_job("daily", "downsample_daily")
    storage.write_day(RAW)
    storage.run_job("night", "run_maintenance")
    yield


@contextmanager
def loaded(year: Path | None, *, days: int, last_date: dt.date) -> Iterator[Storage]:
    """Give a server with a year in it.

    Args:
        year: Where a loaded year is kept from one run to the next; None for nowhere.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-storage-") as name:
        folder = Path(name)
        data = folder / "influxd"
        notes = None if year is None else year / _YEAR_FILE
        is_there = notes is not None and notes.exists()
        if is_there and year is not None:
            _copy(year, data)
        with InfluxServer(_INFLUXD, data, env=EAGER) as server:
            storage = Storage(server, folder, days=days, last_date=last_date)
            if is_there and notes is not None:
                storage.skip(json.loads(notes.read_text("utf-8")))
            else:
                storage.load()
                storage.measure_stored("raw", RAW, RAW_WEEKS)
                if year is not None and notes is not None:
                    server.stop()
                    _copy(data, year)
                    notes.write_text(json.dumps(storage.figures), "utf-8")
                    server.start()
            yield storage


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of the server; what its files only reserve stays so (GNU cp)."""
    subprocess.run(
        ["cp", "-a", "--sparse=always", str(source), str(target)], check=True
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/run --storage", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--days", type=int, default=365, help="365 if left out")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--year",
        type=Path,
        help="keep the loaded year in this folder, or take it from there",
    )
    parser.add_argument(
        "--last",
        type=dt.date.fromisoformat,
        default=dt.datetime.now(ZONE).date() - dt.timedelta(days=1),
        help="last day of all; yesterday if left out",
    )
    return parser.parse_args()


def main() -> int:
    """Run the benchmark and print its report."""
    args = parse_arguments()
    # The server goes also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    is_good = True
    with loaded(args.year, days=args.days, last_date=args.last) as storage:
        try:
            # An hour's figures are not lost with what follows them.
            for _ in steps(storage):
                write_report(storage, args.json)
        except BenchmarkError as err:
            is_good = False
            say(f"failed: {err}")
        report = write_report(storage, args.json)
    print_storage_report(report)
    return 0 if is_good else 1


def write_report(storage: Storage, path: Path | None) -> dict[str, Any]:
    """Put the figures so far together, and into a file if one is wanted."""
    report = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "home_assistant": ha_version,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cpus": os.cpu_count(),
        **storage.figures,
    }
    if path is not None:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    sys.exit(main())
