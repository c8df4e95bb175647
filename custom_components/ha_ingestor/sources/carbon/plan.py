"""What a user's plan does not include is left out, and asked for once a day only."""

from datetime import datetime, timedelta
from typing import Final

from ...errors import SourceUnavailableError

# Somebody who buys a larger plan sees it work within a day, or after a restart.
_FORGET_AFTER: Final = timedelta(days=1)
# A provider that is asked too often for something extra is left in peace for so long.
_PAUSE: Final = timedelta(hours=1)


class PlanMemory:
    """Knows which parts of a provider need not be asked for now."""

    def __init__(self) -> None:
        """Begin with everything open."""
        self._closed_until: dict[str, datetime] = {}

    def is_open(self, part: str, now: datetime) -> bool:
        """Tell whether a part is worth a request."""
        until = self._closed_until.get(part)
        return until is None or until <= now

    def note_refusal(self, part: str, now: datetime) -> None:
        """Remember that the plan does not include a part."""
        self._closed_until[part] = now + _FORGET_AFTER

    def note_failure(
        self, part: str, error: SourceUnavailableError, now: datetime
    ) -> None:
        """Leave a part in peace for as long as the provider asks for."""
        if error.retry_after_s is not None:
            pause = timedelta(seconds=error.retry_after_s)
        elif error.is_rate_limited:
            pause = _PAUSE
        else:
            return
        self._closed_until[part] = now + pause
