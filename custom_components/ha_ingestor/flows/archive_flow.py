"""Adding and changing the archive in the UI.

Where it is, which is tried; then what goes there. The packages that it needs are
installed in between, with a page that says so.
"""

import asyncio
from collections.abc import Mapping
import json
import logging
from typing import Any, Final

import probatio

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.core import callback

from ..const import (
    CONF_BUCKET,
    CONF_EXPIRY_YEARS,
    CONF_HAS_LIFECYCLE,
    CONF_SERVICE,
    SUBENTRY_ARCHIVE,
)
from ..errors import ArchiveError, ArchiveLibraryError, PackagesMissingError
from ..maintenance.archive import async_install_packages
from ..maintenance.archive_settings import ArchiveService, expiry_days, read_target
from ..retention.lifecycle import add_expiry_rule, expiry_configuration
from ..retention.s3 import S3Bucket, S3Limits, S3Target
from ..retention.s3_probe import probe_bucket
from .archive_forms import (
    SETTINGS_SCHEMA,
    TARGET_SCHEMAS,
    get_root,
    read_target_values,
    shown_values,
    target_defaults,
)
from .archive_problems import describe_archive_error
from .problems import FIELD_BASE, FormProblem, FormProblemError

_LOGGER = logging.getLogger(__name__)

_STEP_INSTALL: Final = "install"
_STEP_SETTINGS: Final = "settings"
_STEP_LIFECYCLE: Final = "lifecycle"
# What is there already needs no page that says so.
_INSTALL_PATIENCE_S: Final = 0.5
# Somebody waits for the answer.
_LIMITS: Final = S3Limits(connect_timeout_s=5.0, read_timeout_s=15.0, try_count=2)
_EXAMPLES: Final = {"example_url": "http://nas.local:9000"}


