"""Sense: energy monitors that tell devices apart by the shape of their power.

Delivers the power of the home, of the grid and of every device (W), and the energy of
today (kWh, every five minutes). Resolution: one minute. Delay: seconds. Credentials:
the account's own e-mail address and password. Rate limit: none stated; the pace is that
of Home Assistant's own integration. Licence: none stated; the user's own data, through
an API that is not documented.

Source: https://github.com/scottbonline/sense
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, override

from homeassistant.const import CONF_EMAIL, CONF_PASSWORD

from ...errors import SourceDataError
from ...models import SourceKind
from ..base import (
    Argument,
    ArgumentType,
    Source,
    SourceContext,
    SourceDescription,
    SourceDocumentation,
    SourceEnvironment,
    SourceResult,
)
from ..parsing import parse_number
from .model import Circuit, Circuits, Counter, MeterData, name_apart
from .sense_client import SenseClient

# What the panels give is no circuit.
_SOLAR: Final = "solar"
_TRENDS_INTERVAL: Final = timedelta(minutes=5)


def parse_realtime(payload: Any, now: datetime) -> tuple[datetime, float, float | None]:
    """Read a `realtime_update`.

    Returns:
        Its time, what the home uses, and what it draws from the grid, both W; the
        latter is None where there are no panels.

    Raises:
        SourceDataError: It is not as described.
    """
    if not isinstance(payload, Mapping):
        raise SourceDataError("No values")
    consumption_w = parse_number(payload, "w")
    if consumption_w is None:
        raise SourceDataError("No power")
    solar_w = parse_number(payload, "solar_w")
    grid_w = parse_number(payload, "grid_w")
    if solar_w is None:
        grid_w = None
    elif grid_w is None:
        grid_w = consumption_w - solar_w
    epoch_s = parse_number(payload, "epoch")
    measured_at = now
    if epoch_s is not None:
        try:
            measured_at = min(datetime.fromtimestamp(epoch_s, UTC), now)
        except (OverflowError, ValueError, OSError) as err:
            raise SourceDataError("Not a time: epoch") from err
    return measured_at, consumption_w, grid_w


def parse_circuits(payload: Mapping[str, Any], known: Mapping[str, str]) -> Circuits:
    """Read the devices of a `realtime_update`.

    Args:
        known: Names of all devices of the account by id: those that are off now are
            not in the payload.
    """
    powers: dict[str, float | None] = dict.fromkeys(known, 0.0)
    names = dict(known)
    items = payload.get("devices")
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
            continue
        powers[item["id"]] = parse_number(item, "w")
        names[item["id"]] = str(item.get("name") or names.get(item["id"]) or item["id"])
    return name_apart(
        Circuit(key=key, name=names[key] or key, power_w=power_w)
        for key, power_w in powers.items()
        if key != _SOLAR
    )


def create_data(
    monitor_id: str,
    payload: Any,
    known: Mapping[str, str],
    energy_kwh: float | None,
    now: datetime,
) -> MeterData:
    """Put a reading together.

    Args:
        energy_kwh: Drawn from the grid today; None where that is not known, so that
            the energy is computed from the power.

    Raises:
        SourceDataError: The payload is not as described.
    """
    measured_at, consumption_w, grid_w = parse_realtime(payload, now)
    counters: Iterable[Counter] = ()
    if energy_kwh is not None:
        key = "from_grid" if grid_w is not None else "usage"
        counters = (Counter(key=f"{monitor_id}_{key}", kwh=energy_kwh),)
    return MeterData(
        meter_id=monitor_id,
        measured_at=measured_at,
        power_w=consumption_w if grid_w is None else grid_w,
        consumption_w=consumption_w,
        counters=tuple(counters),
        circuits=parse_circuits(payload, known),
    )


class Sense(Source[MeterData]):
    """Asks one monitor, the first one of the account."""

    def __init__(
        self, environment: SourceEnvironment, arguments: Mapping[str, Any]
    ) -> None:
        """Take the account; it logs in when it is asked first."""
        self._client = SenseClient(
            environment, arguments[CONF_EMAIL], arguments[CONF_PASSWORD]
        )
        self._trends_at: datetime | None = None
        self._energy_kwh: float | None = None
        # Devices that were on once; the list of the account lacks some of them.
        self._known: dict[str, str] = {}

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[MeterData]:
        now = context.now
        payload = await self._client.async_get_realtime()
        has_panels = (
            isinstance(payload, Mapping)
            and parse_number(payload, "solar_w") is not None
        )
        if self._trends_at is None or now - self._trends_at >= _TRENDS_INTERVAL:
            self._trends_at = now
            energy_kwh = await self._client.async_get_energy(has_panels=has_panels)
            # Once there were any, the last value stands until there is another.
            self._energy_kwh = self._energy_kwh if energy_kwh is None else energy_kwh
        self._known |= self._client.list_devices()
        data = create_data(
            self._client.monitor_id, payload, self._known, self._energy_kwh, now
        )
        self._known |= {item.key: item.name for item in data.circuits}
        return SourceResult(data=data)


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[MeterData]:
    return Sense(environment, arguments)


SENSE: Final = SourceDescription(
    key="sense",
    kind=SourceKind.SMART_METER,
    name="Sense",
    base_url="https://api.sense.com",
    update_interval=timedelta(minutes=1),
    create=_create,
    arguments=(
        Argument(key=CONF_EMAIL, type=ArgumentType.TEXT),
        Argument(key=CONF_PASSWORD, type=ArgumentType.SECRET),
    ),
    # Home Assistant's own integration pins the same, and both share an environment.
    requirements=("sense-energy==0.14.3",),
    documentation=SourceDocumentation(
        delivers="The power of the home and of every device that Sense has found, what"
        " is drawn from the grid, and today's energy.",
        resolution="One minute; today's energy every five.",
        delay="Seconds.",
        rate_limit="None stated. Asked at the pace of Home Assistant's own integration.",
        licence="None stated; your own data, through an API that is not documented.",
        url="https://www.home-assistant.io/integrations/sense/",
        signup="Use the e-mail address and the password of the Sense app.",
        limits="Accounts with a second factor cannot be used: add Home Assistant's own"
        " Sense integration, which asks for the code, and choose its entities instead."
        " Installs the package sense-energy.",
    ),
)
