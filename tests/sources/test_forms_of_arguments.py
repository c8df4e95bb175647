"""Forms made of what sources declare, and what nobody expects of a source."""

from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.flows.source_forms import create_argument_schema
from custom_components.ha_ingestor.sources.base import Argument, ArgumentType
from custom_components.ha_ingestor.sources.catalog import SETTINGS, SOURCES
from custom_components.ha_ingestor.sources.price.tibber import Tibber
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.sources.homes import create_source_entry
from tests.sources.kit import create_case_context


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        pytest.param(
            Argument(key="a", type=ArgumentType.NUMBER),
            {"number": {"mode": "box", "step": "any"}},
            id="number",
        ),
        pytest.param(
            Argument(key="a", type=ArgumentType.ENTITY),
            {"entity": {"multiple": False, "reorder": False}},
            id="entity",
        ),
        pytest.param(
            Argument(
                key="a",
                type=ArgumentType.ROWS,
                fields=(Argument(key="b", type=ArgumentType.TEXT),),
            ),
            {
                "object": {
                    "multiple": True,
                    "fields": {
                        "b": {
                            "required": True,
                            "selector": {
                                "text": {"multiline": False, "multiple": False}
                            },
                        }
                    },
                    "label_field": "b",
                }
            },
            id="rows-of-one-field",
        ),
    ],
)
def test_what_is_not_said_is_left_out(
    argument: Argument, expected: dict[str, Any]
) -> None:
    context = create_case_context({"now": "2026-03-01T12:00:00Z"})

    schema = create_argument_schema((argument,), context, stored=None)

    assert schema.schema["a"].serialize()["selector"] == expected


async def test_what_nobody_expects_is_logged_without_secrets(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(self: Tibber, context: object) -> None:
        raise RuntimeError("no idea what to do with my-own-token")

    monkeypatch.setattr(Tibber, "async_fetch", fail)
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "electricity_price"), context={"source": "user"}
    )
    result = await flows.async_configure(result["flow_id"], {"provider": "tibber"})
    result = await flows.async_configure(result["flow_id"], {"token": "my-own-token"})

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": "unknown"}
    assert "no idea what to do with" in caplog.text
    assert "my-own-token" not in caplog.text


# What a form begins with where the frontend makes up a value: the minimum, or 0.
NUMBERS = {
    **{
        f"{key}-{item.key}": item
        for key, source in SOURCES.items()
        for item in source.arguments
    },
    **{
        f"{kind}-{item.key}": item for kind, items in SETTINGS.items() for item in items
    },
}


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param(argument, id=key)
        for key, argument in NUMBERS.items()
        if argument.type is ArgumentType.NUMBER
    ],
)
def test_no_number_is_made_up_by_the_form(argument: Argument) -> None:
    context = create_case_context({"now": "2026-03-01T12:00:00Z"})

    schema = create_argument_schema((argument,), context, stored=None)

    fields = next(iter(schema.schema.values())).schema if argument.section else schema
    [marker] = fields.schema
    assert isinstance(marker, probatio.Optional)
    assert (marker.description or {}).get("suggested_value") == argument.default


async def test_a_tariff_has_no_price_by_itself(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (hub.entry_id, "electricity_price"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(result["flow_id"], {"provider": "tariff"})
    result = await flows.async_configure(result["flow_id"], {})
    assert result["errors"] == {"base_price": "invalid_base_price"}

    # Nothing is a price, too, where somebody has entered it: a surcharge may follow.
    result = await flows.async_configure(result["flow_id"], {"base_price": 0})
    assert result["step_id"] == "settings"


async def test_a_number_that_was_emptied_is_the_usual_one(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    tariff = create_source_entry(
        "tariff",
        "Tariff",
        kind="electricity_price",
        provider="tariff",
        arguments={"base_price": 0.3},
        settings={"resolution": "as_given", "hour_count": 5},
    )
    hass.config_entries.async_add_subentry(hub, tariff)
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hub.start_subentry_reconfigure_flow(hass, "tariff")
    flows = hass.config_entries.subentries
    result = await flows.async_configure(result["flow_id"], {"base_price": 0.4})
    settings = {
        str(marker): marker.description["suggested_value"]
        for marker in result["data_schema"].schema
        if (marker.description or {}).get("suggested_value") is not None
    }
    assert settings.pop("hour_count") == 5

    result = await flows.async_configure(
        result["flow_id"],
        {
            "window_length": {"hours": 2},
            "peak_period": {"peak": "automatic"},
            "formula": {},
            "price_spike": {},
            "price_level": {},
            **settings,
        },
    )
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)

    stored = hub.subentries["tariff"].data
    assert stored["arguments"]["base_price"] == 0.4
    assert stored["settings"]["hour_count"] == 3
