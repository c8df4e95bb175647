"""Backfill from a CSV of entity, time and value."""

# ruff: noqa: ASYNC240 - the files of these tests are small

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custom_components.ha_ingestor.backfill import csv_job
from custom_components.ha_ingestor.backfill.csv_file import (
    MAX_LINE_BYTES,
    CsvValue,
    read_page,
)
from custom_components.ha_ingestor.errors import ImportFileError
from custom_components.ha_ingestor.jobs.job import MAX_PROBLEMS, JobStatus
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util
from tests.backfill.kit import House, without

NOW_S = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
BERLIN = dt_util.get_time_zone("Europe/Berlin")


def read(path: Path, content: bytes | str) -> tuple[list[CsvValue], list[str]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert BERLIN is not None
    page = read_page(
        path, offset=0, line_count=0, limit=1_000, time_zone=BERLIN, now_s=NOW_S
    )
    assert page.offset is None
    return page.values, page.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05.678901+00:00", 1704164645.678901),
        ("2024-01-02T03:04:05Z", 1704164645),
        ("2024-01-02 04:04:05", 1704164645),
        ("2024-07-02 05:04:05", 1719889445),
        ("2024-01-02", 1704150000),
        ("1704164645", 1704164645),
        ("1704164645.25", 1704164645.25),
        ("1704164645250", 1704164645.25),
        ("0", 0),
    ],
)
def test_times(tmp_path: Path, text: str, expected: float) -> None:
    values, problems = read(tmp_path / "a.csv", f"sensor.a,{text},1\n")
    assert problems == []
    assert values == [CsvValue(entity_id="sensor.a", time_s=expected, value="1")]


@pytest.mark.parametrize(
    "content",
    [
        "sensor.a,100,1,5\n",
        "entity_id,time,value\nsensor.a,100,1.5\n",
        "entity_id,state,last_changed\nsensor.a,1.5,100",
        'Time;Value;Entity\n100;"1,5";sensor.a\n',
        "sensor.a;100;1,5\r\n",
        "sensor.a\t100\t1.5\n\n\n",
        '"sensor.a","100","1.5"\n',
        b"\xef\xbb\xbfentity,timestamp,value\nsensor.a,100,1.5\n",
    ],
)
def test_layouts(tmp_path: Path, content: bytes | str) -> None:
    values, problems = read(tmp_path / "a.csv", content)
    assert problems == []
    [value] = values
    assert (value.entity_id, value.time_s) == ("sensor.a", 100)
    # A comma that separates columns separates no decimals.
    assert value.value == ("1" if content == "sensor.a,100,1,5\n" else "1.5")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sensor.a,100", "entity, time and value are not all there"),
        ("Sensor A,100,1", "'Sensor A' is not an entity ID"),
        ("sensor.a,yesterday,1", "'yesterday' is not a time"),
        ("sensor.a,99999999999999999999,1", "is before 1970 or in the future"),
        ("sensor.a,-5,1", "'-5' is before 1970 or in the future"),
        ("sensor.a,2026-06-02,1", "'2026-06-02' is before 1970 or in the future"),
        ("sensor.a,0001-01-01,1", "'0001-01-01' is not a time"),
        ("sensor.a,100,", "there is no value"),
        ("sensor.a,100," + "x" * 256, "the value is longer than 255 characters"),
        ('sensor.a,100,"1', "unexpected end of data"),
        ("sensor.a,100," + "x" * 2 * MAX_LINE_BYTES, "longer than 16384 bytes"),
        ("\0\x01\x02", "entity, time and value are not all there"),
    ],
)
def test_bad_lines_stop_nothing(tmp_path: Path, line: str, reason: str) -> None:
    values, problems = read(tmp_path / "a.csv", f"sensor.a,1,1\n{line}\nsensor.a,3,3\n")
    assert [value.value for value in values] == ["1", "3"]
    [problem] = problems
    assert problem.startswith("Line 2: ")
    assert reason in problem


def test_a_first_line_without_sense(tmp_path: Path) -> None:
    values, problems = read(tmp_path / "a.csv", b'\xff"x,"\nsensor.a,1,1\n')
    assert [value.value for value in values] == ["1"]
    assert len(problems) == 1


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="No such file"):
        read_page(
            tmp_path / "none.csv",
            offset=0,
            line_count=0,
            limit=1,
            time_zone=UTC,
            now_s=NOW_S,
        )


@pytest.fixture
def csv_file(house: House) -> Path:
    """A place from which Home Assistant may read."""
    folder = Path(house.hass.config.path("www"))
    folder.mkdir(exist_ok=True)
    house.hass.config.allowlist_external_dirs = {str(folder)}
    return folder / "history.csv"


