"""Adding and changing a source in the UI: one flow for all kinds.

Provider, then its arguments, which are tried against it, then what the kind makes of
the answers. Every provider has a step of its own name, so that it has texts of its
own.
"""

from collections.abc import Callable, Mapping
import logging
from typing import Any, ClassVar, Final

import probatio

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant, callback

from ..const import CONF_ARGUMENTS, CONF_PROVIDER, CONF_SETTINGS
from ..coordinators.environment import create_context, create_source
from ..errors import (
    SourceArgumentError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceUnavailableError,
)
from ..models import SourceKind
from ..sources.base import SourceDescription, SourceResult
from ..sources.catalog import SETTINGS, SOURCES, list_sources
from .problems import FIELD_BASE, FormProblem
from .source_forms import (
    create_argument_schema,
    create_provider_schema,
    read_arguments,
)

_LOGGER = logging.getLogger(__name__)

STEP_SETTINGS: Final = "settings"

# What must be there before a kind makes sense; returns the reason to give up.
PRECONDITIONS: Final[Mapping[SourceKind, Callable[[HomeAssistant], str | None]]] = {}


class SourceFlow(ConfigSubentryFlow):
    """Asks for one source, and believes it only after it has answered."""

    kind: ClassVar[SourceKind]

    def __init__(self) -> None:
        """Start without answers."""
        self._arguments: dict[str, Any] = {}
        self._result: SourceResult[Any] | None = None
        self._source: SourceDescription[Any] | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the provider, unless there is only one."""
        precondition = PRECONDITIONS.get(self.kind)
        if precondition and (reason := precondition(self.hass)) is not None:
            return self.async_abort(reason=reason)
        sources = list_sources(self.kind)
        if user_input is not None:
            return await self._async_ask(SOURCES[user_input[CONF_PROVIDER]], None)
        if len(sources) == 1:
            return await self._async_ask(sources[0], None)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                create_provider_schema(self.kind), {CONF_PROVIDER: self._find_likely()}
            ),
        )

    def _find_likely(self) -> str:
        """Return the provider that most homes of this country would choose."""
        country = self.hass.config.country
        sources = list_sources(self.kind)
        for source in sources:
            if country in source.countries:
                return source.key
        everywhere = [source for source in sources if not source.countries]
        return (everywhere or sources)[0].key

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the arguments again."""
        provider = self._get_reconfigure_subentry().data[CONF_PROVIDER]
        return await self._async_ask(SOURCES[provider], None)

    async def _async_ask(
        self, source: SourceDescription[Any], user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        """Show the form of a provider, or try what was entered in it."""
        self._source = source
        stored = self._get_stored(CONF_ARGUMENTS)
        if user_input is None and source.arguments:
            return self._show(source.key, stored, None, None)
        values = read_arguments(source.arguments, user_input or {}, stored)
        if self._is_configured(source, values):
            return self.async_abort(reason="already_configured")
        problem = await self._async_try(source, values)
        if problem is not None:
            return self._show(source.key, stored, user_input or {}, problem)
        self._arguments = values
        return await self.async_step_settings()

    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to make of the answers; then save."""
        arguments = SETTINGS.get(self.kind, ())
        stored = self._get_stored(CONF_SETTINGS)
        if user_input is None and arguments:
            return self._show(STEP_SETTINGS, stored, None, None)
        return self._finish(read_arguments(arguments, user_input or {}, stored))

    def _finish(self, settings: Mapping[str, Any]) -> SubentryFlowResult:
        assert self._source is not None  # noqa: S101 - no step leads here without it
        data = {
            CONF_PROVIDER: self._source.key,
            CONF_ARGUMENTS: self._arguments,
            CONF_SETTINGS: dict(settings),
        }
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_entry(), self._get_reconfigure_subentry(), data=data
            )
        return self.async_create_entry(title=self._get_title(), data=data)

    def _get_title(self) -> str:
        assert self._source is not None  # noqa: S101 - likewise
        place = self._result.place if self._result else None
        return f"{self._source.name} {place}" if place else self._source.name

    def _get_stored(self, part: str) -> Mapping[str, Any] | None:
        """Return what holds until now, None for a new source."""
        if self.source != SOURCE_RECONFIGURE:
            return None
        stored: Mapping[str, Any] = self._get_reconfigure_subentry().data[part]
        return stored

    def _is_configured(
        self, source: SourceDescription[Any], values: Mapping[str, Any]
    ) -> bool:
        """Tell whether another source of this hub is the same."""
        own_id = (
            self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        )
        return any(
            subentry.data[CONF_PROVIDER] == source.key
            and subentry.data[CONF_ARGUMENTS] == values
            for subentry in self._get_entry().subentries.values()
            if subentry.subentry_type == self.kind and subentry.subentry_id != own_id
        )

    @callback
    def _show(
        self,
        step_id: str,
        stored: Mapping[str, Any] | None,
        user_input: Mapping[str, Any] | None,
        problem: FormProblem | None,
    ) -> SubentryFlowResult:
        """Show the form of a provider, or of the kind's settings."""
        assert self._source is not None  # noqa: S101 - likewise
        is_settings = step_id == STEP_SETTINGS
        schema = create_argument_schema(
            SETTINGS[self.kind] if is_settings else self._source.arguments,
            create_context(self.hass),
            stored=stored,
        )
        if user_input is not None:
            schema = self.add_suggested_values_to_schema(schema, user_input)
        answer = self._result.data.summary if self._result else ""
        return self.async_show_form(
            step_id=step_id,
            data_schema=schema,
            errors=problem.as_errors(_list_fields(schema)) if problem else None,
            description_placeholders={
                "provider": self._source.name,
                "url": self._source.documentation.url,
                "answer": answer,
                **(problem.placeholders if problem else {}),
            },
            last_step=is_settings or not SETTINGS.get(self.kind),
        )

    async def _async_try(
        self, description: SourceDescription[Any], values: Mapping[str, Any]
    ) -> FormProblem | None:
        """Ask the provider once; return what is wrong, None if nothing."""
        source = create_source(self.hass, description, values)
        try:
            self._result = await source.async_fetch(create_context(self.hass))
        except SourceError as err:
            return describe_source_error(err, description)
        except Exception:
            _LOGGER.exception("Unexpected error while a source was tried")
            return FormProblem(FIELD_BASE, "unknown")
        finally:
            await source.async_close()
        return None


def _list_fields(schema: probatio.Schema) -> set[str]:
    return {str(marker) for marker in schema.schema}


def describe_source_error(
    err: SourceError, source: SourceDescription[Any]
) -> FormProblem:
    """Return what a form says about an error, and at which field."""
    words = {"provider": source.name, "error": str(err)}
    match err:
        case SourceArgumentError():
            return FormProblem(err.argument, err.key, {**words, **err.placeholders})
        case SourceAuthError():
            secrets = sorted(source.secrets)
            field = err.argument or (secrets[0] if secrets else FIELD_BASE)
            return FormProblem(field, "refused", words)
        case SourceUnavailableError(is_rate_limited=True):
            return FormProblem(FIELD_BASE, "rate_limited", words)
        case SourceUnavailableError():
            return FormProblem(FIELD_BASE, "unavailable", words)
        case SourceDataError() | _:
            return FormProblem(FIELD_BASE, "unreadable", words)


def create_source_flow(kind: SourceKind) -> type[SourceFlow]:
    """Return the flow of a kind, with a step for each of its providers."""
    steps = {
        f"async_step_{source.key}": _create_step(source)
        for source in list_sources(kind)
    }
    return type(f"{kind.name.title()}Flow", (SourceFlow,), {"kind": kind, **steps})


def _create_step(source: SourceDescription[Any]) -> Callable[..., Any]:
    async def step(
        self: SourceFlow, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        return await self._async_ask(source, user_input)

    return step
