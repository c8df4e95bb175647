"""Views are defined, dropped, and defined again."""

from dataclasses import replace

import pytest

from custom_components.ha_ingestor.errors import (
    StoreUnsupportedError,
    ViewUnknownError,
)
from custom_components.ha_ingestor.retention.ledgers import DAILY_LEDGER, EVENTS_LEDGER
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.views.catalog import DEFAULT_VIEWS
from custom_components.ha_ingestor.views.chunk import Chunk
from custom_components.ha_ingestor.views.definition import Made, Period, View
from custom_components.ha_ingestor.views.manager import ViewManager
from tests.retention.kit import TEMPERATURE, row
from tests.views.views_kit import BERLIN, HOUR, House, local, work

DAY = local(2026, 3, 10)
NEXT = local(2026, 3, 11)


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def make_maxima(chunk: Chunk) -> Made:
    rows = list(chunk.aggregates(DAILY_LEDGER, by=("entity_id",)))
    return Made(
        points=[
            MAXIMA.point(row.tags, {"maximum": row.fields["max_value"]}, row.time_ns)
            for row in rows
        ],
        seen=frozenset(row.time_ns for row in rows),
    )


MAXIMA = View(
    name="maxima",
    period=Period.DAY,
    tags=("entity_id",),
    fields={"maximum": ""},
    identity=("entity_id",),
    reads=DAILY_LEDGER,
    made_after=DEFAULT_VIEWS[2].made_after,
    make=make_maxima,
)


def test_every_hub_has_these_views(house: House) -> None:
    assert house.views.names == (
        "hourly_room_activity",
        "monthly_room_activity",
        "daily_energy_by_device",
        "monthly_energy_by_device",
        "energy_cost_hourly",
        "monthly_energy_cost",
        "daily_carbon_summary",
        "monthly_carbon_summary",
        "device_runtime_daily",
        "monthly_device_runtime",
    )
    assert {view.period for view in DEFAULT_VIEWS if view.monthly is None} == {
        Period.MONTH
    }
    for view in DEFAULT_VIEWS:
        assert set(view.identity) <= set(view.tags)
        assert not set(view.tags) & set(view.fields)


def test_a_view_of_ones_own(house: House) -> None:
    house.put([row(DAY + HOUR, 21.5, TEMPERATURE), row(DAY + 2 * HOUR, 20.0)])
    house.aggregate(DAY, NEXT)
    house.views.define(MAXIMA)

    result = house.views.refresh(work(), ["maxima"])

    assert result.views == ("maxima",)
    assert house.stored("maxima") == [
        {"time": DAY, "entity_id": "sensor.kitchen", "maximum": 21.5}
    ]
    # It has no months: its days are given instead.
    assert house.views.resolve("maxima", Period.MONTH) is MAXIMA


def test_a_dropped_view_is_gone_until_it_is_defined_again(house: House) -> None:
    house.put([row(DAY + HOUR, 21.5, TEMPERATURE)])
    house.aggregate(DAY, NEXT)
    house.views.define(MAXIMA)
    house.views.refresh(work())

    house.views.drop("maxima")

    assert house.stored("maxima") == []
    with pytest.raises(ViewUnknownError):
        house.views.get("maxima")
    assert house.views.refresh(work()).chunks == 0

    house.views.define(MAXIMA)
    assert house.views.refresh(work()).views[-1] == "maxima"
    assert len(house.stored("maxima")) == 1


def test_what_is_dropped_waits_for_nothing(house: House) -> None:
    assert house.views.guards(EVENTS_LEDGER) != ()

    house.views.drop("hourly_room_activity")

    assert house.views.guards(EVENTS_LEDGER) == ()


def test_where_rows_cannot_be_deleted_the_view_is_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnsupportedError("InfluxDB 3 cannot delete rows")

    monkeypatch.setattr(InfluxClient, "delete", refuse)

    with pytest.raises(StoreUnsupportedError):
        house.views.drop("daily_energy_by_device")

    assert "daily_energy_by_device" not in house.views.names


def test_no_two_views_of_one_name(house: House) -> None:
    with pytest.raises(ValueError, match="already"):
        house.views.define(replace(MAXIMA, name="daily_energy_by_device"))


def test_an_unknown_name_is_refused_before_anything_is_done(house: House) -> None:
    with pytest.raises(ViewUnknownError) as caught:
        house.views.refresh(work(), ["daily_energy_by_device", "nope"], is_full=True)

    assert str(caught.value).startswith("There is no view nope, but hourly_room")


def test_refresh_of_one_includes_its_months(house: House) -> None:
    result = house.views.refresh(work(), ["device_runtime_daily"])

    assert result.views == ("device_runtime_daily", "monthly_device_runtime")


def test_a_hub_without_views(house: House) -> None:
    manager = ViewManager(house.stores, house.checkpoint, zone=BERLIN, definitions=())

    assert manager.refresh(work()).views == ()
    assert manager.feeds(EVENTS_LEDGER) == ()
