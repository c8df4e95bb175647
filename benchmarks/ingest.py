"""Measure HA Ingestor beside Home Assistant's own `influxdb` integration.

    benchmarks/run [--quick] [--json FILE] [--only NAME ...] [--scenario NAME ...]

See README.md beside this file for what the figures mean.
"""

import argparse
from collections.abc import Callable, Iterator
import datetime as dt
from functools import partial
import json
import os
from pathlib import Path
import platform
import signal
import sys
from typing import Final

from bench import Bench, fresh_server
from disks import run_disk, run_slow_disk
from outages import run_backlog, run_losses, run_storm
from plan import (
    COMPETITORS,
    DISK_COMPETITORS,
    FAST_SCENARIOS,
    FULL,
    QUICK,
    SCENARIOS,
    SHORT_SCENARIOS,
)
from processes import BenchmarkError
from report import print_report
from speed import run_burst, run_ceiling, run_latency, run_loop, run_stop

# Competitors take turns, so that a change in what else the machine does falls on
# all of them.
_BY_COMPETITOR: Final[dict[str, Callable[[Bench, str], None]]] = {
    "loop": run_loop,
    "burst": run_burst,
    "latency": run_latency,
    "stop": run_stop,
    "ceiling": run_ceiling,
    "losses": run_losses,
    "storm": run_storm,
    "backlog": run_backlog,
}
_TOGETHER: Final[dict[str, Callable[[Bench, list[str]], None]]] = {
    "disk": run_disk,
    "slow_disk": run_slow_disk,
}


def measure(bench: Bench, scenarios: list[str]) -> bool:
    """Run the scenarios one after the other, each for every competitor.

    Returns:
        Whether all went well. What failed is left out and said; an hour's other
        figures are not lost with it.
    """
    is_good = True
    for scenario in scenarios:
        for run in runs_of(bench, scenario):
            try:
                run()
            except BenchmarkError as err:
                is_good = False
                bench.note(f"{scenario} failed: {err}")
    return is_good


def runs_of(bench: Bench, scenario: str) -> Iterator[Callable[[], None]]:
    """Give what is to be run for a scenario, in order."""
    if scenario in _TOGETHER:
        yield partial(_TOGETHER[scenario], bench, bench.names)
        return
    # Several processes each, so that they take turns here as well.
    rounds = bench.plan.burst_rounds if scenario == "burst" else 1
    for name in bench.names * rounds:
        is_left_out = name == "ours_fast" and scenario not in FAST_SCENARIOS
        if name not in DISK_COMPETITORS and not is_left_out:
            yield partial(_BY_COMPETITOR[scenario], bench, name)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    names = (*COMPETITORS, *DISK_COMPETITORS)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="rougher, and without the long scenarios unless they are named",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=list(names),
        help="leave the others out",
    )
    parser.add_argument(
        "--scenario", nargs="+", choices=SCENARIOS, help="leave the others out"
    )
    return parser.parse_args()


def main() -> int:
    """Run the benchmark and print its report."""
    args = parse_arguments()
    # Servers, block devices and folders go also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    scenarios = args.scenario or list(SHORT_SCENARIOS if args.quick else SCENARIOS)
    with fresh_server() as server:
        bench = Bench(server, QUICK if args.quick else FULL, args.only)
        is_good = measure(bench, scenarios)
    report = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "home_assistant": bench.ha_version,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cpus": os.cpu_count(),
        "quick": args.quick,
        "notes": bench.notes,
        "figures": {name: bench.of(name).summary() for name in bench.measured},
    }
    print_report(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
