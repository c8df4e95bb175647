"""What a source may use of its hub, and what listens to a source."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..models import Point, SourceKind

if TYPE_CHECKING:
    from .source import SourceCoordinator

# Type of the event, its attributes.
type EventListener = Callable[[str, Mapping[str, Any]], None]


class SourceHub(Protocol):
    """What a source may use of its hub."""

    def put_points(self, points: Iterable[Point]) -> None:
        """Write points."""

    def context_changed(self) -> None:
        """Take over the context fields that sources feed."""

    def get(self, kind: SourceKind) -> SourceCoordinator[Any, Any] | None:
        """Return the source of a kind that the user has chosen, or the first."""
