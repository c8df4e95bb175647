"""What the tests of capture share: a listener with a list, a reader of lines, values.

The reader of lines is written from the rules of line protocol alone, without the
code that it checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import datetime as dt
from enum import Enum, IntEnum, StrEnum
import re
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.ingest.listener import BusListener
from custom_components.ha_ingestor.ingest.normalize import Normalizer
from custom_components.ha_ingestor.ingest.records import STATE, Record, StateRecord
from custom_components.ha_ingestor.options import HubOptions
from custom_components.ha_ingestor.store.stats import PipelineStats
from homeassistant.core import HomeAssistant

_KEY_END: Final = re.compile(r"(?<!\\) ")
_COMMA: Final = re.compile(r"(?<!\\),")
_EQUALS: Final = re.compile(r"(?<!\\)=")
_FIELD: Final = re.compile(
    r'((?:\\.|[^=\\]|\\)+?)=("(?:\\.|[^"\\])*"|[^,"]+)(?:,|$)', re.DOTALL
)
_ESCAPED_IN_KEY: Final = re.compile(r"\\([,= ])")
_ESCAPED_IN_STRING: Final = re.compile(r'\\(["\\])')

NOON: Final = dt.datetime(2026, 11, 20, 12, 30, tzinfo=ZoneInfo("Europe/Berlin"))

_SENSOR_KEY: Final = "home_assistant_events,domain=sensor,entity_id=sensor.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A line as a server reads it."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, str | float | bool]
    time_ns: int


def parse(line: str) -> Stored:
    """Read one line."""
    end = _KEY_END.search(line)
    assert end is not None, line
    fields_text, _, time_text = line[end.end() :].rpartition(" ")
    measurement, *tags = _COMMA.split(line[: end.start()])
    pairs = [_EQUALS.split(tag) for tag in tags]
    assert pairs == sorted(pairs), "Tags are not sorted"
    fields = _FIELD.findall(fields_text)
    assert sum(len(name) + len(text) + 2 for name, text in fields) == (
        len(fields_text) + 1
    ), f"Not read to its end: {fields_text}"
    names = [_unescape(name) for name, _ in fields]
    assert len(set(names)) == len(names), f"A field twice: {names}"
    return Stored(
        measurement=_unescape(measurement),
        tags={_unescape(key): _unescape(value) for key, value in pairs},
        fields={
            name: _value(text) for name, (_, text) in zip(names, fields, strict=True)
        },
        time_ns=int(time_text),
    )


def _unescape(text: str) -> str:
    return _ESCAPED_IN_KEY.sub(r"\1", text)


def _value(text: str) -> str | float | bool:
    if text.startswith('"'):
        return _ESCAPED_IN_STRING.sub(r"\1", text[1:-1])
    if text in {"true", "false"}:
        return text == "true"
    return float(text)


class Capture:
    """A listener on the bus, and all that it has handed over."""

    def __init__(self, hass: HomeAssistant, options: Mapping[str, Any]) -> None:
        """Make the listener; `start` attaches it."""
        self.stats = PipelineStats()
        self.lists: list[list[Record]] = []
        self.normalizer = Normalizer()
        self._options = HubOptions.from_entry_options(options)
        self.listener = BusListener(hass, self._options, self.stats, self.lists.append)

    def start(self) -> None:
        """Attach to the bus."""
        self.listener.async_start(self._options)

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Change the options as the hub does."""
        self.listener.set_options(HubOptions.from_entry_options(options))

    @property
    def records(self) -> list[Record]:
        """All records since the start or the last `clear`."""
        self.listener.hand_over()
        return [record for records in self.lists for record in records]

    @property
    def lines(self) -> list[str]:
        """The records as line protocol."""
        return [self.normalizer.format_record(record) for record in self.records]

    def clear(self) -> None:
        """Forget what came until now."""
        self.listener.hand_over()
        self.lists.clear()

    def points(self, **tags: str) -> list[Stored]:
        """Return the points that have these tags, oldest first."""
        return [
            point
            for line in self.lines
            if tags.items() <= (point := parse(line)).tags.items()
        ]

    def point(self, **tags: str) -> Stored:
        """Return the one point that has these tags."""
        (point,) = self.points(**tags)
        return point

    def states(self, entity_id: str) -> list[Stored]:
        """Return the points of an entity, oldest first."""
        return self.points(entity_id=entity_id)

    def last(self, entity_id: str) -> Stored:
        """Return the newest point of an entity."""
        return self.states(entity_id)[-1]


def set_states(hass: HomeAssistant, entity_id: str, count: int) -> None:
    """Give an entity as many different states, one after another."""
    for number in range(count):
        hass.states.async_set(entity_id, str(number))


class Color(Enum):
    """An enum of texts."""

    RED = "red"


class Level(IntEnum):
    """An enum that is a number."""

    LOW = 1


class Mode(StrEnum):
    """An enum that is a text."""

    ECO = "eco"


class Whole(int):
    """A number of a class of its own."""


class Real(float):
    """Another one, as numpy has them."""


class Place(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclass
class Login:
    """An object that JSON libraries like to write out."""

    password: str


def state_record(
    state: str | None = "on",
    *,
    attributes: Mapping[str, Any] | None = None,
    kind: Any = STATE,
    time_s: float = 1_790_000_000.123456,
    previous: str | None = None,
    duration_s: float | None = None,
    ids: tuple[str, str | None, str | None] = ("01ID", None, None),
    context: str = "",
) -> StateRecord:
    """Make the record of a state as the listener does."""
    items = None if attributes is None else tuple(attributes.items())
    return (
        kind,
        _SENSOR_KEY,
        state,
        time_s,
        previous,
        duration_s,
        *ids,
        context,
        items,
    )


def store(state: str | None = "on", **changes: Any) -> Stored:
    """Give what is stored of a state."""
    return parse(Normalizer().format_record(state_record(state, **changes)))


def fields_of(value: Any) -> dict[str, Any]:
    """Give the fields that an attribute becomes."""
    fields = store(attributes={"x": value}).fields
    return {name: field for name, field in fields.items() if name.startswith("attr_")}
