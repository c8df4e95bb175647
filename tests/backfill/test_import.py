"""History that a person uploads in the options: taken, imported, and deleted."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.backfill import csv_job, imports, writer
from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.jobs import registry
from custom_components.ha_ingestor.jobs.job import Job, JobStatus
from custom_components.ha_ingestor.jobs.registry import JobRegistry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.backfill.kit import House
from tests.conftest import Upload
from tests.flows.options_kit import choose, submit
from tests.flows.texts import check_flow_texts, get_suggestions
from tests.repairs.kit import wait_for

GOOD: Final = b"entity_id,time,value\nsensor.a,100,1\nsensor.a,200,2\n"


@pytest.fixture(autouse=True)
def _checked_texts() -> Any:
    with check_flow_texts():
        yield


def list_kept(hass: HomeAssistant) -> list[Path]:
    """Return the uploads that are on disk, ours and Home Assistant's own."""
    folder = Path(hass.config.path(".storage", DOMAIN, "imports"))
    return [*folder.glob("*"), *hass.data.get("file_upload", Nothing()).files]  # type: ignore[list-item]


class Nothing:
    """What is there before the first upload."""

    files: tuple[str, ...] = ()


async def open_form(house: House) -> dict[str, Any]:
    """Go to the form as a person does."""
    options = house.hass.config_entries.options
    menu = dict(await options.async_init(house.hub.entry_id))
    return await choose(house.hass, menu, "import_csv")


def find_job(house: House, result: dict[str, Any]) -> Job:
    """Return the job that a flow has started."""
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "import_started"
    job = house.jobs.get(result["description_placeholders"]["job_id"])
    assert job is not None
    return job


async def start_import(house: House, upload: Upload, content: bytes) -> Job:
    """Upload a file and have it imported."""
    form = await open_form(house)
    file_id = await upload(content, "old home.csv")
    return find_job(house, await submit(house.hass, form, {"file": file_id}))


class Hold:
    """Stops the first job after its first page, until it may go on."""

    def __init__(self) -> None:
        self.is_reached = asyncio.Event()
        self.go_on = asyncio.Event()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Hold:
    hold = Hold()
    pause = writer.BackfillWriter._async_pause

    async def pause_and_hold(self: writer.BackfillWriter) -> None:
        await pause(self)
        if not hold.is_reached.is_set():
            hold.is_reached.set()
            await hold.go_on.wait()

    monkeypatch.setattr(csv_job, "PAGE_LINES", 10)
    monkeypatch.setattr(writer.BackfillWriter, "_async_pause", pause_and_hold)
    return hold


LONG: Final = b"".join(b"sensor.a,%d,%d\n" % (number, number) for number in range(50))


async def test_upload_is_imported_and_deleted(house: House, upload: Upload) -> None:
    job = await start_import(house, upload, GOOD)
    await house.finish(job)
    assert job.status is JobStatus.FINISHED
    assert [point["value"] for point in await house.events()] == [1, 2]
    [view] = (await house.call("list_jobs"))["jobs"]
    assert view["parameters"]["path"] == "old home.csv"
    assert view["counts"]["written"] == 2
    await wait_for(house.hass, lambda: list_kept(house.hass) == [])


async def test_only_try(house: House, upload: Upload) -> None:
    form = await open_form(house)
    assert get_suggestions(form["data_schema"]) == {}
    answer = {"file": await upload(GOOD, "a.csv"), "dry_run": True}
    job = find_job(house, await submit(house.hass, form, answer))
    await house.finish(job)
    assert job.counts == {"read": 2, "existing": 0, "missing": 2}
    assert await house.events() == []
    await wait_for(house.hass, lambda: list_kept(house.hass) == [])


@pytest.mark.parametrize(
    ("content", "key", "placeholders"),
    [
        pytest.param(
            b"", "import_unreadable", {"problem": "it holds no values"}, id="empty"
        ),
        pytest.param(
            b"entity_id,time,value\n",
            "import_unreadable",
            {"problem": "it holds no values"},
            id="only a header",
        ),
        pytest.param(
            b"entity_id,when,value\nsensor.a,1,1\n",
            "import_columns",
            {"missing": "time"},
            id="one column has another name",
        ),
        pytest.param(
            b"TIME;quantity\n1;2\n",
            "import_columns",
            {"missing": "entity_id, value"},
            id="two columns are missing",
        ),
        pytest.param(
            b"a,b,c\n" * 200,
            "import_unreadable",
            {"problem": "Line 1: 'a' is not an entity ID"},
            id="another table",
        ),
        pytest.param(
            b"PK\x03\x04\x00\x00",
            "import_unreadable",
            {"problem": "it is not UTF-8 text"},
            id="spreadsheet",
        ),
        pytest.param(
            GOOD.decode().encode("utf-16"),
            "import_unreadable",
            {"problem": "it is not UTF-8 text"},
            id="UTF-16",
        ),
    ],
)
async def test_a_file_that_cannot_be_imported(
    house: House,
    upload: Upload,
    content: bytes,
    key: str,
    placeholders: dict[str, str],
) -> None:
    form = await open_form(house)
    answer = {"file": await upload(content, "a.csv"), "dry_run": True}
    form = await submit(house.hass, form, answer)
    assert form["errors"] == {"file": key}
    assert form["description_placeholders"] == placeholders
    # The file is gone from the form as it is from the disk; the rest stays.
    assert get_suggestions(form["data_schema"]) == {"file": None, "dry_run": True}
    assert list_kept(house.hass) == []
    assert house.jobs.jobs == []
    answer = {"file": await upload(GOOD, "a.csv")}
    job = find_job(house, await submit(house.hass, form, answer))
    await house.finish(job)
    assert len(await house.events()) == 2


