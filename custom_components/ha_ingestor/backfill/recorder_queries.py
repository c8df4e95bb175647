"""SQL over the recorder's tables; imported on first use.

Every question is bounded and opens a session of its own, so that no transaction
stays open while a backfill pauses.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, override

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from homeassistant.components.recorder.db_schema import (
    StateAttributes,
    States,
    StatesMeta,
    Statistics,
    StatisticsMeta,
)
from homeassistant.components.recorder.models import (
    bytes_to_ulid_or_none,
    bytes_to_uuid_hex_or_none,
)
from homeassistant.core import HomeAssistant, valid_entity_id
from homeassistant.helpers.recorder import session_scope
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads_object

from ..errors import RecorderMissingError
from .recorder import Cursor, RecorderReader, StateRow, StatisticRow

# The oldest SQLite that Home Assistant allows takes 999 bound values.
_MAX_BOUND_VALUES: Final = 500
_RECORDER_SOURCE: Final = "recorder"

_Old: Final = aliased(States, name="old_state")


class Reader(RecorderReader):
    """Reads the recorder's tables; on the recorder's own executor only."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Read by sessions of this Home Assistant's recorder."""
        self._hass = hass

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with session_scope(hass=self._hass, read_only=True) as session:
                yield session
        except SQLAlchemyError as err:
            # Its message holds the whole statement.
            raise RecorderMissingError(
                f"Home Assistant's recorder cannot be read: {type(err).__name__}"
            ) from err

    @override
    def read_oldest_s(self) -> float | None:
        """Return the time of the oldest state, None if there is none."""
        with self._session() as session:
            return session.scalar(select(func.min(States.last_updated_ts)))

    @override
    def read_states(
        self,
        after: Cursor,
        end_s: float,
        *,
        entity_ids: Collection[str] | None,
        limit: int,
    ) -> list[StateRow]:
        """Read states in the order of their time."""
        is_later: ColumnElement[bool] = or_(
            States.last_updated_ts > after.time_s,
            and_(
                States.last_updated_ts == after.time_s, States.state_id > after.state_id
            ),
        )
        statement = (
            _select_states()
            # Said again for the planner, which makes nothing of an OR.
            .where(States.last_updated_ts >= after.time_s)
            .where(States.last_updated_ts < end_s)
            .where(is_later)
            .order_by(States.last_updated_ts, States.state_id)
            .limit(limit)
        )
        with self._session() as session:
            if entity_ids is None:
                return _to_state_rows(session, session.execute(statement))
            metadata_ids = _find_metadata_ids(session, entity_ids)
            return _to_state_rows(
                session,
                session.execute(statement.where(States.metadata_id.in_(metadata_ids))),
            )

    @override
    def read_state_at(self, entity_id: str, before: Cursor) -> StateRow | None:
        """Return the last state of an entity up to a place, itself included."""
        with self._session() as session:
            statement = (
                _select_states()
                .where(States.metadata_id.in_(_find_metadata_ids(session, [entity_id])))
                .where(
                    or_(
                        States.last_updated_ts < before.time_s,
                        and_(
                            States.last_updated_ts == before.time_s,
                            States.state_id <= before.state_id,
                        ),
                    )
                )
                .order_by(States.last_updated_ts.desc(), States.state_id.desc())
                .limit(1)
            )
            rows = _to_state_rows(session, session.execute(statement))
        return rows[0] if rows else None

    @override
    def has_states(self, start_s: float, end_s: float) -> bool:
        """Tell whether any state changed from the start until before the end."""
        statement = (
            select(States.state_id)
            .where(States.last_updated_ts >= start_s)
            .where(States.last_updated_ts < end_s)
            .limit(1)
        )
        with self._session() as session:
            return session.scalar(statement) is not None

    @override
    def read_statistic_ids(self) -> list[str]:
        """Return the entities that have long-term statistics, sorted."""
        statement = select(StatisticsMeta.statistic_id).where(
            StatisticsMeta.source == _RECORDER_SOURCE
        )
        with self._session() as session:
            found = session.scalars(statement)
            return sorted(name for name in found if name and valid_entity_id(name))

    @override
    def read_first_state_s(self, entity_id: str) -> float | None:
        """Return since when there are states of an entity, None for never."""
        with self._session() as session:
            return session.scalar(
                select(func.min(States.last_updated_ts)).where(
                    States.metadata_id.in_(_find_metadata_ids(session, [entity_id]))
                )
            )

    @override
    def read_statistics(
        self, entity_id: str, start_s: float, end_s: float, *, limit: int
    ) -> list[StatisticRow]:
        """Read the hours that begin from the start until before the end."""
        statement = (
            select(
                Statistics.start_ts,
                Statistics.mean,
                Statistics.min,
                Statistics.max,
                Statistics.state,
                Statistics.sum,
                StatisticsMeta.unit_of_measurement,
            )
            .join(StatisticsMeta, Statistics.metadata_id == StatisticsMeta.id)
            .where(StatisticsMeta.statistic_id == entity_id)
            .where(Statistics.start_ts >= start_s)
            .where(Statistics.start_ts < end_s)
            .order_by(Statistics.start_ts)
            .limit(limit)
        )
        with self._session() as session:
            return [
                StatisticRow(
                    start_s=start,
                    mean=mean,
                    min=low,
                    max=high,
                    state=state,
                    sum=total,
                    unit=unit,
                )
                for start, mean, low, high, state, total, unit in session.execute(
                    statement
                )
                if start is not None
            ]


