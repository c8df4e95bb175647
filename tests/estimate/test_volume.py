"""The arithmetic of the estimate."""

import pytest

from custom_components.ha_ingestor.estimate.volume import estimate_volume
from custom_components.ha_ingestor.options import HubOptions, SamplingRule

CHANGES = {"sensor.power": 43_200.0, "sensor.room": 100.0, "light.hall": 8.0}


def estimate(*rules: SamplingRule, captured: tuple[str, ...] = tuple(CHANGES)) -> float:
    volume = estimate_volume(captured, CHANGES, HubOptions(sampling=rules))
    return volume.points_per_day


def test_without_rules() -> None:
    volume = estimate_volume(tuple(CHANGES), CHANGES, HubOptions())
    assert volume.points_per_day == 43_308
    assert volume.bytes_per_year == 43_308 * 365 * 44
    assert volume.busiest == tuple(CHANGES.items())


def test_only_what_is_captured() -> None:
    assert estimate(captured=("sensor.room", "sensor.new")) == 100
    assert estimate(captured=()) == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            SamplingRule(glob="sensor.*", min_interval_s=60), 1440 + 108, id="bounded"
        ),
        pytest.param(
            SamplingRule(glob="sensor.*", min_interval_s=0.1), 43_308, id="no-bound"
        ),
        pytest.param(
            SamplingRule(glob="sensor.*", deadband=5, deadband_percent=5),
            43_308,
            id="deadband-is-not-counted",
        ),
        pytest.param(
            SamplingRule(glob="light.*", heartbeat_s=600), 43_300 + 144, id="heartbeat"
        ),
        pytest.param(
            SamplingRule(glob="sensor.power", heartbeat_s=600),
            43_308,
            id="heartbeat-of-what-changes-anyway",
        ),
        pytest.param(
            SamplingRule(glob="*.*", min_interval_s=600, heartbeat_s=3600),
            144 + 100 + 24,
            id="both",
        ),
        pytest.param(
            SamplingRule(glob="cover.*", min_interval_s=3600), 43_308, id="fits-nothing"
        ),
    ],
)
def test_rule(rule: SamplingRule, expected: float) -> None:
    assert estimate(rule) == expected


def test_first_rule_that_fits_holds() -> None:
    slow = SamplingRule(glob="sensor.power", min_interval_s=3600)
    fast = SamplingRule(glob="sensor.*", min_interval_s=60)
    assert estimate(slow, fast) == 24 + 108
    assert estimate(fast, slow) == 1440 + 108


def test_busiest_are_the_ten_with_most_points() -> None:
    changes = {f"sensor.s{number:02}": float(number % 12) for number in range(24)}
    volume = estimate_volume(tuple(changes), changes, HubOptions())
    assert [entity_id for entity_id, _ in volume.busiest] == [
        "sensor.s11",
        "sensor.s23",
        "sensor.s10",
        "sensor.s22",
        "sensor.s09",
        "sensor.s21",
        "sensor.s08",
        "sensor.s20",
        "sensor.s07",
        "sensor.s19",
    ]


def test_silent_entities_are_not_busy() -> None:
    volume = estimate_volume(("sensor.room", "sensor.new"), CHANGES, HubOptions())
    assert volume.busiest == (("sensor.room", 100),)
