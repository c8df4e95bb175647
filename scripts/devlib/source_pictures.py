"""Pictures of the sources: adding one, their devices, and a dashboard of them."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .entries import DEMO_DOMAIN, HUB_DOMAIN
from .sources import CALENDAR, set_up_calendar, set_up_sources
from .studio import ROW_COUNT, ROWS_PER_SECOND, Studio

SOURCE_NAMES: Final = (
    "source-provider",
    "source-form",
    "source-period",
    "source-settings",
    "source-error",
    "sources",
    "source-price",
    "source-carbon",
    "source-air-quality",
    "source-occupancy",
    "source-meter",
    "source-context",
    "sources-dashboard",
)
_INTEGRATION: Final = f"/config/integrations/integration/{HUB_DOMAIN}"
# Two periods of a tariff: name, price, from, until (hours on the clock of AM).
_PERIODS: Final = (("Morning", 0.41, 6, 9), ("Night", 0.24, 12, 5))
# What each device needs to be shown whole.
_DEVICES: Final = (
    ("electricity_price", "source-price", 1_130),
    ("carbon_intensity", "source-carbon", 800),
    ("air_quality", "source-air-quality", 960),
    ("occupancy", "source-occupancy", 800),
    ("smart_meter", "source-meter", 1_090),
)
_DASHBOARD: Final = "outside-data"
# Rows of ten minutes; more of them in a second would be more than a home can draw.
_METERED_ROW_COUNT: Final = 25
# A meter that reads entities looks at them at most so often.
_METER_COOLDOWN_S: Final = 11.0
_PRICE: Final = "sensor.awattar_"
_CARBON: Final = "sensor.uk_carbon_intensity_"
_AIR: Final = "sensor.open_meteo_"
_HOME: Final = "sensor.calendar_demo_"
_METER: Final = "sensor.smart_meter_"
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Electricity price": (
        f"{_PRICE}current_price",
        f"{_PRICE}price_level",
        f"{_PRICE}cheapest_window_start",
        "binary_sensor.awattar_peak_period",
    ),
    "Carbon intensity": (
        f"{_CARBON}carbon_intensity",
        f"{_CARBON}renewable_power",
        f"{_CARBON}fossil_power",
        "binary_sensor.uk_carbon_intensity_grid_is_clean",
    ),
    "Air quality": (
        f"{_AIR}air_quality",
        f"{_AIR}air_quality_index",
        f"{_AIR}dominant_pollutant",
        f"{_AIR}pm2_5",
    ),
    "Who is at home": (
        "binary_sensor.calendar_demo_currently_home",
        f"{_HOME}planned_presence",
        f"{_HOME}next_arrival",
        f"{_HOME}prepare_by",
    ),
    "Smart meter": (
        f"{_METER}power",
        f"{_METER}energy_today",
        f"{_METER}cost_today",
        f"{_METER}carbon_today",
    ),
}


async def show_sources(studio: Studio) -> None:
    """Add a source by hand, then one of each kind, and show what they have."""
    await _show_flow(studio)
    await _show_error(studio)
    await set_up_calendar(studio.api)
    await _plan_absence(studio)
    # The rows that the studio plays have to end before others may be played.
    await asyncio.sleep(ROW_COUNT / ROWS_PER_SECOND)
    await set_up_sources(studio.api, studio.entry_id)
    # A meter has figures for today once the home has used something.
    await studio.api.call_action(
        DEMO_DOMAIN,
        "play",
        start_row=ROW_COUNT + 1,
        rows=_METERED_ROW_COUNT,
        rows_per_second=1,
    )
    await asyncio.sleep(_METERED_ROW_COUNT + _METER_COOLDOWN_S)
    await _show_hub(studio)
    await _show_devices(studio)
    await _show_context(studio)
    await _show_dashboard(studio)


async def _start_flow(studio: Studio, text: str) -> None:
    """Press one of the buttons that add a source."""
    frontend = studio.frontend
    # A page that is opened anew has no dialog left.
    await frontend.open(_INTEGRATION)
    await frontend.page.locator("ha-button").filter(has_text=text).first.click()
    await frontend.settle()


async def _show_flow(studio: Studio) -> None:
    """Enter a tariff of one's own, up to what is made of it."""
    frontend = studio.frontend
    await _start_flow(studio, "Add electricity prices")
    await studio.save("source-provider")

    await frontend.choose("My own tariff")
    await frontend.submit("One price, or prices")
    await frontend.dialog.locator("input[type=number]").first.fill("0.32")
    for number, period in enumerate(_PERIODS):
        await _add_period(studio, *period, is_shown=number == 0)
    await frontend.resize(840)
    await studio.save("source-form")

    await frontend.dialog.get_by_role("button", name="Next").click()
    await frontend.dialog.get_by_text("What to make of the prices").first.wait_for()
    await frontend.resize(1_560)
    await frontend.choose("What you pay on top")
    await studio.save("source-settings")


