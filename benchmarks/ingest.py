"""Measure HA Ingestor beside Home Assistant's own `influxdb` integration.

    benchmarks/run [--quick] [--json FILE] [--only NAME ...] [--scenario NAME ...]

See README.md beside this file for what the figures mean.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import platform
from statistics import median
import subprocess
import sys
import tempfile
import time
from typing import Any, Final

from report import print_report
from watch import Database

from devlib.influxd import InfluxServer, free_port

ROOT: Final = Path(__file__).resolve().parent.parent
INTEGRATION: Final = ROOT / "custom_components" / "ha_ingestor"
INFLUXD: Final = ROOT / ".dev" / "influxdb" / "influxd"
SUBJECT: Final = Path(__file__).with_name("subject.py")

COMPETITORS: Final = ("none", "noop", "influxdb", "ours", "ours_fast")
SCENARIOS: Final = ("loop", "burst", "latency", "stop")
WRITERS: Final = ("influxdb", "ours", "ours_fast")
# The flush interval has no part in the other scenarios.
FAST_SCENARIOS: Final = ("burst", "latency")
# Often enough for a latency of a tenth of a second, seldom enough to leave the
# server alone: a query of this size costs it about two milliseconds.
POLL_S: Final = 0.02
# The events of one flush may reach the database out of order by this much.
OVERLAP_NS: Final = 2_000_000_000
# Past this nothing more is coming: core's integration holds a batch for 20 s at
# five events a second, and forgets events that have waited for 30 s.
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    loop_count: int
    loop_rounds: int
    burst_count: int
    burst_rounds: int
    slow_seconds: float
    fast_seconds: float
    stop_seconds: float


FULL: Final = Plan(
    loop_count=50_000,
    loop_rounds=5,
    burst_count=100_000,
    burst_rounds=3,
    slow_seconds=80.0,  # four of core's batches of a hundred
    fast_seconds=30.0,
    stop_seconds=10.0,
)
QUICK: Final = Plan(
    # No fewer: a full garbage collection would fall into every other round only.
    loop_count=50_000,
    loop_rounds=3,
    burst_count=40_000,
    burst_rounds=1,
    slow_seconds=24.0,
    fast_seconds=10.0,
    stop_seconds=4.0,
)
SLOW_PER_S: Final = 5.0
FAST_PER_S: Final = 200.0


class BenchmarkError(Exception):
    """A competitor did not get through a scenario."""


@dataclass(slots=True)
class Figures:
    """What was measured of one competitor; what does not apply is missing."""

    loop_us: list[float] = field(default_factory=list)
    process_us: list[float] = field(default_factory=list)
    threads_us: list[dict[str, float]] = field(default_factory=list)
    fired_s: list[float] = field(default_factory=list)
    stored_per_s: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    slow_s: list[float] = field(default_factory=list)
    fast_s: list[float] = field(default_factory=list)
    stop_s: float | None = None
    lost: dict[str, int] = field(default_factory=dict)


class Subject:
    """The process that holds Home Assistant and one competitor."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """Take over a process that has just been started."""
        self._process = process
        self._log = log

    def hear(self) -> dict[str, Any]:
        """Wait for its next message.

        Raises:
            BenchmarkError: It ended instead.
        """
        if self._process.stdout is not None and (
            line := self._process.stdout.readline()
        ):
            message: dict[str, Any] = json.loads(line)
            return message
        tail = "\n".join(self._log.read_text("utf-8").splitlines()[-15:])
        raise BenchmarkError(f"ended with {self._process.wait()}:\n{tail}")

    def permit(self) -> None:
        """Let it go on."""
        if self._process.stdin is not None:
            self._process.stdin.write(".")
            self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has ended.

        Raises:
            BenchmarkError: It did not end well.
        """
        if (code := self._process.wait(PATIENCE_S)) != 0:
            tail = "\n".join(self._log.read_text("utf-8").splitlines()[-15:])
            raise BenchmarkError(f"ended with {code}:\n{tail}")


