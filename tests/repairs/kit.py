"""How tests of repairs look at issues and go through flows."""

import time
from typing import Any

from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.issues import (
    FIXABLE,
)
from custom_components.ha_ingestor.store.buffer import DeadLetter, ReasonClass
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from tests.flows.texts import find_faults, load_translations

WAIT_S = 10.0


async def look(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, ir.IssueEntry]:
    """Let the hub look at its figures; return its issues, whose texts are whole."""
    entry.runtime_data.coordinator.async_refresh_now()
    await hass.async_block_till_done()
    issues = {
        str(issue.translation_key): issue
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.active
    }
    for key, issue in issues.items():
        assert issue.issue_id == f"{key}_{entry.entry_id}"
        assert issue.is_fixable is (key in FIXABLE)
        texts = load_translations()["issues"][key]
        placeholders = issue.translation_placeholders
        assert placeholders is not None
        assert texts["title"].format(**placeholders).startswith(f"{entry.title}: ")
        assert texts.get("description", "").format(**placeholders) is not None
    return issues


class Fix:
    """One repair flow, as a person goes through it; every form can be read."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry, key: str) -> None:
        manager = repairs_flow_manager(hass)
        assert manager is not None
        self._manager = manager
        self._issue_id = f"{key}_{entry.entry_id}"
        self._texts = load_translations()["issues"][key]["fix_flow"]
        self.result: dict[str, Any] = {}

    async def start(self) -> dict[str, Any]:
        return self._check(
            await self._manager.async_init(DOMAIN, context={"issue_id": self._issue_id})
        )

    async def submit(self, **user_input: Any) -> dict[str, Any]:
        return self._check(
            await self._manager.async_configure(self.result["flow_id"], user_input)
        )

    async def choose(self, step_id: str) -> dict[str, Any]:
        return await self.submit(next_step_id=step_id)

    def _check(self, result: Any) -> dict[str, Any]:
        assert find_faults({"error": {}, **self._texts}, result) == []
        self.result = result
        return self.result


async def wait_for(hass: HomeAssistant, condition: Any) -> None:
    """Wait for one of the threads."""

    def wait() -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    await hass.async_add_executor_job(wait)


async def try_to_flush(hass: HomeAssistant) -> None:
    """Fire a state and try to write it."""
    hass.states.async_set("sensor.a", str(time.monotonic_ns()))
    await hass.services.async_call(
        DOMAIN, "flush", {}, blocking=True, return_response=True
    )
    await hass.async_block_till_done()


def set_aside(hub: MockConfigEntry, *classes: ReasonClass) -> None:
    hub.runtime_data.pipeline.buffer.add_dead_letters(
        DeadLetter(line=b"m v=1 %d" % number, reason="no", reason_class=reason_class)
        for number, reason_class in enumerate(classes)
    )