async def test_a_file_without_header_and_with_bad_lines_is_taken(
    house: House, upload: Upload
) -> None:
    job = await start_import(house, upload, b"# from the old house\n" + LONG)
    await house.finish(job)
    assert job.counts["bad_lines"] == 1
    assert len(await house.events()) == 50


@pytest.mark.parametrize(
    ("file_id", "key"),
    [
        ("", "import_no_file"),
        ("00000000-0000-0000-0000-000000000000", "import_gone"),
    ],
)
async def test_no_file(house: House, upload: Upload, file_id: str, key: str) -> None:
    form = await open_form(house)
    form = await submit(house.hass, form, {"file": file_id})
    assert form["errors"] == {"file": key}
    answer = {"file": await upload(GOOD, "a.csv")}
    job = find_job(house, await submit(house.hass, form, answer))
    await house.finish(job)


async def test_no_larger_than_the_bound(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await open_form(house)
    with monkeypatch.context() as patch:
        patch.setattr(imports, "MAX_IMPORT_BYTES", len(GOOD) - 1)
        answer = {"file": await upload(GOOD, "a.csv")}
        form = await submit(house.hass, form, answer)
    assert form["errors"] == {"file": "import_too_large"}
    assert form["description_placeholders"] == {"size": "0", "maximum": "1024"}
    assert list_kept(house.hass) == []
    await house.finish(await start_import(house, upload, GOOD))


async def test_a_disk_without_room(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move(_: Path, target: Path) -> None:
        target.write_bytes(b"the first half")
        raise OSError(28, "No space left on device")

    form = await open_form(house)
    with monkeypatch.context() as patch:
        patch.setattr(imports.shutil, "move", move)
        form = await submit(house.hass, form, {"file": await upload(GOOD, "a.csv")})
    assert form["errors"] == {"file": "import_not_kept"}
    assert form["description_placeholders"] == {"reason": "No space left on device"}
    assert list_kept(house.hass) == []
    await house.finish(await start_import(house, upload, GOOD))


async def test_a_disk_that_cannot_be_read(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_any = Path.open

    def open_file(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".csv":
            raise OSError(5, "Input/output error")
        return open_any(path, *arguments, **options)

    form = await open_form(house)
    file_id = await upload(GOOD, "a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_file)
        form = await submit(house.hass, form, {"file": file_id})
    assert form["errors"] == {"file": "import_not_kept"}
    assert list_kept(house.hass) == []
    await house.finish(await start_import(house, upload, GOOD))


async def test_too_many_jobs(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await open_form(house)
    answer = {"file": await upload(GOOD, "a.csv"), "dry_run": False}
    with monkeypatch.context() as patch:
        patch.setattr(registry, "MAX_OPEN_JOBS", 0)
        form = await submit(house.hass, form, answer)
    assert form["errors"] == {"base": "too_many_jobs"}
    # The upload waits for another try.
    assert get_suggestions(form["data_schema"]) == answer
    await house.finish(find_job(house, await submit(house.hass, form, answer)))


async def test_the_last_place_is_taken_meanwhile(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await open_form(house)
    answer = {"file": await upload(GOOD, "a.csv")}
    with monkeypatch.context() as patch:
        answers = iter((False, True))
        patch.setattr(JobRegistry, "is_full", property(lambda _: next(answers)))
        form = await submit(house.hass, form, answer)
    assert form["errors"] == {"base": "too_many_jobs"}
    assert list_kept(house.hass) == []
    await house.finish(await start_import(house, upload, GOOD))


async def test_a_hub_that_does_not_run(house: House, upload: Upload) -> None:
    form = await open_form(house)
    file_id = await upload(GOOD, "a.csv")
    assert await house.hass.config_entries.async_unload(house.hub.entry_id)
    result = await submit(house.hass, form, {"file": file_id})
    assert result["reason"] == "not_loaded"
    assert (await open_form(house))["reason"] == "not_loaded"
    assert await house.hass.config_entries.async_setup(house.hub.entry_id)
    await house.finish(await start_import(house, upload, GOOD))


async def test_a_hub_that_is_reloaded_meanwhile(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await open_form(house)
    file_id = await upload(GOOD, "a.csv")
    run = house.hass.async_add_executor_job

    async def run_and_reload(*arguments: Any) -> Any:
        patch.undo()
        result = await run(*arguments)
        assert await house.hass.config_entries.async_reload(house.hub.entry_id)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(house.hass, "async_add_executor_job", run_and_reload)
        result = await submit(house.hass, form, {"file": file_id})
    assert result["reason"] == "not_loaded"
    assert house.jobs.jobs == []
    assert list_kept(house.hass) == []
    await house.finish(await start_import(house, upload, GOOD))


async def test_a_flow_that_is_closed_leaves_nothing(
    house: House, upload: Upload
) -> None:
    form = await open_form(house)
    form = await submit(house.hass, form, {"file": await upload(b"x", "a.csv")})
    assert form["errors"] == {"file": "import_unreadable"}
    house.hass.config_entries.options.async_abort(form["flow_id"])
    assert list_kept(house.hass) == []
    assert house.jobs.jobs == []


async def test_goes_on_after_a_restart(
    house: House, upload: Upload, held: Hold
) -> None:
    job = await start_import(house, upload, LONG)
    async with asyncio.timeout(30):
        await held.is_reached.wait()
    assert job.counts["written"] == 10
    assert await house.hass.config_entries.async_unload(house.hub.entry_id)
    [kept] = list_kept(house.hass)
    assert kept.read_bytes() == LONG
    assert kept.stat().st_mode & 0o777 == 0o600
    # A run that was killed before its job was on disk has left this one.
    stray = kept.with_name(f"{house.hub.entry_id}.stray.csv")
    stray.write_bytes(LONG)
    other = kept.with_name("another-hub.stray.csv")
    other.write_bytes(LONG)
    assert await house.hass.config_entries.async_setup(house.hub.entry_id)
    resumed = house.jobs.get(job.job_id)
    assert resumed is not None
    assert resumed is not job
    await house.finish(resumed)
    assert resumed.status is JobStatus.FINISHED
    assert len(await house.events()) == 50
    await wait_for(house.hass, lambda: list_kept(house.hass) == [other])


async def test_deleted_when_cancelled_at_work(
    house: House, upload: Upload, held: Hold
) -> None:
    job = await start_import(house, upload, LONG)
    waiting = await start_import(house, upload, GOOD)
    async with asyncio.timeout(30):
        await held.is_reached.wait()
    assert len(list_kept(house.hass)) == 2
    await house.call("cancel_job", job_id=waiting.job_id)
    await wait_for(house.hass, lambda: len(list_kept(house.hass)) == 1)
    await house.call("cancel_job", job_id=job.job_id)
    await wait_for(house.hass, lambda: list_kept(house.hass) == [])
    assert [job.status, waiting.status] == [JobStatus.CANCELLED] * 2


async def test_deleted_when_failed(
    house: House, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "find_existing", fail)
        job = await start_import(house, upload, GOOD)
        await house.finish(job)
    assert job.status is JobStatus.FAILED
    await wait_for(house.hass, lambda: list_kept(house.hass) == [])


async def test_goes_with_its_hub(house: House, upload: Upload, held: Hold) -> None:
    await start_import(house, upload, LONG)
    async with asyncio.timeout(30):
        await held.is_reached.wait()
    assert len(list_kept(house.hass)) == 1
    await house.hass.config_entries.async_remove(house.hub.entry_id)
    assert list_kept(house.hass) == []
    house.hub.add_to_hass(house.hass)


async def test_a_file_that_cannot_be_deleted_is_told(
    house: House,
    upload: Upload,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(imports.Path, "unlink", refuse)
        await house.finish(await start_import(house, upload, GOOD))
        await wait_for(house.hass, lambda: "cannot be deleted" in caplog.text)
    assert "cannot be deleted: Read-only file system" in caplog.text
    # The next start tries again.
    assert len(list_kept(house.hass)) == 1
    assert await house.hass.config_entries.async_reload(house.hub.entry_id)
    assert list_kept(house.hass) == []


async def test_jobs_of_older_versions_keep_their_files(
    house: House, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(GOOD)
    job = await house.jobs.async_add(
        "backfill_csv", {"path": str(file), "is_dry_run": False}
    )
    await house.finish(job)
    assert job.status is JobStatus.FINISHED
    assert await house.hass.config_entries.async_reload(house.hub.entry_id)
    assert file.read_bytes() == GOOD


async def test_nothing_is_reached_outside_of_the_folder(
    house: House, hub: MockConfigEntry, tmp_path: Path
) -> None:
    file = tmp_path / "secrets.csv"
    file.write_bytes(GOOD)
    job = await house.jobs.async_add(
        "backfill_csv",
        {"path": "a.csv", "is_dry_run": True, "upload": f"../../..{file}"},
    )
    await house.finish(job)
    assert job.status is JobStatus.FAILED
    await house.hass.async_block_till_done()
    assert file.read_bytes() == GOOD
