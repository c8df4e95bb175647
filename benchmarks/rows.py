"""The lines of the report, with the budgets of the design."""

from dataclasses import dataclass
from typing import Final

_COUNT: Final = "{:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a figure of ours may be.

    Attributes:
        is_ratio: The limit is for the ratio to core's figure in the same run.
        is_lower_bound: It may not be less, instead of not more.
    """

    limit: float
    is_ratio: bool = False
    is_lower_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line.

    Attributes:
        is_over_noop: The figure of the no-op listener is taken off first, since
            Home Assistant spends it on any listener.
        is_worst: The largest of the samples, not their median.
    """

    title: str
    key: str
    form: str = "{:,.2f}"
    is_over_noop: bool = False
    is_worst: bool = False
    budget: Budget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table.

    Attributes:
        reference: Whom ours is compared with.
    """

    title: str
    rows: tuple[Row, ...]
    reference: str = "influxdb"


_SPEED: Final = (
    Row(title="event loop, CPU µs/event", key="loop_us"),
    Row(
        title="  over the no-op listener",
        key="loop_us",
        is_over_noop=True,
        budget=Budget(limit=0.25, is_ratio=True),
    ),
    Row(title="process, CPU µs/event, burst", key="process_us"),
    Row(
        title="  over the no-op listener",
        key="process_us",
        is_over_noop=True,
        budget=Budget(limit=6.0),
    ),
    Row(title="time to fire the burst, s", key="fired_s"),
    Row(
        title="stored events/s, burst",
        key="stored_per_s",
        form=_COUNT,
        budget=Budget(limit=3.0, is_ratio=True, is_lower_bound=True),
    ),
    Row(title="  the server alone, same lines", key="ceiling_per_s", form=_COUNT),
    Row(
        title="  share of that, %",
        key="ceiling_percent",
        form="{:.0f}",
        budget=Budget(limit=45.0, is_lower_bound=True),
    ),
    Row(title="memory over idle, burst, MiB", key="memory_mib", form=_COUNT),
    Row(title="change to queryable, 5/s, p50 s", key="slow_p50_s"),
    Row(title="  p99 s", key="slow_p99_s", budget=Budget(limit=1.2)),
    Row(title="change to queryable, 200/s, p50 s", key="fast_p50_s"),
    Row(title="  p99 s", key="fast_p99_s", budget=Budget(limit=1.2)),
    Row(title="longest pause of the loop, 200/s, ms", key="fast_blocked_ms"),
    Row(title="orderly stop, s", key="stop_s"),
    Row(
        title="  over the no-op listener",
        key="stop_s",
        is_over_noop=True,
        budget=Budget(limit=1.0),
    ),
)


def _loss(case: str, title: str, limit: float) -> tuple[Row, Row]:
    return (
        Row(title=f"{title}: changes", key=f"{case}_fired", form=_COUNT),
        Row(
            title="  lost",
            key=f"{case}_lost",
            form=_COUNT,
            is_worst=True,
            budget=Budget(limit=limit),
        ),
    )


# What 0.25 s hold at 200 changes a second.
_QUARTER_SECOND: Final = 50.0
_LOSSES: Final = (
    *_loss("outage", "database killed in between", 0.0),
    *_loss("boot", "database down at start", 0.0),
    *_loss("kill_away", "kill -9 during an outage", _QUARTER_SECOND),
    Row(
        title="  age of the oldest lost, s",
        key="kill_away_window_s",
        is_worst=True,
        budget=Budget(limit=0.25),
    ),
    *_loss("kill", "kill -9, all well, worst", _QUARTER_SECOND),
    Row(
        title="  age of the oldest lost, s",
        key="kill_window_s",
        is_worst=True,
        budget=Budget(limit=0.25),
    ),
    Row(
        title="stored twice, in all of these",
        key="doubled",
        form=_COUNT,
        is_worst=True,
        budget=Budget(limit=0.0),
    ),
)


def _flood(key: str, limit_mib: float | None) -> tuple[Row, ...]:
    return (
        Row(title="changes", key=f"{key}_fired", form=_COUNT),
        Row(title="  seconds to fire them", key=f"{key}_fired_s"),
        Row(
            title="peak memory (RSS) over idle, MiB",
            key=f"{key}_mib",
            form="{:,.1f}",
            budget=None if limit_mib is None else Budget(limit=limit_mib),
        ),
        Row(title="  its own (anonymous)", key=f"{key}_own_mib", form="{:,.1f}"),
        Row(title="  with catching up (RSS)", key=f"{key}_whole_mib", form="{:,.1f}"),
        Row(title="longest pause of the loop, ms", key=f"{key}_blocked_ms"),
        Row(title="dropped and counted as such", key=f"{key}_dropped", form=_COUNT),
        Row(title="lost in all", key=f"{key}_lost", form=_COUNT),
        Row(title="buffer on disk, MiB", key=f"{key}_disk_mib", form="{:,.1f}"),
        Row(title="  bytes/event", key=f"{key}_disk_event_bytes", form="{:,.1f}"),
        Row(title="database back: first write after, s", key=f"{key}_first_s"),
        Row(title="  all stored after, s", key=f"{key}_drained_s"),
        Row(
            title="  points/s from the first write on",
            key=f"{key}_drained_per_s",
            form=_COUNT,
        ),
    )


def _disk(per_s: str) -> tuple[Row, ...]:
    form = "{:,.0f}"
    return tuple(
        Row(title=f"{per_s}/s{words}{what}", key=f"{key}_{per_s}_{figure}", form=shape)
        for key, words in (("disk", ""), ("disk_away", ", database away"))
        for figure, what, shape in (
            ("device_bytes", ": bytes/event, device", form),
            ("requests", ": writes/event, device", "{:,.2f}"),
            ("write_bytes", ": bytes/event, process", form),
            ("cancelled_write_bytes", ": of it never written", form),
            ("day_mb", ": MB/day at that rate", "{:,.1f}"),
        )
    )


_CARD: Final = (
    Row(title="stored events/s, burst", key="card_stored_per_s", form=_COUNT),
    Row(title="change to queryable, 200/s, p50 s", key="card_p50_s"),
    Row(title="  p99 s", key="card_p99_s"),
    Row(title="longest pause of the loop, ms", key="card_blocked_ms"),
)

SECTIONS: Final = (
    Section(title="Cost and speed", rows=_SPEED),
    Section(title="Losses at 200 changes a second", rows=_LOSSES),
    Section(title="Storm: flat out, database away", rows=_flood("storm", 64.0)),
    Section(title="Backlog: 2,000/s, database away", rows=_flood("backlog", 32.0)),
    Section(title="Backlog: 2,000/s, database hangs", rows=_flood("hang", None)),
    Section(
        title="Bytes written to disk",
        rows=(*_disk("2"), *_disk("20"), *_disk("200")),
        reference="recorder",
    ),
    Section(title="On a slow card", rows=_CARD),
)
