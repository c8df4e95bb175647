"""Packages that only some sources need: installed for those, and for nobody else."""

from collections.abc import Sequence

from homeassistant.core import HomeAssistant

from ..errors import PackagesMissingError, SourceUnavailableError
from ..requirements import async_install as async_install_packages


async def async_install(hass: HomeAssistant, requirements: Sequence[str]) -> None:
    """Install packages, unless they are there; takes minutes on small machines.

    Raises:
        SourceUnavailableError: One of them cannot be installed.
    """
    try:
        await async_install_packages(hass, requirements)
    except PackagesMissingError as err:
        raise SourceUnavailableError(str(err)) from err
