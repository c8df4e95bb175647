"""Views against the raw rows that they stand for: the same answer, in how long."""

from collections.abc import Callable
from dataclasses import dataclass
import datetime as dt
import math
from statistics import median
import time
from typing import Any, Final

from processes import say
import raw_answers
from raw_answers import Answer, Answerer, Asked
from year import ZONE

from custom_components.ha_ingestor.retention.checkpoint import Checkpoint
from custom_components.ha_ingestor.retention.stores import TierStores
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.windows import (
    GRACE,
    Resolution,
    day_window,
    duration_ns,
    window_at,
)
from custom_components.ha_ingestor.views.definition import Period
from custom_components.ha_ingestor.views.manager import ViewManager
from custom_components.ha_ingestor.views.query import (
    MAX_LIMIT,
    ViewFilter,
    ViewRow,
)

# An answer from raw rows that takes longer is not asked for again.
_ENOUGH_S: Final = 5.0
_RAW_ROUNDS: Final = 5
_VIEW_ROUNDS: Final = 15
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A view, and how to do without it.

    Attributes:
        one: Entity or room that one day is asked of, as the view filters it.
        one_where: The same as a condition on raw rows.
        key_tag: Tag that tells the rows of one instant apart.
        has_many_hours: The whole home's hours of a month may be more than one page;
            the months have them by the hour of the day.
        server: One statement that comes near on the server alone.
    """

    view: str
    answer: Answerer
    one: ViewFilter
    one_where: str
    key_tag: str
    server: str
    has_many_hours: bool = False


_POWER: Final = "sensor.kitchen_fridge_power"
SUBJECTS: Final = (
    Subject(
        view="daily_energy_by_device",
        answer=raw_answers.energy,
        one=ViewFilter(entity_ids=(_POWER,)),
        one_where=f"entity_id = '{_POWER}'",
        key_tag="entity_id",
        server='SELECT integral("value", 1h), max("value") FROM home_assistant_events'
        " WHERE device_class = 'power' AND {where} GROUP BY time(1d), entity_id",
    ),
    Subject(
        view="hourly_room_activity",
        answer=raw_answers.rooms,
        one=ViewFilter(areas=("Kitchen",)),
        one_where="area = 'Kitchen'",
        key_tag="area",
        has_many_hours=True,
        server='SELECT count("value") FROM home_assistant_events WHERE'
        " device_class = 'motion' AND \"state\" = 'on' AND {where}"
        " GROUP BY time(1h), area",
    ),
    Subject(
        view="daily_carbon_summary",
        answer=raw_answers.carbon,
        one=ViewFilter(),
        one_where="",
        key_tag="",
        server='SELECT mean("carbon_intensity_gco2_kwh"),'
        ' min("carbon_intensity_gco2_kwh"), max("carbon_intensity_gco2_kwh"),'
        ' mean("renewable_percentage") FROM carbon_intensity'
        " WHERE {where} GROUP BY time(1d)",
    ),
    Subject(
        view="device_runtime_daily",
        answer=raw_answers.runtime,
        one=ViewFilter(entity_ids=("binary_sensor.kitchen_motion",)),
        one_where="entity_id = 'binary_sensor.kitchen_motion'",
        key_tag="entity_id",
        server='SELECT sum("duration_s"), count("state") FROM home_assistant_events'
        " WHERE domain != 'sensor' AND \"previous_state\" = 'on' AND {where}"
        " GROUP BY time(1d), entity_id",
    ),
    Subject(
        view="energy_cost_hourly",
        answer=raw_answers.cost,
        one=ViewFilter(),
        one_where="",
        key_tag="",
        has_many_hours=True,
        server='SELECT spread("value") FROM home_assistant_events'
        " WHERE entity_id = 'sensor.grid_energy' AND {where} GROUP BY time(1h)",
    ),
)


class Views:
    """Asks a home's views and its raw rows."""

    def __init__(self, stores: TierStores, checkpoint: Checkpoint) -> None:
        """Prepare."""
        self._client = stores.client(Tier.RAW)
        self._manager = ViewManager(stores, checkpoint, zone=ZONE)

    def ask(
        self,
        subject: Subject,
        dates: tuple[dt.date, dt.date],
        *,
        is_one: bool = False,
        by_month: bool = False,
        until_ns: int | None = None,
    ) -> dict[str, Any]:
        """Ask one question in each way, and compare the answers.

        Args:
            dates: First and last local day.
            until_ns: End of what views of hours know by now.
        """
        where = subject.one_where if is_one else ""
        start_ns, end_ns = _span(*dates)
        if until_ns is not None and subject.has_many_hours:
            end_ns = until_ns
        asked = Asked(span=(start_ns, end_ns), where=where, by_month=by_month)
        base = subject.one if is_one else ViewFilter()
        wanted = ViewFilter(
            entity_ids=base.entity_ids,
            areas=base.areas,
            start_date=dates[0],
            end_date=dates[1],
            period=Period.MONTH if by_month else None,
            limit=MAX_LIMIT,
        )
        page, view_s = _timed(
            lambda: self._manager.query(subject.view, wanted), _VIEW_ROUNDS
        )
        raw, raw_s = _timed(lambda: subject.answer(self._client, asked), _RAW_ROUNDS)
        held = _answer_of(subject, page.rows, raw, by_month=by_month)
        statement = _statement(subject.server, asked)
        _, server_s = _timed(lambda: self._client.execute(statement), _RAW_ROUNDS)
        result: dict[str, Any] = {
            "view": subject.view,
            "read": page.view.name,
            "has_more": page.has_more,
            "rows": len(page.rows),
            "view_ms": view_s * 1_000,
            "raw_ms": raw_s * 1_000,
            "server_ms": server_s * 1_000,
            "differences": _differences(raw, held)[:10],
        }
        say(f"{result}")
        return result


