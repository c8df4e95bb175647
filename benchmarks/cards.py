"""A block device of its own for one folder, as slow as a memory card if wanted.

A file behind a loop device, with ext4 on it: so the kernel counts what is written
to it, by whomever and however late, and nobody else writes there. It is slowed by
the kernel's own throttling of block devices, by bytes and by requests. That needs
root, loop devices and the `blkio` controller of cgroup v1, whose root group limits
what the kernel writes back on anybody's behalf, too; version 2 has no limit for
its root group, so there this does not exist.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import subprocess
import tempfile
import time
from typing import Final

_THROTTLE: Final = Path("/sys/fs/cgroup/blkio")
_CARD_BYTES: Final = 512 * 2**20
_SECTOR_BYTES: Final = 512
# In /sys/block/*/stat: requests and sectors written.
_STAT_WRITES: Final = 4
_STAT_SECTORS: Final = 6
_PROBE_BYTES: Final = 4 * 2**20
_PROBE_SYNCS: Final = 20


class CardUnavailableError(Exception):
    """This machine cannot do that; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a device has had written."""

    requests: int
    byte_count: int


class Card:
    """A mounted block device.

    Attributes:
        folder: Where it is mounted.
    """

    def __init__(self, device: str, folder: Path) -> None:
        """Take over a device that is mounted."""
        self.folder = folder
        self._stat = Path("/sys/block", Path(device).name, "stat")
        self._number = self._stat.with_name("dev").read_text("ascii").strip()

    def written(self) -> Written:
        """Have all that is dirty written, and return what was written so far."""
        _run("sync", "--file-system", str(self.folder))
        numbers = self._stat.read_text("ascii").split()
        return Written(
            requests=int(numbers[_STAT_WRITES]),
            byte_count=int(numbers[_STAT_SECTORS]) * _SECTOR_BYTES,
        )

    @contextmanager
    def slowed(self, *, bytes_per_s: int, requests_per_s: int) -> Iterator[None]:
        """Let it write no faster than this.

        Raises:
            CardUnavailableError: This system cannot do that.
        """
        limits = {
            _THROTTLE / "blkio.throttle.write_bps_device": bytes_per_s,
            _THROTTLE / "blkio.throttle.write_iops_device": requests_per_s,
        }
        with ExitStack() as stack:
            for file, limit in limits.items():
                try:
                    file.write_text(f"{self._number} {limit}", "ascii")
                except OSError as err:
                    raise CardUnavailableError(
                        "slowing a block device needs root and cgroup v1's blkio"
                        f" ({err})"
                    ) from err
                stack.callback(file.write_text, f"{self._number} 0", "ascii")
            yield

    def probe(self) -> tuple[float, float]:
        """Measure it: bytes per second in one piece, and synced writes per second."""
        file = os.open(self.folder / "probe", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            begun = time.monotonic()
            os.write(file, os.urandom(_PROBE_BYTES))
            os.fsync(file)
            bytes_per_s = _PROBE_BYTES / (time.monotonic() - begun)
            begun = time.monotonic()
            for _ in range(_PROBE_SYNCS):
                os.write(file, b"x" * 4096)
                os.fsync(file)
            return bytes_per_s, _PROBE_SYNCS / (time.monotonic() - begun)
        finally:
            os.close(file)
            (self.folder / "probe").unlink()


@contextmanager
def mounted_card() -> Iterator[Card]:
    """Make a card, gone at the end.

    Raises:
        CardUnavailableError: This system cannot do that.
    """
    if os.geteuid() != 0:
        raise CardUnavailableError("a block device of its own needs root")
    with ExitStack() as stack:
        base = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-card-"))
        )
        image, folder = base / "image", base / "mounted"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(_CARD_BYTES)
        # Tables are written now, not in the background while it is measured.
        _run(
            *("mkfs.ext4", "-q", "-F"),
            *("-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)),
        )
        device = _run("losetup", "--find", "--show", str(image)).strip()
        stack.callback(_run, "losetup", "--detach", device)
        _run("mount", device, str(folder))
        stack.callback(_run, "umount", str(folder))
        yield Card(device, folder)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise CardUnavailableError(f"there is no {command[0]} here") from None
    except subprocess.CalledProcessError as err:
        words = err.stderr.strip()
        raise CardUnavailableError(f"{command[0]} says: {words}") from err
    return done.stdout
