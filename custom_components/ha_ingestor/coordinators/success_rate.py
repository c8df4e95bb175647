"""How often a source gave its data, by day."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

# The promise is made for this many days.
KEPT_DAYS: Final = 30


class SuccessRate:
    """Counts attempts and successes of the last 30 days. Event loop only."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Go on with what was stored; days as ISO text to [attempts, successes]."""
        self._days: dict[str, list[int]] = {
            day: [int(attempts), int(successes)]
            for day, (attempts, successes) in (stored or {}).items()
        }

    def note(self, today: date, *, is_success: bool) -> None:
        """Count one attempt."""
        counts = self._days.setdefault(today.isoformat(), [0, 0])
        counts[0] += 1
        counts[1] += is_success
        oldest = (today - timedelta(days=KEPT_DAYS - 1)).isoformat()
        self._days = {day: c for day, c in self._days.items() if day >= oldest}

    @property
    def attempts(self) -> int:
        """All attempts."""
        return sum(attempts for attempts, _ in self._days.values())

    @property
    def percent(self) -> float | None:
        """Successes per attempt in percent; None before the first attempt."""
        if not (attempts := self.attempts):
            return None
        successes = sum(successes for _, successes in self._days.values())
        return 100 * successes / attempts

    def to_json(self) -> dict[str, list[int]]:
        """Return it as it is stored."""
        return self._days
