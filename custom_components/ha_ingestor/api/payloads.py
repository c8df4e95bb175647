"""The shapes of answers; actions and endpoints share them."""

from typing import TypedDict

from ..coordinators.health import SourceState

type JsonValue = str | float | bool | None


class SourceValue(TypedDict):
    """What one entity of a source shows.

    Attributes:
        key: Never changes, unlike the entity id.
        entity_id: None where Home Assistant has not made the entity.
        value: Times as ISO 8601 text; None where it is not known now.
    """

    key: str
    entity_id: str | None
    name: str | None
    value: JsonValue
    unit: str | None


class SourceItem(TypedDict):
    """One source with all that it says now.

    Attributes:
        hub: Title of the hub; None for who is no administrator: it may say where
            the database is.
        fetched_at: When the last good answer came; ISO 8601 text, as all times.
        success_rate: Percent of the attempts of the last 30 days.
        last_error: None for who is no administrator.
    """

    subentry_id: str
    config_entry_id: str
    hub: str | None
    kind: str
    provider: str
    title: str
    state: SourceState
    fetched_at: str | None
    age_s: int | None
    next_update: str | None
    success_rate: float | None
    last_error: str | None
    values: list[SourceValue]


class SourcesResponse(TypedDict):
    """Answer of the action `get_sources` and of its endpoint.

    Attributes:
        is_truncated: Whether there is more than an answer may hold.
    """

    sources: list[SourceItem]
    is_truncated: bool
