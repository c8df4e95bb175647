"""The form that takes the history of another system, as a CSV that is uploaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import probatio

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import BooleanSelector, FileSelectorConfig
from homeassistant.util import dt as dt_util

from ..backfill.csv_file import check_start
from ..backfill.csv_job import JOB_BACKFILL_CSV, CsvParameters
from ..backfill.imports import (
    MAX_IMPORT_BYTES,
    KeptUpload,
    delete_import,
    get_import_path,
    keep_upload,
)
from ..const import ATTR_DRY_RUN
from ..data import IngestorConfigEntry
from ..errors import (
    ImportColumnsError,
    ImportFileError,
    ImportGoneError,
    ImportTooLargeError,
    TooManyJobsError,
)
from ..jobs.job import Job
from .certificate import RemovableFileSelector
from .problems import FIELD_BASE, FormProblem, FormProblemError

CONF_FILE: Final = "file"

_MIB: Final = 1024 * 1024

IMPORT_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_FILE): RemovableFileSelector(
            FileSelectorConfig(accept=".csv,.tsv,.txt")
        ),
        probatio.Required(ATTR_DRY_RUN, default=False): BooleanSelector(),
    }
)


async def async_start_import(
    hass: HomeAssistant, entry: IngestorConfigEntry, user_input: Mapping[str, Any]
) -> Job | None:
    """Start what the form asks for.

    Returns:
        The job, None if the hub has stopped meanwhile.

    Raises:
        FormProblemError: The file cannot be imported, or not now.
    """
    if not (file_id := user_input.get(CONF_FILE)):
        raise FormProblemError(CONF_FILE, "import_no_file")
    jobs = entry.runtime_data.jobs
    # Asked first, so that the upload is still there for another try.
    if jobs.is_full:
        raise FormProblemError(FIELD_BASE, "too_many_jobs")
    upload = await hass.async_add_executor_job(_receive, hass, entry.entry_id, file_id)
    if (
        entry.state is not ConfigEntryState.LOADED
        or entry.runtime_data.jobs is not jobs
    ):
        await hass.async_add_executor_job(delete_import, hass, upload.key)
        return None
    parameters = CsvParameters(
        path=upload.name, is_dry_run=user_input[ATTR_DRY_RUN], upload=upload.key
    )
    try:
        return await jobs.async_add(JOB_BACKFILL_CSV, parameters)
    except TooManyJobsError as err:
        await hass.async_add_executor_job(delete_import, hass, upload.key)
        raise FormProblemError(FIELD_BASE, "too_many_jobs") from err


def _receive(hass: HomeAssistant, entry_id: str, file_id: str) -> KeptUpload:
    """Take an upload over if it looks like one that can be imported; blocks."""
    try:
        upload = keep_upload(hass, entry_id, file_id)
    except ImportGoneError as err:
        raise FormProblemError(CONF_FILE, "import_gone") from err
    except ImportTooLargeError as err:
        raise FormProblemError(
            CONF_FILE,
            "import_too_large",
            {
                "size": f"{err.size_bytes / _MIB:.0f}",
                "maximum": f"{MAX_IMPORT_BYTES / _MIB:.0f}",
            },
        ) from err
    except ImportFileError as err:
        raise FormProblemError(
            CONF_FILE, "import_not_kept", {"reason": str(err)}
        ) from err
    if (problem := _look_at(get_import_path(hass, upload.key))) is not None:
        delete_import(hass, upload.key)
        raise FormProblemError(problem.field, problem.key, problem.placeholders)
    return upload


def _look_at(path: Path) -> FormProblem | None:
    """Return why a file is none that can be imported, as far as its start tells."""
    try:
        problem = check_start(
            path,
            time_zone=dt_util.get_default_time_zone(),
            now_s=dt_util.utcnow().timestamp(),
        )
    except ImportColumnsError as err:
        return FormProblem(
            CONF_FILE, "import_columns", {"missing": ", ".join(err.missing)}
        )
    except ImportFileError as err:
        return FormProblem(CONF_FILE, "import_not_kept", {"reason": str(err)})
    if problem is None:
        return None
    return FormProblem(CONF_FILE, "import_unreadable", {"problem": problem})
