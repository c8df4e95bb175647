"""A second hub for the life cycle: stores, ages, archive and jobs of its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
import time
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import aiohttp

from .api import HomeAssistantApi
from .entries import HUB_DOMAIN, add_hub
from .flows import SUBENTRY_FLOW, read_texts, run_flow
from .lifecycle_past import Seams
from .screen import StatusLine, say
from .settings import DevelopError, InfluxTarget
from .stored import StoredPoint, StoredPoints

HOME_TIME_ZONE: Final = ZoneInfo("Europe/Brussels")
RAW_DAYS: Final = 7
HOURLY_DAYS: Final = 30
DAILY_DAYS: Final = 60
BUCKET: Final = "demo-home"

_STORE_SUFFIX: Final = "_life"
_OPTIONS_FLOW: Final = "/api/config/config_entries/options/flow"
_ARCHIVE: Final = "archive"
# Some thousand readings a second are brought, and far more than that aggregated.
_JOB_TIMEOUT_S: Final = 600.0
_JOB_POLL_S: Final = 0.5
_PAGE_ROWS: Final = 5_000


class LifeCycleHub:
    """One hub with the past of the demo home."""

    def __init__(
        self, api: HomeAssistantApi, entry_id: str, target: InfluxTarget
    ) -> None:
        """Keep what names it."""
        self._api = api
        self._entry_id = entry_id
        self._target = target

    @classmethod
    async def add(
        cls,
        api: HomeAssistantApi,
        server: InfluxTarget,
        s3_url: str,
        entity_ids: Sequence[str],
    ) -> Self:
        """Add a hub beside the one that was played to, with an archive and ages."""
        target = replace(server, store=f"{server.store}{_STORE_SUFFIX}")
        hub = cls(api, await add_hub(api, target), target)
        say("Adding an archive; Home Assistant installs what it needs for it")
        await hub._add_archive(s3_url)
        await hub._set_options(
            "capture", include_entities=list(entity_ids), event_kinds=["states"]
        )
        await hub._set_options(
            "storage",
            raw_days=RAW_DAYS,
            hourly_days=HOURLY_DAYS,
            daily_days=DAILY_DAYS,
        )
        await hub._forget_present()
        return hub

    async def _add_archive(self, s3_url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{s3_url}/{BUCKET}") as response,
        ):
            response.raise_for_status()
        texts = read_texts(HUB_DOMAIN)["config_subentries"][_ARCHIVE]
        await run_flow(
            self._api,
            {"handler": [self._entry_id, _ARCHIVE]},
            {"user": "other"},
            {
                "endpoint_url": s3_url,
                "bucket": BUCKET,
                # This server takes any.
                "access_key_id": "demo",
                "secret_access_key": "demo",
            },
            path=SUBENTRY_FLOW,
            texts=texts["error"],
        )

    async def _set_options(self, form: str, **fields: Any) -> None:
        await run_flow(
            self._api,
            {"handler": self._entry_id},
            {"init": form, "confirm": "save", "confirm_without_estimate": "save"},
            fields,
            path=_OPTIONS_FLOW,
            texts=read_texts(HUB_DOMAIN)["options"]["error"],
        )

    async def _forget_present(self) -> None:
        """Remove what the hub has captured of the present: only the past is looked at.

        A hub captures what is known when it begins; the past ends some hours earlier.
        """
        await self.act("flush")
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self._target.url}/query",
                data={"db": self._target.store, "q": "DROP SERIES FROM /.*/"},
            ) as response,
        ):
            response.raise_for_status()

    # ---------------------------------------------------------------------- actions
    async def act(self, action: str, **data: Any) -> dict[str, Any]:
        """Call an action of the hub; return its answer."""
        return await self._api.call_action(
            HUB_DOMAIN, action, config_entry_id=self._entry_id, **data
        )

    async def run_job(self, action: str, **data: Any) -> dict[str, Any]:
        """Start a job, wait for its end; return it.

        Raises:
            DevelopError: It failed, or took too long.
        """
        began = time.monotonic()
        job_id = (await self.act(action, **data))["job_id"]
        line = StatusLine()
        while True:
            jobs = (await self.act("list_jobs"))["jobs"]
            job: dict[str, Any] = next(job for job in jobs if job["job_id"] == job_id)
            took_s = time.monotonic() - began
            is_over = job["status"] in {"finished", "failed", "cancelled"}
            counts = ", ".join(f"{name} {n:,}" for name, n in job["counts"].items())
            waiting = f", waiting: {job['waiting_for']}" if job["waiting_for"] else ""
            line.show(
                f"{action} {job['status']} {job['progress']:.0f} % after {took_s:.0f} s"
                f"{waiting}{': ' if counts else ''}{counts}",
                is_last=is_over,
            )
            if is_over and job["status"] != "finished":
                raise DevelopError(f"{action} {job['status']}: {job['error']}")
            if is_over:
                return job
            if took_s > _JOB_TIMEOUT_S:
                raise DevelopError(f"{action} is not done after {took_s:.0f} s")
            await asyncio.sleep(_JOB_POLL_S)

    async def run_maintenance(self) -> Seams:
        """Have all done that is due; return where the tiers then begin and end."""
        while True:
            seams = self._seams()
            problems: list[str] = []
            for action in ("run_maintenance", "archive_to_s3"):
                problems += (await self.run_job(action))["problems"]
            if problems:
                raise DevelopError(f"Maintenance is not content: {problems}")
            # Over midnight, nobody could say which day was meant.
            if seams.raw_ns == self._seams().raw_ns:
                return seams

    @staticmethod
    def _seams() -> Seams:
        return Seams.at(
            time.time_ns(),
            raw=RAW_DAYS,
            hourly=HOURLY_DAYS,
            daily=DAILY_DAYS,
            zone=HOME_TIME_ZONE,
        )

    # ---------------------------------------------------------------------- reading
    async def read_history(self, **data: Any) -> tuple[str, dict[str, list[Any]], int]:
        """Ask `get_history`, page by page.

        Returns:
            The resolution that was chosen, the rows by entity, and when they were
            answered.
        """
        rows: dict[str, list[Any]] = {}
        cursor: str | None = None
        while True:
            page = await self.act(
                "get_history",
                limit=_PAGE_ROWS,
                **data,
                **({} if cursor is None else {"cursor": cursor}),
            )
            for entity_id, history in page["entities"].items():
                rows.setdefault(entity_id, []).extend(history["rows"])
            cursor = page["cursor"]
            if cursor is None:
                return page["resolution"], rows, time.time_ns()

    async def read_archive(self, start: str, end: str) -> list[Any]:
        """Ask `restore_from_archive` for rows, page by page."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            page = await self.act(
                "restore_from_archive",
                start=start,
                end=end,
                limit=_PAGE_ROWS,
                **({} if cursor is None else {"cursor": cursor}),
            )
            rows += page["rows"]
            cursor = page["cursor"]
            if cursor is None:
                return rows

    async def read_view(self, view: str, **data: Any) -> list[Any]:
        """Ask `query_view`, page by page."""
        rows: list[Any] = []
        offset: int | None = 0
        while offset is not None:
            page = await self.act(
                "query_view", view=view, limit=_PAGE_ROWS, offset=offset, **data
            )
            rows += page["rows"]
            offset = page["next_offset"]
        return rows

    async def list_archives(self) -> list[dict[str, Any]]:
        """Ask for all files of the archive."""
        files: list[dict[str, Any]] = []
        while True:
            page = await self.act("list_archives", limit=1_000, offset=len(files))
            files += page["files"]
            if not page["has_more"]:
                return files

    async def read_stored(self, suffix: str, measurement: str) -> list[StoredPoint]:
        """Ask InfluxDB itself what a store holds."""
        target = replace(self._target, store=f"{self._target.store}{suffix}")
        async with StoredPoints(target, 0) as stored:
            return await stored.of_measurement(measurement)
