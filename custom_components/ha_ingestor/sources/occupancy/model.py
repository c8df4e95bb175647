"""What calendars know of where somebody will be.

Only that: the titles, places and descriptions of events are read, understood and
forgotten. They are never stored, shown or written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self, override

from ..base import SourceData

# People change their plans in the course of a day, though not by the minute.
VALID_FOR: Final = timedelta(hours=6)


class Presence(StrEnum):
    """Where an event puts a person."""

    AWAY = "away"
    OFFICE = "office"
    WORK_FROM_HOME = "work_from_home"
    HOME = "home"

    @property
    def is_home(self) -> bool:
        """Whether the person is at home."""
        return self in {Presence.HOME, Presence.WORK_FROM_HOME}

    @property
    def is_work(self) -> bool:
        """Whether a whole day of it means the hours of work only."""
        return self in {Presence.OFFICE, Presence.WORK_FROM_HOME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one event says.

    Attributes:
        start: UTC; a local midnight for whole days.
        end: UTC, exclusive.
        presence: Where the person is.
        is_all_day: Whether the event has dates, not times.
        is_by_words: Whether words of the user say so; else it was concluded from
            there being an event at all.
    """

    start: datetime
    end: datetime
    presence: Presence
    is_all_day: bool
    is_by_words: bool

    def to_json(self) -> list[Any]:
        """Return it as JSON."""
        return [
            self.start.timestamp(),
            self.end.timestamp(),
            self.presence.value,
            self.is_all_day,
            self.is_by_words,
        ]

    @classmethod
    def from_json(cls, stored: list[Any]) -> Self:
        """Return what `to_json` has stored."""
        start, end, presence, is_all_day, is_by_words = stored
        return cls(
            start=datetime.fromtimestamp(start, UTC),
            end=datetime.fromtimestamp(end, UTC),
            presence=Presence(presence),
            is_all_day=bool(is_all_day),
            is_by_words=bool(is_by_words),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OccupancyData(SourceData):
    """What the calendars of one person say.

    Attributes:
        asked_at: When they were asked; UTC.
        begins_at: From when on they were asked for events; UTC.
        ends_at: Until when; UTC. A claim may begin before and end after that.
        event_count: How many events there were, whether they say something or not.
        claims: In order of their starts; may overlap.
    """

    asked_at: datetime
    begins_at: datetime
    ends_at: datetime
    event_count: int
    claims: tuple[Claim, ...]

    @property
    @override
    def valid_until(self) -> datetime:
        return self.asked_at + VALID_FOR

    @property
    @override
    def summary(self) -> str:
        return f"{len(self.claims)}/{self.event_count}"

    @override
    def to_json(self) -> dict[str, Any]:
        return {
            "asked_at": self.asked_at.timestamp(),
            "begins_at": self.begins_at.timestamp(),
            "ends_at": self.ends_at.timestamp(),
            "event_count": self.event_count,
            "claims": [claim.to_json() for claim in self.claims],
        }

    @classmethod
    @override
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            asked_at=datetime.fromtimestamp(stored["asked_at"], UTC),
            begins_at=datetime.fromtimestamp(stored["begins_at"], UTC),
            ends_at=datetime.fromtimestamp(stored["ends_at"], UTC),
            event_count=int(stored["event_count"]),
            claims=tuple(Claim.from_json(claim) for claim in stored["claims"]),
        )
