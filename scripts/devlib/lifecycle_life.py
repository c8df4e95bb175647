"""What became of the past of the demo home, compared with its readings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import time
from typing import Any, Final
from xml.etree import ElementTree as ET

import aiohttp

from .lifecycle_check import (
    FoundWindow,
    Total,
    WindowCheck,
    format_checks,
    format_rows,
    format_totals,
    from_aggregate,
    from_history,
    parse_time,
    total_of_readings,
    total_of_windows,
)
from .lifecycle_hub import BUCKET, HOME_TIME_ZONE, LifeCycleHub
from .lifecycle_past import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_S,
    PAST_ENTITY_IDS,
    Kind,
    PastEntity,
    Seams,
    Span,
    local_date,
    local_days,
    steps,
    to_datetime,
)
from .screen import format_bytes

_FIVE_MINUTES_NS: Final = 300 * NS_PER_S
# Weeks that are written back from the archive, counted from its oldest day.
_WRITTEN_BACK_DAYS: Final = 21
_ENERGY: Final = frozenset({Kind.POWER, Kind.COUNTER})


@dataclass(slots=True, kw_only=True)
class LifeCycle:
    """Compares what is found in the end.

    Attributes:
        span: From the first reading until now.
    """

    hub: LifeCycleHub
    past: Sequence[PastEntity]
    span: Span
    seams: Seams
    s3_url: str
    _checks: list[WindowCheck] = field(default_factory=list)
    _totals: dict[str, dict[str, float]] = field(default_factory=dict)
    _tiers: list[tuple[str, ...]] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    async def check(self) -> None:
        """Find out all there is to find out."""
        stats = await self.hub.act("retention_stats")
        sizes = {
            name: f"{'about ' if tier['is_estimated'] else ''}"
            f"{format_bytes(tier['size_bytes'])}"
            for name, tier in stats["tiers"].items()
        }
        await self._check_raw(sizes)
        await self._check_hourly(sizes)
        await self._check_daily(sizes)
        await self._check_archive(stats)
        await self._check_days()
        await self._check_hours()
        await self._check_auto()
        await self._check_five_minutes()
        await self._check_changes()
        await self._check_views()

    def report(self) -> bool:
        """Print the tables; return whether all is right."""
        head = ("tier", "from", "to", "days", "rows", "bytes")
        print(f"\n{format_rows(head, self._tiers, left=(0, 1, 2))}\n")
        print(format_checks(self._checks))
        totals = [
            Total(
                entity_id=entity.entity_id,
                kind=entity.kind,
                expected=total_of_readings(entity, (self.span[0], self.seams.day_ns)),
                found=self._totals[entity.entity_id],
            )
            for entity in self.past
        ]
        print(f"\n{format_totals(totals)}")
        for text in (
            *(example for check in self._checks for example in check.examples),
            *self._problems,
        ):
            print(f"  {text}")
        return (
            not self._problems
            and all(check.is_right for check in self._checks)
            and all(total.is_right for total in totals)
        )

    # ------------------------------------------------------------ what is stored
    async def _check_raw(self, sizes: Mapping[str, str]) -> None:
        check = self._new_check("raw rows in InfluxDB")
        rows = await self.hub.read_stored("", "home_assistant_events")
        for entity in self.past:
            name = "state" if entity.kind is Kind.SWITCH else "value"
            found = [
                (row["time"], row.get(name))
                for row in rows
                if row["entity_id"] == entity.entity_id
            ]
            check.compare_readings(entity, (self.seams.raw_ns, self.span[1]), found)
        self._add_tier("raw", [row["time"] for row in rows], sizes)

    async def _check_hourly(self, sizes: Mapping[str, str]) -> None:
        check = self._new_check("hourly rows in InfluxDB")
        windows = steps((self.seams.hourly_ns, self.seams.hour_ns))
        await self._check_aggregates(check, "_hourly", "hourly", windows, sizes)

    async def _check_daily(self, sizes: Mapping[str, str]) -> None:
        check = self._new_check("daily rows in InfluxDB")
        windows = [day for day in self._closed_days() if day[0] >= self.seams.daily_ns]
        await self._check_aggregates(check, "_daily", "daily", windows, sizes)

    async def _check_aggregates(
        self,
        check: WindowCheck,
        suffix: str,
        tier: str,
        windows: Sequence[Span],
        sizes: Mapping[str, str],
    ) -> None:
        """Compare rows of a tier; what has closed since may be there as well."""
        rows = await self.hub.read_stored(suffix, f"{tier}_aggregates")
        for entity in self.past:
            found = [
                from_aggregate(entity.kind, row["time"], row)
                for row in rows
                if row["entity_id"] == entity.entity_id and row["time"] < windows[-1][1]
            ]
            check.compare(entity, windows, found)
        self._add_tier(tier, [row["time"] for row in rows], sizes)

    async def _check_archive(self, stats: Mapping[str, Any]) -> None:
        """Compare the archive: its files, its rows, and those that are written back."""
        days = [day for day in self._closed_days() if day[0] < self.seams.daily_ns]
        files = await self.hub.list_archives()
        of_days = [file for file in files if not file["is_month"]]
        dates = sorted(file["date"] for file in of_days)
        expected = [str(local_date(day[0], HOME_TIME_ZONE)) for day in days]
        if dates != expected:
            self._problems.append(f"Archived are {dates}, not {expected}")
        size_bytes = await self._check_bucket(files)
        start, end = (_to_text(at_ns) for at_ns in (days[0][0], days[-1][1]))
        rows = await self.hub.read_archive(start, end)
        self._compare_restored(
            self._new_check("daily rows of the archive"),
            days,
            [
                (parse_time(row["time"]), {**row["tags"], **row["fields"]})
                for row in rows
            ],
        )
        self._add_tier(
            "archive",
            [parse_time(row["time"]) for row in rows],
            {"archive": format_bytes(size_bytes)},
        )
        if sum(file["rows"] for file in of_days) != len(rows):
            self._problems.append("The list of archived files has another row count")
        told = stats["archive"]
        if (told["files"], told["size_bytes"]) != (len(of_days), size_bytes):
            self._problems.append(
                f"retention_stats says {told}, not {size_bytes} bytes"
            )
        weeks = days[:_WRITTEN_BACK_DAYS]
        await self.hub.run_job(
            "restore_from_archive",
            start=_to_text(weeks[0][0]),
            end=_to_text(weeks[-1][1]),
            write_back=True,
        )
        stored = await self.hub.read_stored("_daily", "restored_daily_aggregates")
        self._compare_restored(
            self._new_check("archived rows written back"),
            weeks,
            [(row["time"], row) for row in stored],
        )

    async def _check_bucket(self, files: Sequence[Mapping[str, Any]]) -> int:
        """Compare the list of files with what S3 itself has; return all its bytes."""
        found: dict[str, int] = {}
        token = ""
        async with aiohttp.ClientSession() as session:
            while True:
                query = {"list-type": "2", "continuation-token": token}
                async with session.get(
                    f"{self.s3_url}/{BUCKET}",
                    params={name: value for name, value in query.items() if value},
                ) as response:
                    page = ET.fromstring(await response.text())  # noqa: S314, our own
                space = page.tag.partition("}")[0] + "}"
                for item in page.iter(f"{space}Contents"):
                    key = item.findtext(f"{space}Key", "")
                    found[key] = int(item.findtext(f"{space}Size", "0"))
                token = page.findtext(f"{space}NextContinuationToken", "")
                if not token:
                    break
        wrong = [
            file["key"]
            for file in files
            if found.get(file["key"]) != file["size_bytes"]
        ]
        parquet = [key for key in found if key.endswith(".parquet")]
        if wrong or len(parquet) != len(files):
            self._problems.append(
                f"S3 holds {len(parquet)} files of {len(files)}; wrong are {wrong[:3]}"
            )
        return sum(found.values())

    def _compare_restored(
        self,
        check: WindowCheck,
        days: Sequence[Span],
        rows: Iterable[tuple[int, Mapping[str, Any]]],
    ) -> None:
        by_entity: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for time_ns, row in rows:
            by_entity.setdefault(row["entity_id"], []).append((time_ns, row))
        for entity in self.past:
            found = [
                from_aggregate(entity.kind, time_ns, row)
                for time_ns, row in by_entity.get(entity.entity_id, ())
            ]
            check.compare(entity, days, found)

    # ---------------------------------------------------------- what is answered
    async def _check_days(self) -> None:
        """Compare every day, whichever tier holds it; and the totals of all."""
        check = self._new_check("get_history 1d, all")
        start_ns = self._closed_days()[0][0]
        rows, asked_ns, answered_ns = await self._ask("1d", start_ns)
        days = local_days((start_ns, asked_ns), HOME_TIME_ZONE)
        for entity in self.past:
            found = rows[entity.entity_id]
            check.compare(
                entity, days, found, self._source_of_day, answered_ns=answered_ns
            )
            self._add_total(entity, "1d", found)

    async def _check_hours(self) -> None:
        """Compare days and, as far as they go back, hours."""
        check = self._new_check("get_history 1h, all")
        start_ns = self._closed_days()[0][0]
        rows, asked_ns, answered_ns = await self._ask("1h", start_ns)
        windows = self._hours_and_days(start_ns, asked_ns)
        for entity in self.past:
            found = rows[entity.entity_id]
            check.compare(
                entity, windows, found, self._source_of, answered_ns=answered_ns
            )
            self._add_total(entity, "1h", found)

    async def _check_auto(self) -> None:
        """Compare what "auto" gives for all, some weeks and some days."""
        for name, days, expected in (
            ("all", None, "1d"),
            ("40 days", 40, "1h"),
            ("3 days", 3, "5m"),
        ):
            check = self._new_check(f"get_history auto, {name}")
            start_ns = self._closed_days()[0][0]
            if days is not None:
                start_ns = self.span[1] - days * NS_PER_DAY
                start_ns -= start_ns % NS_PER_HOUR
            rows, asked_ns, answered_ns = await self._ask("auto", start_ns, expected)
            match expected:
                case "1d":
                    windows = local_days((start_ns, asked_ns), HOME_TIME_ZONE)
                case "1h":
                    windows = self._hours_and_days(start_ns, asked_ns)
                case _:
                    windows = steps((start_ns, asked_ns), _FIVE_MINUTES_NS)
            # What began before is not asked for.
            windows = [window for window in windows if window[0] >= start_ns]
            for entity in self.past:
                check.compare(
                    entity, windows, rows[entity.entity_id], answered_ns=answered_ns
                )

    async def _check_five_minutes(self) -> None:
        """Compare hours and, as far as raw rows go back, five minutes."""
        check = self._new_check("get_history 5m, 2 days")
        seam_ns = self.seams.raw_ns
        span = seam_ns - NS_PER_DAY, seam_ns + NS_PER_DAY
        windows = [
            *steps((span[0], seam_ns)),
            *steps((seam_ns, span[1]), _FIVE_MINUTES_NS),
        ]
        _, rows, _ = await self.hub.read_history(
            entity_id=list(PAST_ENTITY_IDS),
            start=_to_text(span[0]),
            end=_to_text(span[1]),
            resolution="5m",
        )
        for entity in self.past:
            check.compare(
                entity,
                windows,
                [from_history(row) for row in rows[entity.entity_id]],
                lambda window: {"hourly" if window[0] < seam_ns else "raw"},
            )

    async def _check_changes(self) -> None:
        """Compare all readings that are still there."""
        check = self._new_check("get_history raw, 5 days")
        span = self.span[1] - 5 * NS_PER_DAY, self.span[1]
        _, rows, _ = await self.hub.read_history(
            entity_id=list(PAST_ENTITY_IDS),
            start=_to_text(span[0]),
            end=_to_text(span[1]),
            resolution="raw",
        )
        for entity in self.past:
            name = "state" if entity.kind is Kind.SWITCH else "value"
            found = [
                (parse_time(row["start"]), row.get(name))
                for row in rows[entity.entity_id]
            ]
            check.compare_readings(entity, span, found)
            check.sources.update(row["source"] for row in rows[entity.entity_id])

    async def _check_views(self) -> None:
        """Compare the views of days; those that have closed since may be there."""
        days = self._closed_days()
        dates = {
            "start_date": str(local_date(days[0][0], HOME_TIME_ZONE)),
            "end_date": str(local_date(days[-1][0], HOME_TIME_ZONE)),
        }
        for view, kinds, names in (
            ("daily_energy_by_device", _ENERGY, {"energy": "total_kwh"}),
            (
                "device_runtime_daily",
                {Kind.SWITCH},
                {"on_seconds": "on_seconds", "changes": "state_changes"},
            ),
        ):
            check = self._new_check(f"query_view {view}")
            check.only = frozenset(names)
            rows = await self.hub.read_view(view, **dates)
            for entity in self.past:
                if entity.kind not in kinds:
                    continue
                found = [
                    FoundWindow(
                        start_ns=parse_time(row["start"]),
                        values={name: row.get(names[name]) for name in names},
                    )
                    for row in rows
                    if row["entity_id"] == entity.entity_id
                ]
                check.compare(entity, days, found)
                if entity.kind in _ENERGY:
                    self._add_total(entity, "view", found)

    # ------------------------------------------------------------------ the rest
    def _new_check(self, name: str) -> WindowCheck:
        check = WindowCheck(name)
        self._checks.append(check)
        return check

    def _add_total(
        self, entity: PastEntity, way: str, found: Sequence[FoundWindow]
    ) -> None:
        """Note what the days that are over come to in one way."""
        closed = [one for one in found if one.start_ns < self.seams.day_ns]
        totals = self._totals.setdefault(entity.entity_id, {})
        totals[way] = total_of_windows(entity, closed)

    def _add_tier(
        self, name: str, times_ns: Sequence[int], sizes: Mapping[str, str]
    ) -> None:
        dates = sorted({local_date(time_ns, HOME_TIME_ZONE) for time_ns in times_ns})
        self._tiers.append(
            (
                name,
                str(dates[0]) if dates else "",
                str(dates[-1]) if dates else "",
                str(len(dates)),
                f"{len(times_ns):,}",
                sizes.get(name, "?"),
            )
        )

    def _closed_days(self) -> list[Span]:
        """List the local days that are over and aggregated."""
        return local_days((self.span[0], self.seams.day_ns), HOME_TIME_ZONE)

    def _hours_and_days(self, start_ns: int, end_ns: int) -> list[Span]:
        hours = self.seams.hourly_span((start_ns, end_ns), HOME_TIME_ZONE)
        days = local_days((start_ns, hours[0]), HOME_TIME_ZONE)
        return [*(days if start_ns < hours[0] else ()), *steps(hours)]

    def _source_of_day(self, day: Span) -> set[str]:
        if day[0] < self.seams.daily_ns:
            return {"archive"}
        return {"daily"} if day[0] < self.seams.day_ns else {"daily", "hourly", "raw"}

    def _source_of(self, window: Span) -> set[str]:
        if window[0] < self.seams.hourly_span(self.span, HOME_TIME_ZONE)[0]:
            return self._source_of_day(window)
        return {"hourly"} if window[0] < self.seams.hour_ns else {"hourly", "raw"}

    async def _ask(
        self, resolution: str, start_ns: int, expected: str | None = None
    ) -> tuple[dict[str, list[FoundWindow]], int, int]:
        """Ask for all since a time; also returns when it was asked and answered."""
        asked_ns = time.time_ns()
        chosen, rows, answered_ns = await self.hub.read_history(
            entity_id=list(PAST_ENTITY_IDS),
            start=_to_text(start_ns),
            resolution=resolution,
        )
        if chosen != (expected or resolution):
            self._problems.append(f"{resolution} is answered as {chosen}")
        found = {
            entity_id: [from_history(row) for row in of_entity]
            for entity_id, of_entity in rows.items()
        }
        return found, asked_ns, answered_ns


def _to_text(at_ns: int) -> str:
    return to_datetime(at_ns).isoformat()