class ArchiveFlow(ConfigSubentryFlow):
    """Asks for the archive, and believes it only after it has been tried."""

    def __init__(self) -> None:
        """Start without answers."""
        self._service = ArchiveService.AWS
        self._values: dict[str, Any] = {}
        # What was entered, while packages are installed for it.
        self._waiting: dict[str, Any] | None = None
        self._installation: asyncio.Task[None] | None = None
        # Of a form that is sent twice, one probe would delete the file of the other.
        self._probing = asyncio.Lock()
        self._lifecycle_problem = ""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask who runs the bucket."""
        if any(
            subentry.subentry_type == SUBENTRY_ARCHIVE
            for subentry in self._get_entry().subentries.values()
        ):
            return self.async_abort(reason="already_configured")
        return self.async_show_menu(
            step_id="user", menu_options=[service.value for service in ArchiveService]
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Open the form with what holds now."""
        stored = self._get_reconfigure_subentry().data
        return await self._async_ask(ArchiveService(stored[CONF_SERVICE]), None)

    async def async_step_aws(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a bucket of AWS."""
        return await self._async_ask(ArchiveService.AWS, user_input)

    async def async_step_other(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a bucket of another service that speaks S3."""
        return await self._async_ask(ArchiveService.OTHER, user_input)

    @property
    def _stored(self) -> Mapping[str, Any] | None:
        """What holds until now; None for a new archive."""
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._get_reconfigure_subentry().data

    async def _async_ask(
        self, service: ArchiveService, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        """Show the form of a service, or try what was entered in it."""
        self._service = service
        if user_input is None:
            user_input, self._waiting = self._waiting, None
        if user_input is None:
            known = self._stored or target_defaults(service, self._get_entry().entry_id)
            return self._show_target(known, None)
        try:
            values = read_target_values(service, user_input, self._stored)
            target = read_target(values)
        except FormProblemError as err:
            return self._show_target(user_input, err.problem)
        except ArchiveError as err:
            problem = describe_archive_error(err, service)
            return self._show_target(user_input, problem)
        if (installation := await self._async_install()) is None:
            self._waiting = user_input
            return await self.async_step_install()
        found = _find_problem(installation) or await self._async_probe(
            target, get_root(values)
        )
        if found is not None:
            return self._show_target(user_input, found)
        self._values = values
        return await self.async_step_settings()

    # --- packages ---

    async def _async_install(self) -> asyncio.Task[None] | None:
        """Begin to install what is needed; None while that takes its time.

        A form that is sent twice at once waits for the same installation.
        """
        if (task := self._installation) is None:
            task = self._installation = self.hass.async_create_task(
                async_install_packages(self.hass)
            )
        await asyncio.wait({task}, timeout=_INSTALL_PATIENCE_S)
        if not task.done():
            return None
        self._installation = None
        return task

    async def async_step_install(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show that packages are being installed; then go on with what was entered."""
        if self._installation is None or self._installation.done():
            return self.async_show_progress_done(next_step_id=self._service.value)
        return self.async_show_progress(
            step_id=_STEP_INSTALL,
            progress_action=_STEP_INSTALL,
            progress_task=self._installation,
        )

    # --- trying it ---

    async def _async_probe(self, target: S3Target, root: str) -> FormProblem | None:
        """Put a small file there and read it back; return what is wrong."""

        def probe() -> None:
            bucket = S3Bucket(target, _LIMITS)
            try:
                probe_bucket(bucket, root)
            finally:
                bucket.close()

        try:
            async with self._probing:
                await self.hass.async_add_executor_job(probe)
        except ArchiveError as err:
            return describe_archive_error(err, self._service)
        except Exception as err:  # noqa: BLE001 - whatever it is, the form says so
            # Its words could repeat what was sent.
            _LOGGER.error("Unexpected error at a bucket: %s", type(err).__name__)  # noqa: TRY400
            return FormProblem(FIELD_BASE, "unknown")
        return None

    # --- what goes there ---

    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what goes there, in which form and for how long; then save."""
        if user_input is None:
            return self.async_show_form(
                step_id=_STEP_SETTINGS,
                data_schema=self.add_suggested_values_to_schema(
                    SETTINGS_SCHEMA, self._stored
                ),
            )
        self._values |= user_input
        years = self._values[CONF_EXPIRY_YEARS] = int(user_input[CONF_EXPIRY_YEARS])
        if not years:
            self._values[CONF_HAS_LIFECYCLE] = False
        if self._values[CONF_HAS_LIFECYCLE]:
            problem = await self._async_add_rule(expiry_days(years))
            if problem is not None:
                self._values[CONF_HAS_LIFECYCLE] = False
                self._lifecycle_problem = problem
                return await self.async_step_lifecycle()
        return self._finish()

    async def _async_add_rule(self, days: int) -> str | None:
        """Have the bucket forget old files; return what is wrong, None if nothing."""
        target, root = read_target(self._values), get_root(self._values)

        def add() -> None:
            bucket = S3Bucket(target, _LIMITS)
            try:
                add_expiry_rule(bucket, root, days=days)
            finally:
                bucket.close()

        try:
            await self.hass.async_add_executor_job(add)
        except ArchiveError as err:
            return str(err)
        return None

    async def async_step_lifecycle(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the rule for the user to add."""
        if user_input is not None:
            return self._finish()
        days = expiry_days(self._values[CONF_EXPIRY_YEARS])
        rule = json.dumps(
            expiry_configuration(get_root(self._values), days=days), indent=2
        )
        # Indented, so that it is shown as it is to be copied.
        shown = "\n".join(f"    {line}" for line in rule.splitlines())
        return self.async_show_form(
            step_id=_STEP_LIFECYCLE,
            data_schema=probatio.Schema({}),
            description_placeholders={
                "rule": shown,
                "error": self._lifecycle_problem,
                "bucket": self._values[CONF_BUCKET],
            },
        )

    def _finish(self) -> SubentryFlowResult:
        title = self._values[CONF_BUCKET]
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_entry(),
                self._get_reconfigure_subentry(),
                title=title,
                data=self._values,
            )
        return self.async_create_entry(title=title, data=self._values)

    @callback
    def _show_target(
        self, values: Mapping[str, Any], problem: FormProblem | None
    ) -> SubentryFlowResult:
        schema = TARGET_SCHEMAS[self._service]
        fields = {str(marker) for marker in schema.schema}
        return self.async_show_form(
            step_id=self._service.value,
            data_schema=self.add_suggested_values_to_schema(
                schema, shown_values(values)
            ),
            errors=problem.as_errors(fields) if problem else None,
            description_placeholders={
                **_EXAMPLES,
                **(problem.placeholders if problem else {}),
            },
            last_step=False,
        )


def _find_problem(installation: asyncio.Task[None]) -> FormProblem | None:
    """Return what went wrong at an installation that has ended."""
    match installation.exception():
        case None:
            return None
        case PackagesMissingError() | ArchiveLibraryError() as err:
            return FormProblem(FIELD_BASE, "not_installed", {"error": str(err)})
        case err:
            _LOGGER.error("Unexpected error at an installation", exc_info=err)
            return FormProblem(FIELD_BASE, "unknown")
