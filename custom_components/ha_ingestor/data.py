"""What a loaded hub keeps in its config entry."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry

from .coordinator import PipelineCoordinator
from .coordinators.hub_sources import HubSources
from .jobs.registry import JobRegistry
from .maintenance.storage import HubStorage
from .pipeline import Pipeline


@dataclass(slots=True)
class IngestorRuntimeData:
    """Run state of one hub.

    Attributes:
        connection: entry.data as the pipeline was started with; the update
            listener compares it to tell a new target from new options.
    """

    pipeline: Pipeline
    coordinator: PipelineCoordinator
    jobs: JobRegistry
    sources: HubSources
    storage: HubStorage
    connection: dict[str, object]


type IngestorConfigEntry = ConfigEntry[IngestorRuntimeData]
