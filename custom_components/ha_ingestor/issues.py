"""Repair issues and reauthentication: what only a person can mend."""

from collections.abc import Mapping
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_STORE, DOMAIN
from .store.stats import LinkState

_ISSUE_BY_LINK: Final[Mapping[LinkState, str]] = {
    LinkState.FORBIDDEN: "store_forbidden",
    LinkState.MISSING: "store_missing",
}


@callback
def async_show_link(hass: HomeAssistant, entry: ConfigEntry, link: LinkState) -> None:
    """Ask for help where the state of the link needs it, and take it back after."""
    if link is LinkState.AUTH_FAILED:
        entry.async_start_reauth(hass)
    for cause, key in _ISSUE_BY_LINK.items():
        issue_id = f"{key}_{entry.entry_id}"
        if cause is link:
            ir.async_create_issue(
                hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.ERROR,
                translation_key=key,
                translation_placeholders={
                    "hub": entry.title,
                    "store": entry.data[CONF_STORE],
                },
            )
        else:
            ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_delete_store_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take back every issue of a hub."""
    for key in _ISSUE_BY_LINK.values():
        ir.async_delete_issue(hass, DOMAIN, f"{key}_{entry.entry_id}")
