"""The action `get_history`, as people and automations use it."""

from collections.abc import Mapping
import datetime as dt
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.models import FieldValue, Point
from custom_components.ha_ingestor.retention.tiers import Tier
from custom_components.ha_ingestor.retention.transfer import write_points
from devlib.influxd import InfluxServer
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)

START = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
POWER = {"entity_id": "sensor.power", "domain": "sensor", "unit": "W"}
COUNTER = {
    "entity_id": "sensor.meter",
    "domain": "sensor",
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit": "kWh",
}


def point(
    measurement: str,
    at: dt.datetime,
    tags: Mapping[str, str] = POWER,
    **fields: FieldValue,
) -> Point:
    return Point(
        measurement=measurement,
        tags=tags,
        fields=fields,
        time_ns=int(at.timestamp()) * 10**9,
    )


def change(at: dt.datetime, value: float, tags: Mapping[str, str] = POWER) -> Point:
    return point(
        "home_assistant_events", at, tags, state=str(value), value=float(value)
    )


@pytest.fixture
async def zone(hass: HomeAssistant) -> None:
    """A home in UTC, so that texts are easy to read."""
    await hass.config.async_set_time_zone("UTC")


async def put(
    hass: HomeAssistant, hub: MockConfigEntry, *points: Point, tier: Tier = Tier.RAW
) -> None:
    tiers = hub.runtime_data.storage.tiers

    def write() -> None:
        tiers.ensure()
        write_points(tiers.client(tier), points)

    await hass.async_add_executor_job(write)


async def get(hass: HomeAssistant, context: Context | None = None, **data: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "get_history",
        {"entity_id": "sensor.power", "start": START, "end": START + DAY} | data,
        blocking=True,
        context=context,
        return_response=True,
    )


