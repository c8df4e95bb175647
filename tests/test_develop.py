"""What `scripts/develop --once` finds: its verdict is worth what it can detect."""

from collections.abc import Callable, Generator
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from devlib.entries import _hub_fields
from devlib.flows import _fill_form
from devlib.hass import HomeAssistantProcess
from devlib.played import (
    ExpectedPoint,
    PlayedEntity,
    expect_points,
    list_played_entities,
    load_records,
)
from devlib.processes import StateFolder
from devlib.settings import DevelopError, InfluxTarget, Settings
from devlib.stored import StoredPoint
from devlib.verification import EntityResult, compare, format_table

ENTITIES = {entity.entity_id: entity for entity in list_played_entities()}
KITCHEN = ENTITIES["sensor.kitchen_climate_temperature"]
WEATHER = ENTITIES["weather.chievres_airport"]
RECORDS = load_records(2_478, 60)


def store(entity: PlayedEntity, expected: list[ExpectedPoint]) -> list[StoredPoint]:
    """Return what InfluxDB would hold if all went well: one point a second."""
    stored: list[StoredPoint] = []
    changed_s = 0
    for second, point in enumerate(expected):
        fields: dict[str, Any] = {
            "time": second * 10**9,
            **entity.all_tags,
            "state": str(point.reading),
            "context_id": "01",
            "value": point.value,
            "outdoor_temperature": point.outdoor_temperature,
            "anyone_home": next(iter(point.anyone_home - {None}), None),
            **point.fields,
        }
        if point.previous is not None:
            fields["previous_state"] = str(point.previous)
            fields["duration_s"] = float(second - changed_s)
            changed_s = second
        stored.append(
            {key: field for key, field in fields.items() if field is not None}
        )
    return stored


def check(entity: PlayedEntity, spoil: Callable[[list[StoredPoint]], Any]) -> list[int]:
    """Return what is found missing, doubled, wrong in values, tags and context."""
    expected = expect_points(entity, RECORDS)
    stored = store(entity, expected)
    spoil(stored)
    result = compare(entity, expected, stored)
    assert result.is_right is not bool(result.examples)
    return [
        result.missing_count,
        result.surplus_count,
        result.wrong_value_count,
        result.wrong_tag_count,
        result.wrong_context_count,
    ]


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES.keys())
def test_what_was_played_is_right(entity: PlayedEntity) -> None:
    assert check(entity, lambda stored: None) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        pytest.param(lambda stored: stored.pop(20), [1, 0, 1, 0, 0], id="one lost"),
        pytest.param(lambda stored: stored.pop(), [1, 0, 0, 0, 0], id="last lost"),
        pytest.param(lambda stored: stored.clear(), [42, 0, 0, 0, 0], id="all lost"),
        pytest.param(
            lambda stored: stored.insert(20, {**stored[20], "area": "Attic"}),
            [0, 1, 0, 0, 0],
            id="doubled in another series",
        ),
        pytest.param(
            lambda stored: stored[20].update(value=99.0, state="99.0"),
            [0, 0, 1, 0, 0],
            id="another reading",
        ),
        pytest.param(
            lambda stored: stored[20].update(value=99.0),
            [0, 0, 1, 0, 0],
            id="value is not the state",
        ),
        pytest.param(
            lambda stored: stored[20].pop("value"), [0, 0, 1, 0, 0], id="no value"
        ),
        pytest.param(
            lambda stored: stored[0].update(value=0.0),
            [0, 0, 1, 0, 0],
            id="unknown as zero",
        ),
        pytest.param(
            lambda stored: stored[20].update(previous_state="1"),
            [0, 0, 1, 0, 0],
            id="another state before",
        ),
        pytest.param(
            lambda stored: stored[20].update(duration_s=0.99),
            [0, 0, 1, 0, 0],
            id="another duration",
        ),
        pytest.param(
            lambda stored: stored[20].pop("context_id"),
            [0, 0, 1, 0, 0],
            id="no context id",
        ),
        pytest.param(
            lambda stored: stored[20].pop("floor"), [0, 0, 0, 1, 0], id="no floor"
        ),
        pytest.param(
            lambda stored: stored[20].update(unit="°F"),
            [0, 0, 0, 1, 0],
            id="another unit",
        ),
        pytest.param(
            lambda stored: stored[20].pop("outdoor_temperature"),
            [0, 0, 0, 0, 1],
            id="no outdoor temperature",
        ),
        pytest.param(
            lambda stored: stored[0].update(outdoor_temperature=8.3),
            [0, 0, 0, 0, 1],
            id="outdoor temperature too early",
        ),
        pytest.param(
            lambda stored: stored[20].update(anyone_home=None),
            [0, 0, 0, 0, 1],
            id="nobody knows who is home",
        ),
    ],
)
def test_what_is_wrong_is_found(
    spoil: Callable[[list[StoredPoint]], Any], found: list[int]
) -> None:
    assert check(KITCHEN, spoil) == found


@pytest.mark.parametrize(
    "field", ["attr_temperature", "attr_pressure", "attr_humidity", "attr_wind_speed"]
)
def test_a_wrong_attribute_is_found(field: str) -> None:
    def spoil(stored: list[StoredPoint]) -> None:
        stored[20][field] += 0.01

    assert check(WEATHER, spoil) == [0, 0, 1, 0, 0]