async def test_values_become_events(house: House, csv_file: Path) -> None:
    csv_file.write_text(
        "entity_id,time,value\n"
        "sensor.a,2024-01-02T03:04:05.678901Z,21.5\n"
        "light.b,2024-01-02T03:04:06Z,on\n"
        "nonsense\n"
        "sensor.gone,2024-01-02T03:04:07Z,text\n",
        encoding="utf-8",
    )
    house.set("sensor.a", "1", {"unit_of_measurement": "°C"})
    await house.settle()
    job = await house.run("backfill_csv", path="www/history.csv")
    stored = await house.events()
    assert [without(point, "time") for point in stored[:3]] == [
        {
            "entity_id": "sensor.a",
            "domain": "sensor",
            "unit": "°C",
            "state": "21.5",
            "value": 21.5,
        },
        {"entity_id": "light.b", "domain": "light", "state": "on", "value": 1},
        {"entity_id": "sensor.gone", "domain": "sensor", "state": "text"},
    ]
    assert stored[0]["time"] == 1704164645678901000
    assert job.counts == {
        "bad_lines": 1,
        "read": 3,
        "existing": 0,
        "missing": 3,
        "written": 3,
    }
    assert job.problems == ["Line 4: entity, time and value are not all there"]
    again = await house.run("backfill_csv", path=str(csv_file))
    assert again.counts["existing"] == 3
    assert again.counts["missing"] == 0
    assert await house.events() == stored


@pytest.mark.parametrize("options", [{"exclude_domains": ["light"]}])
async def test_the_rules_of_the_hub_hold(house: House, csv_file: Path) -> None:
    csv_file.write_text("light.a,100,on\nsensor.a,100,1\n", encoding="utf-8")
    job = await house.run("backfill_csv", path="www/history.csv", dry_run=True)
    assert job.counts == {"filtered": 1, "read": 1, "existing": 0, "missing": 1}
    assert await house.events() == []


async def test_long_files_come_in_pieces(
    house: House,
    csv_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(csv_job, "PAGE_LINES", 10)
    lines = [f"sensor.a,{number},{number}" for number in range(100)]
    lines += ["bad"] * (MAX_PROBLEMS + 5)
    csv_file.write_text("\n".join(lines), encoding="utf-8")
    job = await house.run("backfill_csv", path="www/history.csv")
    assert [point["value"] for point in await house.events()] == list(range(100))
    assert job.counts["bad_lines"] == MAX_PROBLEMS + 5
    assert job.problems[0].startswith("Line 101: ")
    assert len(job.problems) == MAX_PROBLEMS
    assert caplog.text.count("Line 1") == MAX_PROBLEMS


async def test_the_same_moment_twice_is_one_point(house: House, csv_file: Path) -> None:
    csv_file.write_text("sensor.a,100,1\nsensor.a,100,2\n", encoding="utf-8")
    job = await house.run("backfill_csv", path="www/history.csv")
    assert [point["value"] for point in await house.events()] == [2]
    assert (job.counts["existing"], job.counts["written"]) == (1, 1)


async def test_a_file_that_changes_is_not_gone_on_with(
    house: House, csv_file: Path
) -> None:
    csv_file.write_text("sensor.a,100,1\nsensor.a,200,2\n", encoding="utf-8")
    job = await house.run("backfill_csv", path="www/history.csv")
    assert job.checkpoint is not None
    resumed = await resume(house, job, offset=15, line_count=1)
    assert resumed.status is JobStatus.FINISHED
    assert resumed.counts["read"] == 1
    csv_file.write_text("sensor.b,1,1\n" * 9, encoding="utf-8")
    resumed = await resume(house, job, offset=15, line_count=1)
    assert resumed.status is JobStatus.FAILED
    assert "has changed since the import began" in str(resumed.error)
    csv_file.unlink()
    resumed = await resume(house, job, offset=15, line_count=1)
    assert resumed.status is JobStatus.FAILED
    assert "cannot be read" in str(resumed.error)


async def resume(house: House, job: Any, **place: int) -> Any:
    """Go on from a place, as after a restart."""
    job.checkpoint |= place
    job.counts.clear()
    job.error = None
    job.status = JobStatus.QUEUED
    job.has_ended.clear()
    house.jobs.async_start()
    await house.finish(job)
    return job


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/etc/passwd", "path_not_allowed"),
        ("configuration.yaml", "path_not_allowed"),
        ("www/../secrets.yaml", "path_not_allowed"),
        ("www/none.csv", "file_not_found"),
        ("www", "file_not_found"),
    ],
)
async def test_paths(house: House, csv_file: Path, path: str, key: str) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await house.call("backfill_csv", path=path)
    assert caught.value.translation_key == key
    assert house.jobs.jobs == []