def _select_states() -> Select[Any]:
    return (
        select(
            States.state_id,
            StatesMeta.entity_id,
            States.state,
            States.last_updated_ts,
            States.last_changed_ts,
            States.attributes_id,
            States.context_id_bin,
            States.context_parent_id_bin,
            States.context_user_id_bin,
            _Old.state.label("old_state"),
            _Old.last_updated_ts.label("old_updated_ts"),
            _Old.last_changed_ts.label("old_changed_ts"),
            _Old.attributes_id.label("old_attributes_id"),
        )
        .join(StatesMeta, States.metadata_id == StatesMeta.metadata_id)
        .outerjoin(_Old, States.old_state_id == _Old.state_id)
    )


def _find_metadata_ids(session: Session, entity_ids: Collection[str]) -> list[int]:
    # Not by the recorder's cache, which is its own thread's.
    return [
        metadata_id
        for chunk in _chunks(entity_ids)
        for metadata_id in session.scalars(
            select(StatesMeta.metadata_id).where(StatesMeta.entity_id.in_(chunk))
        )
    ]


def _to_state_rows(session: Session, rows: Iterable[Row[Any]]) -> list[StateRow]:
    found = list(rows)
    attributes = _read_attributes(session, {_attributes_id(row) for row in found})
    return [
        StateRow(
            state_id=row.state_id,
            entity_id=row.entity_id,
            state=row.state,
            time_s=row.last_updated_ts,
            # The recorder leaves out what is equal to the other time.
            changed_s=row.last_changed_ts or row.last_updated_ts,
            attributes=attributes.get(_attributes_id(row), {}),
            previous=row.old_state,
            previous_changed_s=row.old_changed_ts or row.old_updated_ts,
            context_id=bytes_to_ulid_or_none(row.context_id_bin),
            context_parent_id=bytes_to_ulid_or_none(row.context_parent_id_bin),
            context_user_id=bytes_to_uuid_hex_or_none(row.context_user_id_bin),
        )
        for row in found
    ]


def _attributes_id(row: Row[Any]) -> int | None:
    # A removed entity has none; what it was is what it was before.
    found: int | None = row.old_attributes_id if row.state is None else None
    return found or row.attributes_id


def _read_attributes(
    session: Session, attributes_ids: Collection[int | None]
) -> dict[int | None, Mapping[str, Any]]:
    wanted = [number for number in attributes_ids if number is not None]
    return {
        attributes_id: _decode(text)
        for chunk in _chunks(wanted)
        for attributes_id, text in session.execute(
            select(StateAttributes.attributes_id, StateAttributes.shared_attrs).where(
                StateAttributes.attributes_id.in_(chunk)
            )
        )
    }


def _decode(text: str | None) -> Mapping[str, Any]:
    try:
        return json_loads_object(text) if text else {}
    except JSON_DECODE_EXCEPTIONS:
        # One damaged row of a database that has survived years.
        return {}


def _chunks[T](items: Collection[T]) -> Iterator[list[T]]:
    ordered = list(items)
    for start in range(0, len(ordered), _MAX_BOUND_VALUES):
        yield ordered[start : start + _MAX_BOUND_VALUES]
