"""What a source is: it is asked at a pace, and gives data of its kind or says why not.

A source keeps no clock, no session and no settings of its own: all of that is handed
to it, so that it can be tried with canned answers. What it needs of the user is
declared as `Argument`s, from which the form, the documentation and the redaction of
secrets are made.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final, Protocol, Self
from urllib.parse import quote, quote_plus

from ..models import SourceKind
from .http import HttpClient

# Shorter ones would be found inside of innocent words.
MIN_SECRET_LENGTH: Final = 4


class EntityState(Protocol):
    """The part of an entity's state that an entity adapter may use."""

    @property
    def state(self) -> str:
        """The state's text."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the state."""
        ...

    @property
    def last_updated(self) -> datetime:
        """When state or attributes changed last; UTC."""
        ...

    @property
    def last_reported(self) -> datetime:
        """When they were stated last, changed or not; UTC."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """The home and the moment that a source is asked in.

    Attributes:
        now: UTC.
        time_zone: Of the home; its days begin at this zone's midnight.
        country: ISO 3166 code, None where Home Assistant does not know it.
        currency: ISO 4217 code.
        get_state: State of an entity, None where it does not exist (yet).
        get_events: Events of a calendar entity that overlap a period, as the action
            `calendar.get_events` gives them: mappings with `start`, `end` (ISO text;
            a date alone for a whole day, its end exclusive), `summary`,
            `description`, `location`.
    """

    now: datetime
    time_zone: tzinfo
    latitude: float
    longitude: float
    country: str | None
    currency: str
    get_state: Callable[[str], EntityState | None]
    get_events: Callable[
        [str, datetime, datetime], Awaitable[Sequence[Mapping[str, Any]]]
    ]


class SourceData(Protocol):
    """What all kinds of data have in common; immutable."""

    @property
    def valid_until(self) -> datetime:
        """Until when nobody is misled by it; UTC."""
        ...

    @property
    def summary(self) -> str:
        """The present value with its unit, without words: `143 gCO2eq/kWh`."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON for the cache on disk."""
        ...

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `to_json` has stored; any exception for what it has not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult[DataT: SourceData]:
    """One good answer.

    Attributes:
        place: What the provider calls the place or contract, for the source's title;
            None where that adds nothing, such as the name of an entity.
    """

    data: DataT
    place: str | None = None


class Source[DataT: SourceData](ABC):
    """A provider, or other integrations' entities, that can be asked."""

    @abstractmethod
    async def async_fetch(self, context: SourceContext) -> SourceResult[DataT]:
        """Ask, and return what was answered.

        Raises:
            SourceUnavailableError: Try again later.
            SourceAuthError: The credentials are refused.
            SourceArgumentError: An argument is wrong.
            SourceDataError: The answer cannot be read.
        """

    async def async_close(self) -> None:  # noqa: B027 - most have nothing to close
        """Give back what is held open; the source is not used again."""


