"""The stores of a hub's tiers: that they exist, who talks to them, how long they keep.

Each tier that the server holds is a store of its own beside the raw one. Blocking,
for threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import datetime as dt
import threading
from typing import Final

from ..const import MEASUREMENT_PROBE
from ..errors import (
    RetentionStoresError,
    StoreMissingError,
    StorePermissionError,
    StoreQueryError,
)
from ..store.influx.admin import create_store, read_retention, set_retention
from ..store.influx.client import InfluxClient
from ..store.influx.target import Target
from .tiers import (
    CAPABILITIES,
    STORED_TIERS,
    TIERS,
    Age,
    Ages,
    Capabilities,
    Override,
    Tier,
    longest_age,
    server_retention,
    store_name,
)
from .windows import NS_PER_DAY

# Reads of a tier are longer than a write: a day of a busy house on a small machine.
_TIMEOUT_S: Final = 60.0
# A day that is being verified must not expire meanwhile: whole UTC days, and one for
# the job to be late.
_LAG_MARGIN: Final = dt.timedelta(days=2)
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlan:
    """What the store of a tier has to be.

    Attributes:
        name: Database on 1.x and 3.x, bucket on 2.x.
        retention: The server's own, behind every age; None for ever.
        shard: None leaves it to the server.
    """

    tier: Tier
    name: str
    retention: Age
    shard: dt.timedelta | None


class TierStores:
    """The stores of one hub, with a client for each.

    Owns the clients; `close` ends them. Threads may share it.

    Args:
        target: That of the hub: the raw store.
    """

    def __init__(
        self,
        target: Target,
        *,
        ages: Ages | None = None,
        overrides: Sequence[Override] = (),
        make_client: Callable[[Target], InfluxClient] | None = None,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self.target = target
        self.ages = ages or Ages()
        self.overrides = tuple(overrides)
        self._make_client = make_client or _client
        self._clients: dict[Tier, InfluxClient] = {}
        self._lock = threading.Lock()
        # Retention that was set where it cannot be read.
        self._known: dict[Tier, Age] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What this generation can do about the age of rows."""
        return CAPABILITIES[self.target.api_version]

    def plan(self, tier: Tier) -> StorePlan:
        """Return what the store of a tier has to be.

        Raises:
            ValueError: The tier is files.
        """
        if (name := store_name(self.target.store, tier)) is None:
            raise ValueError(f"The tier {tier} has no store")
        retention = server_retention(
            tier, self.ages, self.overrides, self.target.api_version
        )
        if tier is Tier.DAILY or self.capabilities.can_delete:
            # A server refuses rows that are older than its retention, and a backfill
            # or a restore brings years of them, which become hours. And the daily
            # store has views, too, which outlive the rows that they were made from.
            retention = None
        shard = TIERS[tier].shard
        if retention is not None and shard is not None and retention < shard:
            # The server takes no piece that is longer than what it keeps.
            shard = None
        return StorePlan(tier=tier, name=name, retention=retention, shard=shard)

    def client(self, tier: Tier) -> InfluxClient:
        """Return the client of a tier's store; it may not exist yet.

        Raises:
            StoreTlsError: The target's CA certificate cannot be read.
        """
        name = self.plan(tier).name
        with self._lock:
            if tier not in self._clients:
                self._clients[tier] = self._make_client(
                    replace(self.target, store=name)
                )
            return self._clients[tier]

    def ensure(self) -> tuple[Tier, ...]:
        """Create the stores that are missing; those that exist stay as they are.

        Returns:
            The tiers whose stores were created.

        Raises:
            RetentionStoresError: Some could not be created and are for a person to
                create; all others are there.
            StoreError: The server is away, or refuses the credentials.
        """
        created: list[Tier] = []
        missing: list[str] = []
        reason = ""
        for tier in STORED_TIERS:
            client, plan = self.client(tier), self.plan(tier)
            if is_usable(client):
                continue
            try:
                create_store(client, retention=plan.retention, shard=plan.shard)
                if not is_usable(client):
                    raise StorePermissionError("It exists, but may not be used")
            # The third is what 3.x says of a sixth database, and 2.x of a bucket that
            # exists where the token cannot see it.
            except (StorePermissionError, StoreMissingError, StoreQueryError) as err:
                missing.append(plan.name)
                reason = reason or str(err)
            else:
                created.append(tier)
        if missing:
            raise RetentionStoresError(tuple(missing), reason)
        return tuple(created)

    def too_short(self) -> dict[Tier, dt.timedelta]:
        """Find stores whose rows the server drops before their tier's age.

        A store that a person has created, or that another program uses as well, may
        have a retention of its own.

        Returns:
            Tier to the server's retention. Stores of which the server does not tell
            it are left out.

        Raises:
            StoreError: Also where a store is missing.
        """
        found: dict[Tier, dt.timedelta] = {}
        for tier in STORED_TIERS:
            retention = read_retention(self.client(tier))
            if retention is None or retention.duration is None:
                continue
            age = longest_age(tier, self.ages, self.overrides)
            if age is None or retention.duration < age:
                found[tier] = retention.duration
        return found

    def manage_retention(
        self, tier: Tier, *, now_ns: int, oldest_unverified_ns: int | None
    ) -> Age:
        """Let the server delete what is old, but nothing that is not verified.

        The only way on a generation that cannot delete rows. Where verification lags
        behind, rows are kept for longer, until it has caught up.

        Args:
            oldest_unverified_ns: Time of the oldest row that is not proven to be in
                the next tier; None if there is none.

        Returns:
            What the retention is now; None for ever.

        Raises:
            StoreUnsupportedError: The server cannot change it (3.x Core).
            StoreError: Any other.
        """
        wanted = self.plan(tier).retention
        if wanted is not None and oldest_unverified_ns is not None:
            days = -((oldest_unverified_ns - now_ns) // NS_PER_DAY)
            wanted = max(wanted, max(days, 0) * _DAY + _LAG_MARGIN)
        client = self.client(tier)
        with self._lock:
            is_known = tier in self._known and self._known[tier] == wanted
        if not is_known:
            set_retention(client, wanted)
            with self._lock:
                self._known[tier] = wanted
        return wanted

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()


def is_usable(client: InfluxClient) -> bool:
    """Whether a store exists and may be read.

    Raises:
        StoreError: Nobody can say, since the server is away or the credentials are
            refused.
    """
    try:
        # Not a list of all stores: that may be hidden from who may use this one. And
        # not of its measurements: of a missing database 1.x says that it has none.
        client.execute(f'SELECT * FROM "{MEASUREMENT_PROBE}" LIMIT 1')  # noqa: S608
    except StoreMissingError, StorePermissionError:
        return False
    except StoreQueryError:
        # It was looked for the measurement, which may be missing.
        return True
    return True


def _client(target: Target) -> InfluxClient:
    return InfluxClient(target, timeout_s=_TIMEOUT_S)
