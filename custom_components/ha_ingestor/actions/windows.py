"""The actions that find the right hour: the cheapest, the greenest, the best of both.

They read what the sources know already and ask no provider.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import math
from typing import Any, Final, TypedDict, cast

import probatio

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    DOMAIN,
    SERVICE_FIND_BEST_WINDOW,
    SERVICE_FIND_CHEAPEST_WINDOW,
    SERVICE_FIND_GREENEST_WINDOW,
)
from ..models import SourceKind
from ..sources.slots import Slots
from ..sources.windows import (
    Cost,
    Load,
    LoadStep,
    Part,
    WindowSearch,
    align_slots,
    calculate_cost,
    calculate_cost_from,
    find_balanced_windows,
    find_windows,
)
from .moments import find_period, validate_moment
from .window_sources import SlotSource, async_find_source, refuse

ATTR_ALTERNATIVES: Final = "alternatives"
ATTR_CARBON_SOURCE: Final = "carbon_source"
ATTR_CARBON_WEIGHT: Final = "carbon_weight"
ATTR_CONTIGUOUS: Final = "contiguous"
ATTR_DURATION: Final = "duration"
ATTR_EARLIEST: Final = "earliest"
ATTR_LATEST: Final = "latest"
ATTR_MIN_PART: Final = "minimum_part"
ATTR_POWER_KW: Final = "power_kw"
ATTR_POWER_PROFILE: Final = "power_profile"
ATTR_PRICE_SOURCE: Final = "price_source"
ATTR_PRICE_WEIGHT: Final = "price_weight"
ATTR_PROFILE_INTERVAL: Final = "profile_interval"
ATTR_SOURCE: Final = "source"

_MAX_ALTERNATIVES: Final = 10
# A day in steps of five minutes.
_MAX_PROFILE_STEPS: Final = 288
# More than anybody knows prices for in advance.
_MAX_DURATION: Final = timedelta(days=7)
_SHORTEST: Final = timedelta(minutes=1)
# Most grids and markets count in quarters of an hour, and devices do not like to be
# switched more often.
_DEFAULT_MIN_PART: Final = timedelta(minutes=15)
_DEFAULT_INTERVAL: Final = timedelta(minutes=15)
# A megawatt: beyond any home.
_MAX_POWER_KW: Final = 1000.0
# Enough for a millionth of a cent.
_DIGITS: Final = 6

_POWER: Final = probatio.All(
    probatio.Coerce(float), probatio.Range(min=0, max=_MAX_POWER_KW)
)
_DURATION: Final = probatio.All(
    cv.positive_time_period, probatio.Range(min=_SHORTEST, max=_MAX_DURATION)
)
# A blueprint passes an input that was left empty as an empty text.
_SOURCE: Final = probatio.Any(None, cv.string)
_WEIGHT: Final = probatio.All(probatio.Coerce(float), probatio.Range(min=0, max=100))
_FIELDS: Final = {
    probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
    probatio.Optional(ATTR_DURATION): _DURATION,
    probatio.Optional(ATTR_CONTIGUOUS, default=True): cv.boolean,
    probatio.Optional(ATTR_MIN_PART, default=_DEFAULT_MIN_PART): (
        cv.positive_time_period
    ),
    probatio.Optional(ATTR_EARLIEST): validate_moment,
    probatio.Optional(ATTR_LATEST): validate_moment,
    probatio.Exclusive(ATTR_POWER_KW, "power"): probatio.All(
        _POWER, probatio.Range(min=0, min_included=False)
    ),
    probatio.Exclusive(ATTR_POWER_PROFILE, "power"): probatio.All(
        cv.ensure_list, [_POWER], probatio.Length(min=1, max=_MAX_PROFILE_STEPS)
    ),
    probatio.Optional(ATTR_PROFILE_INTERVAL, default=_DEFAULT_INTERVAL): _DURATION,
    probatio.Optional(ATTR_ALTERNATIVES, default=1): probatio.All(
        probatio.Coerce(int), probatio.Range(min=1, max=_MAX_ALTERNATIVES)
    ),
}
FIND_SCHEMA: Final = probatio.Schema(
    {**_FIELDS, probatio.Optional(ATTR_SOURCE): _SOURCE}
)
FIND_BEST_SCHEMA: Final = probatio.Schema(
    {
        **_FIELDS,
        probatio.Optional(ATTR_PRICE_SOURCE): _SOURCE,
        probatio.Optional(ATTR_CARBON_SOURCE): _SOURCE,
        probatio.Optional(ATTR_PRICE_WEIGHT, default=50): _WEIGHT,
        probatio.Optional(ATTR_CARBON_WEIGHT, default=50): _WEIGHT,
    }
)


class PartResponse(TypedDict):
    """A time without a pause; local ISO text with its offset."""

    start: str
    end: str


class CostResponse(TypedDict):
    """What a run costs or emits.

    `saving` is what it does less than one that starts now; None where that is not
    known, and in percent also where starting now costs nothing or less.
    """

    mean: float
    total: float
    saving: float | None
    saving_percent: float | None


class WindowResponse(PartResponse, CostResponse):
    """One window."""

    parts: list[PartResponse]


class StartNowResponse(TypedDict):
    """What a run costs or emits that starts now."""

    mean: float
    total: float


class SearchResponse(TypedDict):
    """What is the same for all three actions.

    `known_until` is the end of the data; `is_complete` tells whether they reach to
    the end of the searched period. `power_kw` is the mean over the run.
    """

    duration_minutes: float
    power_kw: float
    is_power_assumed: bool
    energy_kwh: float
    earliest: str
    latest: str
    known_until: str
    is_complete: bool


class FindWindowResponse(SearchResponse):
    """Answer of `find_cheapest_window` and `find_greenest_window`."""

    source: str
    unit: str
    total_unit: str
    start_now: StartNowResponse | None
    windows: list[WindowResponse]


class BestWindowResponse(PartResponse):
    """One window of both; `score` is 0 for the best of each, 1 for the worst."""

    parts: list[PartResponse]
    score: float
    price: CostResponse
    carbon: CostResponse


class SideResponse(TypedDict):
    """One of both sources."""

    source: str
    unit: str
    total_unit: str
    weight: float
    start_now: StartNowResponse | None


class FindBestWindowResponse(SearchResponse):
    """Answer of `find_best_window`."""

    price: SideResponse
    carbon: SideResponse
    windows: list[BestWindowResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A call, read.

    Attributes:
        now: To the next full second; UTC.
        known_until: End of the data; UTC.
    """

    now: datetime
    search: WindowSearch
    known_until: datetime
    is_power_assumed: bool


