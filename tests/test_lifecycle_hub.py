"""The second hub of `scripts/develop --once`: its jobs, pages and flows."""

from collections.abc import Mapping
from typing import Any

import pytest

from devlib import flows
from devlib.flows import run_flow
from devlib.lifecycle_hub import LifeCycleHub
from devlib.settings import DevelopError, InfluxTarget


class FakeApi:
    """Answers what it was given, one after another, and keeps what it was asked."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def call_action(self, domain: str, action: str, **data: Any) -> Any:
        self.asked.append((action, data))
        return self.answers.pop(0)

    async def post(self, path: str, data: Mapping[str, Any]) -> Any:
        self.asked.append((path, data))
        return self.answers.pop(0)

    async def get(self, path: str) -> Any:
        self.asked.append(path)
        return self.answers.pop(0)


def hub(api: FakeApi) -> LifeCycleHub:
    target = InfluxTarget(url="http://127.0.0.1:1", is_ours=True)
    return LifeCycleHub(api, "hub", target)  # type: ignore[arg-type]


def job(status: str, **more: Any) -> dict[str, Any]:
    return {
        "jobs": [
            {
                "job_id": "1",
                "status": status,
                "progress": 0,
                "counts": {},
                "waiting_for": None,
                "error": None,
                "problems": [],
                **more,
            }
        ]
    }


@pytest.fixture(name="no_pause")
def fixture_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devlib.lifecycle_hub._JOB_POLL_S", 0)
    monkeypatch.setattr(flows, "_PROGRESS_POLL_S", 0)


@pytest.mark.usefixtures("no_pause")
async def test_a_job_is_waited_for() -> None:
    api = FakeApi({"job_id": "1"}, job("running"), job("finished", counts={"rows": 3}))
    done = await hub(api).run_job("archive_to_s3", dry_run=True)
    assert done["counts"] == {"rows": 3}
    assert api.asked[0] == (
        "archive_to_s3",
        {"config_entry_id": "hub", "dry_run": True},
    )


@pytest.mark.usefixtures("no_pause")
async def test_a_job_that_fails_is_told() -> None:
    api = FakeApi({"job_id": "1"}, job("failed", error="the disk is full"))
    with pytest.raises(DevelopError, match="archive_to_s3 failed: the disk is full"):
        await hub(api).run_job("archive_to_s3")


async def test_all_pages_are_read() -> None:
    api = FakeApi(
        {
            "resolution": "1d",
            "entities": {"sensor.x": {"rows": [1, 2]}, "sensor.y": {"rows": []}},
            "cursor": "c",
        },
        {
            "resolution": "1d",
            "entities": {"sensor.x": {"rows": []}, "sensor.y": {"rows": [3]}},
            "cursor": None,
        },
    )
    resolution, rows, _ = await hub(api).read_history(start="x", resolution="auto")
    assert resolution == "1d"
    assert rows == {"sensor.x": [1, 2], "sensor.y": [3]}
    assert [data.get("cursor") for _, data in api.asked] == [None, "c"]
    api = FakeApi({"rows": [1], "cursor": "c"}, {"rows": [2], "cursor": None})
    assert await hub(api).read_archive("a", "b") == [1, 2]
    api = FakeApi({"rows": [1], "next_offset": 1}, {"rows": [2], "next_offset": None})
    assert await hub(api).read_view("v") == [1, 2]
    assert [data["offset"] for _, data in api.asked] == [0, 1]
    api = FakeApi({"files": [1], "has_more": True}, {"files": [2], "has_more": False})
    files: list[Any] = await hub(api).list_archives()
    assert files == [1, 2]


@pytest.mark.usefixtures("no_pause")
async def test_a_flow_that_installs_something_is_waited_for() -> None:
    progress = {"type": "progress", "flow_id": "7", "step_id": "install"}
    api = FakeApi(progress, progress, {"type": "create_entry", "result": {}})
    result = await run_flow(
        api,  # type: ignore[arg-type]
        {"handler": "x"},
        {},
        {},
        path="/flow",
    )
    assert result["type"] == "create_entry"
    assert api.asked[1:] == ["/flow/7", "/flow/7"]
