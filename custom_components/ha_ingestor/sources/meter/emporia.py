"""Emporia Vue: energy monitors with a sensor for each circuit, and smart plugs.

Delivers the power of the home and of every circuit (kWh of the last minute, as W) and
the energy of today (kWh). Resolution: one minute, asked every two. Delay: seconds to
a minute. Credentials: the account's own e-mail address and password. Rate limit: the
provider asks for fewer than about 2000 requests a day; two every two minutes are 1440.
Licence: none stated; the user's own data, through an API that is not documented.

Source: https://github.com/magico13/PyEmVue/blob/master/api_docs.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, override

from homeassistant.const import CONF_EMAIL, CONF_PASSWORD

from ...errors import SourceArgumentError, SourceDataError, SourceUnavailableError
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
from ..parsing import parse_number, parse_time
from .emporia_client import EmporiaClient
from .model import Circuit, Circuits, Counter, MeterData, name_apart

CONF_DEVICE: Final = "device"

_MINUTE: Final = "1MIN"
_DAY: Final = "1D"
_KWH: Final = "KilowattHours"
# Hours of what a usage is the energy of; for longer ones it is no power of now.
_HOURS: Final[Mapping[str, float]] = {"1S": 1 / 3600, _MINUTE: 1 / 60}
# The whole device; what it draws from the grid, what it gives, and their sum.
_MAINS: Final = "1,2,3"
_FROM_GRID: Final = "MainsFromGrid"
_SUMS: Final = frozenset({_FROM_GRID, "MainsToGrid", "TotalUsage"})
# Devices are renamed or added seldom.
_DEVICES_KEPT: Final = timedelta(hours=24)
# Plugs hang below panels, those below a main panel; garbage may be deeper.
_MAX_DEPTH: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the account.

    Attributes:
        is_monitor: Whether it measures a panel; plugs and chargers are circuits.
        is_solar: Whether it may give energy to the grid.
    """

    gid: str
    name: str
    is_monitor: bool
    is_solar: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a channel of a device has used.

    Attributes:
        kwh: None where the provider does not know it (yet).
        is_nested: Whether the device is measured by another one, too.
    """

    gid: str
    channel: str
    name: str | None
    kwh: float | None
    is_nested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageList:
    """One answer: the usages of all channels in a time that ends at `instant`."""

    instant: datetime
    scale: str
    usages: tuple[Usage, ...]


def parse_devices(payload: Any) -> dict[str, Device]:
    """Read `customers/devices`.

    Raises:
        SourceDataError: It is not as described.
    """
    _raise_if_down(payload)
    if not isinstance(payload, Mapping) or not isinstance(payload.get("devices"), list):
        raise SourceDataError("No list of devices")
    return {device.gid: device for device in _walk_devices(payload["devices"], 0)}


def _walk_devices(items: Any, depth: int) -> Iterator[Device]:
    if not isinstance(items, list) or depth > _MAX_DEPTH:
        return
    for item in items:
        if not isinstance(item, Mapping) or (gid := _text(item, "deviceGid")) is None:
            continue
        place = item.get("locationProperties")
        properties = place if isinstance(place, Mapping) else {}
        yield Device(
            gid=gid,
            name=_text(properties, "displayName")
            or _text(properties, "deviceName")
            or gid,
            is_monitor=not item.get("outlet") and not item.get("evCharger"),
            is_solar=bool(properties.get("solar")),
        )
        yield from _walk_devices(item.get("devices"), depth + 1)


def parse_usages(payload: Any) -> UsageList:
    """Read `getDeviceListUsages`.

    Raises:
        SourceDataError: It is not as described.
    """
    _raise_if_down(payload)
    found = payload.get("deviceListUsages") if isinstance(payload, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("devices"), list):
        raise SourceDataError("No list of usages")
    if found.get("energyUnit", _KWH) != _KWH:
        raise SourceDataError(f"Not in kWh: {found['energyUnit']!r:.40}")
    return UsageList(
        instant=parse_time(found.get("instant")),
        scale=str(found.get("scale")),
        usages=tuple(_walk_usages(found["devices"], 0)),
    )


def _walk_usages(devices: Any, depth: int) -> Iterator[Usage]:
    if not isinstance(devices, list) or depth > _MAX_DEPTH:
        return
    for device in devices:
        channels = device.get("channelUsages") if isinstance(device, Mapping) else None
        for item in channels if isinstance(channels, list) else ():
            if not isinstance(item, Mapping):
                continue
            gid = _text(item, "deviceGid") or _text(device, "deviceGid")
            channel = _text(item, "channelNum")
            if gid is not None and channel is not None:
                yield Usage(
                    gid=gid,
                    channel=channel,
                    name=_text(item, "name"),
                    kwh=parse_number(item, "usage"),
                    is_nested=depth > 0,
                )
            yield from _walk_usages(item.get("nestedDevices"), depth + 1)


def _raise_if_down(payload: Any) -> None:
    """Tell maintenance, of which the provider speaks with status 200, from data."""
    if isinstance(payload, Mapping) and (words := _text(payload, "msg")) is not None:
        raise SourceUnavailableError(f"Maintenance: {words:.100}")


def _text(item: Mapping[str, Any], key: str) -> str | None:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value).strip() or None


def choose_monitors(
    devices: Mapping[str, Device], usages: UsageList, chosen: str | None
) -> list[Device]:
    """Return the devices that measure the home, and are measured by no other.

    Args:
        chosen: Name or number of the one that the user wants, None for all.

    Raises:
        SourceArgumentError: The account has no such device.
        SourceDataError: It has none at all.
    """
    tops = dict.fromkeys(item.gid for item in usages.usages if not item.is_nested)
    known = [_get_device(devices, gid) for gid in tops]
    if chosen is not None:
        found = [
            device
            for device in known
            if chosen.casefold() in {device.name.casefold(), device.gid}
        ]
        if not found:
            names = ", ".join(device.name for device in known)
            raise SourceArgumentError(
                CONF_DEVICE, "unknown_device", {"devices": names or "-"}
            )
        return found[:1]
    monitors = [device for device in known if device.is_monitor] or known
    if not monitors:
        raise SourceDataError("The account has no device that measures")
    return monitors


def _get_device(devices: Mapping[str, Device], gid: str) -> Device:
    unknown = Device(gid=gid, name=gid, is_monitor=True, is_solar=False)
    return devices.get(gid, unknown)


def create_data(
    devices: Mapping[str, Device],
    minute: UsageList,
    day: UsageList,
    monitors: list[Device],
) -> MeterData:
    """Put the answers together.

    Args:
        minute: Usages of the last minute.
        day: Usages of today so far.

    Raises:
        SourceUnavailableError: Nothing is known of the home yet.
    """
    gids = [device.gid for device in monitors]
    power_w = _sum_power(minute, gids)
    counters = _list_counters(day, monitors)
    if power_w is None and all(counter.kwh is None for counter in counters):
        raise SourceUnavailableError("Nothing is known of the last minute yet")
    return MeterData(
        meter_id="+".join(gids),
        measured_at=minute.instant,
        power_w=power_w,
        counters=counters,
        circuits=_list_circuits(devices, minute, gids),
    )


def _sum_power(minute: UsageList, gids: list[str]) -> float | None:
    mains = [
        _to_watts(item.kwh, minute.scale)
        for item in minute.usages
        if item.gid in gids and item.channel == _MAINS and not item.is_nested
    ]
    known = [power_w for power_w in mains if power_w is not None]
    return sum(known) if known and len(known) == len(mains) else None


def _to_watts(kwh: float | None, scale: str) -> float | None:
    hours = _HOURS.get(scale)
    return None if kwh is None or hours is None else kwh * 1000 / hours


def _list_counters(day: UsageList, monitors: list[Device]) -> tuple[Counter, ...]:
    """Return what today's energy is read from; none where it may also go down."""
    counters: list[Counter] = []
    for device in monitors:
        channels = {
            item.channel: item.kwh
            for item in day.usages
            if item.gid == device.gid and not item.is_nested
        }
        channel = _FROM_GRID if _FROM_GRID in channels else _MAINS
        if channel == _MAINS and device.is_solar:
            return ()
        counters.append(
            Counter(key=f"{device.gid}_{channel}", kwh=channels.get(channel))
        )
    return tuple(counters)


