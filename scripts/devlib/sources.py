"""One source of each kind in the demo home, added through the flows of the hub.

Three of them ask stand-ins on loopback, two read entities of the demo home, so that
nobody needs a key to see them alive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from .api import HomeAssistantApi
from .entries import HUB_DOMAIN
from .flows import ENTRY_FLOW, SUBENTRY_FLOW, read_texts, run_flow

_CALENDAR_DOMAIN: Final = "local_calendar"
CALENDAR: Final = "calendar.work"
METER: Final = "sensor.electricity_meter"
HOME_TIME_ZONE: Final = ZoneInfo("Europe/Brussels")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSource:
    """What is entered in the forms of a source."""

    kind: str
    provider: str
    fields: Mapping[str, Any]


DEMO_SOURCES: Final = (
    DemoSource(kind="carbon_intensity", provider="uk_carbon_intensity", fields={}),
    DemoSource(kind="electricity_price", provider="awattar", fields={"country": "de"}),
    DemoSource(kind="air_quality", provider="open_meteo", fields={}),
    DemoSource(
        kind="occupancy",
        provider="calendar",
        fields={"calendars": [CALENDAR], "person": "person.demo"},
    ),
    DemoSource(
        kind="smart_meter",
        provider="meter_entities",
        fields={
            "power_entities": [f"{METER}_appliances_power", f"{METER}_lights_power"],
            "energy_entities": [
                f"{METER}_appliances_energy",
                f"{METER}_lights_energy",
            ],
            "circuit_entities": [
                f"{METER}_appliances_power",
                f"{METER}_lights_power",
            ],
        },
    ),
)


async def set_up_calendar(api: HomeAssistantApi) -> None:
    """Give the resident a calendar: the office today, at home tomorrow."""
    entries = await api.get(
        f"/api/config/config_entries/entry?domain={_CALENDAR_DOMAIN}"
    )
    if entries:
        return
    await run_flow(
        api,
        {"handler": _CALENDAR_DOMAIN},
        {},
        {"calendar_name": "Work", "import": "create_empty"},
        path=ENTRY_FLOW,
    )
    today = datetime.now(HOME_TIME_ZONE).date()
    office, home = (today + timedelta(days=days) for days in (0, 1))
    for summary, day in (("Office", office), ("WFH", home)):
        start, end = (
            datetime.combine(day, time(hour), HOME_TIME_ZONE) for hour in (9, 17)
        )
        await api.post(
            "/api/services/calendar/create_event",
            {
                "entity_id": CALENDAR,
                "summary": summary,
                "start_date_time": start.isoformat(),
                "end_date_time": end.isoformat(),
            },
        )


async def set_up_sources(api: HomeAssistantApi, entry_id: str) -> None:
    """Add the sources that the hub does not have yet."""
    subentries = await api.command("config_entries/subentries/list", entry_id=entry_id)
    present = {subentry["subentry_type"] for subentry in subentries}
    texts = read_texts(HUB_DOMAIN)["config_subentries"]
    for source in DEMO_SOURCES:
        if source.kind in present:
            continue
        await run_flow(
            api,
            {"handler": [entry_id, source.kind]},
            {},
            {"provider": source.provider, **source.fields},
            path=SUBENTRY_FLOW,
            texts=texts[source.kind]["error"],
        )
