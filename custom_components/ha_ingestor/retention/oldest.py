"""When the rows of a measurement begin, without a look at all of them.

Blocking, for threads.
"""

from typing import Final

from ..store.influx.client import InfluxClient
from ..store.query import oldest_time
from .checkpoint import Checkpoint
from .ledger import Ledger
from .ledgers import EVENTS_LEDGER, HOURLY_LEDGER
from .rows import ROW_COUNT

# A field that every row of a large measurement has. A server looks through one of them
# in a hundredth of the time and memory that all of them take; of days it has few rows.
_COMMON_FIELDS: Final = {EVENTS_LEDGER: "state", HOURLY_LEDGER: ROW_COUNT}


def common_field(ledger: Ledger) -> str | None:
    """Return a field that every row of a measurement has; None if there is no need."""
    return _COMMON_FIELDS.get(ledger)


def oldest_row(
    client: InfluxClient, checkpoint: Checkpoint, ledger: Ledger
) -> int | None:
    """Return the time of the oldest row of a ledger's measurement; None if none.

    Raises:
        StoreError: See `InfluxClient.query`.
    """
    return oldest_time(
        client,
        ledger.measurement,
        field=common_field(ledger),
        near_ns=checkpoint.first_segment_ns(ledger),
    )
