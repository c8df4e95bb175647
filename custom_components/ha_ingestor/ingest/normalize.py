"""Records to lines: the rules by which values become fields.

Runs on the encoder thread. One record becomes one line; what cannot be stored as
it is follows a stated rule and is counted:

| value | becomes |
|---|---|
| a state that is a finite decimal number | `value` beside `state` |
| on/off, open/closed, home/not_home, locked/unlocked, ... | `value` 1 or 0 |
| any other state, also "12:30", "1_000", "nan" | `state` alone |
| a person or tracker in a zone other than home, whatever its name | `value` 0 |
| a removed entity | `state` "removed" |
| attribute: number, bool | `attr_<name>` |
| attribute: text, date, enum; number beyond a float's range | `attr_<name>_text` |
| attribute: duration | `attr_<name>`, seconds |
| attribute: list, set, mapping | `attr_<name>_json`, at most 16 KiB |
| attribute: bytes | `attr_<name>_text` if it is UTF-8, else left out |
| attribute: any other object, NaN, infinity | left out |
| attribute whose name ends in `_text` or `_json` | the name gets a `_` more |
"""

from collections.abc import Callable, Mapping
import datetime as dt
import decimal
import enum
import math
import re
from typing import Any, Final

import orjson

from ..store.line_protocol import (
    clean_name,
    escape_key,
    escape_string,
    format_point,
    truncate_string,
)
from .records import (
    ACTIVITY,
    STATE,
    TRACKER_STATE,
    ActivityRecord,
    Record,
    StateKind,
    StateRecord,
)
from .redact import redact

REMOVED_STATE: Final = "removed"
# A structure is kept to be looked at, not to be computed with.
MAX_JSON_BYTES: Final = 16 * 1024

# Python refuses to write out more than 4,300 decimal digits; a number of so many
# bits has 3,011.
_MAX_DECIMAL_BITS: Final = 10_000

VALUE_BY_STATE: Final[Mapping[str, float]] = {
    "on": 1.0,
    "off": 0.0,
    "open": 1.0,
    "closed": 0.0,
    "home": 1.0,
    "not_home": 0.0,
    "locked": 1.0,
    "unlocked": 0.0,
    "above_horizon": 1.0,
    "below_horizon": 0.0,
}
_STATE_HOME: Final = "home"
# States that say that there is no state.
_ABSENT_STATES: Final = frozenset({"unknown", "unavailable", ""})
# float() alone would also take "1_000", " 5", "infinity" and other scripts' digits.
_is_decimal: Final = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII
).fullmatch
# A number that can be written as it stands: sixteen digits and more would be read
# back as another one, and other notations are not understood by every generation.
_is_plain_number: Final = re.compile(
    r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII
).fullmatch
# Ends of field names that say what type the field has.
_TYPE_SUFFIXES: Final = ("_text", "_json")
# Names of attributes are few; those of an integration that puts dates into them,
# captured by a glob, are not.
_MAX_CACHED_KEYS: Final = 10_000
_JSON_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
# Numbers that are none: repaired by leaving `value` out.
_NOT_A_NUMBER: Final = frozenset(
    {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}
)