@callback
def async_setup_window_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, handle, schema in (
        (SERVICE_FIND_CHEAPEST_WINDOW, _async_find_cheapest, FIND_SCHEMA),
        (SERVICE_FIND_GREENEST_WINDOW, _async_find_greenest, FIND_SCHEMA),
        (SERVICE_FIND_BEST_WINDOW, _async_find_best, FIND_BEST_SCHEMA),
    ):
        hass.services.async_register(
            DOMAIN,
            name,
            handle,
            schema=schema,
            supports_response=SupportsResponse.ONLY,
        )


async def _async_find_cheapest(call: ServiceCall) -> ServiceResponse:
    return await _async_find(call, SourceKind.ELECTRICITY_PRICE)


async def _async_find_greenest(call: ServiceCall) -> ServiceResponse:
    return await _async_find(call, SourceKind.CARBON_INTENSITY)


async def _async_find(call: ServiceCall, kind: SourceKind) -> ServiceResponse:
    source = await async_find_source(call, kind, ATTR_SOURCE)
    request = _read_request(call.data, source.slots, source.title)
    search = request.search
    # A search can take a while on a small computer: not on the event loop.
    windows = await call.hass.async_add_executor_job(find_windows, source.slots, search)
    _check_found(windows, request, source.title)
    now_cost = calculate_cost_from(source.slots, search.load, request.now)
    response = FindWindowResponse(
        **_describe(request),
        source=source.title,
        unit=source.unit,
        total_unit=source.total_unit,
        start_now=_describe_now(now_cost),
        windows=[
            WindowResponse(
                start=_to_text(window.start),
                end=_to_text(window.end),
                parts=_describe_parts(window.parts),
                **_describe_cost(
                    calculate_cost(source.slots, search.load, window.parts), now_cost
                ),
            )
            for window in windows
        ],
    )
    return cast("ServiceResponse", response)


async def _async_find_best(call: ServiceCall) -> ServiceResponse:
    prices = await async_find_source(
        call, SourceKind.ELECTRICITY_PRICE, ATTR_PRICE_SOURCE
    )
    carbon = await async_find_source(
        call, SourceKind.CARBON_INTENSITY, ATTR_CARBON_SOURCE
    )
    weights: tuple[float, float] = (
        call.data[ATTR_PRICE_WEIGHT],
        call.data[ATTR_CARBON_WEIGHT],
    )
    if not any(weights):
        raise refuse("window_weights")
    title = f"{prices.title} + {carbon.title}"
    common, _ = align_slots(prices.slots, carbon.slots)
    request = _read_request(call.data, common, title)
    search = request.search
    found = await call.hass.async_add_executor_job(
        find_balanced_windows, prices.slots, carbon.slots, weights, search
    )
    _check_found(found, request, title)
    price_now, carbon_now = (
        calculate_cost_from(source.slots, search.load, request.now)
        for source in (prices, carbon)
    )
    response = FindBestWindowResponse(
        **_describe(request),
        price=_describe_side(prices, weights[0] / sum(weights), price_now),
        carbon=_describe_side(carbon, weights[1] / sum(weights), carbon_now),
        windows=[
            BestWindowResponse(
                start=_to_text(item.window.start),
                end=_to_text(item.window.end),
                parts=_describe_parts(item.window.parts),
                score=round(item.score, _DIGITS),
                price=_describe_cost(item.costs[0], price_now),
                carbon=_describe_cost(item.costs[1], carbon_now),
            )
            for item in found
        ],
    )
    return cast("ServiceResponse", response)


