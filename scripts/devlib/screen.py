"""What a person sees while a run goes on: one line that changes, or some lines."""

import shutil
import sys
import time
from typing import ClassVar, Final

# Where lines cannot be replaced, as in a log of a CI job.
_LINE_INTERVAL_S: Final = 5.0


class StatusLine:
    """One line that is replaced on a terminal, and repeated now and then elsewhere."""

    # The one that stands on the terminal and has no line end yet.
    _open: ClassVar[StatusLine | None] = None

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._is_terminal = sys.stdout.isatty()
        self._shown_at = -_LINE_INTERVAL_S
        self._width = 0

    def show(self, text: str, *, is_last: bool = False) -> None:
        """Show the text instead of the one before; the last one stays."""
        if self._is_terminal:
            # A line that wraps could not be replaced.
            text = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r{text.ljust(self._width)}", end="", flush=True)
            self._width = len(text)
            StatusLine._open = self
            if is_last:
                self.end()
        elif is_last or time.monotonic() - self._shown_at >= _LINE_INTERVAL_S:
            self._shown_at = time.monotonic()
            print(text, flush=True)

    def end(self) -> None:
        """Leave the line as it is and go on below it."""
        if StatusLine._open is self:
            print(flush=True)
            StatusLine._open = None
        self._width = 0

    @classmethod
    def end_open(cls) -> None:
        """End the line that stands on the terminal, if there is one."""
        if cls._open is not None:
            cls._open.end()


def say(text: str) -> None:
    """Say what happens next."""
    StatusLine.end_open()
    mark = "\033[1m==>\033[0m" if sys.stdout.isatty() else "==>"
    print(f"{mark} {text}", flush=True)


def format_bar(part: float, width: int = 24) -> str:
    """Return a bar that is full at 1."""
    full = round(min(max(part, 0.0), 1.0) * width)
    return "#" * full + "." * (width - full)


def format_bytes(count: int) -> str:
    """Return a size as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004, the step between the units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