class ArgumentType(StrEnum):
    """How an argument is asked for."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - a kind; never shown again, redacted everywhere
    NUMBER = "number"
    BOOLEAN = "boolean"
    SELECT = "select"
    MULTI_SELECT = "multi_select"
    TEXTS = "texts"  # any number of short texts
    LOCATION = "location"  # {"latitude": ..., "longitude": ...}
    ENTITY = "entity"
    ENTITIES = "entities"
    DURATION = "duration"  # {"hours": ..., "minutes": ..., "seconds": ...}
    TIME = "time"  # "HH:MM:SS"
    TEMPLATE = "template"
    ROWS = "rows"  # a list of mappings; `fields` says of what


# Chooses an argument's default for the home that a source is added to.
type DefaultFactory = Callable[[SourceContext], Any]
# Chooses where to ask, for a provider that has a host per country.
type BaseUrlFactory = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One thing that the user enters.

    Attributes:
        key: Key in the stored arguments or settings; its label is in the
            translations under that key.
        default: Value, or what makes it; None for none. Of a required number it is
            also what an empty field means; a source refuses one without.
        options: Of a selection; their labels are in the translations under
            `selector.<translation_key>.options`, or shown as they are if
            `translation_key` is None.
        domains: Of entities.
        device_classes: Of entities; empty for any.
        unit: Shown behind a number.
        fields: Of rows.
        section: Key of the form's collapsed part that it stands in; None for the
            part that everybody sees.
    """

    key: str
    type: ArgumentType
    is_required: bool = True
    default: Any | DefaultFactory = None
    options: tuple[str, ...] = ()
    translation_key: str | None = None
    domains: tuple[str, ...] = ()
    device_classes: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str | None = None
    fields: tuple[Argument, ...] = ()
    section: str | None = None

    def get_default(self, context: SourceContext) -> Any:
        """Return the value that the form begins with, None for none."""
        return self.default(context) if callable(self.default) else self.default


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnvironment:
    """What a source may use of the program around it.

    Attributes:
        http: Asks the provider's base URL.
        run_blocking: Runs a function that blocks on a thread of the executor.
    """

    http: HttpClient
    run_blocking: Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription[DataT: SourceData]:
    """All that the hub needs to know about one provider.

    Attributes:
        key: Never changes; part of stored data and the step of its form.
        name: As the provider writes it; not translated.
        title: How a source begins its title, and so the ids of its entities; empty
            for the name.
        base_url: Without a slash at its end, or what makes it of the arguments;
            empty for a source that only reads entities.
        update_interval: The pace at which the data changes; chosen by us.
        arguments: What it asks the user for, in the order of the form.
        secrets: Follows from the arguments.
        requirements: Packages that are installed when a user adds it, and are there
            when it is asked: its module imports them then, not before, and in the
            executor.
        attribution: What its licence wants to be said beside its data.
        documentation: For docs/sources: what it delivers, resolution, delay, rate
            limit, licence, each one sentence or word.
        countries: ISO codes of where it has data; empty for everywhere.
    """

    key: str
    kind: SourceKind
    name: str
    create: Callable[[SourceEnvironment, Mapping[str, Any]], Source[DataT]]
    update_interval: timedelta
    title: str = ""
    arguments: tuple[Argument, ...] = ()
    base_url: str | BaseUrlFactory = ""
    requirements: tuple[str, ...] = ()
    attribution: str | None = None
    countries: frozenset[str] = frozenset()
    documentation: SourceDocumentation

    @property
    def secrets(self) -> frozenset[str]:
        """Keys of the arguments that nobody may see."""
        return frozenset(
            argument.key
            for argument in self.arguments
            if argument.type is ArgumentType.SECRET
        )

    def hide_secrets(self, text: str, arguments: Mapping[str, Any]) -> str:
        """Return a text without the secrets among the arguments.

        Some providers repeat in an error what they refuse.
        """
        for key in self.secrets:
            secret = arguments.get(key)
            if isinstance(secret, str) and len(secret) >= MIN_SECRET_LENGTH:
                for shape in (secret, quote(secret, safe=""), quote_plus(secret)):
                    text = text.replace(shape, "***")
        return text

    @property
    def is_local(self) -> bool:
        """Whether it only reads what Home Assistant has."""
        return not self.base_url

    def get_base_url(self, arguments: Mapping[str, Any]) -> str:
        """Return where the provider is asked."""
        return self.base_url(arguments) if callable(self.base_url) else self.base_url

    def list_entities(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Return the entities that the arguments name: it follows their changes."""
        found: list[str] = []
        for argument in self.arguments:
            value = arguments.get(argument.key)
            if argument.type is ArgumentType.ENTITY and value:
                found.append(value)
            elif argument.type is ArgumentType.ENTITIES and value:
                found.extend(value)
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocumentation:
    """What docs/sources says of a provider; plain English sentences.

    Attributes:
        delivers: What its data are.
        resolution: How far apart its values are.
        delay: How old a value is when it comes.
        rate_limit: What it allows, and what we use of that.
        licence: Under which the data are.
        url: Page that describes the API.
        signup: How to get the credentials, step by step; empty where none are needed.
        limits: What to know before choosing it.
    """

    delivers: str
    resolution: str
    delay: str
    rate_limit: str
    licence: str
    url: str
    signup: str = ""
    limits: str = ""
