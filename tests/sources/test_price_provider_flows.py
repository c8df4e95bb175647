"""Setting up providers of prices: what the form says, and what comes of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
import json
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import CONF_ARGUMENTS
from custom_components.ha_ingestor.sources.price.tibber import create_query
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, section
from homeassistant.util import slugify
from tests.flows.texts import find_faults, load_translations
from tests.sources.kit import Answer, ProviderServer

KIND: Final = "electricity_price"
TOKEN: Final = "t0ken-of-the-user"
AGILE: Final = "AGILE-24-10-01"


def list_starts(step: timedelta) -> Iterator[datetime]:
    """List the starts of slots from an hour ago for a day."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for index in range(int(timedelta(hours=26) / step)):
        yield hour - timedelta(hours=1) + index * step


def good_awattar() -> list[Answer]:
    hour = timedelta(hours=1)
    items = [
        {
            "start_timestamp": int(start.timestamp() * 1000),
            "end_timestamp": int((start + hour).timestamp() * 1000),
            "marketprice": 84.2,
            "unit": "Eur/MWh",
        }
        for start in list_starts(hour)
    ]
    return [Answer(path="/v1/marketdata", body={"object": "list", "data": items})]


def good_octopus() -> list[Answer]:
    half = timedelta(minutes=30)
    items = [
        {
            "value_exc_vat": 20.0,
            "value_inc_vat": 21.0,
            "valid_from": start.isoformat(),
            "valid_to": (start + half).isoformat(),
            "payment_method": None,
        }
        for start in list_starts(half)
    ]
    tariff = f"/v1/products/{AGILE}/electricity-tariffs/E-1R-{AGILE}-C"
    product = {"code": AGILE, "available_from": "2024-10-01T00:00:00Z"}
    return [
        Answer(path="/v1/products/", body={"next": None, "results": [product]}),
        Answer(path=f"{tariff}/standard-unit-rates/", body={"results": items}),
    ]


def good_tibber(*names: str) -> list[Answer]:
    items = [
        {"total": 0.3, "startsAt": start.isoformat(), "currency": "EUR"}
        for start in list_starts(timedelta(minutes=15))
    ]
    prices = {"priceInfo": {"today": items, "tomorrow": []}}
    homes = [
        {"id": name, "appNickname": name, "currentSubscription": prices}
        for name in names or ("Flat",)
    ]
    return [answer_tibber({"data": {"viewer": {"homes": homes}}})]


def answer_tibber(body: Any, status: int = 200) -> Answer:
    return Answer(path="/v1-beta/gql", method="POST", body=body, status=status)