def test_the_table_says_where_something_is_wrong() -> None:
    right = EntityResult("sensor.right", expected_count=2, stored_count=2)
    wrong = EntityResult(
        "sensor.wrong", expected_count=2, stored_count=1, missing_count=1
    )
    lines = format_table([right, wrong]).splitlines()
    assert lines[2].split() == ["sensor.right", *"2200000", "ok"]
    assert lines[3].split() == ["sensor.wrong", *"2110000", "WRONG"]
    assert lines[-1].split() == ["total", *"4310000", "WRONG"]


def test_the_log_is_searched_for_problems_of_an_integration(tmp_path: Path) -> None:
    home_assistant = HomeAssistantProcess(StateFolder(tmp_path), 8123)
    where = "2026-11-21 02:00:25.227+00:00"
    tail = "\n  File custom_components/ha_ingestor/pipeline.py\nValueError: x"
    home_assistant.log.write_text(
        f"{where} WARNING (SyncWorker_0) [homeassistant.loader] We found a custom "
        "integration ha_ingestor which has not been tested by Home Assistant.\n"
        f"{where} ERROR (MainThread) [custom_components.ha_ingestor.coordinators] "
        "Error fetching Smart meter data: No value of sensor.electricity_meter_power\n"
        f"{where} ERROR (MainThread) [haffmpeg.core] FFmpeg fails\n"
        f"{where} INFO (MainThread) [custom_components.ha_ingestor] Connected\n"
        f"{where} ERROR (MainThread) [homeassistant.core] Broken{tail}\n"
        f"{where} WARNING (MainThread) [custom_components.ha_ingestor.store] Slow\n"
    )
    assert home_assistant.problems_of("ha_ingestor") == [
        f"{where} ERROR (MainThread) [homeassistant.core] Broken{tail}",
        f"{where} WARNING (MainThread) [custom_components.ha_ingestor.store] Slow",
    ]


@pytest.fixture
def sleeper() -> Generator[psutil.Process]:
    """A process that a killed run has left."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield psutil.Process(child.pid)
    child.kill()
    child.wait()


def test_a_run_ends_what_a_killed_one_has_left(
    tmp_path: Path, sleeper: psutil.Process
) -> None:
    StateFolder(tmp_path).remember(sleeper.pid)
    with StateFolder(tmp_path):
        assert not sleeper.is_running()


def test_a_process_of_somebody_else_is_left_alone(
    tmp_path: Path, sleeper: psutil.Process
) -> None:
    # The same id, but of a process that was started at another time.
    (tmp_path / "processes.json").write_text(f'{{"{sleeper.pid}": {time.time() - 9}}}')
    with StateFolder(tmp_path):
        assert sleeper.is_running()


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path),
        pytest.raises(DevelopError, match="running already"),
        StateFolder(tmp_path),
    ):
        pass
    with StateFolder(tmp_path) as state:
        assert state.path == tmp_path


@pytest.mark.parametrize(
    ("environment", "credentials", "store"),
    [
        ({}, None, "home_assistant"),
        (
            {"INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"},
            ("token", "t"),
            "b",
        ),
        (
            {
                "INFLUXDB_USERNAME": "u",
                "INFLUXDB_PASSWORD": "p",
                "INFLUXDB_DATABASE": "d",
            },
            ("u", "p"),
            "d",
        ),
    ],
    ids=["open", "2.x", "1.x"],
)
def test_a_server_is_taken_from_the_environment(
    environment: dict[str, str], credentials: tuple[str, str] | None, store: str
) -> None:
    target = InfluxTarget.from_environment(
        {"INFLUXDB_URL": "http://influx:8086/", **environment}
    )
    assert target is not None
    assert target.url == "http://influx:8086"
    assert not target.is_ours
    assert target.credentials == credentials
    assert target.store == store


def test_without_a_url_there_is_no_server_in_the_environment() -> None:
    assert InfluxTarget.from_environment({"INFLUXDB_TOKEN": "t"}) is None
    with pytest.raises(DevelopError, match="must begin with"):
        InfluxTarget.from_environment({"INFLUXDB_URL": "influx:8086"})


@pytest.mark.parametrize(
    "arguments", [["--rows", "0"], ["--speed", "0"], ["--once", "--no-play"], ["x"]]
)
def test_a_senseless_command_line_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        Settings.from_arguments(arguments)
    assert refusal.value.code == 2
    assert Settings.from_arguments(["--once"]).row_count == 400
    assert Settings.from_arguments([]).row_count is None


def test_a_form_is_filled_with_what_is_known_and_what_it_suggests() -> None:
    target = InfluxTarget(url="https://influx:8443/db", is_ours=False, token="t")
    form = [
        {"name": "url", "description": {"suggested_value": "http://other"}},
        {"name": "token"},
        {"name": "organization", "description": {"suggested_value": "home"}},
        {"name": "port", "default": 8086},
        {"name": "ssl", "default": False},
        {"name": "path"},
        {"name": "password"},
        {
            "name": "tls",
            "type": "expandable",
            "schema": [{"name": "verify_ssl", "default": True}],
        },
    ]
    assert _fill_form(form, _hub_fields(target)) == {
        "url": "https://influx:8443/db",
        "token": "t",
        "organization": "home",
        "port": 8443,
        "ssl": True,
        "path": "/db",
        "tls": {"verify_ssl": True},
    }