# --- what was asked


def _read_request(data: Mapping[str, Any], slots: Slots, title: str) -> _Request:
    """Read what is looked for, and refuse what cannot be found in any data."""
    now = dt_util.utcnow()
    now += timedelta(microseconds=-now.microsecond % 1_000_000)
    load = _read_load(data)
    earliest, latest = find_period(data.get(ATTR_EARLIEST), data.get(ATTR_LATEST), now)
    if latest is not None and latest <= now:
        raise refuse("window_in_the_past", latest=_to_text(latest))
    if latest is not None and latest <= earliest:
        raise refuse(
            "window_backwards", earliest=_to_text(earliest), latest=_to_text(latest)
        )
    if latest is not None and latest - earliest < load.duration:
        raise refuse(
            "window_too_long",
            duration=str(load.duration),
            earliest=_to_text(earliest),
            latest=_to_text(latest),
        )
    if not slots or slots[-1].end <= now:
        raise refuse("window_no_data", source=title)
    known_until = slots[-1].end
    if known_until <= earliest:
        raise refuse(
            "window_not_known_yet", source=title, known_until=_to_text(known_until)
        )
    return _Request(
        now=now,
        known_until=known_until,
        is_power_assumed=not data.keys() & {ATTR_POWER_KW, ATTR_POWER_PROFILE},
        search=WindowSearch(
            load=load,
            earliest=earliest,
            latest=known_until if latest is None else latest,
            is_contiguous=data[ATTR_CONTIGUOUS],
            min_part=data[ATTR_MIN_PART],
            count=data[ATTR_ALTERNATIVES],
        ),
    )


def _read_load(data: Mapping[str, Any]) -> Load:
    duration: timedelta | None = data.get(ATTR_DURATION)
    profile: Sequence[float] | None = data.get(ATTR_POWER_PROFILE)
    if profile is None:
        if duration is None:
            raise refuse("window_no_duration")
        power_kw = data.get(ATTR_POWER_KW, 1.0)
        return Load(
            steps=(LoadStep(duration=_to_minutes(duration), power_kw=power_kw),)
        )
    if not data[ATTR_CONTIGUOUS]:
        raise refuse("window_profile_split")
    if not any(profile):
        raise refuse("window_profile_empty")
    interval = data[ATTR_PROFILE_INTERVAL]
    load = Load(
        steps=tuple(LoadStep(duration=interval, power_kw=item) for item in profile)
    )
    if duration not in {None, load.duration}:
        raise refuse(
            "window_profile_length",
            duration=str(duration),
            profile=str(load.duration),
        )
    return load


def _to_minutes(duration: timedelta) -> timedelta:
    """Return a duration in full minutes: the parts of a split run lie on them."""
    return math.ceil(duration / _SHORTEST) * _SHORTEST


def _check_found(found: Sequence[object], request: _Request, title: str) -> None:
    if not found:
        raise refuse(
            "window_not_enough_data",
            source=title,
            duration=str(request.search.load.duration),
            earliest=_to_text(request.search.earliest),
            known_until=_to_text(request.known_until),
        )


# --- what is answered


def _describe(request: _Request) -> SearchResponse:
    search = request.search
    load = search.load
    hours = load.duration / timedelta(hours=1)
    return SearchResponse(
        duration_minutes=load.duration / timedelta(minutes=1),
        power_kw=round(load.energy_kwh / hours, _DIGITS),
        is_power_assumed=request.is_power_assumed,
        energy_kwh=round(load.energy_kwh, _DIGITS),
        earliest=_to_text(search.earliest),
        latest=_to_text(search.latest),
        known_until=_to_text(request.known_until),
        is_complete=request.known_until >= search.latest,
    )


def _describe_side(
    source: SlotSource, weight: float, now_cost: Cost | None
) -> SideResponse:
    return SideResponse(
        source=source.title,
        unit=source.unit,
        total_unit=source.total_unit,
        weight=round(weight, _DIGITS),
        start_now=_describe_now(now_cost),
    )


def _describe_now(cost: Cost | None) -> StartNowResponse | None:
    if cost is None:
        return None
    return StartNowResponse(
        mean=round(cost.mean, _DIGITS), total=round(cost.total, _DIGITS)
    )


def _describe_cost(cost: Cost, now_cost: Cost | None) -> CostResponse:
    saving = None if now_cost is None else now_cost.total - cost.total
    percent = None
    if saving is not None and now_cost is not None and now_cost.total > 0:
        percent = round(100 * saving / now_cost.total, 1)
    return CostResponse(
        mean=round(cost.mean, _DIGITS),
        total=round(cost.total, _DIGITS),
        saving=None if saving is None else round(saving, _DIGITS),
        saving_percent=percent,
    )


def _describe_parts(parts: Sequence[Part]) -> list[PartResponse]:
    return [
        PartResponse(start=_to_text(part.start), end=_to_text(part.end))
        for part in parts
    ]


def _to_text(moment: datetime) -> str:
    return dt_util.as_local(moment).isoformat()
