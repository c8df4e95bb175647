"""The one repair issue of a source: for what only a person can put right."""

from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ..const import DOMAIN
from ..errors import SourceArgumentError, SourceAuthError, SourceError

# Refused credentials are believed at the second time: providers have blips.
_REFUSALS_FOR_ISSUE: Final = 2


class SourceIssue:
    """Shows what the provider refuses, else what is wrong with the settings.

    It stays as it is while its cause does, so that nobody sees it come and go with
    every poll. Event loop only.
    """

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Prepare; nothing is shown yet."""
        self._hass = hass
        self._entry = entry
        self._refusals = 0
        self._is_refusal_shown = False

    @callback
    def note_failure(
        self,
        subentry: ConfigSubentry,
        err: SourceError,
        words: str,
        *,
        has_secrets: bool,
    ) -> None:
        """Look at a failure: is it one that waiting does not help against?

        Args:
            words: What is said of the error, without secrets.
            has_secrets: Where there are no credentials, nobody can give it others.
        """
        is_refused = isinstance(err, SourceAuthError)
        if not isinstance(err, SourceArgumentError) and not (
            is_refused and has_secrets
        ):
            self._refusals = 0
            return
        self._refusals += 1
        if self._refusals >= _REFUSALS_FOR_ISSUE:
            self._is_refusal_shown = True
            self._show(subentry, words, is_refused=is_refused)

    @callback
    def note_success(self) -> None:
        """Refuse nothing any more; `report` takes back what was shown of it."""
        self._refusals = 0
        self._is_refusal_shown = False

    @callback
    def report(self, subentry: ConfigSubentry, problem: str | None) -> None:
        """Show what is wrong with the settings; None for nothing."""
        if self._is_refusal_shown:
            return
        if problem is None:
            self._delete(subentry)
        else:
            self._show(subentry, problem, is_refused=False)

    @callback
    def delete(self, subentry: ConfigSubentry) -> None:
        """Take it back, and begin anew."""
        self.note_success()
        self._delete(subentry)

    def _show(self, subentry: ConfigSubentry, words: str, *, is_refused: bool) -> None:
        key = "source_refused" if is_refused else "source_argument"
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _issue_id(subentry),
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=key,
            translation_placeholders={
                "hub": self._entry.title,
                "source": subentry.title,
                "error": words,
            },
        )

    def _delete(self, subentry: ConfigSubentry) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, _issue_id(subentry))


def _issue_id(subentry: ConfigSubentry) -> str:
    return f"source_{subentry.subentry_id}"
