"""The one repair issue of a source: only a person can give it other credentials."""

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ..const import DOMAIN
from ..errors import SourceAuthError, SourceError


@callback
def async_show_issue(
    hass: HomeAssistant,
    entry: ConfigEntry,
    subentry: ConfigSubentry,
    err: SourceError,
    words: str,
) -> None:
    """Ask for help with a source that is refused or configured wrongly.

    Args:
        words: What is said of the error, without secrets.
    """
    key = "source_refused" if isinstance(err, SourceAuthError) else "source_argument"
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(subentry.subentry_id),
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=key,
        translation_placeholders={
            "hub": entry.title,
            "source": subentry.title,
            "error": words,
        },
    )


@callback
def async_delete_issue(hass: HomeAssistant, subentry_id: str) -> None:
    """Take it back."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(subentry_id))


def _issue_id(subentry_id: str) -> str:
    return f"source_{subentry_id}"
