"""The views of a hub: which there are, how fresh, and what they say.

Blocking, for threads: one refreshes at a time, any may ask.
"""

from collections.abc import Collection, Iterable, Sequence
import datetime as dt
import logging
import threading
import time
from typing import Final

from ..errors import ViewUnknownError
from ..retention.checkpoint import Checkpoint
from ..retention.ledger import Ledger
from ..retention.stores import TierStores
from ..retention.tiers import Tier
from ..retention.windows import NS_PER_DAY
from ..retention.work import Work
from ..store.query import list_tag_values
from .catalog import DEFAULT_VIEWS
from .definition import ENTITY_ID, Period, View
from .query import ViewFilter, ViewPage, read_page
from .refresh import HomeEntities, RefreshResult, ViewRefresh, recheck

_LOGGER = logging.getLogger(__name__)

# All that a server can hold.
_FIRST_NS: Final = 0
_LAST_NS: Final = (1 << 63) - NS_PER_DAY


class ViewManager:
    """Defines, refreshes, asks and drops views.

    Owns no connection: the clients are those of the tiers.

    Args:
        zone: Where the home is; its days are those of the views.
        home_entities: Gives the entities that measure what the home takes from the
            grid; none leaves it to the smart meters, None is "not known yet". Called
            on the thread that refreshes.
    """

    def __init__(
        self,
        stores: TierStores,
        checkpoint: Checkpoint,
        *,
        zone: dt.tzinfo,
        definitions: Iterable[View] = DEFAULT_VIEWS,
        home_entities: HomeEntities = tuple,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._stores = stores
        self._checkpoint = checkpoint
        self._zone = zone
        self._home_entities = home_entities
        self._lock = threading.Lock()
        self._views: dict[str, View] = {}
        for view in definitions:
            self.define(view)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all views, in the order in which they are made."""
        return tuple(view.name for view in self._all())

    def define(self, view: View) -> None:
        """Add a view; it is made by the next refresh.

        Raises:
            ValueError: There is one of that name already.
        """
        with self._lock:
            if view.name in self._views:
                raise ValueError(f"There is a view {view.name} already")
            self._views[view.name] = view

    def get(self, name: str) -> View:
        """Return a view.

        Raises:
            ViewUnknownError: There is none of that name.
        """
        with self._lock:
            if (view := self._views.get(name)) is None:
                raise ViewUnknownError(name, tuple(self._views))
            return view

    def drop(self, name: str) -> None:
        """Forget a view, and delete its rows.

        What was made is no longer taken for proven, so that the view can be defined
        again. Killed in between, the rows stay until then.

        Raises:
            ViewUnknownError: There is none of that name.
            StoreUnsupportedError: 3.x keeps the rows; the view is forgotten.
            StoreError: Any other.
        """
        view = self.get(name)
        with self._lock:
            del self._views[name]
        for span in self._checkpoint.verified(view.ledger):
            self._checkpoint.mark_dirty(view.ledger, span)
        self._stores.client(Tier.DAILY).delete(
            name, tags={}, start_ns=_FIRST_NS, end_ns=_LAST_NS
        )

    def feeds(self, ledger: Ledger) -> tuple[Ledger, ...]:
        """Return the ledgers of the views that a ledger's windows go into."""
        return tuple(
            view.ledger
            for view in self._all()
            if ledger in (*view.made_after, *view.also_of)
        )

    def guards(self, ledger: Ledger) -> tuple[Ledger, ...]:
        """Return the ledgers that have to be verified before rows of one may go.

        Daily rows may go without: they stay for so long that their views were made
        of them a year ago, or the proof of it is lost.
        """
        if ledger.tier is Tier.DAILY:
            return ()
        return tuple(view.ledger for view in self._all() if view.reads == ledger)

    def refresh(
        self,
        work: Work,
        names: Collection[str] | None = None,
        is_full: bool = False,  # noqa: FBT001, FBT002 - part of the interface
    ) -> RefreshResult:
        """Make again what has changed.

        Args:
            names: Only these, and their months; None for all.
            is_full: Make all of it again that can be made.

        Raises:
            ViewUnknownError: There is none of a name; nothing was done.
            RetentionCancelledError: The run is to stop; what was made is whole.
            StoreError: The store does not answer; the same.
        """
        views = self._chosen(names)
        if is_full:
            for view in views:
                recheck(view, self._checkpoint, self._zone)
        result = RefreshResult(views=tuple(view.name for view in views))
        for number, view in enumerate(views):
            refresh = ViewRefresh(
                view,
                self._stores,
                self._checkpoint,
                zone=self._zone,
                home_entities=self._home_entities,
                work=work,
                feeds=self.feeds(view.ledger),
                result=result,
            )
            share = 1 / len(views)
            refresh.run(refresh.open_chunks(), done=number * share, share=share)
        work.report(1.0, "Views")
        _LOGGER.debug(
            "Views: %d chunks made, %d rows written, %d removed",
            result.chunks,
            result.rows_written,
            result.rows_removed,
        )
        return result

    def open_count(self, names: Collection[str] | None = None) -> int:
        """Count the pieces of time that a refresh would make."""
        return sum(
            len(
                ViewRefresh(
                    view,
                    self._stores,
                    self._checkpoint,
                    zone=self._zone,
                    home_entities=self._home_entities,
                    work=Work(),
                    feeds=(),
                    result=RefreshResult(),
                ).open_chunks()
            )
            for view in self._chosen(names)
        )

    def query(
        self, name: str, wanted: ViewFilter, *, now_ns: int | None = None
    ) -> ViewPage:
        """Read rows of a view.

        Args:
            now_ns: What "today" is; None for now.

        Raises:
            ViewUnknownError: There is none of that name.
            ViewFilterError: The view has nothing to filter by like that.
            StoreError: See `InfluxClient.query`.
        """
        return read_page(
            self._stores.client(Tier.DAILY),
            self.resolve(name, wanted.period),
            wanted,
            zone=self._zone,
            now_ns=time.time_ns() if now_ns is None else now_ns,
        )

    def resolve(self, name: str, period: Period | None) -> View:
        """Return the view that has the rows of a period.

        Raises:
            ViewUnknownError: There is none of that name.
        """
        view = self.get(name)
        if period is not Period.MONTH or view.period is Period.MONTH:
            return view
        return view if view.monthly is None else self.get(view.monthly)

    def entity_ids(self, name: str, period: Period | None = None) -> list[str]:
        """List the entities of which a view has rows, sorted.

        Raises:
            ViewUnknownError: There is none of that name.
            StoreError: See `InfluxClient.query`.
        """
        view = self.resolve(name, period)
        return list_tag_values(self._stores.client(Tier.DAILY), view.name, ENTITY_ID)

    def _all(self) -> Sequence[View]:
        with self._lock:
            return tuple(self._views.values())

    def _chosen(self, names: Collection[str] | None) -> list[View]:
        if names is None:
            return list(self._all())
        chosen = {name for one in names for name in (one, self.get(one).monthly)}
        return [view for view in self._all() if view.name in chosen]
