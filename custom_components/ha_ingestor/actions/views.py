"""The actions that ask views, and have them made again.

Whoever asks sees the rows of those entities that they may see; what is about the home
as a whole, only those who may see all of it.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NotRequired, TypedDict, cast

import probatio

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import (
    area_registry as ar,
    config_validation as cv,
    device_registry as dr,
    service,
)

from ..const import (
    ATTR_CONFIG_ENTRY_ID,
    DOMAIN,
    SERVICE_QUERY_VIEW,
    SERVICE_REFRESH_VIEWS,
)
from ..data import IngestorConfigEntry
from ..errors import (
    StoreError,
    TooManyJobsError,
    ViewFilterError,
    ViewUnknownError,
)
from ..maintenance.home_energy import async_get_home_entities
from ..maintenance.jobs import JOB_REFRESH_VIEWS, PARAMETER_FULL, PARAMETER_NAMES
from ..models import SourceKind
from ..views.definition import Period, View
from ..views.manager import ViewManager
from ..views.query import MAX_LIMIT, MAX_OFFSET, ViewFilter, ViewPage, units_of

ATTR_AREA: Final = "area"
ATTR_DEVICE: Final = "device"
ATTR_END_DATE: Final = "end_date"
ATTR_FULL: Final = "full"
ATTR_LIMIT: Final = "limit"
ATTR_OFFSET: Final = "offset"
ATTR_PERIOD: Final = "period"
ATTR_START_DATE: Final = "start_date"
ATTR_VIEW: Final = "view"
ATTR_VIEWS: Final = "views"

DEFAULT_LIMIT: Final = 1_000
# More are chosen faster by leaving the choice to the dates.
_MAX_CHOSEN: Final = 500

# What `period` may be; what is not the months is what a view is about anyway.
_DETAIL: Final = "detail"
_NOTE_NO_HOME: Final = (
    "Nothing is known to measure the energy of the home. Set up the Energy dashboard"
    " of Home Assistant with the consumption from the grid, or add a smart meter as a"
    " source."
)
_NAMES: Final = probatio.All(
    cv.ensure_list, [cv.string], probatio.Length(min=1, max=_MAX_CHOSEN)
)
REFRESH_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Optional(ATTR_VIEWS): _NAMES,
        probatio.Optional(ATTR_FULL, default=False): cv.boolean,
    }
)
QUERY_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_VIEW): cv.string,
        probatio.Optional(ATTR_ENTITY_ID): probatio.All(
            cv.entity_ids, probatio.Length(min=1, max=_MAX_CHOSEN)
        ),
        probatio.Optional(ATTR_DEVICE): _NAMES,
        probatio.Optional(ATTR_AREA): _NAMES,
        probatio.Optional(ATTR_START_DATE): cv.date,
        probatio.Optional(ATTR_END_DATE): cv.date,
        probatio.Optional(ATTR_PERIOD, default=_DETAIL): probatio.In(
            (_DETAIL, Period.MONTH.value)
        ),
        probatio.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): probatio.All(
            probatio.Coerce(int), probatio.Range(min=1, max=MAX_LIMIT)
        ),
        probatio.Optional(ATTR_OFFSET, default=0): probatio.All(
            probatio.Coerce(int), probatio.Range(min=0, max=MAX_OFFSET)
        ),
    }
)


class RefreshViewsResponse(TypedDict):
    """Answer of `refresh_views`: `list_jobs` tells how the job gets on."""

    job_id: str


class QueryViewResponse(TypedDict):
    """Answer of `query_view`.

    Each row has its `start` (local ISO text), its tags and its fields. `next_offset`
    is None behind the last row. A `note` says why there may be none.
    """

    view: str
    start: str
    end: str
    units: dict[str, str]
    rows: list[dict[str, str | float | bool]]
    has_more: bool
    next_offset: int | None
    note: NotRequired[str]


@callback
def async_setup_view_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    service.async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_REFRESH_VIEWS,
        _async_refresh,
        schema=REFRESH_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_QUERY_VIEW,
        _async_query,
        schema=QUERY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_refresh(call: ServiceCall) -> ServiceResponse:
    entry = _get_entry(call)
    names: list[str] | None = call.data.get(ATTR_VIEWS)
    views = entry.runtime_data.storage.views
    for name in names or ():
        _get_view(views, name, None)
    parameters: dict[str, Any] = {PARAMETER_FULL: call.data[ATTR_FULL]}
    if names is not None:
        parameters[PARAMETER_NAMES] = sorted(set(names))
    try:
        job = await entry.runtime_data.jobs.async_add(JOB_REFRESH_VIEWS, parameters)
    except TooManyJobsError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_many_jobs"
        ) from err
    return cast("ServiceResponse", RefreshViewsResponse(job_id=job.job_id))


async def _async_query(call: ServiceCall) -> ServiceResponse:
    entry, data = _get_entry(call), call.data
    views = entry.runtime_data.storage.views
    period = Period.MONTH if data[ATTR_PERIOD] == Period.MONTH else None
    view = _get_view(views, data[ATTR_VIEW], period)
    user = await _async_get_restricted_user(call)
    if user is not None and not view.has_entities:
        raise Unauthorized(context=call.context, permission=POLICY_READ)

    async def async_ask() -> ViewPage:
        entity_ids = await _async_get_entity_ids(call, views, view, user)
        wanted = ViewFilter(
            entity_ids=entity_ids,
            devices=_device_names(call.hass, data.get(ATTR_DEVICE)),
            areas=_area_names(call.hass, data.get(ATTR_AREA)),
            start_date=cast("date | None", data.get(ATTR_START_DATE)),
            end_date=cast("date | None", data.get(ATTR_END_DATE)),
            limit=data[ATTR_LIMIT],
            offset=data[ATTR_OFFSET],
        )
        return await call.hass.async_add_executor_job(views.query, view.name, wanted)

    try:
        page = await async_ask()
    except ViewFilterError as err:
        raise _refuse_filter(view, err) from err
    except StoreError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="view_unreadable",
            translation_placeholders={"view": view.name, "error": str(err)},
        ) from err
    answer = _describe(page, data, call.hass.config.currency)
    if view.home_tag is not None and not await _async_has_home(call.hass, entry):
        answer["note"] = _NOTE_NO_HOME
    return cast("ServiceResponse", answer)


async def _async_has_home(hass: HomeAssistant, entry: IngestorConfigEntry) -> bool:
    """Whether anything measures what the home takes, or may do so."""
    if await async_get_home_entities(hass) != ():
        return True
    return any(
        subentry.subentry_type == SourceKind.SMART_METER
        for subentry in entry.subentries.values()
    )


def _describe(
    page: ViewPage, data: Mapping[str, Any], currency: str
) -> QueryViewResponse:
    behind: int = data[ATTR_OFFSET] + len(page.rows)
    return QueryViewResponse(
        view=page.view.name,
        start=page.start_at.isoformat(),
        end=page.end_at.isoformat(),
        units=dict(units_of(page.view, currency)),
        rows=[
            {"start": row.start_at.isoformat(), **row.tags, **row.fields}
            for row in page.rows
        ],
        has_more=page.has_more,
        next_offset=behind if page.has_more and behind <= MAX_OFFSET else None,
    )


def _refuse_filter(view: View, err: ViewFilterError) -> ServiceValidationError:
    if err.argument == "dates":
        return ServiceValidationError(
            translation_domain=DOMAIN, translation_key="view_dates"
        )
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key="view_filter",
        translation_placeholders={"view": view.name, "filter": err.argument},
    )


def _get_entry(call: ServiceCall) -> IngestorConfigEntry:
    return service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )


def _get_view(views: ViewManager, name: str, period: Period | None) -> View:
    try:
        return views.resolve(name, period)
    except ViewUnknownError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="view_not_found",
            translation_placeholders={"view": name, "views": ", ".join(err.names)},
        ) from err


async def _async_get_restricted_user(call: ServiceCall) -> User | None:
    """Return the caller; None for one who may see everything.

    Raises:
        UnknownUser: The caller does not exist any more.
    """
    if call.context.user_id is None:
        # An automation, or Home Assistant itself.
        return None
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    return None if user.permissions.access_all_entities(POLICY_READ) else user


async def _async_get_entity_ids(
    call: ServiceCall, views: ViewManager, view: View, user: User | None
) -> list[str] | None:
    """Return the entities whose rows are wanted and may be seen; None for all.

    Raises:
        StoreError: The store does not answer.
    """
    asked: list[str] | None = call.data.get(ATTR_ENTITY_ID)
    if user is None:
        return asked
    if asked is None:
        asked = await call.hass.async_add_executor_job(views.entity_ids, view.name)
    return [
        entity_id
        for entity_id in asked
        if user.permissions.check_entity(entity_id, POLICY_READ)
    ]


@callback
def _device_names(
    hass: HomeAssistant, chosen: Iterable[str] | None
) -> list[str] | None:
    """Return the names of devices as rows have them; of one that is gone, its name."""
    if chosen is None:
        return None
    registry = dr.async_get(hass)
    return [
        one
        if (device := registry.async_get(one)) is None
        else device.name_by_user or device.name or one
        for one in chosen
    ]


@callback
def _area_names(hass: HomeAssistant, chosen: Iterable[str] | None) -> list[str] | None:
    if chosen is None:
        return None
    registry = ar.async_get(hass)
    return [
        one if (area := registry.async_get_area(one)) is None else area.name
        for one in chosen
    ]
