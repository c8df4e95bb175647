"""What happens besides state changes: automations, actions, registries, users.

Event loop only. Each event becomes one record of `home_assistant_activity`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from homeassistant.auth import EVENT_USER_ADDED, EVENT_USER_REMOVED, EVENT_USER_UPDATED
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import (
    EVENT_CALL_SERVICE,
    EVENT_HOMEASSISTANT_START,
    EVENT_HOMEASSISTANT_STARTED,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Context,
    Event,
    HomeAssistant,
    callback,
)
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.util import dt as dt_util
from homeassistant.util.event_type import EventType

from ..const import MEASUREMENT_ACTIVITY
from ..models import EventKind
from ..options import HubOptions
from ..store.line_protocol import format_series_key
from .records import ACTIVITY, ActivityRecord

# Named by their strings, as the components themselves are not a dependency.
EVENT_AUTOMATION_TRIGGERED: Final = "automation_triggered"
EVENT_SCRIPT_STARTED: Final = "script_started"
EVENT_CONFIG_ENTRY_CHANGED: Final = "config_entry_changed"

_EVENTS_BY_KIND: Final[Mapping[EventKind, tuple[EventType[Any] | str, ...]]] = {
    EventKind.AUTOMATIONS: (EVENT_AUTOMATION_TRIGGERED,),
    EventKind.SCRIPTS: (EVENT_SCRIPT_STARTED,),
    EventKind.ACTIONS: (EVENT_CALL_SERVICE,),
    EventKind.REGISTRIES: (
        er.EVENT_ENTITY_REGISTRY_UPDATED,
        dr.EVENT_DEVICE_REGISTRY_UPDATED,
        ar.EVENT_AREA_REGISTRY_UPDATED,
        fr.EVENT_FLOOR_REGISTRY_UPDATED,
        lr.EVENT_LABEL_REGISTRY_UPDATED,
    ),
    EventKind.USERS: (EVENT_USER_ADDED, EVENT_USER_UPDATED, EVENT_USER_REMOVED),
    EventKind.HOME_ASSISTANT: (
        EVENT_HOMEASSISTANT_START,
        EVENT_HOMEASSISTANT_STARTED,
        EVENT_HOMEASSISTANT_STOP,
    ),
}


class ActivityRecorder:
    """Listens to everything but states and turns it into records."""

    def __init__(
        self, hass: HomeAssistant, append: Callable[[ActivityRecord], None]
    ) -> None:
        """Prepare; nothing is recorded before `async_start`."""
        self._hass = hass
        self._append = append
        self._unsubscribers: list[CALLBACK_TYPE] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._entry_states: dict[str, ConfigEntryState] = {}
        self._user_names: dict[str, str] = {}
        self._static_tags: dict[str, str] = {}

    @callback
    def async_start(self, options: HubOptions) -> None:
        """Attach to the events of the kinds that the user wants."""
        self._static_tags = dict(options.static_tags)
        for kind, event_types in _EVENTS_BY_KIND.items():
            if kind in options.event_kinds:
                self._unsubscribers.extend(
                    self._hass.bus.async_listen(event_type, self._on_event)
                    for event_type in event_types
                )
        if EventKind.USERS in options.event_kinds:
            self._run(self._learn_users(), "Learn the names of users")
        if EventKind.INTEGRATIONS in options.event_kinds:
            self._entry_states = {
                entry.entry_id: entry.state
                for entry in self._hass.config_entries.async_entries()
            }
            self._unsubscribers.append(
                async_dispatcher_connect(
                    self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._on_config_entry
                )
            )

    @callback
    def async_stop(self) -> None:
        """Detach."""
        while self._unsubscribers:
            self._unsubscribers.pop()()
        for task in self._tasks:
            task.cancel()

    @callback
    def set_options(self, options: HubOptions) -> None:
        """Attach anew, to what is wanted now."""
        self.async_stop()
        self.async_start(options)

    @callback
    def _on_event(self, event: Event[Any]) -> None:
        if event.event_type in {EVENT_USER_ADDED, EVENT_USER_UPDATED}:
            # The event carries an id alone; without the name nobody could tell
            # later whose changes these were.
            self._run(self._record_user(event), f"Record {event.event_type}")
        elif event.event_type == EVENT_USER_REMOVED:
            # By now Home Assistant does not know the name any more.
            name = self._user_names.pop(event.data["user_id"], "")
            self._record_event(event, texts={"name": name})
        else:
            describe = _DESCRIBERS.get(event.event_type)
            tags, texts = describe(self._hass, event.data) if describe else ({}, {})
            self._record_event(event, tags=tags, texts=texts)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._hass.async_create_background_task(work, name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _learn_users(self) -> None:
        for user in await self._hass.auth.async_get_users():
            self._user_names[user.id] = user.name or ""

    async def _record_user(self, event: Event[Any]) -> None:
        user = await self._hass.auth.async_get_user(event.data["user_id"])
        name = (user.name if user else None) or ""
        self._user_names[event.data["user_id"]] = name
        self._record_event(event, texts={"name": name})

    def _record_event(
        self,
        event: Event[Any],
        *,
        tags: Mapping[str, str] | None = None,
        texts: Mapping[str, str],
    ) -> None:
        self._record(
            str(event.event_type),
            tags=tags or {},
            texts=texts,
            data=event.data,
            time_s=event.time_fired_timestamp,
            context=event.context,
        )

    @callback
    def _on_config_entry(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        previous = self._entry_states.get(entry.entry_id)
        if change is ConfigEntryChange.REMOVED:
            self._entry_states.pop(entry.entry_id, None)
        else:
            self._entry_states[entry.entry_id] = entry.state
            # Titles and options are nobody's history; the state is.
            if change is ConfigEntryChange.UPDATED and previous is entry.state:
                return
        data = {
            "change": change.value,
            "state": entry.state.value,
            "entry_id": entry.entry_id,
        }
        if previous is not None:
            data["previous_state"] = previous.value
        if entry.reason:
            data["reason"] = entry.reason
        self._record(
            EVENT_CONFIG_ENTRY_CHANGED,
            tags={"integration": entry.domain},
            texts={"name": entry.title, "action": change.value},
            data=data,
            time_s=dt_util.utcnow().timestamp(),
            context=Context(),
        )

    def _record(
        self,
        event_type: str,
        *,
        tags: Mapping[str, str],
        texts: Mapping[str, str],
        data: Mapping[str, Any],
        time_s: float,
        context: Context,
    ) -> None:
        key = format_series_key(
            MEASUREMENT_ACTIVITY,
            {**self._static_tags, **tags, "event_type": event_type},
        )
        self._append(
            (
                ACTIVITY,
                key,
                tuple((name, text) for name, text in texts.items() if text),
                data,
                time_s,
                context.id,
                context.parent_id,
                context.user_id,
            )
        )


type _Described = tuple[dict[str, str], dict[str, str]]


def _describe_named(
    domain: str,
) -> Callable[[HomeAssistant, Mapping[str, Any]], _Described]:
    def describe(_: HomeAssistant, data: Mapping[str, Any]) -> _Described:
        return {"domain": domain, "integration": domain}, {
            "name": str(data.get("name", "")),
            "entity_id": str(data.get("entity_id", "")),
        }

    return describe


def _describe_action(_: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    # Anybody may fire an event of this name, with whatever in it.
    service_data = data.get("service_data")
    entity_id = (
        service_data.get("entity_id", "") if isinstance(service_data, Mapping) else ""
    )
    if isinstance(entity_id, list | tuple | set):
        entity_id = ",".join(sorted(map(str, entity_id)))
    domain, service = str(data.get("domain", "")), str(data.get("service", ""))
    return {"domain": domain}, {
        "name": f"{domain}.{service}",
        "entity_id": str(entity_id),
    }


def _describe_entity(hass: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    entity_id = str(data["entity_id"])
    tags = {"domain": entity_id.partition(".")[0]}
    texts = {"entity_id": entity_id, "action": str(data["action"])}
    if (entry := er.async_get(hass).async_get(entity_id)) is not None:
        tags["integration"] = entry.platform
        texts["name"] = entry.name or entry.original_name or ""
    if old_entity_id := data.get("old_entity_id"):
        # So that the histories of both names can be joined.
        texts["previous_entity_id"] = str(old_entity_id)
    return tags, texts


def _describe_device(hass: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    texts = {"action": str(data["action"])}
    if (device := dr.async_get(hass).async_get(data["device_id"])) is not None:
        texts["name"] = device.name_by_user or device.name or ""
    return {}, texts


def _describe_area(hass: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    area = ar.async_get(hass).async_get_area(str(data.get("area_id")))
    return {}, {"action": str(data["action"]), "name": area.name if area else ""}


def _describe_floor(hass: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    floor = fr.async_get(hass).async_get_floor(str(data.get("floor_id")))
    return {}, {"action": str(data["action"]), "name": floor.name if floor else ""}


def _describe_label(hass: HomeAssistant, data: Mapping[str, Any]) -> _Described:
    label = lr.async_get(hass).async_get_label(str(data.get("label_id")))
    return {}, {"action": str(data["action"]), "name": label.name if label else ""}


_DESCRIBERS: Final[
    Mapping[
        EventType[Any] | str, Callable[[HomeAssistant, Mapping[str, Any]], _Described]
    ]
] = {
    EVENT_AUTOMATION_TRIGGERED: _describe_named("automation"),
    EVENT_SCRIPT_STARTED: _describe_named("script"),
    EVENT_CALL_SERVICE: _describe_action,
    er.EVENT_ENTITY_REGISTRY_UPDATED: _describe_entity,
    dr.EVENT_DEVICE_REGISTRY_UPDATED: _describe_device,
    ar.EVENT_AREA_REGISTRY_UPDATED: _describe_area,
    fr.EVENT_FLOOR_REGISTRY_UPDATED: _describe_floor,
    lr.EVENT_LABEL_REGISTRY_UPDATED: _describe_label,
}
