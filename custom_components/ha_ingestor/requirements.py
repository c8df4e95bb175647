"""Packages that only some features need: installed for those, and for nobody else."""

from collections.abc import Sequence

from homeassistant.core import HomeAssistant
from homeassistant.requirements import (
    RequirementsNotFound,
    async_clear_install_history,
    async_process_requirements,
)

from .const import DOMAIN
from .errors import PackagesMissingError


async def async_install(hass: HomeAssistant, requirements: Sequence[str]) -> None:
    """Install packages, unless they are there; takes minutes on small machines.

    Raises:
        PackagesMissingError: One of them cannot be installed.
    """
    if not requirements or hass.config.skip_pip:
        return
    try:
        await async_process_requirements(
            hass, DOMAIN, list(requirements), is_built_in=False
        )
    except RequirementsNotFound as err:
        # Home Assistant would not try again before its next start, and a machine may
        # well be up before its network is.
        async_clear_install_history(hass)
        raise PackagesMissingError(tuple(err.requirements)) from err
