"""Coordinators: the pipeline's figures for its entities."""

from dataclasses import dataclass
import logging
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import DOMAIN, PIPELINE_UPDATE_INTERVAL
from .pipeline import Pipeline, PipelineSnapshot

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineHealth:
    """What the entities of a pipeline show.

    Attributes:
        write_rate: Points written per second since the figures before these.
        catch_up_s: How long the backlog will take at the pace of that time; None
            where it does not shrink, 0 where there is none to speak of.
    """

    figures: PipelineSnapshot
    write_rate: float
    catch_up_s: float | None


class PipelineCoordinator(DataUpdateCoordinator[PipelineHealth]):
    """Reads the pipeline's counters twice a minute, and at once when the link changes.

    It reads memory only, so it cannot fail.
    """

    config_entry: ConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, pipeline: Pipeline
    ) -> None:
        """Watch one pipeline."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=f"{DOMAIN} pipeline",
            update_interval=PIPELINE_UPDATE_INTERVAL,
        )
        self._pipeline = pipeline
        self._written_before = pipeline.stats.written
        self._backlog_before = 0
        self._read_at = hass.loop.time()
        self.data = self._read()

    @override
    async def _async_update_data(self) -> PipelineHealth:
        return self._read()

    @callback
    def async_refresh_now(self) -> None:
        """Show a change that people wait for."""
        self.async_set_updated_data(self._read())

    def _read(self) -> PipelineHealth:
        now = self.hass.loop.time()
        figures = self._pipeline.snapshot()
        elapsed_s = now - self._read_at
        written = figures.written - self._written_before
        shrunk = self._backlog_before - figures.backlog_points
        self._read_at, self._written_before = now, figures.written
        self._backlog_before = figures.backlog_points
        write_rate = written / elapsed_s if elapsed_s > 0 else 0.0
        return PipelineHealth(
            figures=figures,
            write_rate=write_rate,
            catch_up_s=_catch_up_s(figures.backlog_points, written, shrunk, elapsed_s),
        )


def _catch_up_s(
    backlog: int, written: int, shrunk: int, elapsed_s: float
) -> float | None:
    """Say how long a backlog will take, from what happened in a span of time."""
    if backlog <= written:
        # Less than a span's worth: that is how points wait between two requests.
        return 0.0
    if shrunk <= 0 or elapsed_s <= 0:
        return None
    return backlog * elapsed_s / shrunk
