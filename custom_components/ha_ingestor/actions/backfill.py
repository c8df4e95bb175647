"""The actions that bring history: from the recorder, and from a CSV.

For administrators only. Each starts a job and answers with its id.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import probatio

from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util

from ..backfill.csv_job import JOB_BACKFILL_CSV, CsvParameters
from ..backfill.recorder import has_recorder
from ..backfill.recorder_job import JOB_BACKFILL, BackfillParameters
from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    ATTR_DRY_RUN,
    ATTR_END,
    ATTR_PATH,
    ATTR_START,
    ATTR_STATISTICS,
    DOMAIN,
    SERVICE_BACKFILL,
    SERVICE_BACKFILL_CSV,
)
from ..data import IngestorConfigEntry
from ..errors import TooManyJobsError

# More are chosen faster by leaving the choice to the hub's own filter.
MAX_ENTITIES: Final = 500

BACKFILL_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Optional(ATTR_ENTITY_ID): probatio.All(
            cv.entity_ids, probatio.Length(min=1, max=MAX_ENTITIES)
        ),
        probatio.Optional(ATTR_START): cv.datetime,
        probatio.Optional(ATTR_END): cv.datetime,
        probatio.Optional(ATTR_STATISTICS, default=True): cv.boolean,
        probatio.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
    }
)
BACKFILL_CSV_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_PATH): probatio.All(cv.string, probatio.Length(min=1)),
        probatio.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
    }
)


class BackfillResponse(TypedDict):
    """Answer of both: `list_jobs` tells how the job gets on."""

    job_id: str


@callback
def async_setup_backfill_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_BACKFILL,
        _async_backfill,
        schema=BACKFILL_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_BACKFILL_CSV,
        _async_backfill_csv,
        schema=BACKFILL_CSV_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_backfill(call: ServiceCall) -> ServiceResponse:
    if not has_recorder(call.hass):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="recorder_missing"
        )
    now_s = dt_util.utcnow().timestamp()
    start_s = _to_unix_s(call.data.get(ATTR_START), 0.0)
    end_s = min(_to_unix_s(call.data.get(ATTR_END), now_s), now_s)
    if not 0 <= start_s < end_s:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="backfill_period"
        )
    entity_ids: list[str] | None = call.data.get(ATTR_ENTITY_ID)
    parameters = BackfillParameters(
        entity_ids=None if entity_ids is None else sorted(set(entity_ids)),
        start_s=start_s,
        end_s=end_s,
        has_statistics=call.data[ATTR_STATISTICS],
        is_dry_run=call.data[ATTR_DRY_RUN],
        is_automatic=False,
    )
    return await _async_start(call, JOB_BACKFILL, parameters)


async def _async_backfill_csv(call: ServiceCall) -> ServiceResponse:
    # A path that is not absolute is meant from the folder that people see.
    path = call.hass.config.path(call.data[ATTR_PATH])
    if not await call.hass.async_add_executor_job(
        call.hass.config.is_allowed_path, path
    ):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="path_not_allowed",
            translation_placeholders={"path": path},
        )
    if not await call.hass.async_add_executor_job(Path(path).is_file):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="file_not_found",
            translation_placeholders={"path": path},
        )
    parameters = CsvParameters(path=path, is_dry_run=call.data[ATTR_DRY_RUN])
    return await _async_start(call, JOB_BACKFILL_CSV, parameters)


async def _async_start(
    call: ServiceCall, kind: str, parameters: Mapping[str, Any]
) -> ServiceResponse:
    entry: IngestorConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    try:
        job = await entry.runtime_data.jobs.async_add(kind, parameters)
    except TooManyJobsError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_many_jobs"
        ) from err
    return cast("ServiceResponse", BackfillResponse(job_id=job.job_id))


def _to_unix_s(at: datetime | None, default: float) -> float:
    # A time without a zone is Home Assistant's own. A point has the recorder's time
    # rounded to a microsecond, so half of one belongs to it.
    return default if at is None else dt_util.as_utc(at).timestamp() - 5e-7
