"""SQL over the recorder's tables; imported on first use."""

from sqlalchemy import Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from homeassistant.components.recorder.db_schema import States, StatesMeta
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import session_scope

from ..errors import RecorderMissingError


def create_statement(since_s: float) -> Select[tuple[str | None, int]]:
    """Return the question for the number of states of each entity.

    Entity by entity rather than grouped: that way an index holds all that is needed,
    and no row of a table of millions is read from a slow disk.
    """
    count = (
        select(func.count())
        .select_from(States)
        .where(States.metadata_id == StatesMeta.metadata_id)
        .where(States.last_updated_ts >= since_s)
        .scalar_subquery()
    )
    return select(StatesMeta.entity_id, count)


def count_states(
    hass: HomeAssistant, since_s: float
) -> tuple[float | None, dict[str, int]]:
    """Count the states of each entity; on the recorder's own executor only.

    Args:
        hass: The Home Assistant whose recorder it is.
        since_s: Unix time of the first one to count.

    Returns:
        Unix time of the oldest state of all, None if there is none; the counts of
        the entities that have any.

    Raises:
        RecorderMissingError: The database does not answer.
    """
    try:
        with session_scope(hass=hass, read_only=True) as session:
            oldest_s = session.scalar(select(func.min(States.last_updated_ts)))
            counts = {
                entity_id: number
                for entity_id, number in session.execute(create_statement(since_s))
                if entity_id is not None and number
            }
    except SQLAlchemyError as err:
        raise RecorderMissingError("The recorder's database does not answer") from err
    return oldest_s, counts
