"""InfluxDB 1.x: `/write` and `/query` as they were first."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, override
from urllib.parse import urlencode

from .answers import Answer
from .dialect import Dialect
from .target import Target


class V1Dialect(Dialect):
    """1.6 to 1.12. A refused write names the first reason only."""

    @property
    @override
    def has_delete(self) -> bool:
        return True

    @override
    def credentials(self, target: Target) -> tuple[str, str] | None:
        if not target.username:
            return None
        return (target.username, target.password)

    @override
    def write_path(self, store: str) -> str:
        # Only "ns" is safe: 1.6 takes a precision it does not know for nanoseconds.
        return f"/write?{urlencode({'db': store, 'precision': 'ns'})}"

    @override
    def has_accepted(self, answer: Answer) -> bool:
        return answer.status == HTTPStatus.NO_CONTENT

    @override
    def bad_lines(self, payload: Mapping[str, Any]) -> dict[int, str] | None:
        return None
