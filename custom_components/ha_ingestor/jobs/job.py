"""One long job: what it is asked for, how far it is, and how it is kept on disk."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypedDict

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

MAX_PROBLEMS: Final = 20


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


_OPEN: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.WAITING})


class StoredJob(TypedDict):
    """A job as it is on disk."""

    job_id: str
    kind: str
    status: str
    parameters: dict[str, Any]
    checkpoint: dict[str, Any] | None
    progress: float
    counts: dict[str, int]
    problems: list[str]
    error: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class JobView(TypedDict):
    """A job as people see it.

    Attributes:
        progress: Percent.
        waiting_for: Why it stands still, None if it does not.
        remaining_s: Estimate, None while nothing is known.
    """

    job_id: str
    kind: str
    status: str
    parameters: dict[str, Any]
    progress: float
    counts: dict[str, int]
    problems: list[str]
    error: str | None
    waiting_for: str | None
    remaining_s: int | None
    created_at: str
    started_at: str | None
    ended_at: str | None


@dataclass(slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        checkpoint: From where to go on; None for the beginning.
        progress: 0 to 1.
        counts: What it did, in words of its kind.
        problems: The first things that a person should know, such as bad lines.
        is_needless: It found nothing to do and leaves no trace.
        on_change: Called when there is something to save and to show.
    """

    job_id: str
    kind: str
    parameters: dict[str, Any]
    created_at: datetime
    status: JobStatus = JobStatus.QUEUED
    checkpoint: dict[str, Any] | None = None
    progress: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    error: str | None = None
    waiting_for: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_needless: bool = False
    on_change: Callable[[Job], None] = field(default=lambda _: None)
    is_cancelling: bool = False
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _resumed: tuple[float, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in _OPEN

    @callback
    def begin(self) -> None:
        """Say that there is work to do; until then nobody is told of the job."""
        self.started_at = self.started_at or dt_util.utcnow()
        self._resumed = (dt_util.utcnow().timestamp(), self.progress)
        self._set_status(JobStatus.RUNNING)

    @callback
    def wait_for(self, what: str | None) -> None:
        """Say why the job stands still, None when it goes on."""
        self.waiting_for = what
        self._set_status(JobStatus.RUNNING if what is None else JobStatus.WAITING)

    @callback
    def report(self, *, progress: float, checkpoint: Mapping[str, Any]) -> None:
        """Note what is done for good."""
        self.progress = min(max(progress, 0.0), 1.0)
        self.checkpoint = dict(checkpoint)
        self.on_change(self)

    def count(self, name: str, number: int = 1) -> None:
        """Add to one of the counts."""
        self.counts[name] = self.counts.get(name, 0) + number

    def add_problem(self, text: str) -> None:
        """Keep something that a person should know, as long as there is room."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def _set_status(self, status: JobStatus) -> None:
        if status is not self.status:
            self.status = status
            self.on_change(self)

    @property
    def remaining_s(self) -> int | None:
        """Seconds until the end, judged by the time since it was begun or resumed."""
        if self._resumed is None or not self.is_open:
            return None
        at, before = self._resumed
        if (done := self.progress - before) <= 0:
            return None
        elapsed_s = dt_util.utcnow().timestamp() - at
        return round(elapsed_s * (1 - self.progress) / done)

    def view(self) -> JobView:
        """Return it as people see it."""
        return JobView(
            job_id=self.job_id,
            kind=self.kind,
            status=self.status.value,
            parameters=dict(self.parameters),
            progress=round(self.progress * 100, 1),
            counts=dict(self.counts),
            problems=list(self.problems),
            error=self.error,
            waiting_for=self.waiting_for,
            remaining_s=self.remaining_s,
            created_at=self.created_at.isoformat(),
            started_at=_to_text(self.started_at),
            ended_at=_to_text(self.ended_at),
        )

    def to_stored(self) -> StoredJob:
        """Return it as it is kept on disk."""
        return StoredJob(
            job_id=self.job_id,
            kind=self.kind,
            # What runs now is begun again after a restart.
            status=(JobStatus.QUEUED if self.is_open else self.status).value,
            parameters=dict(self.parameters),
            checkpoint=self.checkpoint,
            progress=self.progress,
            counts=dict(self.counts),
            problems=list(self.problems),
            error=self.error,
            created_at=self.created_at.isoformat(),
            started_at=_to_text(self.started_at),
            ended_at=_to_text(self.ended_at),
        )

    @classmethod
    def from_stored(cls, stored: StoredJob) -> Job:
        """Read one from disk."""
        return cls(
            job_id=stored["job_id"],
            kind=stored["kind"],
            status=JobStatus(stored["status"]),
            parameters=stored["parameters"],
            checkpoint=stored["checkpoint"],
            progress=stored["progress"],
            counts=stored["counts"],
            problems=stored["problems"],
            error=stored["error"],
            created_at=datetime.fromisoformat(stored["created_at"]),
            started_at=_from_text(stored["started_at"]),
            ended_at=_from_text(stored["ended_at"]),
        )


def _to_text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
