"""What differs between the generations in the data plane."""

from collections.abc import Mapping
from typing import Any, Protocol

from .answers import Answer
from .target import Target


class Dialect(Protocol):
    """One generation's way to be written to."""

    @property
    def has_delete(self) -> bool:
        """Whether rows can be deleted."""

    def credentials(self, target: Target) -> tuple[str, str] | None:
        """Give user and secret for HTTP Basic; None where there are none."""

    def write_path(self, store: str) -> str:
        """Give path and query for writing line protocol with nanoseconds."""

    def has_accepted(self, answer: Answer) -> bool:
        """Whether every line of a write is stored.

        A success of anything else, such as the page of a portal, must not count:
        its points would be lost.
        """

    def bad_lines(self, payload: Mapping[str, Any]) -> dict[int, str] | None:
        """Read which lines a write has refused while it stored all others.

        Returns:
            Zero-based line number to reason; None if the answer does not say.
        """
