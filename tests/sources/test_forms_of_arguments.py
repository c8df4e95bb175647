"""Forms made of what sources declare, and what nobody expects of a source."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.flows.source_forms import create_argument_schema
from custom_components.ha_ingestor.sources.base import Argument, ArgumentType
from custom_components.ha_ingestor.sources.price.tibber import Tibber
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
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