def _list_circuits(
    devices: Mapping[str, Device], minute: UsageList, gids: list[str]
) -> Circuits:
    circuits: list[Circuit] = []
    tops = {item.gid for item in minute.usages if not item.is_nested}
    is_whole_account = all(
        gid in gids or not _get_device(devices, gid).is_monitor for gid in tops
    )
    # With one panel its name in front of every circuit would tell nothing.
    plain = gids[0] if len(gids) == 1 else None
    is_chosen = True
    for item in minute.usages:
        if not item.is_nested:
            # What hangs below a device follows it.
            is_chosen = is_whole_account or item.gid in gids
        is_total = item.channel == _MAINS and item.gid in gids
        if not is_chosen or is_total or item.channel in _SUMS:
            continue
        circuits.append(
            Circuit(
                key=f"{item.gid}_{item.channel}",
                name=_name_circuit(devices, item, plain),
                power_w=_to_watts(item.kwh, minute.scale),
            )
        )
    return name_apart(circuits)


def _name_circuit(devices: Mapping[str, Device], item: Usage, plain: str | None) -> str:
    device = _get_device(devices, item.gid)
    if item.channel == _MAINS:
        return device.name
    name = item.name or f"Circuit {item.channel}"
    return name if item.gid == plain else f"{device.name} {name}"


