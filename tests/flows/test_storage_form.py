"""The form of how long data is kept."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.maintenance.storage_options import StorageOptions
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.store.influx.target import ApiVersion
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from tests.flows.options_kit import ENTRY_DATA, open_form, submit
from tests.flows.texts import get_field_names, get_suggestions

FILLED: dict[str, Any] = {
    "storage_enabled": True,
    "raw_days": 7,
    "hourly_days": 90,
    "activity_days": 90,
    "hourly_at": "02:00:00",
    "daily_at": "02:30:00",
    "price_per_gb_month": 0.1,
}


def read(entry: MockConfigEntry) -> StorageOptions:
    """What the hub makes of what is stored."""
    return StorageOptions.from_entry_options(
        entry.options, ApiVersion.V1, has_archive=False
    )


async def test_defaults_are_shown_and_not_stored(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    form = await open_form(hass, entry, "storage")

    assert get_suggestions(form["data_schema"]) == FILLED
    result = await submit(hass, form, FILLED)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {}
    assert read(entry) == StorageOptions()


async def test_choices_are_stored(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    form = await open_form(hass, entry, "storage")
    chosen = {
        "storage_enabled": False,
        "raw_days": 30,
        "hourly_days": 0,
        "hourly_at": "03:15:00",
        "daily_at": "02:30:00",
        "age_overrides": [
            {"target": " sensor.power ", "raw_days": 60, "hourly_days": ""},
            {"target": "sun", "raw_days": 2},
        ],
    }

    await submit(hass, form, chosen)

    assert entry.options == {
        "storage_enabled": False,
        "raw_days": 30,
        "hourly_days": 0,
        # It was emptied.
        "activity_days": 0,
        "hourly_at": "03:15:00",
        "age_overrides": [
            {"target": "sensor.power", "raw_days": 60},
            {"target": "sun", "raw_days": 2},
        ],
    }
    options = read(entry)
    assert options.ages.hourly is None
    assert options.activity_age is None
    assert [override.target for override in options.overrides] == [
        "sensor.power",
        "sun",
    ]
    shown = await open_form(hass, entry, "storage")
    again = get_suggestions(shown["data_schema"])
    assert again["activity_days"] == 0
    assert again["age_overrides"][0] == {"target": "sensor.power", "raw_days": 60}


@pytest.mark.parametrize(
    ("changes", "field", "key"),
    [
        pytest.param({"raw_days": 1}, "raw_days", "age_out_of_range", id="short"),
        pytest.param(
            {"activity_days": 1}, "activity_days", "age_out_of_range", id="activity"
        ),
        pytest.param(
            {"raw_days": 91}, "hourly_days", "hourly_shorter_than_raw", id="gap"
        ),
        pytest.param(
            {"raw_days": 0}, "hourly_days", "hourly_shorter_than_raw", id="for-ever"
        ),
        pytest.param(
            {"age_overrides": [{"target": "Kitchen", "raw_days": 9}]},
            "age_overrides",
            "override_target_invalid",
            id="target",
        ),
        pytest.param(
            {"age_overrides": [{"target": "sun", "raw_days": 9}] * 2},
            "age_overrides",
            "override_twice",
            id="twice",
        ),
        pytest.param(
            {"age_overrides": [{"target": "sun"}]},
            "age_overrides",
            "override_incomplete",
            id="incomplete",
        ),
        pytest.param(
            {"age_overrides": [{"target": "sun", "raw_days": 1}]},
            "age_overrides",
            "override_out_of_range",
            id="override-short",
        ),
        pytest.param(
            {"age_overrides": [{"target": "sun", "raw_days": "x"}]},
            "age_overrides",
            "override_out_of_range",
            id="no-number",
        ),
        pytest.param(
            {"age_overrides": [{"target": "sun", "raw_days": 100}]},
            "age_overrides",
            "override_hourly_too_short",
            id="override-gap",
        ),
    ],
)
async def test_what_cannot_be_is_named(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    changes: dict[str, Any],
    field: str,
    key: str,
) -> None:
    form = await open_form(hass, entry, "storage")

    again = await submit(hass, form, FILLED | changes)

    assert again["type"] is FlowResultType.FORM
    assert again["errors"] == {field: key}
    assert entry.options == {}
    result = await submit(hass, again, FILLED)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("value", ["all", ["sun"], [{"domain": "sun"}]])
async def test_what_no_browser_sends(
    hass: HomeAssistant, entry: MockConfigEntry, value: Any
) -> None:
    form = await open_form(hass, entry, "storage")

    with pytest.raises(InvalidData):
        await submit(hass, form, FILLED | {"age_overrides": value})


async def test_influxdb_3_offers_no_exceptions(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        entry, data={**ENTRY_DATA, "api_version": "3"}
    )

    form = await open_form(hass, entry, "storage")

    assert "age_overrides" not in get_field_names(form["data_schema"])
    stored = {"age_overrides": [{"target": "sun", "raw_days": 2}]}
    options = StorageOptions.from_entry_options(
        stored, ApiVersion.V3, has_archive=False
    )
    assert options.overrides == ()


async def test_daily_rows_have_an_age_with_an_archive(
    hass: HomeAssistant, setup_entry: Any
) -> None:
    entry = MockConfigEntry(
        domain="ha_ingestor",
        data=ENTRY_DATA,
        subentries_data=[
            ConfigSubentryData(
                data={}, subentry_type="archive", title="Archive", unique_id=None
            )
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    form = await open_form(hass, entry, "storage")

    result = await submit(hass, form, FILLED | {"daily_days": 30})

    assert result["errors"] == {"daily_days": "daily_shorter_than_hourly"}
    await submit(hass, result, FILLED | {"daily_days": 400})
    options = StorageOptions.from_entry_options(
        entry.options, ApiVersion.V1, has_archive=True
    )
    age = options.ages.of(Tier.DAILY)
    assert age is not None
    assert age.days == 400
