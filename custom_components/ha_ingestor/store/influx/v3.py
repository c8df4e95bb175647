"""InfluxDB 3.x: its own endpoint for writing, the v1 API for the rest."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, override
from urllib.parse import urlencode

from .answers import Answer
from .v2 import V2Dialect


class V3Dialect(V2Dialect):
    """3.x Core and Enterprise. Core cannot delete rows."""

    @property
    @override
    def has_delete(self) -> bool:
        return False

    @override
    def write_path(self, store: str) -> str:
        # The compatible endpoints drop the whole batch on one conflict
        # (influxdb3_types/src/http.rs: `accept_partial: Some(false)`); without a
        # precision this one guesses.
        query = {"db": store, "precision": "nanosecond", "accept_partial": "true"}
        return f"/api/v3/write_lp?{urlencode(query)}"

    @override
    def has_accepted(self, answer: Answer) -> bool:
        # 204 today; older builds answer 200 with an empty body or "{}".
        return answer.status == HTTPStatus.NO_CONTENT or (
            answer.status == HTTPStatus.OK and answer.body.strip() in {b"", b"{}"}
        )

    @override
    def bad_lines(self, payload: Mapping[str, Any]) -> dict[int, str] | None:
        data = payload.get("data")
        if "partial write" not in str(payload.get("error")) or not isinstance(
            data, list
        ):
            return None
        lines: dict[int, str] = {}
        for item in data:
            number = item.get("line_number") if isinstance(item, dict) else None
            if not isinstance(number, int) or number < 1:
                return None
            reason = item.get("error_message")
            lines[number - 1] = reason if isinstance(reason, str) else "refused"
        return lines or None