class Normalizer:
    """Turns records into lines; lives on the encoder thread.

    Attributes:
        repaired_count: Values that a rule changed or left out.
    """

    def __init__(self) -> None:
        """Start with nothing repaired."""
        self.repaired_count = 0
        self._attribute_keys: dict[str, str] = {}

    def format_record(self, record: Record) -> str:
        """Return the line of one record."""
        if record[0] == STATE or record[0] == TRACKER_STATE:
            # First, and without a set: nearly every record is one of these.
            return self._format_state(record)
        if record[0] == ACTIVITY:
            return self._format_activity(record)
        return format_point(record[1])

    def _format_state(self, record: StateRecord) -> str:
        (
            kind,
            key,
            state,
            time_s,
            previous,
            duration_s,
            context_id,
            parent_id,
            user_id,
            context_fields,
            attributes,
        ) = record
        if (
            kind == STATE
            and state is not None
            and previous is not None
            and duration_s is not None
            and duration_s >= 0
            and attributes is None
            and parent_id is None
            and user_id is None
            and context_id
            and _is_plain_number(state)
            # Four searches, which cost half of what a regular expression does.
            and '"' not in previous
            and "\\" not in previous
            and '"' not in context_id
            and "\\" not in context_id
        ):
            # Most events of most homes, in one go; what follows gives the same line.
            return (
                f'{key} state="{state}",value={state},previous_state="{previous}",'
                f'duration_s={duration_s:.6f},context_id="{context_id}"{context_fields}'
                f" {round(time_s * 1e6)}000"
            )
        return self._format_any_state(record)

    def _format_any_state(self, record: StateRecord) -> str:
        kind, key, state, time_s, previous, duration_s = record[:6]
        context_id, parent_id, user_id, context_fields, attributes = record[6:]
        parts = [self._format_state_text(state, kind)]
        if previous is not None:
            # Whole microseconds, too: what a difference of floats has beyond them is
            # noise, which costs bytes. Negative where the clock was set back.
            parts.append(
                f'previous_state="{escape_string(previous)}",'
                f"duration_s={max(0.0, duration_s or 0.0):.6f}"
            )
        # An integration may have made an id up, so it may hold anything.
        if context_id:
            parts.append(f'context_id="{escape_string(context_id)}"')
        fields = ",".join(parts) + context_fields
        if parent_id is not None:
            fields = f'{fields},context_parent_id="{escape_string(parent_id)}"'
        if user_id is not None:
            fields = f'{fields},context_user_id="{escape_string(user_id)}"'
        if attributes:
            fields += self._format_attributes(attributes)
        # Whole microseconds, Home Assistant's own resolution: a backfill finds the
        # same time in the recorder.
        return f"{key} {fields} {round(time_s * 1e6)}000"

    def _format_state_text(self, state: str | None, kind: StateKind) -> str:
        """Return `state`, and `value` where the state has one."""
        if state is None:
            return f'state="{REMOVED_STATE}"'
        if kind == TRACKER_STATE:
            value = _whereabouts(state)
        elif _is_plain_number(state):
            return f'state="{state}",value={state}'
        elif (value := VALUE_BY_STATE.get(state)) is None:
            value = self._number(state)
        text = escape_string(state)
        return f'state="{text}"' if value is None else f'state="{text}",value={value!r}'

    def _number(self, state: str) -> float | None:
        """Return a state's number, None where it has none."""
        if _is_decimal(state):
            value = float(state)
            if math.isfinite(value):
                return value
            self.repaired_count += 1
        elif state.lower() in _NOT_A_NUMBER:
            self.repaired_count += 1
        return None

    def _format_attributes(self, attributes: tuple[tuple[str, Any], ...]) -> str:
        fields: dict[str, str] = {}
        for name, value in attributes:
            if value is None:
                continue
            try:
                suffix, text = self._format_value(value)
            except Exception:  # noqa: BLE001 - one bad attribute stops nothing else
                # Such as a structure that its integration changes while it is read.
                suffix, text = "", None
            if text is None:
                self.repaired_count += 1
            else:
                fields[self._attribute_key(name) + suffix] = text
        return "".join(f",{key}={text}" for key, text in fields.items())

    def _attribute_key(self, name: str) -> str:
        if (key := self._attribute_keys.get(name)) is None:
            if len(self._attribute_keys) >= _MAX_CACHED_KEYS:
                self._attribute_keys.clear()
            key = escape_key(clean_name(f"attr_{name}"))
            if key.endswith(_TYPE_SUFFIXES):
                # A number of this name would be in the field of another's text.
                key += "_"
            self._attribute_keys[name] = key
        return key

    def _format_value(self, value: Any) -> tuple[str, str | None]:
        """Return the suffix of the field's name and its text, None to leave out."""
        for types, convert in _CONVERTERS:
            if isinstance(value, types):
                return convert(self, value)
        return "", None

    def _from_float(self, value: float) -> tuple[str, str | None]:
        try:
            number = float(value)
        except OverflowError:
            self.repaired_count += 1
            return "_text", f'"{_digits(int(value))}"'
        return "", repr(number) if math.isfinite(number) else None

    def _from_decimal(self, value: decimal.Decimal) -> tuple[str, str | None]:
        if not value.is_finite():
            return "", None
        if math.isfinite(number := float(value)):
            return "", repr(number)
        self.repaired_count += 1
        return self._from_text(str(value))

    def _from_text(self, value: str) -> tuple[str, str | None]:
        text = truncate_string(value)
        self.repaired_count += text is not value
        return "_text", f'"{escape_string(text)}"'

    def _from_enum(self, value: enum.Enum) -> tuple[str, str | None]:
        return self._from_text(str(value.value))

    def _from_date(self, value: dt.date | dt.time) -> tuple[str, str | None]:
        return self._from_text(value.isoformat())

    def _from_duration(self, value: dt.timedelta) -> tuple[str, str | None]:
        return "", repr(value.total_seconds())

    def _from_bytes(self, value: bytes | bytearray) -> tuple[str, str | None]:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return "_text", None
        self.repaired_count += 1
        return self._from_text(text)

    def _from_structure(self, value: Any) -> tuple[str, str | None]:
        return "_json", f'"{escape_string(self._to_json(value))}"'

    def _to_json(self, value: Any) -> str:
        """Return bounded JSON of a structure, without its secrets."""
        value = redact(value)
        try:
            encoded = orjson.dumps(value, _json_fallback, _JSON_OPTIONS)
        except orjson.JSONEncodeError:
            # What no JSON can hold is too rare to be looked for before.
            self.repaired_count += 1
            encoded = orjson.dumps(_mend(value), _json_fallback, _JSON_OPTIONS)
        if len(encoded) <= MAX_JSON_BYTES:
            return encoded.decode()
        # Still JSON, and it says what is missing. Quoted again, the head may be twice
        # as long.
        self.repaired_count += 1
        head = encoded[: MAX_JSON_BYTES // 2 - 64].decode("utf-8", "ignore")
        return orjson.dumps({"truncated_bytes": len(encoded), "head": head}).decode()

    def _format_activity(self, record: ActivityRecord) -> str:
        _, key, texts, data, time_s, context_id, parent_id, user_id = record
        parts = [
            f'{name}="{escape_string(truncate_string(text, MAX_JSON_BYTES))}"'
            for name, text in texts
        ]
        if data:
            parts.append(f'data="{escape_string(self._to_json(data))}"')
        parts.append(f'context_id="{escape_string(context_id)}"')
        if parent_id is not None:
            parts.append(f'context_parent_id="{escape_string(parent_id)}"')
        if user_id is not None:
            parts.append(f'context_user_id="{escape_string(user_id)}"')
        return f"{key} {','.join(parts)} {round(time_s * 1e6)}000"


def _digits(value: int) -> str:
    """Return the digits of an integer beyond a float's range or beyond 64 bits."""
    if value.bit_length() <= _MAX_DECIMAL_BITS:
        return str(value)
    return hex(value)[:MAX_JSON_BYTES]


def _whereabouts(state: str) -> float | None:
    """Return 1 for at home, 0 for any other place, None where it is not known.

    Other places are zones, which may be called "open" or "42".
    """
    if state == _STATE_HOME:
        return 1.0
    return None if state in _ABSENT_STATES else 0.0


def _json_fallback(value: Any) -> Any:
    """Give orjson something that it knows for a value that it does not."""
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, decimal.Decimal):
        number = float(value) if value.is_finite() else math.nan
        return number if math.isfinite(number) else str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    # Not repr(): it may hold an address in memory, which no resend would repeat.
    return f"<{type(value).__name__}>"


def _mend(value: Any) -> Any:
    """Replace what no JSON can hold: halves of surrogate pairs, huge integers."""
    if isinstance(value, enum.Enum):
        return _mend(value.value)
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return _digits(int(value))
    return value


type _Converter = Callable[[Normalizer, Any], tuple[str, str | None]]
# The order matters: an enum may be a str or an int as well.
_CONVERTERS: Final[tuple[tuple[type | tuple[type, ...], _Converter], ...]] = (
    (enum.Enum, Normalizer._from_enum),  # noqa: SLF001
    (str, Normalizer._from_text),  # noqa: SLF001
    ((bool, int, float), Normalizer._from_float),  # noqa: SLF001
    (decimal.Decimal, Normalizer._from_decimal),  # noqa: SLF001
    ((dt.date, dt.time), Normalizer._from_date),  # noqa: SLF001
    (dt.timedelta, Normalizer._from_duration),  # noqa: SLF001
    ((bytes, bytearray), Normalizer._from_bytes),  # noqa: SLF001
    ((Mapping, list, tuple, set, frozenset), Normalizer._from_structure),  # noqa: SLF001
)