def ask_all(
    stores: TierStores,
    checkpoint: Checkpoint,
    *,
    first: dt.date,
    last: dt.date,
    now_ns: int,
) -> list[dict[str, Any]]:
    """Ask every view about a day, a month and all of the year.

    Args:
        first, last: Local days of which there are raw rows and views.
        now_ns: When the views were made.
    """
    until_ns = window_at(Resolution.HOUR, now_ns - duration_ns(GRACE), ZONE).start_ns
    views = Views(stores, checkpoint)
    month_last = last.replace(day=1) - dt.timedelta(days=1)
    month_first = month_last.replace(day=1)
    results = []
    for subject in SUBJECTS:
        day = last - dt.timedelta(days=3)
        results.append(
            {"question": "day"} | views.ask(subject, (day, day), is_one=True)
        )
        if month_first >= first:
            month = (month_first, month_last)
            if not subject.has_many_hours:
                results.append({"question": "month"} | views.ask(subject, month))
            results.append(
                {"question": "month, rolled up"}
                | views.ask(subject, month, by_month=True)
            )
        results.append(
            {"question": "all, by month"}
            | views.ask(subject, (first, last), by_month=True, until_ns=until_ns)
        )
    return results


def _timed[T](ask: Callable[[], T], rounds: int) -> tuple[T, float]:
    """Ask several times; return the answer and the median time."""
    times: list[float] = []
    while True:
        begun = time.perf_counter()
        answer = ask()
        times.append(time.perf_counter() - begun)
        if len(times) == rounds or sum(times) > _ENOUGH_S:
            return answer, median(times)


def _answer_of(
    subject: Subject, rows: tuple[ViewRow, ...], raw: Answer, *, by_month: bool
) -> Answer:
    """Bring rows of a view into the shape of a raw answer, as far as that says it."""
    names = {name for row in raw.values() for name in row}
    answer: Answer = {}
    for row in rows:
        at = row.start_at.isoformat()
        if by_month:
            at = str(row.fields["month"])
            if (hour := row.tags.get("hour_of_day")) is not None:
                at = f"{at} {hour}"
        answer[row.tags.get(subject.key_tag, ""), at] = {
            name: float(value)
            for name, value in row.fields.items()
            if name in names and not isinstance(value, str)
        }
    return answer


def _differences(raw: Answer, held: Answer) -> list[str]:
    found = [
        f"{key} is only in {'raw' if key in raw else 'the view'}"
        for key in sorted(raw.keys() ^ held.keys())
    ]
    for key in sorted(raw.keys() & held.keys()):
        one, other = raw[key], held[key]
        found += [
            f"{key} {name}: {one.get(name)} {other.get(name)}"
            for name in sorted({*one, *other})
            if name not in one
            or name not in other
            or not math.isclose(
                one[name], other[name], rel_tol=_TOLERANCE, abs_tol=_TOLERANCE
            )
        ]
    return found


def _statement(server: str, asked: Asked) -> str:
    clause = f"time >= {asked.span[0]} AND time < {asked.span[1]}"
    if asked.where:
        clause = f"{clause} AND {asked.where}"
    return f"{server.format(where=clause)} fill(none) tz('{ZONE.key}')"


def _span(first: dt.date, last: dt.date) -> tuple[int, int]:
    begin, end = day_window(first, ZONE), day_window(last, ZONE)
    if begin is None or end is None:
        raise ValueError("A day does not exist")
    return begin.start_ns, end.end_ns
