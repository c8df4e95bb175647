"""The count of a day's states in a real recorder."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy.exc import OperationalError

from custom_components.ha_ingestor.errors import RecorderMissingError
from custom_components.ha_ingestor.estimate import recorder_queries
from custom_components.ha_ingestor.estimate.recorder import async_count_changes
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant


@pytest.fixture(autouse=True)
def _custom_integrations(
    recorder_mock: Recorder, enable_custom_integrations: None
) -> None:
    """Start the recorder before Home Assistant, as it has to be."""


def change(hass: HomeAssistant, entity_id: str, count: int) -> None:
    for number in range(count):
        hass.states.async_set(entity_id, str(number), {"number": number})


async def test_counts_a_day(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    change(hass, "sensor.old", 7)
    change(hass, "sensor.both", 7)
    await async_wait_recording_done(hass)
    freezer.tick(timedelta(hours=25))
    change(hass, "sensor.both", 5)
    # Attributes alone are worth a point too, and so is a removal.
    hass.states.async_set("light.hall", "on", {"brightness": 1})
    hass.states.async_set("light.hall", "on", {"brightness": 2})
    hass.states.async_remove("light.hall")
    await async_wait_recording_done(hass)
    rates = await async_count_changes(hass)
    assert rates.per_day == {"sensor.both": 5, "light.hall": 3}
    assert rates.hours == 24


@pytest.mark.parametrize(
    ("age", "hours", "expected"),
    [
        pytest.param(timedelta(hours=6), 6, 40, id="part-of-a-day"),
        # A start with its many first states must not be taken for a busy home.
        pytest.param(timedelta(minutes=1), 1, 240, id="just-started"),
    ],
)
async def test_short_history_is_taken_for_a_day(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    age: timedelta,
    hours: float,
    expected: float,
) -> None:
    change(hass, "sensor.room", 10)
    await async_wait_recording_done(hass)
    freezer.tick(age)
    rates = await async_count_changes(hass)
    assert rates.hours == pytest.approx(hours, abs=0.01)
    assert rates.per_day == {"sensor.room": pytest.approx(expected, rel=0.01)}


async def test_empty_recorder(hass: HomeAssistant) -> None:
    rates = await async_count_changes(hass)
    assert rates.per_day == {}
    assert rates.hours == 1


def is_starting(ready: asyncio.Future[bool]) -> None:
    """Leave it undecided, as during a migration."""


def has_failed(ready: asyncio.Future[bool]) -> None:
    ready.set_result(False)


@pytest.mark.parametrize("condition", [is_starting, has_failed])
async def test_database_that_is_not_ready(
    hass: HomeAssistant,
    recorder_mock: Recorder,
    condition: Callable[[asyncio.Future[bool]], None],
) -> None:
    change(hass, "sensor.room", 2)
    await async_wait_recording_done(hass)
    ready = recorder_mock.async_db_ready
    recorder_mock.async_db_ready = hass.loop.create_future()
    condition(recorder_mock.async_db_ready)
    with pytest.raises(RecorderMissingError):
        await async_count_changes(hass)
    recorder_mock.async_db_ready = ready
    assert set((await async_count_changes(hass)).per_day) == {"sensor.room"}


async def test_database_that_does_not_answer(hass: HomeAssistant) -> None:
    change(hass, "sensor.room", 2)
    await async_wait_recording_done(hass)
    fault = OperationalError("SELECT", {}, Exception("disk I/O error"))
    with (
        patch.object(recorder_queries, "session_scope", side_effect=fault),
        pytest.raises(RecorderMissingError),
    ):
        await async_count_changes(hass)
    assert set((await async_count_changes(hass)).per_day) == {"sensor.room"}


async def test_count_reads_an_index_and_no_table(
    hass: HomeAssistant, recorder_mock: Recorder
) -> None:
    # On a table of millions on a memory card the difference is a minute.
    plans: list[str] = []

    def explain() -> None:
        with recorder_queries.session_scope(hass=hass, read_only=True) as session:
            statement = recorder_queries.create_statement(0.0).compile(
                session.get_bind(), compile_kwargs={"literal_binds": True}
            )
            rows = session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}"
            )
            plans.extend(row[-1] for row in rows)

    await recorder_mock.async_add_executor_job(explain)
    [plan] = [plan for plan in plans if "SEARCH states " in plan]
    assert "USING COVERING INDEX ix_states_metadata_id_last_updated_ts" in plan
