"""The actions that list and cancel long jobs.

For administrators only: the parameters of a job name entities and files.
"""

from typing import Final, TypedDict, cast

import probatio

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv, service

from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    ATTR_JOB_ID,
    DOMAIN,
    SERVICE_CANCEL_JOB,
    SERVICE_LIST_JOBS,
)
from ..data import IngestorConfigEntry
from ..jobs.job import JobView

LIST_SCHEMA: Final = probatio.Schema(
    {probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
)
CANCEL_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_JOB_ID): cv.string,
    }
)


class ListJobsResponse(TypedDict):
    """Answer of `list_jobs`: the newest first."""

    jobs: list[JobView]


class CancelJobResponse(TypedDict):
    """Answer of `cancel_job`: the job as it ended."""

    job: JobView


@callback
def async_setup_job_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_LIST_JOBS,
        _async_list,
        schema=LIST_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_CANCEL_JOB,
        _async_cancel,
        schema=CANCEL_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_list(call: ServiceCall) -> ServiceResponse:
    entry: IngestorConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    jobs = entry.runtime_data.jobs.jobs
    response = ListJobsResponse(jobs=[job.view() for job in reversed(jobs)])
    return cast("ServiceResponse", response)


async def _async_cancel(call: ServiceCall) -> ServiceResponse:
    entry: IngestorConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    job_id: str = call.data[ATTR_JOB_ID]
    registry = entry.runtime_data.jobs
    if (job := registry.get(job_id)) is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="job_not_found",
            translation_placeholders={"job_id": job_id},
        )
    await registry.async_cancel(job)
    return cast("ServiceResponse", CancelJobResponse(job=job.view()))
