"""What the window actions are asked: which source, what for, by whom, until when."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.actions.moments import find_period
from custom_components.ha_ingestor.const import DOMAIN
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
from tests.flows.texts import load_translations
from tests.sources.kit import ProviderServer
from tests.window_actions.kit import PRICES, find, local
from tests.window_kit import (
    HOUR,
    add_price_source,
    serve,
)

# --- which source


async def test_a_source_is_chosen_by_device_entity_or_id(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    price_source: str,
    provider: ProviderServer,
    base: datetime,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    now: datetime,
) -> None:
    serve(provider, base, prices=[0.9, 0.8])
    other = await add_price_source(hass, hub, "Other")
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, other), hub.entry_id
    )
    assert device is not None
    entity_id = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{other}_current_price"
    )
    answers = [
        await find(hass, duration="01:00", source=named)
        for named in (None, "", device.id, entity_id, other)
    ]
    assert [answer["source"] for answer in answers] == [
        "Prices",
        "Prices",
        "Other",
        "Other",
        "Other",
    ]
    answer = await find(hass, duration="01:00", config_entry_id=hub.entry_id)
    assert answer["source"] == "Prices"


@pytest.mark.parametrize(
    ("what", "data", "key"),
    [
        pytest.param("greenest", {}, "no_carbon_source", id="no-carbon"),
        pytest.param("best", {}, "no_carbon_source", id="no-carbon-for-both"),
        pytest.param("cheapest", {"source": "gone"}, "source_not_found", id="unknown"),
        pytest.param(
            "greenest",
            {"source": "sensor.prices_current_price"},
            "source_not_found",
            id="of-another-kind",
        ),
        pytest.param(
            "cheapest", {"source": "sensor.elsewhere"}, "source_not_found", id="foreign"
        ),
    ],
)
async def test_a_source_that_is_not_there(
    hass: HomeAssistant,
    price_source: str,
    entity_registry: er.EntityRegistry,
    what: str,
    data: dict[str, Any],
    key: str,
) -> None:
    entity_registry.async_get_or_create(
        "sensor", "demo", "1", suggested_object_id="elsewhere"
    )
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, what, duration="01:00", **data)
    assert caught.value.translation_key == key
    assert str(caught.value)


async def test_without_prices(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, duration="01:00")
    assert caught.value.translation_key == "no_price_source"


# --- what cannot be found


@pytest.mark.parametrize(
    ("data", "key"),
    [
        pytest.param({}, "window_no_duration", id="no-duration"),
        pytest.param(
            {"duration": "07:00"}, "window_not_enough_data", id="longer-than-data"
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 5.5},
            "window_not_enough_data",
            id="too-little-left",
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 7}, "window_not_known_yet", id="not-yet"
        ),
        pytest.param(
            {"duration": "01:00", "latest": -1}, "window_in_the_past", id="past"
        ),
        pytest.param(
            {"duration": "01:00", "earliest": 3, "latest": 2},
            "window_backwards",
            id="backwards",
        ),
        pytest.param(
            {"duration": "03:00", "earliest": 1, "latest": 3},
            "window_too_long",
            id="too-long",
        ),
        pytest.param({"power_profile": [0, 0]}, "window_profile_empty", id="empty"),
        pytest.param(
            {"power_profile": [1, 2], "duration": "01:00"},
            "window_profile_length",
            id="two-lengths",
        ),
        pytest.param(
            {"power_profile": [1], "contiguous": False},
            "window_profile_split",
            id="split-profile",
        ),
    ],
)
async def test_what_cannot_be_found_is_said(
    hass: HomeAssistant,
    price_source: str,
    now: datetime,
    data: dict[str, Any],
    key: str,
) -> None:
    limits = {
        name: now + value * HOUR
        for name, value in data.items()
        if name in {"earliest", "latest"}
    }
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, **data | limits)
    assert caught.value.translation_key == key
    text = load_translations()["exceptions"][key]["message"]
    placeholders = caught.value.translation_placeholders or {}
    assert str(caught.value) == text.format(**placeholders).rstrip(".")

    assert (await find(hass, duration="01:00"))["windows"]


async def test_a_source_that_knows_nothing_yet(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer, base: datetime
) -> None:
    provider.answers = []
    await add_price_source(hass, hub)
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, duration="01:00")
    assert caught.value.translation_key == "window_no_data"

    serve(provider, base, prices=PRICES)
    await hub.runtime_data.sources.coordinators[0].async_refresh()
    assert (await find(hass, duration="01:00"))["windows"]


async def test_weights_must_mean_something(
    hass: HomeAssistant, price_source: str, carbon_source: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await find(hass, "best", duration="01:00", price_weight=0, carbon_weight=0)
    assert caught.value.translation_key == "window_weights"


@pytest.mark.parametrize(
    "data",
    [
        {"duration": "00:00:30"},
        {"duration": "200:00"},
        {"duration": "01:00", "power_kw": 0},
        {"duration": "01:00", "power_kw": "nan"},
        {"duration": "01:00", "power_kw": 1, "power_profile": [1]},
        {"power_profile": [-1]},
        {"power_profile": []},
        {"duration": "01:00", "alternatives": 11},
        {"duration": "01:00", "earliest": "soon"},
        {"duration": "01:00", "latest": 7},
    ],
    ids=str,
)
async def test_nonsense_is_refused(
    hass: HomeAssistant, price_source: str, data: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await find(hass, **data)


# --- who may ask


async def test_only_who_may_see_the_sensor_may_ask(
    hass: HomeAssistant,
    price_source: str,
    carbon_source: str,
    entity_registry: er.EntityRegistry,
    hass_read_only_user: MockUser,
) -> None:
    price = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{price_source}_current_price"
    )
    carbon = entity_registry.async_get_entity_id(
        "sensor", DOMAIN, f"{carbon_source}_carbon_intensity"
    )
    assert price is not None
    assert carbon is not None
    hass_read_only_user.mock_policy(
        {"entities": {"entity_ids": {price: {"read": True}}}}
    )
    context = Context(user_id=hass_read_only_user.id)

    assert await find(hass, duration="01:00", context=context)
    with pytest.raises(Unauthorized):
        await find(hass, "greenest", duration="01:00", context=context)
    with pytest.raises(Unauthorized):
        await find(hass, "best", duration="01:00", context=context)
    with pytest.raises(UnknownUser):
        await find(hass, duration="01:00", context=Context(user_id="gone"))

    # A sensor that was deleted opens nothing to whom it was shown.
    entity_registry.async_remove(price)
    with pytest.raises(Unauthorized):
        await find(hass, duration="01:00", context=context)
    hass_read_only_user.mock_policy({"entities": True})
    assert await find(hass, duration="01:00", context=context)


# --- times of day


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("now_text", "earliest", "latest", "expected"),
    [
        pytest.param(
            "2026-11-20 18:00", None, time(7), ("20T18:00", "21T07:00"), id="deadline"
        ),
        pytest.param(
            "2026-11-20 07:00", None, time(7), ("20T07:00", "21T07:00"), id="right-now"
        ),
        pytest.param(
            "2026-11-20 18:00",
            time(22),
            time(6),
            ("20T22:00", "21T06:00"),
            id="night-to-come",
        ),
        pytest.param(
            "2026-11-20 23:00",
            time(22),
            time(6),
            ("20T23:00", "21T06:00"),
            id="in-the-night",
        ),
        pytest.param(
            "2026-11-20 03:00",
            time(22),
            time(6),
            ("20T03:00", "20T06:00"),
            id="after-midnight",
        ),
        pytest.param(
            "2026-11-20 18:00", time(22), None, ("20T22:00", None), id="start-alone"
        ),
        pytest.param(
            "2026-11-20 18:00",
            moment("2026-11-21 08:00"),
            time(7),
            ("21T08:00", "22T07:00"),
            id="end-after-the-start",
        ),
        pytest.param(
            "2026-11-20 18:00",
            time(22),
            moment("2026-11-21 08:00"),
            ("20T22:00", "21T08:00"),
            id="end-is-a-moment",
        ),
        pytest.param(
            "2026-11-20 18:00",
            moment("2026-11-20 08:00"),
            moment("2026-11-20 20:00"),
            ("20T18:00", "20T20:00"),
            id="past-means-now",
        ),
        # The clock skips from two to three, and shows this half hour only later.
        pytest.param(
            "2026-03-29 01:00",
            None,
            time(2, 30),
            ("29T01:00", "29T03:30"),
            id="skipped",
        ),
        # It shows the hour from two to three twice.
        pytest.param(
            "2026-10-25 02:40",
            None,
            time(2, 30),
            ("25T02:40", "25T02:30"),
            id="repeated",
        ),
    ],
)
async def test_a_time_of_day_is_the_next_one(
    hass: HomeAssistant,
    now_text: str,
    earliest: Any,
    latest: Any,
    expected: tuple[str, str | None],
) -> None:
    now = moment(now_text).astimezone(UTC)
    found = find_period(earliest, latest, now)
    assert (
        tuple(
            None if at is None else dt_util.as_local(at).strftime("%dT%H:%M")
            for at in found
        )
        == expected
    )
    assert found[0] >= now


async def test_limits_are_read_from_text(
    hass: HomeAssistant, price_source: str, now: datetime
) -> None:
    until = now + 3 * HOUR
    answers = [
        await find(hass, duration="01:00", latest=text)
        for text in (
            dt_util.as_local(until).strftime("%H:%M"),
            dt_util.as_local(until).strftime("%H:%M:%S"),
            dt_util.as_local(until).strftime("%Y-%m-%d %H:%M:%S"),
            until.isoformat(),
            dt_util.as_local(until).time(),
        )
    ]
    assert {answer["latest"] for answer in answers} == {local(until)}
    assert {answer["windows"][0]["start"] for answer in answers} == {
        local(now + 2 * HOUR)
    }