class Run:
    """One run over all competitors against one server."""

    def __init__(self, server: InfluxServer, plan: Plan) -> None:
        """Begin with empty figures."""
        self._server = server
        self._plan = plan
        self._database_count = 0
        self.figures: dict[str, Figures] = {}
        self.ha_version = ""

    def measure(self, competitors: list[str], scenarios: list[str]) -> None:
        """Run the scenarios one after the other, each for every competitor.

        The competitors take turns, so that a change in what else the machine
        does falls on all of them.
        """
        self.figures = {name: Figures() for name in competitors}
        rounds: dict[str, Callable[[str], None]] = {
            "loop": self._loop,
            "burst": self._burst,
            "latency": self._latency,
            "stop": self._stop,
        }
        for scenario in scenarios:
            repeat = self._plan.burst_rounds if scenario == "burst" else 1
            for name in competitors * repeat:
                if name != "ours_fast" or scenario in FAST_SCENARIOS:
                    rounds[scenario](name)

    def _loop(self, name: str) -> None:
        plan = self._plan
        with self._subject(
            name, "loop", count=plan.loop_count, rounds=plan.loop_rounds
        ) as (subject, database):
            for _ in range(plan.loop_rounds + 1):
                self._drain(name, database, subject.hear(), scenario="loop")
                subject.permit()
            self.figures[name].loop_us = subject.hear()["loop_us"]
            subject.wait()

    def _burst(self, name: str) -> None:
        figures = self.figures[name]
        count = self._plan.burst_count
        with self._subject(name, "burst", count=count) as (subject, database):
            fired = subject.hear()
            seconds = self._drain(name, database, fired, scenario="burst")
            subject.permit()
            result = subject.hear()
            figures.process_us.append(result["process_us"])
            figures.threads_us.append(result["threads_us"])
            figures.fired_s.append(result["fired_s"])
            figures.memory_mib.append(result["peak_mib"] - result["idle_mib"])
            figures.stored_per_s.append(count / (seconds or result["fired_s"]))
            subject.wait()

    def _latency(self, name: str) -> None:
        if name in WRITERS:
            figures, plan = self.figures[name], self._plan
            figures.slow_s = self._watch(name, SLOW_PER_S, plan.slow_seconds)
            figures.fast_s = self._watch(name, FAST_PER_S, plan.fast_seconds)

    def _watch(self, name: str, per_s: float, seconds: float) -> list[float]:
        with self._subject(name, "latency", per_s=per_s, seconds=seconds) as (
            subject,
            database,
        ):
            subject.hear()
            begun_ns = time.time_ns()
            subject.permit()
            seen_ns = watch_values(
                database, begun_ns, count=round(per_s * seconds), seconds=seconds
            )
            subject.hear()
            subject.permit()
            changed_ns = subject.hear()["changed_ns"]
            subject.wait()
        latencies = [
            (seen_ns[number] - at_ns) / 1e9
            for number, at_ns in enumerate(changed_ns, 1)
            if number in seen_ns
        ]
        self.figures[name].lost[f"at {per_s:g}/s"] = len(changed_ns) - len(latencies)
        return latencies

    def _stop(self, name: str) -> None:
        figures = self.figures[name]
        with self._subject(
            name, "stop", per_s=FAST_PER_S, seconds=self._plan.stop_seconds
        ) as (subject, database):
            message = subject.hear()
            begun = time.monotonic()
            subject.wait()
            figures.stop_s = time.monotonic() - begun
            if name in WRITERS:
                stored = database.stored_count(message["since_ns"])
                figures.lost["at stop"] = message["count"] - stored

    def _drain(
        self, name: str, database: Database, fired: Mapping[str, Any], *, scenario: str
    ) -> float | None:
        """Wait until all that was fired can be queried; return how long it took."""
        if name not in WRITERS:
            return None
        count, since_ns = fired["count"], fired["since_ns"]
        seconds, stored = wait_for_count(database, count=count, since_ns=since_ns)
        lost = self.figures[name].lost
        lost[scenario] = lost.get(scenario, 0) + count - stored
        return seconds

    @contextmanager
    def _subject(
        self, name: str, scenario: str, **options: float
    ) -> Iterator[tuple[Subject, Database]]:
        """Start a competitor with a database of its own, ready to go."""
        say(f"{name}: {scenario} {' '.join(f'{k}={v:g}' for k, v in options.items())}")
        self._database_count += 1
        database = Database(self._server, f"benchmark_{self._database_count}")
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            log = Path(folder) / "log"
            with log.open("w", encoding="utf-8") as log_file:
                process = subprocess.Popen(
                    [
                        sys.executable,
                        SUBJECT,
                        *self._arguments(name, scenario, database, folder),
                        *(
                            f"--{key.replace('_', '-')}={value}"
                            for key, value in options.items()
                        ),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log_file,
                    text=True,
                )
            subject = Subject(process, log)
            try:
                self.ha_version = subject.hear()["ha_version"]
                yield subject, database
            except BenchmarkError as err:
                raise BenchmarkError(f"{name}, {scenario}: {err}") from err
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def _arguments(
        self, name: str, scenario: str, database: Database, folder: str
    ) -> list[str]:
        config = Path(folder) / "config"
        config.mkdir()
        return [
            f"--competitor={name}",
            f"--scenario={scenario}",
            f"--folder={config}",
            f"--integration={INTEGRATION}",
            f"--http-port={free_port()}",
            "--host=127.0.0.1",
            f"--port={self._server.port}",
            f"--database={database.name}",
        ]


def wait_for_count(
    database: Database, *, count: int, since_ns: int
) -> tuple[float, int]:
    """Wait until as many states are stored; return seconds since then, and how many.

    Gives up when nothing has arrived for a while.
    """
    deadline = time.monotonic() + PATIENCE_S
    accepted = -1
    while True:
        now_accepted = database.accepted_count()
        if now_accepted != accepted:
            accepted = now_accepted
            deadline = time.monotonic() + PATIENCE_S / 2
        # Counting costs the server; it is only done when it can be enough.
        if accepted >= count:
            at_ns = time.time_ns()
            stored = database.stored_count(since_ns)
            if stored >= count or time.monotonic() > deadline:
                return (at_ns - since_ns) / 1e9, stored
        elif time.monotonic() > deadline:
            return (time.time_ns() - since_ns) / 1e9, database.stored_count(since_ns)
        time.sleep(POLL_S)


def watch_values(
    database: Database, begun_ns: int, *, count: int, seconds: float
) -> dict[int, int]:
    """Note when each change can first be queried, in Unix nanoseconds.

    The n-th change has the value n + 0.5.
    """
    seen_ns: dict[int, int] = {}
    newest_ns = begun_ns + OVERLAP_NS
    deadline = time.monotonic() + seconds + PATIENCE_S / 2
    while len(seen_ns) < count and time.monotonic() < deadline:
        rows = database.values_since(newest_ns - OVERLAP_NS)
        now_ns = time.time_ns()
        for time_ns, value in rows:
            newest_ns = max(newest_ns, time_ns)
            # The states of the home at its start have no part in this.
            if value >= 1:
                seen_ns.setdefault(int(value), now_ns)
        time.sleep(POLL_S)
    return seen_ns


def say(text: str) -> None:
    """Show progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)


def summarize(figures: Figures) -> dict[str, Any]:
    """Reduce the samples of one competitor to the figures of the report."""

    def middle(values: list[float]) -> float | None:
        return median(values) if values else None

    return {
        "loop_us": middle(figures.loop_us),
        "loop_us_all": figures.loop_us,
        "process_us": middle(figures.process_us),
        "threads_us": {
            name: median(threads.get(name, 0.0) for threads in figures.threads_us)
            for name in sorted({key for keys in figures.threads_us for key in keys})
        },
        "fired_s": middle(figures.fired_s),
        "stored_per_s": middle(figures.stored_per_s),
        "stored_per_s_all": figures.stored_per_s,
        "memory_mib": middle(figures.memory_mib),
        "slow_p50_s": quantile(figures.slow_s, 0.5),
        "slow_p99_s": quantile(figures.slow_s, 0.99),
        "fast_p50_s": quantile(figures.fast_s, 0.5),
        "fast_p99_s": quantile(figures.fast_s, 0.99),
        "stop_s": figures.stop_s,
        "lost": figures.lost,
    }


def quantile(values: list[float], share: float) -> float | None:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if values else None


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a third of the time, rougher figures"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=COMPETITORS,
        default=list(COMPETITORS),
        help="leave the others out",
    )
    parser.add_argument(
        "--scenario",
        nargs="+",
        choices=SCENARIOS,
        default=list(SCENARIOS),
        help="leave the others out",
    )
    return parser.parse_args()


def main() -> int:
    """Run the benchmark and print its report."""
    args = parse_arguments()
    plan = QUICK if args.quick else FULL
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-influxd-") as folder,
        InfluxServer(INFLUXD, Path(folder)) as server,
    ):
        run = Run(server, plan)
        try:
            run.measure(args.only, args.scenario)
        except BenchmarkError as err:
            say(f"benchmark: {err}")
            return 1
        report = {
            "home_assistant": run.ha_version,
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "quick": args.quick,
            "figures": {
                name: summarize(figures) for name, figures in run.figures.items()
            },
        }
    print_report(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
