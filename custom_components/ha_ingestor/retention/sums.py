"""Sums that lose nothing on the way, however many terms they have."""

import math
from typing import Final

# Terms that are kept before they are folded into two. Few enough for thousands of
# sums at once, many enough that folding costs next to nothing per term.
_FOLD_AT: Final = 64


class ExactSum:
    """A running sum whose error does not grow with the number of its terms.

    It holds at most a few terms; folded, they are the sum and what rounding left of
    it. A sum that leaves the range of a float has no total.
    """

    __slots__ = ("_is_broken", "_terms")

    def __init__(self) -> None:
        """Start at nothing."""
        self._terms: list[float] = []
        self._is_broken = False

    def add(self, term: float) -> None:
        """Add a number."""
        terms = self._terms
        terms.append(term)
        if len(terms) >= _FOLD_AT:
            self._fold()

    def scale(self, factor: float) -> None:
        """Multiply what was added so far."""
        self._terms = [term * factor for term in self._terms]

    def clear(self) -> None:
        """Start again at nothing."""
        self._terms = []
        self._is_broken = False

    def total(self) -> float | None:
        """Return the sum; None where it is out of range, or a term was no number."""
        self._fold()
        return None if self._is_broken else math.fsum(self._terms)

    def _fold(self) -> None:
        try:
            head = math.fsum(self._terms)
            tail = math.fsum((*self._terms, -head))
        except OverflowError, ValueError:
            self._is_broken = True
        else:
            self._is_broken = self._is_broken or not math.isfinite(head)
            self._terms = [head, tail]
            return
        self._terms = []
