"""`scripts/develop --once`: is everything that was played stored, and right?"""

import asyncio
from collections.abc import Sequence
import time
from typing import Any, Final

from .api import HomeAssistantApi
from .entries import DEMO_DOMAIN, HUB_DOMAIN
from .played import expect_points, list_played_entities, load_records
from .screen import StatusLine, say
from .settings import DevelopError, InfluxTarget, Settings
from .source_check import check_sources
from .stored import StoredPoint, StoredPoints
from .verification import EntityResult, compare, format_table

_WRITTEN_TIMEOUT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.5


async def check_once(
    api: HomeAssistantApi,
    entry_id: str,
    target: InfluxTarget,
    settings: Settings,
    since_ns: int,
) -> bool:
    """Wait until all is written, compare it with what was played, print a table.

    Returns:
        Whether nothing is missing, doubled or wrong.
    """
    counts = await _wait_written(api, entry_id)
    say("Comparing InfluxDB with what was played")
    records = load_records(settings.start_row, settings.row_count)
    async with StoredPoints(target, since_ns) as stored:
        results = [
            compare(
                entity,
                expect_points(entity, records),
                await stored.of_entity(entity.entity_id),
            )
            for entity in list_played_entities()
        ]
        others = await stored.count_by_entity()
        activity = await stored.of_activity()
        last_row = {
            # Wh of ten minutes to their mean in W.
            name: 6 * float(records[-1][name])
            for name in ("Appliances", "lights")
        }
        are_sources_right = await check_sources(api, entry_id, stored, last_row)
    print(f"\n{len(records)} rows, {records[0]['date']} to {records[-1]['date']}\n")
    print(format_table(results))
    print()
    for result in results:
        for example in result.examples:
            print(f"  {example}")
    stored_count = sum(others.values()) + len(activity)
    played = {result.entity_id for result in results}
    others = {name: count for name, count in others.items() if name not in played}
    print(
        f"Beside them {len(others)} entities of Home Assistant itself with "
        f"{sum(others.values())} points"
    )
    return all(
        [
            _check_counts(counts, stored_count),
            _check_activity(activity),
            _is_right(results),
            are_sources_right,
        ]
    )


async def _wait_written(api: HomeAssistantApi, entry_id: str) -> dict[str, Any]:
    """Flush until nothing waits; return the counters."""
    line = StatusLine()
    ends_at = time.monotonic() + _WRITTEN_TIMEOUT_S
    while True:
        counts = await api.call_action(HUB_DOMAIN, "flush", config_entry_id=entry_id)
        is_done = counts["backlog_points"] == 0
        line.show(
            f"captured {counts['captured']:,}, written {counts['written']:,}, "
            f"backlog {counts['backlog_points']:,}",
            is_last=is_done,
        )
        if is_done:
            return counts
        if time.monotonic() > ends_at:
            raise DevelopError(
                f"{counts['backlog_points']} points are not written after "
                f"{_WRITTEN_TIMEOUT_S:.0f} s; last error: {counts['last_error']}"
            )
        await asyncio.sleep(_POLL_INTERVAL_S)


def _is_right(results: Sequence[EntityResult]) -> bool:
    return all(result.is_right for result in results)


def _check_counts(counts: dict[str, Any], stored_count: int) -> bool:
    """Check that the hub itself owns up to no loss, and that its count is true."""
    print(
        f"The hub counts: captured {counts['captured']}, written {counts['written']}, "
        f"repaired {counts['repaired']}, rejected {counts['rejected']}, "
        f"dropped {counts['dropped']}, filtered {counts['filtered']}; "
        f"InfluxDB holds {stored_count} points"
    )
    # More may have come since; fewer would have been lost, or overwritten another.
    if stored_count < counts["captured"]:
        print("  wrong: fewer points than were captured")
        return False
    if counts["rejected"] or counts["dropped"] or not counts["is_connected"]:
        print(f"  wrong: last error {counts['last_error']}")
        return False
    return True


def _check_activity(activity: Sequence[StoredPoint]) -> bool:
    """Check that what this program did is stored, as any action of a user is."""
    plays = [
        point
        for point in activity
        if point.get("event_type") == "call_service"
        and point.get("domain") == DEMO_DOMAIN
    ]
    print(f"Activity: {len(activity)} points, {len(plays)} of them the call to play")
    if len(plays) != 1:
        print("  wrong: there must be one")
        return False
    if not plays[0].get("context_user_id"):
        print("  wrong: without the user who called it")
        return False
    return True