class Emporia(Source[MeterData]):
    """Asks for the last minute and for today, of all devices at once."""

    def __init__(
        self, environment: SourceEnvironment, arguments: Mapping[str, Any]
    ) -> None:
        """Take the account; it logs in when it is asked first."""
        self._client = EmporiaClient(
            environment.http, arguments[CONF_EMAIL], arguments[CONF_PASSWORD]
        )
        self._chosen: str | None = arguments.get(CONF_DEVICE)
        self._devices: dict[str, Device] = {}
        self._devices_at: datetime | None = None

    @override
    async def async_fetch(self, context: SourceContext) -> SourceResult[MeterData]:
        now = context.now
        if self._devices_at is None or now - self._devices_at > _DEVICES_KEPT:
            self._devices = parse_devices(
                await self._client.async_get_json("/customers/devices")
            )
            self._devices_at = now
        minute = await self._async_get_usages(now, _MINUTE)
        day = await self._async_get_usages(now, _DAY)
        monitors = choose_monitors(self._devices, minute, self._chosen)
        data = create_data(self._devices, minute, day, monitors)
        place = monitors[0].name if len(monitors) == 1 else None
        return SourceResult(data=data, place=place)

    async def _async_get_usages(self, now: datetime, scale: str) -> UsageList:
        gids = "+".join(self._devices)
        instant = now.replace(tzinfo=None).isoformat(timespec="seconds")
        return parse_usages(
            await self._client.async_get_json(
                f"/AppAPI?apiMethod=getDeviceListUsages&deviceGids={gids}"
                f"&instant={instant}Z&scale={scale}&energyUnit={_KWH}"
            )
        )


def _create(
    environment: SourceEnvironment, arguments: Mapping[str, Any]
) -> Source[MeterData]:
    return Emporia(environment, arguments)


EMPORIA: Final = SourceDescription(
    key="emporia",
    kind=SourceKind.SMART_METER,
    name="Emporia",
    base_url="https://api.emporiaenergy.com",
    update_interval=timedelta(minutes=2),
    create=_create,
    arguments=(
        Argument(key=CONF_EMAIL, type=ArgumentType.TEXT),
        Argument(key=CONF_PASSWORD, type=ArgumentType.SECRET),
        Argument(key=CONF_DEVICE, type=ArgumentType.TEXT, is_required=False),
    ),
    # The only release that this has been tried with; Home Assistant constrains what
    # it needs itself.
    requirements=("pyemvue==0.18.9",),
    documentation=SourceDocumentation(
        delivers="The power of the home and of every circuit and plug, and today's"
        " energy, from Emporia Vue monitors.",
        resolution="One minute; asked every two.",
        delay="Up to a minute.",
        rate_limit="Emporia asks for fewer than about 2000 requests a day. 1440 are"
        " made.",
        licence="None stated; your own data, through an API that is not documented.",
        url="https://github.com/magico13/PyEmVue",
        signup="Use the e-mail address and the password of the Emporia app. An account"
        " that signs in with Google or Apple has no password: set one in the app.",
        limits="Installs the package pyemvue, which brings the AWS libraries boto3 and"
        " botocore with it.",
    ),
)