REFUSED: Final = {"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}
AWATTAR_INPUT: Final = {"country": "at"}
OCTOPUS_INPUT: Final = {"region": "c"}
TIBBER_INPUT: Final = {"token": TOKEN}
RATES_PATH: Final = (
    f"/v1/products/{AGILE}/electricity-tariffs/E-1R-{AGILE}-C/standard-unit-rates/"
)

type Step = dict[str, Any]


def fill(schema: Mapping[Any, Any], entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a browser sends of a form in which somebody has entered this."""
    sent: dict[str, Any] = {}
    for marker, kind in schema.items():
        key = str(marker)
        suggested = (marker.description or {}).get("suggested_value")
        if isinstance(kind, section):
            sent[key] = fill(kind.schema.schema, entered)
        elif key in entered:
            sent[key] = entered[key]
        elif suggested is not None:
            sent[key] = suggested
    return sent


async def enter(hass: HomeAssistant, step: Step, entered: Mapping[str, Any]) -> Step:
    """Send a form, and look whether the next one has all its texts."""
    result: Step = dict(
        await hass.config_entries.subentries.async_configure(
            step["flow_id"], fill(step["data_schema"].schema, entered)
        )
    )
    assert find_faults(load_translations()["config_subentries"][KIND], result) == []
    return result


async def open_form(hass: HomeAssistant, hub: MockConfigEntry, key: str) -> Step:
    step = await hass.config_entries.subentries.async_init(
        (hub.entry_id, KIND), context={"source": SOURCE_USER}
    )
    step = await enter(hass, dict(step), {"provider": key})
    assert step["step_id"] == key
    return step


@pytest.mark.parametrize(
    ("key", "entered", "answers", "title", "arguments", "price"),
    [
        pytest.param(
            "awattar",
            AWATTAR_INPUT,
            good_awattar,
            "aWATTar",
            {"country": "at"},
            "0.0842 EUR/kWh",
            id="awattar",
        ),
        pytest.param(
            "octopus",
            OCTOPUS_INPUT,
            good_octopus,
            "Octopus Energy Agile C",
            {
                "region": "c",
                "payment": "direct_debit",
                "with_vat": True,
                "night_start": "00:30:00",
                "night_end": "07:30:00",
            },
            "0.2100 GBP/kWh",
            id="octopus",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT,
            good_tibber,
            "Tibber Flat",
            {"token": TOKEN},
            "0.3000 EUR/kWh",
            id="tibber",
        ),
    ],
)
async def test_a_provider_is_set_up_and_changed(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    key: str,
    entered: dict[str, Any],
    answers: Any,
    title: str,
    arguments: dict[str, Any],
    price: str,
) -> None:
    provider.answers = answers()
    step = await enter(hass, await open_form(hass, hub, key), entered)
    assert step["step_id"] == "settings"
    assert step["description_placeholders"]["answer"] == price

    step = await enter(hass, step, {})
    assert step["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    [subentry] = hub.subentries.values()
    assert subentry.title == title
    assert subentry.data[CONF_ARGUMENTS] == arguments
    [coordinator] = hub.runtime_data.sources.coordinators
    assert coordinator.last_error is None
    shown = hass.states.get(f"sensor.{slugify(title)}_current_price")
    assert shown is not None
    assert f"{float(shown.state):.4f}" == price.partition(" ")[0]
    assert shown.attributes["unit_of_measurement"] == price.partition(" ")[2]

    step = dict(
        await hass.config_entries.subentries.async_init(
            (hub.entry_id, KIND),
            context={
                "source": SOURCE_RECONFIGURE,
                "subentry_id": subentry.subentry_id,
            },
        )
    )
    # A secret that is not entered again stays.
    step = await enter(hass, await enter(hass, step, {}), {})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert step["reason"] == "reconfigure_successful"
    assert subentry.data[CONF_ARGUMENTS] == arguments


@pytest.mark.parametrize(
    ("key", "entered", "answers", "errors", "mended", "good"),
    [
        pytest.param(
            "awattar",
            AWATTAR_INPUT,
            [Answer(path="/v1/marketdata", status=403)],
            {"base": "rate_limited"},
            AWATTAR_INPUT,
            good_awattar,
            id="awattar-blocked",
        ),
        pytest.param(
            "awattar",
            AWATTAR_INPUT,
            [Answer(path="/v1/marketdata", body={"data": []})],
            {"base": "unreadable"},
            AWATTAR_INPUT,
            good_awattar,
            id="awattar-empty",
        ),
        pytest.param(
            "octopus",
            {},
            [],
            {"region": "region_missing"},
            OCTOPUS_INPUT,
            good_octopus,
            id="octopus-no-region",
        ),
        pytest.param(
            "octopus",
            {"product": "my tariff", "region": "c"},
            [],
            {"product": "invalid_product"},
            {"product": f"E-1R-{AGILE}-C"},
            good_octopus,
            id="octopus-no-product",
        ),
        pytest.param(
            "octopus",
            {"product": f"G-1R-{AGILE}-C"},
            [],
            {"product": "unsupported_tariff"},
            {"product": AGILE, "region": "c"},
            good_octopus,
            id="octopus-gas",
        ),
        pytest.param(
            "octopus",
            {"product": AGILE, "region": "c"},
            [Answer(path=RATES_PATH, status=404, body={"detail": "No EnergyProduct"})],
            {"product": "unknown_product"},
            {"product": AGILE, "region": "c"},
            good_octopus,
            id="octopus-unknown-product",
        ),
        pytest.param(
            "octopus",
            {"product": AGILE, "region": "c"},
            [
                Answer(
                    path=RATES_PATH, status=404, body={"detail": "No ElectricityTariff"}
                )
            ],
            {"region": "unknown_tariff"},
            {"product": AGILE, "region": "c"},
            good_octopus,
            id="octopus-unknown-tariff",
        ),
        pytest.param(
            "octopus",
            {
                "product": "E-2R-VAR-22-11-01-C",
                "night_start": "01:00:00",
                "night_end": "01:00:00",
            },
            [],
            # A field of a section cannot be marked.
            {"base": "invalid_night"},
            {"product": "", "region": "c"},
            good_octopus,
            id="octopus-no-night",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT,
            [answer_tibber(REFUSED)],
            {"token": "refused"},
            TIBBER_INPUT,
            good_tibber,
            id="tibber-refused",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT,
            good_tibber("Flat", "Cabin"),
            {"home": "choose_home"},
            TIBBER_INPUT | {"home": "cabin"},
            lambda: good_tibber("Flat", "Cabin"),
            id="tibber-several-homes",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT | {"home": "Castle"},
            good_tibber(),
            {"home": "unknown_home"},
            TIBBER_INPUT | {"home": "flat"},
            good_tibber,
            id="tibber-unknown-home",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT,
            [
                answer_tibber(
                    {"data": {"viewer": {"homes": [{"currentSubscription": None}]}}}
                )
            ],
            {"home": "no_home"},
            TIBBER_INPUT,
            good_tibber,
            id="tibber-no-contract",
        ),
        pytest.param(
            "tibber",
            TIBBER_INPUT,
            [answer_tibber("", 429)],
            {"base": "rate_limited"},
            TIBBER_INPUT,
            good_tibber,
            id="tibber-too-often",
        ),
    ],
)
async def test_the_form_says_what_is_wrong_and_goes_on(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    provider: ProviderServer,
    key: str,
    entered: dict[str, Any],
    answers: list[Answer],
    errors: dict[str, str],
    mended: dict[str, Any],
    good: Any,
) -> None:
    provider.answers = list(answers)
    step = await enter(hass, await open_form(hass, hub, key), entered)
    assert step["errors"] == errors
    assert TOKEN not in str(step["description_placeholders"])

    provider.answers = good()
    step = await enter(hass, step, mended)
    assert step["step_id"] == "settings"
    step = await enter(hass, step, {})
    assert step["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done(wait_background_tasks=True)
    [coordinator] = hub.runtime_data.sources.coordinators
    assert coordinator.last_error is None


async def test_tibber_is_told_who_asks(
    hass: HomeAssistant, hub: MockConfigEntry, provider: ProviderServer
) -> None:
    provider.answers = good_tibber()

    await enter(hass, await open_form(hass, hub, "tibber"), TIBBER_INPUT)

    [(method, path, headers, body)] = provider.requests
    assert (method, path) == ("POST", "/v1-beta/gql")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["User-Agent"].startswith("HomeAssistant/")
    assert headers["User-Agent"].endswith(" ha_ingestor")
    assert json.loads(body) == {"query": create_query(timedelta(minutes=15))}
