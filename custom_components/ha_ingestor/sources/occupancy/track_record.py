"""How often the calendars were right, by weekday and hour.

Every quarter of an hour in which the calendars say something and the person's real
state is known is a sample: right or wrong. The share of right ones in the last
twelve weeks is the confidence in what the calendars say. It is a plain share, and
unknown until there are samples of enough different days: those of one hour of one
day say the same thing four times.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

# Long enough for a share that does not jump, short enough to follow a new life.
WINDOW_DAYS: Final = 84
# Twice what the window holds: a clock that jumps must not fill the disk.
_MAX_DAYS_PER_SLOT: Final = 24
QUARTER_S: Final = 900
_HOURS: Final = 24
_WEEKDAYS: Final = 7
_WORKDAYS: Final = range(5)


class Basis(StrEnum):
    """Which samples a confidence is made of."""

    WEEKDAY_AND_HOUR = "weekday_and_hour"
    DAY_TYPE_AND_HOUR = "day_type_and_hour"  # Monday to Friday, or the weekend
    HOUR = "hour"


# So many different days are needed: four weeks of the same weekday, or else about
# as much time with days that are less alike.
MIN_DAYS: Final[Mapping[Basis, int]] = {
    Basis.WEEKDAY_AND_HOUR: 4,
    Basis.DAY_TYPE_AND_HOUR: 8,
    Basis.HOUR: 14,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How often the calendars were right in comparable hours.

    Attributes:
        percent: Share of the samples.
        sample_count: How many there are.
        day_count: Of how many different days.
    """

    percent: float
    sample_count: int
    day_count: int
    basis: Basis


class TrackRecord:
    """Counts of one person: at most one day of each week for each hour of a week."""

    def __init__(self) -> None:
        """Start without samples."""
        # Slot of the week to days (their ordinals) to [right, all].
        self._slots: dict[int, dict[int, list[int]]] = {}
        self._quarter: int | None = None

    def note(self, local: datetime, *, is_right: bool) -> None:
        """Take a sample; a second one in a quarter of an hour does not count.

        Args:
            local: Now, in the home's time zone.
        """
        quarter = int(local.timestamp() // QUARTER_S)
        if quarter == self._quarter:
            return
        self._quarter = quarter
        today = local.toordinal()
        slot = local.weekday() * _HOURS + local.hour
        counts = self._slots.setdefault(slot, {}).setdefault(today, [0, 0])
        counts[0] += is_right
        counts[1] += 1
        self._forget(today)

    def _forget(self, today: int) -> None:
        """Drop what is older than the window."""
        for slot, days in tuple(self._slots.items()):
            for day in sorted(days):
                if day > today - WINDOW_DAYS and len(days) <= _MAX_DAYS_PER_SLOT:
                    break
                del days[day]
            if not days:
                del self._slots[slot]

    def find_confidence(self, local: datetime) -> Confidence | None:
        """Return the confidence for an hour; None while samples are too few."""
        weekday, hour, today = local.weekday(), local.hour, local.toordinal()
        is_workday = weekday in _WORKDAYS
        choices: Mapping[Basis, Iterable[int]] = {
            Basis.WEEKDAY_AND_HOUR: (weekday,),
            Basis.DAY_TYPE_AND_HOUR: (
                day for day in range(_WEEKDAYS) if (day in _WORKDAYS) == is_workday
            ),
            Basis.HOUR: range(_WEEKDAYS),
        }
        for basis, weekdays in choices.items():
            counts = [
                count
                for day in weekdays
                for when, count in self._slots.get(day * _HOURS + hour, {}).items()
                if today - WINDOW_DAYS < when <= today
            ]
            if len(counts) >= MIN_DAYS[basis]:
                right = sum(count[0] for count in counts)
                total = sum(count[1] for count in counts)
                return Confidence(
                    percent=100 * right / total,
                    sample_count=total,
                    day_count=len(counts),
                    basis=basis,
                )
        return None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "quarter": self._quarter,
            "slots": {
                str(slot): [[day, *counts] for day, counts in days.items()]
                for slot, days in self._slots.items()
            },
        }

    def load(self, stored: Mapping[str, Any]) -> None:
        """Take over what `to_json` has stored; nothing if it is something else."""
        slots: dict[int, dict[int, list[int]]] = {}
        try:
            for slot, days in stored["slots"].items():
                number = int(slot)
                for day, right, total in days:
                    _check(number, day, right, total)
                    slots.setdefault(number, {})[day] = [right, total]
            quarter = stored["quarter"]
        except KeyError, TypeError, ValueError, AttributeError:
            return
        self._slots, self._quarter = slots, quarter


def _check(slot: int, day: Any, right: Any, total: Any) -> None:
    """Refuse counts that cannot be.

    Raises:
        ValueError: They cannot.
    """
    is_count = all(type(number) is int for number in (day, right, total))
    if (
        not is_count
        or slot not in range(_WEEKDAYS * _HOURS)
        or not 0 <= right <= total
        or not total
    ):
        raise ValueError("Not a count")
