"""Scenarios about cost and speed, with a database that is well."""

from pathlib import Path
import time
from typing import Any, Final

from bench import Bench
from plan import FAST_PER_S, SLOW_PER_S, WRITERS
from processes import BenchmarkError, Setting, scratch_folder
from watch import Database

from custom_components.ha_ingestor.store.encoder import (
    BATCH_MAX_BYTES,
    BATCH_POINT_COUNT,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from devlib.influxd import free_port

# Only read: nothing is added, so no bound is ever reached.
_ANY_SIZE_BYTES: Final = 2**40


def run_loop(bench: Bench, name: str) -> None:
    """CPU of the loop's thread per change."""
    plan = bench.plan
    with bench.subject(
        name, "loop", count=plan.loop_count, rounds=plan.loop_rounds
    ) as (subject, database):
        for _ in range(plan.loop_rounds + 1):
            drain(bench, name, database, subject.hear(), scenario="loop")
            subject.permit()
        bench.of(name).add("loop_us", *subject.hear()["loop_us"])
        subject.wait()


def run_burst(bench: Bench, name: str) -> None:
    """CPU of the process per change, memory, and time until all is stored."""
    figures, count = bench.of(name), bench.plan.burst_count
    with bench.subject(name, "burst", count=count) as (subject, database):
        fired = subject.hear()
        seconds = drain(bench, name, database, fired, scenario="burst")
        subject.permit()
        result = subject.hear()
        subject.wait()
    figures.add("process_us", result["process_us"])
    figures.add("fired_s", result["fired_s"])
    figures.add("memory_mib", result["peak_mib"] - result["idle_mib"])
    figures.threads_us.append(result["threads_us"])
    if seconds is not None:
        figures.add("stored_per_s", count / seconds)


def run_latency(bench: Bench, name: str) -> None:
    """Time from each change until it can be queried."""
    if name in WRITERS:
        plan = bench.plan
        watch(bench, name, "slow", per_s=SLOW_PER_S, seconds=plan.slow_seconds)
        watch(bench, name, "fast", per_s=FAST_PER_S, seconds=plan.fast_seconds)


def watch(
    bench: Bench,
    name: str,
    key: str,
    *,
    per_s: float,
    seconds: float,
    parent_folder: Path | None = None,
) -> None:
    """Measure latencies at one rate, and how long the loop was blocked at most."""
    figures = bench.of(name)
    with bench.subject(
        name, "latency", parent_folder=parent_folder, per_s=per_s, seconds=seconds
    ) as (subject, database):
        subject.hear()
        begun_ns = time.time_ns()
        subject.permit()
        seen_ns: dict[int, int] = {}
        if name in WRITERS:
            seen_ns = database.watch_values(
                begun_ns, count=round(per_s * seconds), seconds=seconds
            )
        subject.hear()
        subject.permit()
        result = subject.hear()
        subject.wait()
    latencies_s = [
        (seen_ns[number] - at_ns) / 1e9
        for number, at_ns in enumerate(result["changed_ns"], 1)
        if number in seen_ns
    ]
    figures.add(f"{key}_blocked_ms", result["blocked_s"] * 1e3)
    if name in WRITERS:
        figures.add_latencies(key, latencies_s)
        lost = len(result["changed_ns"]) - len(latencies_s)
        figures.count_lost(f"{key} at {per_s:g}/s", lost)


def run_stop(bench: Bench, name: str) -> None:
    """Time from the wish to stop until the process is gone."""
    figures = bench.of(name)
    with bench.subject(
        name, "stop", per_s=FAST_PER_S, seconds=bench.plan.stop_seconds
    ) as (subject, database):
        message = subject.hear()
        begun = time.monotonic()
        subject.wait()
        figures.add("stop_s", time.monotonic() - begun)
        if name in WRITERS:
            stored = database.stored_count(message["since_ns"])
            figures.count_lost("stop", message["count"] - stored)


def run_ceiling(bench: Bench, name: str) -> None:
    """What the server takes of our very batches over one connection.

    A burst is captured while there is no server. Its batches, as they wait on disk,
    are then written by the integration's own client, with nothing else to do.
    """
    if name != "ours":
        return
    figures = bench.of(name)
    if "stored_per_s" not in figures.samples:
        run_burst(bench, name)
    bodies, point_count = gather_batches(bench, bench.plan.burst_count)
    for _ in range(bench.plan.ceiling_rounds):
        database = bench.make_database()
        client = InfluxClient(
            Target(
                api_version=ApiVersion.V1,
                host="127.0.0.1",
                port=database.port,
                store=database.name,
            )
        )
        begun = time.monotonic()
        for body in bodies:
            # The server answers once the points can be queried.
            client.write(body, is_gzip=True)
        seconds = time.monotonic() - begun
        client.close()
        if (accepted := database.accepted_count()) != point_count:
            raise BenchmarkError(f"The server took {accepted} of {point_count} points")
        figures.add("ceiling_per_s", point_count / seconds)
    share = figures.middle("stored_per_s") / figures.middle("ceiling_per_s")
    figures.add("ceiling_percent", 100 * share)


def gather_batches(bench: Bench, count: int) -> tuple[list[bytes], int]:
    """Capture a burst without a server; return its batches and how many points."""
    with scratch_folder() as folder:
        # Nobody listens there.
        setting = Setting(
            name="ours", folder=folder, port=free_port(), database="nowhere"
        )
        with bench.started(setting, "outage", count=count) as subject:
            subject.hear()
            subject.permit()
            subject.hear()
            subject.permit()
            subject.hear()
            subject.wait()
        (path,) = setting.buffer_folder.glob("*.db")
        buffer = SqliteBuffer(path, max_bytes=_ANY_SIZE_BYTES, is_full_sync=False)
        buffer.open()
        bodies, point_count = [], 0
        # As the sender claims them, so that the requests are the same, too.
        while batch := buffer.begin_batch(BATCH_POINT_COUNT, BATCH_MAX_BYTES):
            bodies.append(batch.body)
            point_count += batch.point_count
            buffer.end_batch(batch)
        buffer.close()
    return bodies, point_count


def drain(
    bench: Bench, name: str, database: Database, fired: dict[str, Any], *, scenario: str
) -> float | None:
    """Wait until all that was fired can be queried; return how long it took."""
    if name not in WRITERS:
        return None
    count: int = fired["count"]
    since_ns: int = fired["since_ns"]
    ended_ns, stored = database.wait_for_count(count=count, since_ns=since_ns)
    bench.of(name).count_lost(scenario, count - stored)
    return (ended_ns - since_ns) / 1e9
