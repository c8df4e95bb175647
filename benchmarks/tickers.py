"""How late an event loop comes, and how much memory a process takes.

Started as a program it is a loop that does nothing else, until its standard input
ends: what is late there is the machine's doing. Prints its figures as a line of JSON.
"""

from array import array
import asyncio
import json
from pathlib import Path
import sys
from types import TracebackType
from typing import Final, Self

INTERVAL_S: Final = 0.005
# Histogram, so that a run of an hour takes no more memory than one of a minute.
_STEP_S: Final = 0.000_1
_STEPS: Final = 50_000


class Ticker:
    """Measures how much later than asked for short sleeps of the loop end.

    Use it as an asynchronous context manager.

    Attributes:
        count: How many sleeps there were.
        longest_s: The worst of them.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._counts = array("L", bytes(array("L").itemsize * (_STEPS + 1)))
        self._task: asyncio.Task[None] | None = None
        self.count = 0
        self.longest_s = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._tick())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + INTERVAL_S
            await asyncio.sleep(INTERVAL_S)
            late_s = max(0.0, loop.time() - due)
            self._counts[min(int(late_s / _STEP_S), _STEPS)] += 1
            self.count += 1
            self.longest_s = max(self.longest_s, late_s)

    def quantile_ms(self, share: float) -> float:
        """Return the lag that this share of the sleeps does not exceed."""
        wanted, seen = share * self.count, 0
        for step, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return (step + 1) * _STEP_S * 1_000
        return self.longest_s * 1_000

    def to_json(self) -> dict[str, float]:
        """Return the figures; milliseconds."""
        return {
            "p50_ms": self.quantile_ms(0.5),
            "p99_ms": self.quantile_ms(0.99),
            "p999_ms": self.quantile_ms(0.999),
            "longest_ms": self.longest_s * 1_000,
            "count": self.count,
        }


def resident_bytes(name: str = "VmRSS", *, pid: int | None = None) -> int:
    """Return how much of a process is in memory; "VmHWM" for the most so far.

    Nothing (0) where the system does not tell.

    Args:
        pid: This process if left out.
    """
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next(
        (int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")),
        0,
    )


def forget_peak(pid: int | None = None) -> None:
    """Let "VmHWM" of a process begin anew, where the system can."""
    clear = Path(f"/proc/{pid or 'self'}/clear_refs")
    if clear.exists():
        clear.write_text("5", "ascii")


async def async_main() -> dict[str, float]:
    """Measure until nobody listens any more."""
    async with Ticker() as ticker:
        await asyncio.to_thread(sys.stdin.read)
    return ticker.to_json()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(async_main())))
