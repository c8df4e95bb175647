"""Scenarios about the disk under Home Assistant's configuration folder."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import Bench
from cards import Card, CardUnavailableError, Written, mounted_card
from plan import FAST_PER_S, WRITERS
from processes import Setting, Subject, furnish, scratch_folder
from speed import drain, watch

from devlib.influxd import free_port

_DAY_S: Final = 86_400
_MB: Final = 1e6
# What cheap and worn cards do: a tenth of a good card's promise.
_SLOW_BYTES_PER_S: Final = 2 * 2**20
_SLOW_REQUESTS_PER_S: Final = 100
# Who writes to the disk, and the no-op listener for Home Assistant's own part.
DISK_NAMES: Final = ("noop", "recorder", "ours", "ours_full_sync")
CARD_NAMES: Final = ("noop", "influxdb", "ours", "ours_full_sync")


class _Wear:
    """One competitor whose writes are counted.

    Args:
        key: What its figures begin with.
        card: Where its folder is; None where there are no cards.
    """

    def __init__(self, key: str, subject: Subject, card: Card | None) -> None:
        self.subject = subject
        self._key = key
        self._card = card
        self._process: Mapping[str, int] = {}
        self._device = Written(requests=0, byte_count=0)

    def begin(self) -> None:
        """Remember how much it has written so far, and let it go on."""
        if self._card is not None:
            self._device = self._card.written()
        self._process = _written_by(self.subject.pid)
        self.subject.permit()

    def end(self, bench: Bench, *, per_s: float, seconds: float) -> None:
        """Note how much it has written, with all that is still on its way."""
        figures = bench.of(self.subject.setting.name)
        key, count = f"{self._key}_{per_s:g}", per_s * seconds
        process = _written_by(self.subject.pid)
        for name, before in self._process.items():
            figures.add(f"{key}_{name}", (process[name] - before) / count)
        written = process.get("write_bytes", 0) - self._process.get("write_bytes", 0)
        if self._card is not None:
            device = self._card.written()
            written = device.byte_count - self._device.byte_count
            requests = device.requests - self._device.requests
            figures.add(f"{key}_device_bytes", written / count)
            figures.add(f"{key}_requests", requests / count)
        figures.add(f"{key}_day_mb", written / seconds * _DAY_S / _MB)
        self.subject.permit()


def run_disk(bench: Bench, names: list[str]) -> None:
    """Count what each writes at several rates, database healthy and away.

    All at once: bytes are counted, not time.
    """
    plan = bench.plan
    kinds = [
        (name, key)
        for name in DISK_NAMES
        if name in names
        for key in (("disk", "disk_away") if name in WRITERS else ("disk",))
    ]
    for per_s in plan.disk_rates:
        with ExitStack() as stack:
            wears = [_start(bench, stack, name, key, per_s) for name, key in kinds]
            for wear in wears:
                wear.subject.hear()
            for wear in wears:
                wear.begin()
            for wear in wears:
                wear.subject.hear()
            for wear in wears:
                wear.end(bench, per_s=per_s, seconds=plan.disk_seconds)
            for wear in wears:
                # About to stop, or stopped.
                wear.subject.wait()


def _start(bench: Bench, stack: ExitStack, name: str, key: str, per_s: float) -> _Wear:
    """Start a home for the second time, so that it has nothing left to store."""
    card: Card | None = None
    try:
        card = stack.enter_context(mounted_card())
    except CardUnavailableError as err:
        bench.note(f"No bytes of a block device: {err}")
    database = bench.make_database()
    setting = Setting(
        name=name,
        folder=stack.enter_context(scratch_folder(card.folder if card else None)),
        # Nobody listens on a free port.
        port=free_port() if key == "disk_away" else database.port,
        database=database.name,
    )
    furnish(setting)
    subject = stack.enter_context(
        bench.started(setting, "steady", per_s=per_s, seconds=bench.plan.disk_seconds)
    )
    return _Wear(key, subject, card)


def run_slow_disk(bench: Bench, names: list[str]) -> None:
    """Burst, latency and the loop's pauses with everything on a slow card."""
    plan = bench.plan
    try:
        with (
            mounted_card() as card,
            card.slowed(
                bytes_per_s=_SLOW_BYTES_PER_S, requests_per_s=_SLOW_REQUESTS_PER_S
            ),
        ):
            bytes_per_s, syncs_per_s = card.probe()
            bench.note(
                f"Slow card: {bytes_per_s / _MB:.1f} MB/s in one piece and"
                f" {syncs_per_s:.0f} synced writes/s, measured before the scenario"
            )
            for name in (name for name in CARD_NAMES if name in names):
                _burst_on_card(bench, name, card)
                watch(
                    bench,
                    name,
                    "card",
                    per_s=FAST_PER_S,
                    seconds=plan.card_seconds,
                    parent_folder=card.folder,
                )
    except CardUnavailableError as err:
        bench.note(f"slow_disk is not available here: {err}")


def _burst_on_card(bench: Bench, name: str, card: Card) -> None:
    count = bench.plan.card_burst_count
    with bench.subject(name, "burst", parent_folder=card.folder, count=count) as (
        subject,
        database,
    ):
        fired = subject.hear()
        seconds = drain(bench, name, database, fired, scenario="card burst")
        subject.permit()
        subject.hear()
        subject.wait()
    if seconds is not None:
        bench.of(name).add("card_stored_per_s", count / seconds)


def _written_by(pid: int) -> dict[str, int]:
    """Return what a process has had written, where the system tells.

    `write_bytes` counts pages as they become dirty, `cancelled_write_bytes` those
    that were thrown away before they got to the disk.
    """
    file = Path(f"/proc/{pid}/io")
    if not file.exists():
        return {}
    lines = file.read_text("ascii").splitlines()
    counts = {name: int(value) for name, value in (line.split(": ") for line in lines)}
    return {name: counts[name] for name in ("write_bytes", "cancelled_write_bytes")}