@pytest.mark.usefixtures("zone")
async def test_hours_of_raw_rows(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await put(
        hass,
        hub,
        change(START + HOUR, 1000),
        change(START + 1.5 * HOUR, 3000),
        point("home_assistant_events", START + 2 * HOUR, state="unavailable"),
    )

    answer = await get(hass, resolution="1h", statistics=["mean", "energy", "count"])

    assert answer == {
        "resolution": "1h",
        "entities": {
            "sensor.power": {
                "unit": "W",
                "rows": [
                    {
                        "start": "2025-03-01T01:00:00+00:00",
                        "end": "2025-03-01T02:00:00+00:00",
                        "source": "raw",
                        "mean": 2000.0,
                        "count": 2.0,
                        "energy": 2.0,
                    },
                    {
                        "start": "2025-03-01T02:00:00+00:00",
                        "end": "2025-03-01T03:00:00+00:00",
                        "source": "raw",
                        "count": 0.0,
                    },
                ],
            }
        },
        "notes": [],
        "has_more": False,
        "cursor": None,
    }


@pytest.mark.usefixtures("zone")
async def test_rows_of_another_unit_have_it_beside_them(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    """An entity whose unit was changed, and one that had none before."""
    bare = {name: text for name, text in POWER.items() if name != "unit"}
    await put(
        hass,
        hub,
        change(START + HOUR, 1, bare),
        change(START + 2 * HOUR, 2, POWER | {"unit": "kW"}),
        change(START + 3 * HOUR, 3000),
    )

    answer = await get(hass, resolution="raw")

    history = answer["entities"]["sensor.power"]
    assert history["unit"] == "W"
    assert [(row["value"], row.get("unit", "as above")) for row in history["rows"]] == [
        (1.0, None),
        (2.0, "kW"),
        (3000.0, "as above"),
    ]


@pytest.mark.usefixtures("zone")
async def test_every_change_and_what_is_left_of_older_ones(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(
        hass,
        hub,
        point(
            "hourly_aggregates",
            START + HOUR,
            row_count=7.0,
            sample_count=7.0,
            covered_seconds=3600.0,
            avg_value=5.0,
            min_value=4.0,
            max_value=6.0,
            first_value=4.0,
            last_value=6.0,
        ),
        tier=Tier.HOURLY,
    )
    await put(hass, hub, change(START + 3 * HOUR, 10), change(START + 4 * HOUR, 20))

    answer = await get(hass, resolution="raw", statistics=["mean"])

    assert answer["entities"]["sensor.power"]["rows"] == [
        {
            "start": "2025-03-01T01:00:00+00:00",
            "end": "2025-03-01T02:00:00+00:00",
            "source": "hourly",
            "mean": 5.0,
        },
        {
            "start": "2025-03-01T03:00:00+00:00",
            "source": "raw",
            "state": "10",
            "value": 10.0,
        },
        {
            "start": "2025-03-01T04:00:00+00:00",
            "source": "raw",
            "state": "20",
            "value": 20.0,
        },
    ]
    assert answer["notes"] == [
        {
            "kind": "hourly_shown",
            "message": "Raw rows are gone: hourly rows are shown",
            "entity_id": "sensor.power",
            "start": "2025-03-01T01:00:00+00:00",
            "end": "2025-03-01T02:00:00+00:00",
        }
    ]


@pytest.mark.usefixtures("zone")
async def test_five_minutes(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    await put(hass, hub, change(START + HOUR, 10), change(START + 1.25 * HOUR, 20))

    answer = await get(
        hass,
        start=START + HOUR,
        end=START + 1.5 * HOUR,
        resolution="5m",
        statistics="mean",
    )

    rows = answer["entities"]["sensor.power"]["rows"]
    assert [row["mean"] for row in rows] == [10.0] * 3 + [20.0] * 3
    assert (rows[0]["start"], rows[-1]["end"]) == (
        "2025-03-01T01:00:00+00:00",
        "2025-03-01T01:30:00+00:00",
    )


@pytest.mark.usefixtures("zone")
async def test_imported_means_fill_what_no_tier_has(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    def mean(at: dt.datetime, value: float) -> Point:
        return point(
            "home_assistant_statistics",
            at,
            avg_value=value,
            min_value=value - 1,
            max_value=value + 1,
        )

    def total(at: dt.datetime, value: float) -> Point:
        return point(
            "home_assistant_statistics",
            at,
            COUNTER,
            last_value=500 + value,
            sum_value=value,
        )

    await put(
        hass,
        hub,
        mean(START - 2 * HOUR, 1),
        *(mean(START + hour * HOUR, 10.0 + hour) for hour in range(3)),
        *(total(START + hour * HOUR, 100.0 + hour) for hour in range(-1, 3)),
        # Rows of the tiers are stronger.
        change(START + 2 * HOUR, 40),
        point("home_assistant_events", START + 3 * HOUR, state="unavailable"),
    )
    entities = ["sensor.power", "sensor.meter"]

    hours = await get(hass, entity_id=entities, resolution="1h", end=START + 3 * HOUR)
    days = await get(hass, entity_id=entities, resolution="1d", start=START - DAY)

    assert [
        (row["source"], row.get("mean"))
        for row in hours["entities"]["sensor.power"]["rows"]
    ] == [("statistics", 10.0), ("statistics", 11.0), ("raw", 40.0)]
    assert [
        (row["source"], row.get("energy"), row.get("last"))
        for row in hours["entities"]["sensor.meter"]["rows"]
    ] == [
        ("statistics", 1.0, 600.0),
        ("statistics", 1.0, 601.0),
        ("statistics", 1.0, 602.0),
    ]
    assert days["entities"]["sensor.power"]["rows"][0] == {
        "start": "2025-02-28T00:00:00+00:00",
        "end": "2025-03-01T00:00:00+00:00",
        "source": "statistics",
        "mean": 1.0,
        "min": 0.0,
        "max": 2.0,
    }
    assert days["entities"]["sensor.meter"]["rows"][-1] == {
        "start": "2025-03-01T00:00:00+00:00",
        "end": "2025-03-02T00:00:00+00:00",
        "source": "statistics",
        "last": 602.0,
        "energy": 3.0,
    }
    assert [(note["kind"], note["entity_id"]) for note in hours["notes"]] == [
        ("statistics_shown", "sensor.power"),
        ("statistics_shown", "sensor.meter"),
    ]


@pytest.mark.usefixtures("zone")
async def test_pages_join_without_gap_or_overlap(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(
        hass,
        hub,
        *(
            change(START + hour * HOUR, hour, tags)
            for tags in (POWER, COUNTER)
            for hour in range(9)
        ),
        # A second series at the same instant.
        change(START + 4 * HOUR, 4, {**POWER, "area": "Kitchen"}),
    )
    question = {
        "entity_id": ["sensor.meter", "sensor.power", "sensor.meter"],
        "resolution": "raw",
        "limit": 4,
    }
    pages = [await get(hass, **question)]

    async def follow() -> None:
        while (cursor := pages[-1]["cursor"]) is not None:
            pages.append(await get(hass, **question, cursor=cursor))

    await follow()

    rows = {
        entity_id: [
            row["value"]
            for page in pages
            for row in page["entities"][entity_id]["rows"]
        ]
        for entity_id in ("sensor.meter", "sensor.power")
    }
    assert rows == {
        "sensor.meter": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "sensor.power": [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    }
    assert [page["has_more"] for page in pages] == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("changes", "resolution"),
    [
        pytest.param({"end": START + HOUR}, "raw", id="an-hour"),
        pytest.param({"end": START + DAY}, "5m", id="a-day"),
        pytest.param({"end": START + 30 * DAY}, "1h", id="a-month"),
        pytest.param({"end": START + 300 * DAY}, "1d", id="most-of-a-year"),
        pytest.param({"end": START + DAY, "resolution": "1h"}, "1h", id="chosen"),
    ],
)
async def test_the_range_chooses_the_resolution(
    hass: HomeAssistant,
    hub: MockConfigEntry,
    changes: dict[str, Any],
    resolution: str,
) -> None:
    await put(hass, hub)

    assert (await get(hass, **changes))["resolution"] == resolution


@pytest.mark.usefixtures("zone")
async def test_until_now(hass: HomeAssistant, hub: MockConfigEntry) -> None:
    now = dt.datetime.now(dt.UTC)
    await put(hass, hub, change(now - 3 * HOUR, 7))

    answer = await hass.services.async_call(
        DOMAIN,
        "get_history",
        {"entity_id": "sensor.power", "start": now - DAY, "resolution": "1h"},
        blocking=True,
        return_response=True,
    )

    rows = answer["entities"]["sensor.power"]["rows"]
    last_end = dt.datetime.fromisoformat(rows[-1]["end"])
    assert now <= last_end <= dt.datetime.now(dt.UTC)
    assert {row["mean"] for row in rows} == {7.0}
    assert [note["kind"] for note in answer["notes"]] == ["open_window"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        pytest.param({"end": START - HOUR}, "history_backwards", id="backwards"),
        pytest.param(
            {"start": START - 4000 * DAY, "end": START}, "history_too_long", id="long"
        ),
        pytest.param({"cursor": "xyz"}, "history_cursor", id="no-cursor"),
        pytest.param({"cursor": "WzEsMl0"}, "history_cursor", id="other-cursor"),
        pytest.param({"cursor": "ä"}, "history_cursor", id="no-base64"),
    ],
)
async def test_what_is_asked_wrongly_is_refused(
    hass: HomeAssistant, hub: MockConfigEntry, changes: dict[str, Any], key: str
) -> None:
    await put(hass, hub)

    with pytest.raises(ServiceValidationError) as err:
        await get(hass, **changes)

    assert err.value.translation_key == key
    assert (await get(hass))["entities"]["sensor.power"]["rows"] == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"entity_id": []}, id="nothing"),
        pytest.param({"entity_id": [f"sensor.s{n}" for n in range(101)]}, id="many"),
        pytest.param({"statistics": []}, id="no-statistics"),
        pytest.param({"statistics": ["median"]}, id="unknown-statistic"),
        pytest.param({"resolution": "7m"}, id="unknown-resolution"),
        pytest.param({"limit": 5001}, id="much"),
        pytest.param({"start": "yesterday"}, id="no-time"),
    ],
)
async def test_what_the_schema_refuses(
    hass: HomeAssistant, hub: MockConfigEntry, changes: dict[str, Any]
) -> None:
    with pytest.raises(probatio.Invalid):
        await get(hass, **changes)


async def test_a_cursor_of_another_question_is_refused(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(hass, hub, *(change(START + hour * HOUR, hour) for hour in range(5)))
    answer = await get(hass, resolution="1h", limit=2)

    with pytest.raises(ServiceValidationError) as err:
        await get(hass, resolution="1d", limit=2, cursor=answer["cursor"])

    assert err.value.translation_key == "history_cursor"


async def test_a_server_that_is_away(
    hass: HomeAssistant, hub: MockConfigEntry, influxdb: InfluxServer
) -> None:
    await put(hass, hub, change(START, 1))
    influxdb.query('DROP DATABASE "test"')
    hub.runtime_data.storage.checkpoint.close()

    with pytest.raises(HomeAssistantError) as err:
        await get(hass)

    assert err.value.translation_key == "history_unreadable"
    await hass.async_add_executor_job(hub.runtime_data.storage.checkpoint.open)
    influxdb.query('CREATE DATABASE "test"')
    assert (await get(hass))["has_more"] is False


async def test_only_who_may_see_an_entity_sees_its_past(
    hass: HomeAssistant, hub: MockConfigEntry
) -> None:
    await put(hass, hub, change(START, 1))
    user = MockUser().add_to_hass(hass)
    user.mock_policy({"entities": {"entity_ids": {"sensor.power": True}}})
    context = Context(user_id=user.id)

    allowed = await get(hass, context)

    assert allowed["entities"]["sensor.power"]["rows"]
    with pytest.raises(Unauthorized):
        await get(hass, context, entity_id=["sensor.power", "sensor.meter"])
    with pytest.raises(UnknownUser):
        await get(hass, Context(user_id="nobody"))