async def _add_period(
    studio: Studio, name: str, price: float, start: int, end: int, *, is_shown: bool
) -> None:
    """Add a period of the tariff, in the dialog that opens for it."""
    frontend = studio.frontend
    await frontend.resize(1_460)
    await frontend.dialog.get_by_role("button", name="Add").last.click()
    dialog = frontend.page.locator("dialog-form")
    await dialog.locator("input[name=name]").fill(name)
    await dialog.locator("input[type=number]").first.fill(str(price))
    for index, hour in enumerate((start, end)):
        await dialog.locator("input[name=hours]").nth(index).fill(str(hour))
        await frontend.page.keyboard.press("Tab")
    await frontend.settle()
    if is_shown:
        await studio.save("source-period")
    # The first one adds the period, another one a day of the week.
    await dialog.locator("ha-button").filter(has_text="Add").first.click()
    await frontend.settle()


async def _show_error(studio: Studio) -> None:
    """Enter a postcode that is none."""
    frontend = studio.frontend
    await _start_flow(studio, "Add carbon intensity")
    await frontend.choose("UK Carbon Intensity (no key)")
    await frontend.submit("Great Britain only")
    await frontend.fill("postcode", "12345")
    await frontend.dialog.get_by_role("button", name="Next").click()
    await frontend.dialog.get_by_text("not a British postcode").first.wait_for()
    await frontend.resize(640)
    await studio.save("source-error")


async def _plan_absence(studio: Studio) -> None:
    """Let the resident be out at the moment, whatever the hour is."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await studio.api.post(
        "/api/services/calendar/create_event",
        {
            "entity_id": CALENDAR,
            "summary": "Office",
            "start_date_time": (now - timedelta(hours=1)).isoformat(),
            "end_date_time": (now + timedelta(hours=2)).isoformat(),
        },
    )


async def _show_hub(studio: Studio) -> None:
    """Show the hub with its sources."""
    await studio.frontend.open(_INTEGRATION, height=1_560)
    await studio.save("sources")


async def _show_devices(studio: Studio) -> None:
    """Show the device of each source."""
    api, entry_id = studio.api, studio.entry_id
    subentries = await api.command("config_entries/subentries/list", entry_id=entry_id)
    devices = await api.command("config/device_registry/list")
    device_ids: dict[str, str] = {
        subentry_id: device["id"]
        for device in devices
        for subentry_id in device["config_entries_subentries"].get(entry_id, ())
    }
    of_kind = {
        subentry["subentry_type"]: device_ids[subentry["subentry_id"]]
        for subentry in subentries
    }
    for kind, name, height in _DEVICES:
        path = f"/config/devices/device/{of_kind[kind]}"
        await studio.frontend.open(path, height=height)
        await studio.save(name)


async def _show_context(studio: Studio) -> None:
    """Show where it is chosen what feeds the events."""
    frontend = studio.frontend
    await frontend.open(_INTEGRATION, height=1_620)
    row = frontend.page.locator("ha-config-entry-row").first
    await row.locator("ha-icon-button").nth(1).click()
    await frontend.settle()
    await frontend.choose("Context")
    await studio.save("source-context")


async def _show_dashboard(studio: Studio) -> None:
    """Show a dashboard with what a person would look at."""
    await studio.api.command(
        "lovelace/dashboards/create",
        url_path=_DASHBOARD,
        title="Outside data",
        mode="storage",
        show_in_sidebar=True,
        require_admin=False,
    )
    await studio.api.command(
        "lovelace/config/save",
        url_path=_DASHBOARD,
        config={
            "views": [
                {
                    "title": "Outside data",
                    "type": "sections",
                    "max_columns": 2,
                    "sections": [
                        _create_section(title, entities)
                        for title, entities in _SECTIONS.items()
                    ],
                }
            ]
        },
    )
    await studio.frontend.open(f"/{_DASHBOARD}", height=610)
    await studio.save("sources-dashboard")


def _create_section(title: str, entities: tuple[str, ...]) -> dict[str, Any]:
    cards: list[dict[str, Any]] = [
        {
            "type": "tile",
            "entity": entity,
            # The heading names the source already.
            "name": {"type": "entity"},
        }
        for entity in entities
    ]
    return {"type": "grid", "cards": [{"type": "heading", "heading": title}, *cards]}
