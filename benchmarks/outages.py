"""Scenarios in which the database or Home Assistant goes away."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import random
import signal
import time
from typing import Any, Final

from bench import Bench, fresh_server
from figures import Figures
from plan import FAST_PER_S, WRITERS
from processes import MemoryWatch, Setting, copy_config, furnish, scratch_folder
from watch import PATIENCE_S, Database

from devlib.influxd import InfluxServer, free_port

_DATABASE: Final = "losses"
# Whoever starts again sends what it has kept at once.
_KILL_PATIENCE_S: Final = 10.0
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fired:
    """Changes that were noted as they were made: number and Unix nanoseconds."""

    at_ns: dict[int, int]

    @classmethod
    def read(cls, journal: Path) -> _Fired:
        """Read a journal; a line that was cut short by a kill does not count."""
        whole, _, _ = journal.read_text("ascii").rpartition("\n")
        pairs = (line.split() for line in whole.splitlines())
        return cls(at_ns={int(number): int(at_ns) for number, at_ns in pairs})


class _Home:
    """A home that was set up once, and is run from copies of its folder.

    Args:
        config: The configuration folder, furnished.
        port: Where its database is, when it is there.
    """

    def __init__(self, bench: Bench, name: str, config: Path, port: int) -> None:
        self._bench = bench
        self._name = name
        self._config = config
        self._port = port

    @contextmanager
    def fresh(self) -> Iterator[tuple[Setting, InfluxServer, Database]]:
        """Copy it, and give it an empty database."""
        with scratch_folder() as folder, fresh_server(self._port) as server:
            setting = Setting(
                name=self._name, folder=folder, port=self._port, database=_DATABASE
            )
            copy_config(self._config, setting.config)
            yield setting, server, Database(server, _DATABASE)

    def count(
        self,
        case: str,
        setting: Setting,
        database: Database,
        *,
        patience_s: float,
        killed_ns: int | None = None,
    ) -> None:
        """Note what is lost, once nothing more arrives."""
        fired = _Fired.read(setting.journal).at_ns
        numbers = database.wait_for_numbers(
            count=len(fired), since_ns=min(fired.values()) - 1, patience_s=patience_s
        )
        lost = sorted(fired.keys() - set(numbers))
        figures = self._bench.of(self._name)
        figures.add(f"{case}_fired", len(fired))
        figures.add(f"{case}_lost", len(lost))
        figures.add("doubled", len(numbers) - len(set(numbers)))
        if killed_ns is not None:
            window_ns = killed_ns - fired[lost[0]] if lost else 0
            figures.add(f"{case}_window_s", window_ns / 1e9)

    def run_outage(self) -> None:
        """The database is killed in the middle and comes back."""
        plan = self._bench.plan
        seconds = plan.lead_s + plan.outage_s + plan.tail_s
        with self.fresh() as (setting, server, database):

            def fail() -> None:
                time.sleep(plan.lead_s)
                server.kill()
                time.sleep(plan.outage_s)
                server.start()

            self._run_whole("outage", setting, database, seconds, fail)

    def run_boot(self) -> None:
        """The database is down when Home Assistant starts."""
        plan = self._bench.plan
        seconds = plan.boot_outage_s + plan.tail_s
        with self.fresh() as (setting, server, database):
            server.kill()

            def heal() -> None:
                time.sleep(plan.boot_outage_s)
                server.start()

            self._run_whole("boot", setting, database, seconds, heal)

    def _run_whole(
        self,
        case: str,
        setting: Setting,
        database: Database,
        seconds: float,
        meanwhile: Callable[[], None],
    ) -> None:
        with self._bench.started(
            setting,
            "steady",
            per_s=FAST_PER_S,
            seconds=seconds,
            journal=setting.journal,
        ) as subject:
            subject.hear()
            subject.permit()
            meanwhile()
            subject.hear()
            # Home Assistant goes on until all has had the time to arrive.
            self.count(case, setting, database, patience_s=PATIENCE_S)
            subject.permit()
            subject.wait()

    def run_kill(self, case: str, *, is_away: bool) -> None:
        """Home Assistant is killed, with the database well or away, and restarted."""
        plan = self._bench.plan
        with self.fresh() as (setting, server, database):
            with self._bench.started(
                setting,
                "steady",
                per_s=FAST_PER_S,
                seconds=plan.lead_s + plan.kill_after_s + plan.tail_s,
                journal=setting.journal,
            ) as subject:
                subject.hear()
                subject.permit()
                # What is lost depends on how long ago the last batch was written.
                time.sleep(plan.lead_s + random.random())
                if is_away:
                    server.kill()
                    time.sleep(plan.kill_after_s)
                subject.kill()
                killed_ns = time.time_ns()
            if is_away:
                server.start()
            with self._bench.started(setting, "steady") as subject:
                subject.hear()
                self.count(
                    case,
                    setting,
                    database,
                    patience_s=_KILL_PATIENCE_S,
                    killed_ns=killed_ns,
                )
                subject.permit()
                subject.hear()
                subject.permit()
                subject.wait()


def run_losses(bench: Bench, name: str) -> None:
    """Count what is lost in four kinds of mishap."""
    if name not in {"influxdb", "ours"}:
        return
    port = free_port()
    with scratch_folder() as folder:
        setting = Setting(name=name, folder=folder, port=port, database=_DATABASE)
        with fresh_server(port) as server:
            Database(server, _DATABASE)
            furnish(setting)
        home = _Home(bench, name, setting.config, port)
        home.run_outage()
        home.run_boot()
        home.run_kill("kill_away", is_away=True)
        for _ in range(bench.plan.kill_rounds):
            home.run_kill("kill", is_away=False)


def run_storm(bench: Bench, name: str) -> None:
    """Changes flat out while the database is away."""
    if name in {"noop", "influxdb", "ours"}:
        flood(bench, name, key="storm", count=bench.plan.storm_count)


def run_backlog(bench: Bench, name: str) -> None:
    """A long outage; the others have a part in a shorter one only."""
    plan, per_s = bench.plan, bench.plan.backlog_per_s
    short = plan.short_backlog_count
    if name == "noop":
        flood(bench, name, key="backlog", count=short, per_s=per_s)
    elif name == "influxdb":
        flood(bench, name, key="backlog", count=short, per_s=per_s)
        flood(bench, name, key="hang", count=short, per_s=per_s, is_hanging=True)
        figures = bench.of(name)
        for key, words in (("backlog", "is down"), ("hang", "hangs")):
            grown = figures.middle(f"{key}_mib")
            figures.notes.append(
                f"{grown:,.0f} MiB over idle after {short:,} changes while the"
                f" database {words}; extrapolated, not measured: "
                f"{grown * _MILLION / short:,.0f} MiB after a million"
            )
    elif name == "ours":
        flood(bench, name, key="backlog", count=plan.backlog_count, per_s=per_s)
        flood(bench, name, key="hang", count=short, per_s=per_s, is_hanging=True)


def flood(
    bench: Bench,
    name: str,
    *,
    key: str,
    count: int,
    per_s: float = 0.0,
    is_hanging: bool = False,
) -> None:
    """Change states while the database is away, then measure how it is caught up.

    Args:
        per_s: Changes per second, or 0 for flat out.
        is_hanging: The database accepts connections and says nothing, instead of
            being down.
    """
    figures = bench.of(name)
    with (
        fresh_server() as server,
        bench.subject(name, "outage", server=server, count=count, per_s=per_s) as (
            subject,
            database,
        ),
    ):
        subject.hear()
        accepted = database.accepted_count() if is_hanging else 0
        _take_away(server, is_hanging=is_hanging)
        with MemoryWatch(subject.pid) as memory:
            subject.permit()
            fired = subject.hear()
        figures.add(f"{key}_fired", count)
        figures.add(f"{key}_fired_s", fired["fired_s"])
        figures.add_mib(f"{key}_mib", fired["over_idle_bytes"])
        if memory.is_known:
            figures.add_mib(f"{key}_own_mib", memory.peak_bytes - memory.first_bytes)
        figures.add(f"{key}_blocked_ms", fired["blocked_s"] * 1e3)
        if name == "ours":
            size = sum(
                file.stat().st_size for file in subject.setting.buffer_folder.iterdir()
            )
            figures.add_mib(f"{key}_disk_mib", size)
            figures.add(f"{key}_disk_event_bytes", size / count)
        _bring_back(server, is_hanging=is_hanging)
        if name in WRITERS:
            _catch_up(figures, key, database, fired, accepted)
        subject.permit()
        result = subject.hear()
        figures.add_mib(f"{key}_whole_mib", result["over_idle_bytes"])
        if name == "ours" and figures.middle(f"{key}_lost") > (fired["dropped"] or 0):
            words = ", ".join(f"{k} {v}" for k, v in result["own_words"].items())
            figures.notes.append(f"{key}: not all is stored; it says: {words}")
        subject.wait()


def _catch_up(
    figures: Figures,
    key: str,
    database: Database,
    fired: dict[str, Any],
    accepted: int,
) -> None:
    """Wait until what was kept is stored, and note how long that took."""
    count, since_ns = fired["count"], fired["since_ns"]
    dropped = fired["dropped"] or 0
    back_ns = time.time_ns()
    first_ns = database.wait_for_more(accepted, patience_s=PATIENCE_S)
    ended_ns, stored = database.wait_for_count(
        count=count - dropped, since_ns=since_ns, patience_s=_KILL_PATIENCE_S
    )
    figures.add(f"{key}_lost", count - stored)
    if fired["dropped"] is not None:
        figures.add(f"{key}_dropped", dropped)
    if first_ns is not None and stored:
        figures.add(f"{key}_first_s", (first_ns - back_ns) / 1e9)
        figures.add(f"{key}_drained_s", (ended_ns - back_ns) / 1e9)
        figures.add(f"{key}_drained_per_s", stored / ((ended_ns - first_ns) / 1e9))


def _take_away(server: InfluxServer, *, is_hanging: bool) -> None:
    if is_hanging and server.pid is not None:
        os.kill(server.pid, signal.SIGSTOP)
    else:
        server.kill()


def _bring_back(server: InfluxServer, *, is_hanging: bool) -> None:
    if is_hanging and server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    else:
        server.start()
