"""The pipeline at its edges: before it starts, after it has stopped, on a bad disk."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor import pipeline as pipeline_module
from custom_components.ha_ingestor.errors import DiskBufferError
from custom_components.ha_ingestor.options import HubOptions
from custom_components.ha_ingestor.pipeline import Pipeline
from custom_components.ha_ingestor.store.influx.target import Target
from custom_components.ha_ingestor.store.stats import LinkState
from homeassistant.core import HomeAssistant
from tests.conftest import entry_data


def make(hass: HomeAssistant, influxdb: Any) -> Pipeline:
    target = Target.from_entry_data(entry_data(influxdb))
    return Pipeline(hass, "edge", target, HubOptions(), lambda _: None)


async def test_a_pipeline_that_was_never_started(
    hass: HomeAssistant, influxdb: Any
) -> None:
    pipeline = make(hass, influxdb)
    await pipeline.async_stop(is_collecting=False)
    figures = await pipeline.async_flush()
    assert figures.captured == figures.backlog_points == 0
    assert figures.link is LinkState.UNTRIED
    pipeline.request_flush()
    hass.states.async_set("sensor.a", "1")
    state = hass.states.get("sensor.a")
    assert state is not None
    with pytest.raises(RuntimeError, match="not running"):
        pipeline.preview(state)
    with pytest.raises(RuntimeError, match="not running"):
        pipeline.put_past([])
    report = pipeline.work_report()
    assert not report.is_encoder_alive
    assert not report.is_sender_alive


async def test_options_of_a_stopped_pipeline_are_kept_for_later(
    hass: HomeAssistant, influxdb: Any
) -> None:
    pipeline = make(hass, influxdb)
    await pipeline.async_start()
    await pipeline.async_stop(is_collecting=False)
    options = HubOptions(buffer_bytes=1 << 20)
    await pipeline.async_set_options(options)
    assert pipeline.options is options
    assert pipeline.buffer.max_bytes == 1 << 20


async def test_a_disk_that_hangs_at_stop_is_said_plainly(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pipeline_module, "_STOP_ENCODER_S", 0.05)
    pipeline: Pipeline = hub.runtime_data.pipeline
    await pipeline.async_flush()
    error = DiskBufferError("disk I/O error")

    def refuse(*_: Any) -> int:
        raise error

    monkeypatch.setattr(pipeline.buffer, "save_counters", refuse)
    encoder = pipeline._encoder
    assert encoder is not None
    stop = encoder.stop
    monkeypatch.setattr(encoder, "stop", lambda timeout_s: stop(5) and False)
    await pipeline.async_stop(is_collecting=False)
    assert "The disk did not take the last" in caplog.text


async def test_repaired_values_are_counted_across_restarts(
    hass: HomeAssistant, influxdb: Any
) -> None:
    pipeline = make(hass, influxdb)
    await pipeline.async_start()
    hass.states.async_set("sensor.a", "nan")
    assert (await pipeline.async_flush()).repaired == 1
    await pipeline.async_stop(is_collecting=False)
    again = make(hass, influxdb)
    await again.async_start()
    assert again.snapshot().repaired == 1
    await again.async_stop(is_collecting=False)
