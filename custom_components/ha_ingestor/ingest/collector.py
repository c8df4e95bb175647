"""Keeps capturing between the unloading of a hub and its next set-up.

A reload takes seconds when a database is slow to answer; the house does not wait.
What is collected is bounded in number and time: a hub that is not set up again
within five minutes has been given up.
"""

from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..options import HubOptions
from ..store.buffer import RecordSink
from ..store.stats import PipelineStats
from .listener import BusListener

MAX_COLLECTED_RECORDS: Final = 50_000
MAX_COLLECTING_S: Final = 300.0

DATA_COLLECTORS: HassKey[dict[str, Collector]] = HassKey(f"{DOMAIN}_collectors")


class Collector:
    """A listener with a bounded list behind it instead of a pipeline.

    Attributes:
        attached_at_s: Since when nothing has been missed; Unix time.
        is_complete: Whether nothing had to be dropped.
    """

    def __init__(self, listener: BusListener | None = None) -> None:
        """Take over a running listener, or wait for one."""
        self.attached_at_s = dt_util.utcnow().timestamp()
        self.is_complete = True
        self._lists: list[list[Any]] = []
        self._count = 0
        self._cancel_timer: CALLBACK_TYPE | None = None
        self._listener = listener
        if listener is not None:
            listener.set_sink(self.put)

    @classmethod
    @callback
    def start(cls, hass: HomeAssistant, options: HubOptions) -> Collector:
        """Attach a new listener to the bus, before anything that takes time."""
        collector = cls()
        listener = BusListener(hass, options, PipelineStats(), collector.put)
        listener.async_start(options)
        collector._listener = listener
        return collector

    @property
    def listener(self) -> BusListener:
        """The listener that feeds this collector."""
        assert self._listener is not None  # noqa: S101 - set by both ways to make one
        return self._listener

    @callback
    def put(self, records: list[Any]) -> None:
        """Keep records, or count them where there is no room."""
        if self._count + len(records) > MAX_COLLECTED_RECORDS:
            # What comes from now on is complete; how the states are now is captured
            # at the next set-up.
            self.is_complete = False
            self.attached_at_s = dt_util.utcnow().timestamp()
            self.listener.stats.dropped_before_encoding += len(records)
            return
        self._count += len(records)
        self._lists.append(records)

    @callback
    def give_to(self, sink: RecordSink) -> BusListener:
        """Hand over all that was collected, and the listener with it."""
        self._stop_timer()
        listener = self.listener
        listener.hand_over()
        for records in self._lists:
            sink(records)
        self._lists = []
        listener.set_sink(sink)
        return listener

    @callback
    def leave_in(self, hass: HomeAssistant, entry_id: str) -> None:
        """Wait for the next set-up of this hub."""
        self._stop_timer()
        hass.data.setdefault(DATA_COLLECTORS, {})[entry_id] = self

        @callback
        def give_up(_: Any) -> None:
            discard_collector(hass, entry_id)

        self._cancel_timer = async_call_later(hass, MAX_COLLECTING_S, give_up)

    @callback
    def stop(self) -> None:
        """Detach from the bus; what was collected is lost."""
        self._stop_timer()
        self.listener.async_stop()

    def _stop_timer(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None


@callback
def take_collector(hass: HomeAssistant, entry_id: str) -> Collector | None:
    """Return the collector that a former set-up of this hub has left."""
    return hass.data.get(DATA_COLLECTORS, {}).pop(entry_id, None)


@callback
def discard_collector(hass: HomeAssistant, entry_id: str) -> None:
    """Stop collecting for a hub that is gone."""
    if (collector := take_collector(hass, entry_id)) is not None:
        collector.stop()
