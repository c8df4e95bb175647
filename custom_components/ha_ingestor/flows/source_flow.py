"""Adding and changing a source in the UI: one flow for all kinds.

Provider, then its arguments, which are tried against it, then what the kind makes of
the answers. Every provider has a step of its own name, so that it has texts of its
own.
"""

import asyncio
from collections.abc import Callable, Mapping
import itertools
from typing import Any, ClassVar, Final

import probatio

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import callback

from ..const import CONF_ARGUMENTS, CONF_PROVIDER, CONF_SETTINGS
from ..coordinators.environment import create_context, create_source
from ..coordinators.fetcher import log_unexpected
from ..coordinators.kinds import SETTINGS_CHECKS
from ..coordinators.requirements import async_install
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
from .preconditions import PRECONDITIONS
from .problems import FIELD_BASE, FormProblem
from .source_forms import (
    create_argument_schema,
    create_provider_schema,
    read_arguments,
)

STEP_SETTINGS: Final = "settings"
STEP_INSTALL: Final = "install"
# What is there already needs no page that says so.
_INSTALL_PATIENCE_S: Final = 0.5


class SourceFlow(ConfigSubentryFlow):
    """Asks for one source, and believes it only after it has answered."""

    kind: ClassVar[SourceKind]

    def __init__(self) -> None:
        """Start without answers."""
        self._arguments: dict[str, Any] = {}
        self._result: SourceResult[Any] | None = None
        self._source: SourceDescription[Any] | None = None
        # What was entered, while packages are installed for it.
        self._waiting: dict[str, Any] | None = None
        self._installation: asyncio.Task[None] | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the provider, unless there is only one."""
        precondition = PRECONDITIONS.get(self.kind)
        if precondition and (obstacle := precondition(self.hass)) is not None:
            return self.async_abort(
                reason=obstacle.reason, description_placeholders=obstacle.placeholders
            )
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
        if user_input is None:
            user_input, self._waiting = self._waiting, None
        stored = self._get_stored(CONF_ARGUMENTS)
        if user_input is None and source.arguments:
            return self._show(source.key, stored, None, None)
        values = read_arguments(source.arguments, user_input or {}, stored)
        if self._is_configured(source, values):
            return self.async_abort(reason="already_configured")
        if not await self._async_is_installed(source):
            self._waiting = user_input or {}
            return await self.async_step_install()
        problem = self._find_installation_problem(source)
        if problem is None:
            problem = await self._async_try(source, values)
        if problem is not None:
            return self._show(source.key, stored, user_input or {}, problem)
        self._arguments = values
        return await self.async_step_settings()

    async def _async_is_installed(self, source: SourceDescription[Any]) -> bool:
        """Begin to install what the provider needs; tell whether that has ended."""
        if not source.requirements:
            return True
        # Kept here as well: a form that is sent twice at once has it taken away.
        if (task := self._installation) is None:
            task = self._installation = self.hass.async_create_task(
                async_install(self.hass, source.requirements)
            )
        await asyncio.wait({task}, timeout=_INSTALL_PATIENCE_S)
        return task.done()

    def _find_installation_problem(
        self, source: SourceDescription[Any]
    ) -> FormProblem | None:
        task, self._installation = self._installation, None
        if task is None or (err := task.exception()) is None:
            return None
        words = {"provider": source.name, "error": str(err)}
        return FormProblem(FIELD_BASE, "not_installed", words)

    async def async_step_install(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show that packages are being installed; then go on with what was entered."""
        assert self._source is not None  # noqa: S101 - no step leads here without it
        if self._installation is None or self._installation.done():
            return self.async_show_progress_done(next_step_id=self._source.key)
        return self.async_show_progress(
            step_id=STEP_INSTALL,
            progress_action=STEP_INSTALL,
            progress_task=self._installation,
            description_placeholders={"provider": self._source.name},
        )

    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to make of the answers; then save."""
        arguments = SETTINGS.get(self.kind, ())
        stored = self._get_stored(CONF_SETTINGS)
        if user_input is None and arguments:
            return self._show(STEP_SETTINGS, stored, None, None)
        settings = read_arguments(arguments, user_input or {}, stored)
        if (problem := self._check_settings(settings)) is not None:
            return self._show(STEP_SETTINGS, stored, user_input or {}, problem)
        return self._finish(settings)

    def _check_settings(self, settings: Mapping[str, Any]) -> FormProblem | None:
        """Return what is wrong with settings, None if nothing."""
        assert self._source is not None  # noqa: S101 - no step leads here without it
        if (check := SETTINGS_CHECKS.get(self.kind)) is None:
            return None
        try:
            check(self.hass, settings, self._result.data if self._result else None)
        except SourceArgumentError as err:
            return describe_source_error(err, self._source, self._arguments)
        return None

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
        """Return a title that no other source of the hub has."""
        assert self._source is not None  # noqa: S101 - likewise
        place = self._result.place if self._result else None
        name = self._source.title or self._source.name
        title = f"{name} {place}" if place else name
        taken = {subentry.title for subentry in self._get_entry().subentries.values()}
        numbered = (f"{title} {number}" for number in itertools.count(2))
        return next(
            choice
            for choice in itertools.chain((title,), numbered)
            if choice not in taken
        )

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
                "answer": answer or "-",
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
            if isinstance(err, SourceUnavailableError) and self._may_come_later(
                description, values
            ):
                self._result = None
                return None
            return describe_source_error(err, description, values)
        except Exception as err:  # noqa: BLE001 - whatever it is, the form says so
            log_unexpected(err, description.name, description, values)
            return FormProblem(FIELD_BASE, "unknown")
        finally:
            await source.async_close()
        return None

    def _may_come_later(
        self, description: SourceDescription[Any], values: Mapping[str, Any]
    ) -> bool:
        """Tell whether all that lacks is a value of entities that are there.

        A car that is away, or a device that sleeps, is no reason to refuse its entity.
        """
        states = [
            self.hass.states.get(entity_id)
            for entity_id in description.list_entities(values)
        ]
        return (
            description.is_local
            and None not in states
            and any(
                state.state in {STATE_UNAVAILABLE, STATE_UNKNOWN}
                for state in states
                if state is not None
            )
        )


def _list_fields(schema: probatio.Schema) -> set[str]:
    return {str(marker) for marker in schema.schema}


def describe_source_error(
    err: SourceError, source: SourceDescription[Any], arguments: Mapping[str, Any]
) -> FormProblem:
    """Return what a form says about an error, and at which field."""
    words = {
        "provider": source.name,
        "error": source.hide_secrets(str(err), arguments),
    }
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
