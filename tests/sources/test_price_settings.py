"""What the user makes of prices: formula, template, and settings that are refused."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from tests.sources.price_kit import (
    CURRENT,
    DAY,
    MARKET,
    NEXT,
    RATE,
    add_market,
    add_source,
    full,
    get_coordinator,
    go_to,
    local,
    prices,
    reconfigure,
    set_market,
    value,
)

pytestmark = pytest.mark.usefixtures("berlin")


async def test_surcharges_and_tax_apply_to_all_prices(
    hass: HomeAssistant, hub: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(local("2026-07-01 13:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    formula = {"surcharge_percent": 50, "surcharge": 0.1, "tax_percent": 20}
    await add_market(hass, hub, {"formula": formula})

    # 0.09 and 20 percent, then 0.28 and 20 percent.
    assert float(value(hass, CURRENT)) == pytest.approx(0.108)
    assert float(value(hass, NEXT)) == pytest.approx(0.336)
    coordinator = get_coordinator(hub)
    assert [slot.value for slot in coordinator.slots] == pytest.approx(
        [(price + abs(price) / 2 + 0.1) * 1.2 for price in DAY]
    )
    assert coordinator.currency == "EUR"


async def test_a_template_is_rendered_once_per_slot(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    text = "{{ price * 2 + (0.1 if 6 <= start.hour < 22 else 0) }}"
    await add_market(hass, hub, {"formula": {"price_template": text}})
    assert float(value(hass, CURRENT)) == pytest.approx(0.38)

    rendered: list[float] = []
    coordinator = get_coordinator(hub)
    template = coordinator._template
    render = template._render

    def count(slot: Any) -> float:
        rendered.append(slot.value)
        return render(slot)

    monkeypatch.setattr(template, "_render", count)
    await go_to(hass, freezer, local("2026-07-01 22:00"))
    assert float(value(hass, CURRENT)) == pytest.approx(0.46)
    assert rendered == []

    tomorrow = prices(local("2026-07-02"), [0.5])
    set_market(hass, prices(local("2026-07-01"), DAY), tomorrow)
    await go_to(hass, freezer, local("2026-07-01 22:02"))
    assert rendered == [0.5]


async def test_a_template_that_fails_later_gives_no_price(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    issue_registry: ir.IssueRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), [0.5] * 24))
    await add_market(hass, hub, {"formula": {"price_template": "{{ 1 / price }}"}})
    assert value(hass, CURRENT) == "2.0"

    set_market(hass, prices(local("2026-07-01"), [0.5] * 12 + [0.0] * 2 + [0.25] * 10))
    await go_to(hass, freezer, local("2026-07-01 12:32"))

    assert value(hass, CURRENT) == "unknown"
    assert value(hass, NEXT) == "4.0"
    error = hass.states.get(RATE).attributes["last_error"]
    assert error.startswith("ZeroDivisionError: division by zero (price 0, start")
    [issue] = issue_registry.issues.values()
    assert issue.translation_key == "source_argument"
    assert caplog.text.count("The settings of") == 1

    # The next poll changes nothing about it: nobody sees it come and go.
    changes = async_capture_events(hass, ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED)
    for _ in range(3):
        await get_coordinator(hub).async_refresh()
        await hass.async_block_till_done()
    assert [*issue_registry.issues.values()] == [issue]
    assert changes == []
    assert hass.states.get(RATE).attributes["last_error"] == error
    assert caplog.text.count("The settings of") == 1

    result = await reconfigure(
        hass, hub, {"formula": {"price_template": "{{ price + 1 }}"}}
    )
    assert result["reason"] == "reconfigure_successful"
    assert value(hass, CURRENT) == "1.0"
    assert hass.states.get(RATE).attributes["last_error"] is None
    assert not issue_registry.issues


@pytest.mark.parametrize(
    ("settings", "errors"),
    [
        pytest.param(
            {"formula": {"price_template": "{{ 1 / (price - 0.14) }}"}},
            "invalid_template",
            id="template-fails",
        ),
        pytest.param(
            {"formula": {"price_template": "cheap"}},
            "invalid_template",
            id="template-is-no-number",
        ),
        pytest.param(
            {"formula": {"price_template": "{{ states('sensor.x') }}"}},
            "invalid_template",
            id="template-asks-for-states",
        ),
        pytest.param(
            {"formula": {"price_template": "{{ 'nan' }}"}},
            "invalid_template",
            id="template-is-nan",
        ),
        pytest.param(
            {"formula": {"price_template": "{{ price }}", "surcharge": 0.1}},
            "formula_twice",
            id="formula-twice",
        ),
        pytest.param(
            {"window_length": {"hours": 0, "minutes": 0, "seconds": 0}},
            "invalid_window",
            id="no-window",
        ),
        pytest.param(
            {"window_length": {"hours": 25, "minutes": 0, "seconds": 0}},
            "invalid_window",
            id="long-window",
        ),
        pytest.param(
            {"peak_period": {"peak": "price"}}, "no_peak_price", id="no-peak-price"
        ),
        pytest.param(
            {"price_level": {"very_cheap_below": 40, "cheap_below": 30}},
            "invalid_levels",
            id="levels",
        ),
    ],
)
async def test_settings_that_make_no_sense_are_refused(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    settings: dict[str, Any],
    errors: str,
) -> None:
    freezer.move_to(local("2026-07-01 12:30"))
    set_market(hass, prices(local("2026-07-01"), DAY))
    result = await add_source(hass, hub, "price_entity", {"entity": MARKET}, settings)
    assert list(result["errors"].values()) == [errors]
    assert result["description_placeholders"]["error"]

    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], full({})
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
