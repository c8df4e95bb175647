"""2.x and 3.x, as far as their stand-ins know them: contract from source.

Not verified on servers of these generations.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.retention.windows import Resolution, windows_between
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.retention.downsample_kit import Home, differing, expected, sign
from tests.retention.kit import COUNTER, DAY, HOUR, MINUTE, SWITCH, UTC, row
from tests.stand_ins.influxdb_v2 import (
    ADMIN_TOKEN as V2_TOKEN,
    ORGANIZATION,
    InfluxDb2StandIn,
)
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn

START = 20_513 * DAY
METER = {**COUNTER, "entity_id": "sensor.meter"}


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture(params=[ApiVersion.V2, ApiVersion.V3], ids=["2.x", "3.x"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    is_2 = request.param is ApiVersion.V2
    stand_in = InfluxDb2StandIn() if is_2 else InfluxDb3StandIn(databases=("home",))
    with stand_in:
        target = Target(
            api_version=request.param,
            host="127.0.0.1",
            port=stand_in.port,
            token=V2_TOKEN if is_2 else V3_TOKEN,
            organization=ORGANIZATION if is_2 else "",
            store="home",
        )
        with Home(target, tmp_path) as made:
            yield made


def test_hours_and_days(home: Home) -> None:
    rows = [
        *(
            row(START + i * 37 * MINUTE, "on" if i % 2 else "off", SWITCH)
            for i in range(60)
        ),
        row(START + HOUR, 4.0, METER),
        row(START + 2 * HOUR, "unavailable", METER),
        row(START + 26 * HOUR, 9.0, METER),
    ]
    home.write_rows(rows)
    home.write([sign("stop", START + 9 * HOUR), sign("start", START + 10 * HOUR)])
    end = START + 2 * DAY

    home.hours(START + 25 * HOUR)
    home.hours(end)
    home.days(end)
    late = row(START + HOUR + MINUTE, 4.5, METER)
    home.checkpoint.mark_dirty(EVENTS_LEDGER, (late.time_ns, late.time_ns + 1))
    home.write_rows([late])
    results = home.hours(end), home.days(end)

    rows.append(late)
    gaps = [START + 9 * HOUR]
    hours = windows_between(Resolution.HOUR, START, end, UTC)
    assert differing(home.hourly(), expected(rows, hours, UTC, gaps), rows) == {}
    days = windows_between(Resolution.DAY, START, end, UTC)
    assert differing(home.daily(), expected(rows, days, UTC, gaps), rows) == {}
    assert [(one.disagreements, one.oldest_open_ns) for one in results] == [
        ((), None)
    ] * 2
