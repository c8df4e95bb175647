"""Pictures of storage: its options, the archive, its device, and what goes wrong."""

import asyncio
import shutil
import time
from typing import Final

import aiohttp

from .entries import HUB_DOMAIN, add_hub
from .influxd import InfluxServer
from .lifecycle import run_s3
from .lifecycle_hub import BUCKET, LifeCycleHub
from .lifecycle_past import PAST_ENTITY_IDS, load_past, write_csv
from .settings import DEFAULT_DATABASE, DEV, InfluxTarget
from .studio import Studio

STORAGE_NAMES: Final = (
    "options-storage",
    "archive-form",
    "archive-error",
    "archive-settings",
    "storage-device",
    "storage-stores-missing",
    "storage-run-failed",
)
_INTEGRATION: Final = f"/config/integrations/integration/{HUB_DOMAIN}"
_BUCKET: Final = "home-archive"
_SECRET: Final = "home-secret"  # noqa: S105 - its server takes any
_FORM_HEIGHT: Final = 1_400
_CSV: Final = "home-energy.csv"
_ISSUE_TIMEOUT_S: Final = 60.0
# The first user of a guarded server, and one who may use one database only.
_ADMIN: Final = ("admin", "admin")
_USER: Final = ("home", "home")


async def show_storage(studio: Studio) -> None:
    """Show how data ages: what is chosen, what it looks like, what can go wrong."""
    await _show_options(studio)
    async with run_s3(studio.server.folder.parent) as s3_url:
        await _show_archive_flow(studio, s3_url)
        hub = await _bring_past(studio, s3_url)
        await _show_failed_run(studio, hub, s3_url)
        await _show_device(studio, hub)
    await _show_missing_stores(studio)


async def _show_options(studio: Studio) -> None:
    """Open the form of the first hub, which has no archive."""
    frontend = studio.frontend
    await frontend.open(_INTEGRATION, height=1_400)
    row = frontend.page.locator("ha-config-entry-row").first
    await row.locator("ha-icon-button").nth(1).click()
    await frontend.settle()
    await frontend.choose("Storage")
    await studio.save("options-storage")


async def _show_archive_flow(studio: Studio, s3_url: str) -> None:
    """Add an archive by hand, first with a bucket that does not exist; not saved."""
    frontend = studio.frontend
    await frontend.open(_INTEGRATION)
    await (
        frontend.page.locator("ha-button").filter(has_text="Add archive").first.click()
    )
    await frontend.settle()
    await frontend.choose("Another service that speaks S3")
    await frontend.resize(_FORM_HEIGHT)
    for field, text in (
        ("endpoint_url", s3_url),
        ("bucket", _BUCKET),
        ("access_key_id", "home"),
        ("secret_access_key", _SECRET),
    ):
        await frontend.fill(field, text)
    await studio.save("archive-form")
    next_button = frontend.dialog.get_by_role("button", name="Next")
    await next_button.click()
    # Packages may have to be installed first.
    await frontend.dialog.get_by_text("There is no such bucket").first.wait_for(
        timeout=300_000
    )
    await frontend.resize(720)
    await studio.save("archive-error")
    await _send("PUT", f"{s3_url}/{_BUCKET}")
    # A secret is never shown again, also not to whoever has just entered it.
    await frontend.fill("secret_access_key", _SECRET)
    await next_button.click()
    await frontend.dialog.get_by_text("The bucket works").first.wait_for()
    await frontend.resize(800)
    await studio.save("archive-settings")


async def _send(method: str, url: str) -> None:
    """Ask the S3 server for something that takes no more than an address."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url) as response,
    ):
        response.raise_for_status()


async def _bring_past(studio: Studio, s3_url: str) -> LifeCycleHub:
    """Add a hub with an archive, and bring it months of the home as far as days."""
    target = InfluxTarget(url=studio.server.url, is_ours=True)
    folder = studio.server.folder.parent / "config" / "www"
    folder.mkdir(exist_ok=True)
    write_csv(folder / _CSV, load_past(time.time_ns()))
    hub = await LifeCycleHub.add(studio.api, target, s3_url, PAST_ENTITY_IDS)
    await hub.run_job("backfill_csv", path=f"www/{_CSV}")
    await hub.act("flush")
    await hub.run_job("run_maintenance")
    return hub


async def _show_failed_run(studio: Studio, hub: LifeCycleHub, s3_url: str) -> None:
    """Have the bucket vanish, and come back."""
    await _send("POST", f"{s3_url}/moto-api/reset")
    await hub.act("archive_to_s3")
    await _show_issue(studio, "a run of storage maintenance failed", height=520)
    await studio.save("storage-run-failed")
    await _send("PUT", f"{s3_url}/{BUCKET}")
    await hub.run_job("archive_to_s3")
    await hub.run_job("refresh_views")


async def _show_issue(studio: Studio, title: str, *, height: int) -> None:
    """Open a repair issue once it is there."""
    frontend = studio.frontend
    await frontend.open("/config/repairs", height=height)
    issue = frontend.page.get_by_text(title).first
    await issue.wait_for(timeout=_ISSUE_TIMEOUT_S * 1_000)
    await issue.click()
    await frontend.settle()


async def _show_device(studio: Studio, hub: LifeCycleHub) -> None:
    """Show the device "Storage" of the hub with the past."""
    # Counted anew, after the archive has taken its part.
    await hub.act("retention_stats")
    devices = await studio.api.command("config/device_registry/list")
    device_id = next(
        device["id"]
        for device in devices
        if "_life on " in device["name"] and device["name"].endswith(" storage")
    )
    await studio.frontend.open(f"/config/devices/device/{device_id}", height=1_050)
    await studio.save("storage-device")


async def _show_missing_stores(studio: Studio) -> None:
    """Add a hub whose user may use one database, and create none."""
    folder = studio.server.folder.parent / "guarded"
    # The users of a former run would refuse to be made again.
    shutil.rmtree(folder, ignore_errors=True)
    server = InfluxServer(DEV / "influxdb" / "influxd", folder, auth=True)
    await asyncio.to_thread(server.start)
    try:
        server.create_admin(*_ADMIN)
        user, password = _USER
        for statement in (
            f'CREATE DATABASE "{DEFAULT_DATABASE}"',
            f"CREATE USER \"{user}\" WITH PASSWORD '{password}'",
            f'GRANT ALL ON "{DEFAULT_DATABASE}" TO "{user}"',
        ):
            await asyncio.to_thread(server.query, statement)
        target = InfluxTarget(
            url=server.url, is_ours=True, username=user, password=password
        )
        entry_id = await add_hub(studio.api, target)
        await studio.api.call_action(
            HUB_DOMAIN, "run_maintenance", config_entry_id=entry_id
        )
        await _show_issue(studio, "places for older data are missing", height=640)
        await studio.save("storage-stores-missing")
    finally:
        await asyncio.to_thread(server.stop)
