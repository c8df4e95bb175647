"""Asking one source: bounded in time, and never for somebody who has gone."""

import asyncio
from collections.abc import Mapping
import logging
import traceback
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback

from ..errors import SourceDataError, SourceError, SourceUnavailableError
from ..sources.base import Source, SourceData, SourceDescription, SourceResult
from .environment import create_context, create_source
from .requirements import async_install

_LOGGER = logging.getLogger(__name__)

# Several requests one after another fit in; what takes longer than that hangs, and
# would otherwise never be asked again.
FETCH_TIMEOUT_S: Final = 60.0
# A library that does not let go holds nothing else up.
CLOSE_TIMEOUT_S: Final = 2.0


def log_unexpected(
    err: Exception,
    name: str,
    description: SourceDescription[Any],
    arguments: Mapping[str, Any],
) -> None:
    """Log an error that nobody expects, without what the user keeps secret."""
    details = "".join(traceback.format_exception(err))
    _LOGGER.error(
        "Unexpected error while asking %s: %s",
        name,
        description.hide_secrets(details, arguments),
    )


class Fetcher[DataT: SourceData]:
    """Owns the source itself, and makes its errors ours. Event loop only."""

    def __init__(
        self, hass: HomeAssistant, name: str, description: SourceDescription[DataT]
    ) -> None:
        """Prepare; `open` makes the source."""
        self._hass = hass
        self._name = name
        self._description = description
        self._arguments: Mapping[str, Any] = {}
        self._source: Source[DataT] | None = None
        self._time_limit: asyncio.Timeout | None = None
        self._is_broken = self._is_puzzled = False

    @callback
    def open(self, arguments: Mapping[str, Any]) -> None:
        """Make the source; nothing is asked yet."""
        self._arguments = arguments
        try:
            self._source = create_source(self._hass, self._description, arguments)
        except Exception as err:  # noqa: BLE001 - such as arguments of another version
            self._is_broken = True
            self._log_details(err)

    async def async_close(self) -> None:
        """Give up what is being asked, and the source."""
        source, self._source = self._source, None
        self._is_broken = False
        if self._time_limit is not None and not self._time_limit.expired():
            self._time_limit.reschedule(self._hass.loop.time())
        if source is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await source.async_close()
        except Exception as err:  # noqa: BLE001 - it is given up anyway
            _LOGGER.debug("Closing %s failed: %s", self._name, type(err).__name__)

    async def async_fetch(self) -> SourceResult[DataT] | None:
        """Ask; return None if the source was closed meanwhile.

        Raises:
            SourceError: It does not give its data.
        """
        if self._is_broken:
            raise SourceDataError("It cannot be used as it is; the log says why")
        if (source := self._source) is None:
            return None
        try:
            # Not bounded by us: Home Assistant does that.
            await async_install(self._hass, self._description.requirements)
            if source is not self._source:
                return None
            async with asyncio.timeout(FETCH_TIMEOUT_S) as self._time_limit:
                result = await source.async_fetch(create_context(self._hass))
        except Exception as err:
            if source is not self._source:
                return None
            raise self._translate(err) from err
        finally:
            self._time_limit = None
        if source is not self._source:
            return None
        self._is_puzzled = False
        return result

    def hide(self, text: str) -> str:
        """Take the user's secrets out of a text that a provider may have echoed."""
        return self._description.hide_secrets(text, self._arguments)

    def _translate(self, err: Exception) -> SourceError:
        if isinstance(err, SourceError):
            return err
        if isinstance(err, TimeoutError):
            return SourceUnavailableError("No answer in time")
        self._log_details(err)
        return SourceDataError(f"Unexpected {type(err).__name__}")

    def _log_details(self, err: Exception) -> None:
        """Log what nobody expects; once, until it has answered again."""
        if self._is_puzzled:
            return
        self._is_puzzled = True
        log_unexpected(err, self._name, self._description, self._arguments)
