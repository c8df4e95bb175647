"""Setting up, changing and repairing a hub in the UI."""

from collections.abc import Mapping
from functools import partial
import logging
from typing import Any, Final, override

import probatio

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PATH,
    CONF_PORT,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.core import callback

from .const import (
    CONF_API_VERSION,
    CONF_CA_CERTIFICATE,
    CONF_STORE,
    DOMAIN,
    SUBENTRY_ARCHIVE,
)
from .coordinators.kinds import COORDINATORS
from .errors import StoreError
from .flows.archive_flow import ArchiveFlow
from .flows.certificate import CertificateError, read_uploaded_certificate
from .flows.hub_forms import (
    CONF_REMOVE_CA_CERTIFICATE,
    SECTION_TLS,
    TlsInput,
    build_entry_data,
    create_credentials_schema,
    create_detect_schema,
    create_store_schema,
    create_target_schema,
    get_form_values,
    parse_store,
    read_credentials,
    read_url,
)
from .flows.hub_options import HubOptionsFlow
from .flows.problems import FIELD_BASE, FormProblem, FormProblemError
from .flows.source_flow import create_source_flow
from .flows.store_problems import (
    KEY_STORE_MISSING,
    KEY_WRONG_GENERATION,
    describe_detect_error,
    describe_store_error,
)
from .store.influx.detect import detect
from .store.influx.probe import probe_target
from .store.influx.target import ApiVersion, Target

_LOGGER = logging.getLogger(__name__)

# The forms of the generations, by their steps.
_STEP_VERSIONS: Final = {
    "v1": ApiVersion.V1,
    "v2": ApiVersion.V2,
    "v3": ApiVersion.V3,
    "reconfigure_v1": ApiVersion.V1,
    "reconfigure_v2": ApiVersion.V2,
    "reconfigure_v3": ApiVersion.V3,
}

# Translations hold no URLs, so that no translator can change one.
_EXAMPLE_PLACEHOLDERS: Final = {
    "example_url": "http://influxdb.local:8086",
    "example_url_v3": "http://influxdb.local:8181",
}


def _concerns_tls(problem: FormProblem | None) -> bool:
    """Tell whether the fields of the TLS section must be seen."""
    return problem is not None and problem.field == SECTION_TLS


def _get_title(data: Mapping[str, Any]) -> str:
    """Return the title of a hub that nobody has renamed."""
    return f"{data[CONF_STORE]} on {data[CONF_HOST]}"


class IngestorConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks where a hub writes to, and believes it only after it has been tried."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Start without answers."""
        # Home Assistant removes an upload once it is read, but a form that comes
        # back with an error still carries its id.
        self._certificates: dict[str, str] = {}
        # What detection has found out, for the form that follows it.
        self._detected: dict[str, Any] = {}
        # Entry data that lack nothing but the store on the server.
        self._pending: dict[str, Any] = {}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow of the options."""
        return HubOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flows of the kinds of source, and of the archive."""
        flows: dict[str, type[ConfigSubentryFlow]] = {
            kind: create_source_flow(kind) for kind in COORDINATORS
        }
        return {**flows, SUBENTRY_ARCHIVE: ArchiveFlow}

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the generation, or offer to find it out."""
        return self.async_show_menu(
            step_id="user", menu_options=["detect", "v1", "v2", "v3"]
        )

    async def async_step_detect(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Find out the generation behind a URL and go on to its form."""
        problem: FormProblem | None = None
        if user_input is not None:
            problem = await self._async_detect(user_input)
            if problem is None:
                return await self._async_handle_target(
                    f"v{self._detected[CONF_API_VERSION]}", None
                )
        return self._async_show_form(
            "detect",
            create_detect_schema(is_tls_open=_concerns_tls(problem)),
            user_input,
            problem,
            _EXAMPLE_PLACEHOLDERS,
        )

    async def async_step_v1(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a hub on InfluxDB 1.x."""
        return await self._async_handle_target("v1", user_input)

    async def async_step_v2(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a hub on InfluxDB 2.x."""
        return await self._async_handle_target("v2", user_input)

    async def async_step_v3(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a hub on InfluxDB 3.x."""
        return await self._async_handle_target("v3", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Open the form of the entry's generation."""
        api_version = self._get_reconfigure_entry().data[CONF_API_VERSION]
        return await self._async_handle_target(f"reconfigure_v{api_version}", None)

    async def async_step_reconfigure_v1(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change a hub on InfluxDB 1.x."""
        return await self._async_handle_target("reconfigure_v1", user_input)

    async def async_step_reconfigure_v2(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change a hub on InfluxDB 2.x."""
        return await self._async_handle_target("reconfigure_v2", user_input)

    async def async_step_reconfigure_v3(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change a hub on InfluxDB 3.x."""
        return await self._async_handle_target("reconfigure_v3", user_input)

    async def async_step_create_store(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer to create the database or bucket, or to correct its name."""
        problem: FormProblem | None = None
        if user_input is not None:
            try:
                store = parse_store(user_input[CONF_STORE])
            except FormProblemError as err:
                problem = err.problem
            else:
                self._pending = {**self._pending, CONF_STORE: store}
                self._abort_if_target_configured(self._pending)
                problem = await self._async_create_store(self._pending)
                if problem is None:
                    return self._async_finish(self._pending)
        target = Target.from_entry_data(self._pending)
        return self._async_show_form(
            "create_store",
            create_store_schema(),
            user_input or {CONF_STORE: target.store},
            problem,
            {"store": target.store, "url": target.url},
        )

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Begin to ask for credentials that the server accepts."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for user and password, or for a token, and nothing else."""
        entry = self._get_reauth_entry()
        problem: FormProblem | None = None
        if user_input is not None:
            credentials = read_credentials(user_input)
            problem = await self._async_probe({**entry.data, **credentials})
            if problem is None:
                return self.async_update_and_abort(entry, data_updates=credentials)
        target = Target.from_entry_data(entry.data)
        return self._async_show_form(
            "reauth_confirm",
            create_credentials_schema(target.api_version),
            user_input or {CONF_USERNAME: target.username},
            problem,
            {"store": target.store, "url": target.url},
        )

    async def _async_handle_target(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Show the form of one generation, or try what was entered in it."""
        stored = self._get_stored_data()
        if user_input is None:
            values = self._detected if stored is None else get_form_values(stored)
            return self._async_show_target(step_id, values)
        try:
            tls = await self._async_read_tls(user_input[SECTION_TLS], stored)
            data = build_entry_data(_STEP_VERSIONS[step_id], user_input, tls, stored)
        except FormProblemError as err:
            return self._async_show_target(step_id, user_input, err.problem)
        self._abort_if_target_configured(data)
        problem = await self._async_probe(data)
        if problem is None:
            return self._async_finish(data)
        if problem.key == KEY_STORE_MISSING:
            self._pending = data
            return await self.async_step_create_store()
        if problem.key == KEY_WRONG_GENERATION and stored is not None:
            # The server has been upgraded: what is left to ask is in another form.
            found = problem.placeholders["found"]
            values = get_form_values(data)
            tls_input = {**values[SECTION_TLS], **user_input[SECTION_TLS]}
            return self._async_show_target(
                f"reconfigure_v{found}",
                {**values, SECTION_TLS: tls_input},
                FormProblem(FIELD_BASE, "generation_changed", {"found": found}),
            )
        return self._async_show_target(step_id, user_input, problem)

    @callback
    def _async_show_target(
        self,
        step_id: str,
        values: Mapping[str, Any],
        problem: FormProblem | None = None,
    ) -> ConfigFlowResult:
        """Show the form of one generation."""
        schema = create_target_schema(
            _STEP_VERSIONS[step_id],
            is_tls_open=_concerns_tls(problem),
            stored=self._get_stored_data(),
        )
        return self._async_show_form(
            step_id, schema, values, problem, _EXAMPLE_PLACEHOLDERS
        )

    @callback
    def _get_stored_data(self) -> Mapping[str, Any] | None:
        """Return the data of the entry that is changed, None for a new one."""
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._get_reconfigure_entry().data

    @callback
    def _async_show_form(
        self,
        step_id: str,
        schema: probatio.Schema,
        values: Mapping[str, Any] | None,
        problem: FormProblem | None,
        placeholders: Mapping[str, str] | None = None,
    ) -> ConfigFlowResult:
        """Show a form with what is known so far and what is wrong with it."""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=problem.as_errors(schema.schema) if problem else None,
            description_placeholders={
                **(placeholders or {}),
                **(problem.placeholders if problem else {}),
            },
        )

    @callback
    def _abort_if_target_configured(self, data: Mapping[str, Any]) -> None:
        """Refuse a store that another hub writes to."""
        self._async_abort_entries_match(
            {key: data[key] for key in (CONF_HOST, CONF_PORT, CONF_PATH, CONF_STORE)}
        )

    @callback
    def _async_finish(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Create the entry, or change the one that this flow is about."""
        if self.source != SOURCE_RECONFIGURE:
            return self.async_create_entry(title=_get_title(data), data=data)
        entry = self._get_reconfigure_entry()
        is_renamed = entry.title != _get_title(entry.data)
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            entry, title=entry.title if is_renamed else _get_title(data), data=data
        )

    async def _async_read_tls(
        self, tls_input: Mapping[str, Any], stored: Mapping[str, Any] | None
    ) -> TlsInput:
        """Read the TLS section and the certificate that came with it.

        Raises:
            FormProblemError: The upload is no certificate.
        """
        verify_ssl = tls_input[CONF_VERIFY_SSL]
        if file_id := tls_input.get(CONF_CA_CERTIFICATE):
            certificate = await self._async_read_certificate(file_id)
        elif stored is None or tls_input.get(CONF_REMOVE_CA_CERTIFICATE):
            certificate = ""
        else:
            certificate = stored.get(CONF_CA_CERTIFICATE, "")
        return TlsInput(verify_ssl=verify_ssl, ca_certificate=certificate)

    async def _async_read_certificate(self, file_id: str) -> str:
        """Return an upload as PEM text, also a second time."""
        if file_id not in self._certificates:
            try:
                pem = await self.hass.async_add_executor_job(
                    read_uploaded_certificate, self.hass, file_id
                )
            except CertificateError as err:
                # The browser shows no error inside a section, only above it.
                raise FormProblemError(SECTION_TLS, "invalid_certificate") from err
            self._certificates[file_id] = pem
        return self._certificates[file_id]

    async def _async_detect(self, user_input: Mapping[str, Any]) -> FormProblem | None:
        """Ask the server what it is and keep the answer for its form."""
        try:
            address = read_url(user_input[CONF_URL])
            tls = await self._async_read_tls(user_input[SECTION_TLS], None)
        except FormProblemError as err:
            return err.problem
        try:
            info = await self.hass.async_add_executor_job(
                partial(
                    detect,
                    user_input[CONF_URL],
                    username=user_input.get(CONF_USERNAME, ""),
                    password=user_input.get(CONF_PASSWORD, ""),
                    token=user_input.get(CONF_TOKEN, ""),
                    verify_ssl=tls.verify_ssl,
                    ca_certificate=tls.ca_certificate,
                )
            )
        except StoreError as err:
            return describe_detect_error(err, address, verify_ssl=tls.verify_ssl)
        except Exception:
            _LOGGER.exception("Unexpected error while a server was identified")
            return FormProblem(FIELD_BASE, "unknown")
        self._detected = {
            **user_input,
            **address,
            SECTION_TLS: {**user_input[SECTION_TLS], CONF_PATH: address[CONF_PATH]},
            CONF_API_VERSION: info.api_version.value,
        }
        return None

    async def _async_probe(
        self, data: Mapping[str, Any], *, create: bool = False
    ) -> FormProblem | None:
        """Try to write, read and delete; return what is wrong, None if nothing."""
        target = Target.from_entry_data(data)
        try:
            await self.hass.async_add_executor_job(
                partial(probe_target, target, create=create)
            )
        except StoreError as err:
            return describe_store_error(err, target)
        except Exception:
            _LOGGER.exception("Unexpected error while a target was tried")
            return FormProblem(FIELD_BASE, "unknown")
        return None

    async def _async_create_store(self, data: Mapping[str, Any]) -> FormProblem | None:
        """Create the store unless somebody has done so by now; then try it."""
        problem = await self._async_probe(data)
        if problem is not None and problem.key == KEY_STORE_MISSING:
            problem = await self._async_probe(data, create=True)
        return problem
