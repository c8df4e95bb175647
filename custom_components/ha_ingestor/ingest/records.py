"""What the listener takes out of an event and hands to the encoder thread.

A record is a plain tuple of text and numbers: an Event or State object that is
kept alive costs the event loop several microseconds in garbage collection, a
tuple of atoms next to nothing.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from ..models import Point

# (name, value) of each attribute that the user wants; values as the state has them.
type AttributeItems = tuple[tuple[str, Any], ...]

type StateKind = Literal[0, 1]
STATE: Final = 0
TRACKER_STATE: Final = 1
ACTIVITY: Final = 2
POINT: Final = 3

# kind, series key, state (None: removed), time in seconds, previous state (None:
# the state's text did not change), seconds it lasted, context id (empty: not known,
# of the past), parent id, user id, context fields as line protocol, attributes.
type StateRecord = tuple[
    StateKind,
    str,
    str | None,
    float,
    str | None,
    float | None,
    str,
    str | None,
    str | None,
    str,
    AttributeItems | None,
]
# kind, series key, fields as text, data to be redacted and stored as JSON, time in
# seconds, context id, parent id, user id.
type ActivityRecord = tuple[
    Literal[2],
    str,
    tuple[tuple[str, str], ...],
    Mapping[str, Any] | None,
    float,
    str,
    str | None,
    str | None,
]
# kind, what to store as it is: not an event of the bus.
type PointRecord = tuple[Literal[3], Point]
type Record = StateRecord | ActivityRecord | PointRecord
