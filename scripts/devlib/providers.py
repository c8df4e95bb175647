"""Stand-ins for providers of outside data, on loopback, in the shapes of the real ones.

What they say follows from the time alone, so that a check can tell what must have
been shown and stored. The shapes are those of the cases below tests/testcases.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
import math
from typing import Any, Final

from aiohttp import web

from .hass import HOST

_HALF_HOUR: Final = timedelta(minutes=30)
_HOUR: Final = timedelta(hours=1)
_FORECAST: Final = timedelta(hours=48)
# g/kWh and share of wind, EUR/MWh, and ug/m3: usual figures of Western Europe.
_MEAN_INTENSITY: Final = 180.0
_MEAN_PRICE: Final = 90.0
_MIX: Final = (
    ("biomass", 6.0),
    ("coal", 0.0),
    ("gas", 31.5),
    ("hydro", 1.5),
    ("imports", 9.0),
    ("nuclear", 14.0),
    ("other", 0.5),
    ("solar", 8.5),
    ("wind", 29.0),
)
_AIR: Final = {
    "pm10": 18.4,
    "pm2_5": 9.2,
    "carbon_monoxide": 182.0,
    "nitrogen_dioxide": 21.3,
    "sulphur_dioxide": 2.1,
    "ozone": 58.0,
    "european_aqi": 29.0,
    "european_aqi_pm2_5": 22.0,
    "european_aqi_pm10": 18.0,
    "european_aqi_nitrogen_dioxide": 20.0,
    "european_aqi_sulphur_dioxide": 1.0,
    "european_aqi_ozone": 29.0,
    "us_aqi": 42.0,
    "us_aqi_pm2_5": 42.0,
    "us_aqi_pm10": 17.0,
    "us_aqi_nitrogen_dioxide": 11.0,
    "us_aqi_sulphur_dioxide": 1.0,
    "us_aqi_ozone": 27.0,
    "us_aqi_carbon_monoxide": 2.0,
}


def floor_time(moment: datetime, step: timedelta) -> datetime:
    """Return the begin of the slot that a moment lies in."""
    return moment - (moment - datetime.min.replace(tzinfo=UTC)) % step


def intensity_at(moment: datetime) -> float:
    """Return the grid's intensity in the half hour of a moment; g/kWh."""
    hour = floor_time(moment, _HALF_HOUR).timestamp() / 3600
    return round(_MEAN_INTENSITY + 70 * math.sin(hour * math.pi / 12))


def price_at(moment: datetime) -> float:
    """Return the market's price in the hour of a moment; EUR/MWh, at times negative."""
    hour = floor_time(moment, _HOUR).timestamp() / 3600
    wave = math.sin(hour * math.pi / 12) + 0.6 * math.sin(hour * math.pi / 6)
    return round(_MEAN_PRICE + 65 * wave, 2)


def air_at(moment: datetime) -> dict[str, float]:
    """Return what is in the air in the hour of a moment, by the provider's names."""
    hour = floor_time(moment, _HOUR).timestamp() / 3600
    factor = 1 + 0.2 * math.sin(hour * math.pi / 12)
    return {name: round(value * factor, 1) for name, value in _AIR.items()}


def renewable_percentage() -> float:
    """Return the share of water, sun and wind."""
    return sum(share for fuel, share in _MIX if fuel in {"hydro", "solar", "wind"})


class ProviderStandIns:
    """Serves all of them."""

    def __init__(self) -> None:
        """Prepare; nothing listens before `start`."""
        app = web.Application()
        for path, answer in (
            ("/uk_carbon_intensity/intensity/{start}/fw48h", _answer_intensity),
            ("/uk_carbon_intensity/generation", _answer_generation),
            ("/awattar/v1/marketdata", _answer_prices),
            ("/open_meteo/v1/air-quality", _answer_air),
        ):
            app.router.add_get(path, answer)
        self._runner = web.AppRunner(app)
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @property
    def base_urls(self) -> dict[str, str]:
        """Base URLs to be asked instead of the real ones, by key of the source."""
        return {
            key: f"http://{HOST}:{self._port}/{key}"
            for key in ("uk_carbon_intensity", "awattar", "open_meteo")
        }


def _slots(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    slot = floor_time(start, step)
    while slot < end:
        yield slot
        slot += step


async def _answer_intensity(request: web.Request) -> web.Response:
    start = datetime.fromisoformat(request.match_info["start"])
    data = [
        {
            "from": f"{slot:%Y-%m-%dT%H:%MZ}",
            "to": f"{slot + _HALF_HOUR:%Y-%m-%dT%H:%MZ}",
            "intensity": {
                "forecast": intensity_at(slot),
                "actual": None,
                "index": "moderate",
            },
        }
        for slot in _slots(start, start + _FORECAST, _HALF_HOUR)
    ]
    return web.json_response({"data": data})


async def _answer_generation(_: web.Request) -> web.Response:
    slot = floor_time(datetime.now(UTC), _HALF_HOUR)
    data = {
        "from": f"{slot:%Y-%m-%dT%H:%MZ}",
        "to": f"{slot + _HALF_HOUR:%Y-%m-%dT%H:%MZ}",
        "generationmix": [{"fuel": fuel, "perc": share} for fuel, share in _MIX],
    }
    return web.json_response({"data": data})


async def _answer_prices(request: web.Request) -> web.Response:
    def bound(name: str, default: datetime) -> datetime:
        if (text := request.query.get(name)) is None:
            return default
        return datetime.fromtimestamp(int(text) / 1000, UTC)

    now = floor_time(datetime.now(UTC), _HOUR)
    start = bound("start", now)
    # Tomorrow is known all day, so that a demonstration does not depend on its hour.
    end = min(bound("end", now + timedelta(hours=24)), now + _FORECAST)
    data: list[dict[str, Any]] = [
        {
            "start_timestamp": int(slot.timestamp() * 1000),
            "end_timestamp": int((slot + _HOUR).timestamp() * 1000),
            "marketprice": price_at(slot),
            "unit": "Eur/MWh",
        }
        for slot in _slots(start, end, _HOUR)
    ]
    return web.json_response({"object": "list", "data": data, "url": "/v1/marketdata"})


def _find_unit(name: str) -> str:
    for scale, unit in (("european_aqi", "EAQI"), ("us_aqi", "USAQI")):
        if name.startswith(scale):
            return unit
    return "μg/m³"


async def _answer_air(request: web.Request) -> web.Response:
    now = datetime.now(UTC)
    values = air_at(now)
    asked = [name for name in request.query["current"].split(",") if name in values]
    slot = floor_time(now, _HOUR)
    return web.json_response(
        {
            "latitude": float(request.query["latitude"]),
            "longitude": float(request.query["longitude"]),
            "generationtime_ms": 0.2,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 50.0,
            "current_units": {
                "time": "iso8601",
                "interval": "seconds",
                **{name: _find_unit(name) for name in asked},
            },
            "current": {
                "time": f"{slot:%Y-%m-%dT%H:%M}",
                "interval": 3600,
                **{name: values[name] for name in asked},
            },
        }
    )
