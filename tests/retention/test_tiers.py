"""Tiers, their ages, and what each generation can do about them."""

from collections.abc import Mapping
import datetime as dt

import pytest

from custom_components.ha_ingestor.retention.tiers import (
    CAPABILITIES,
    MAX_AGE,
    MIN_AGE,
    STORED_TIERS,
    TIERS,
    Age,
    Ages,
    Override,
    Problem,
    Tier,
    ages_of,
    longest_age,
    server_retention,
    store_name,
    validate,
)
from custom_components.ha_ingestor.store.influx.target import ApiVersion


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def days(count: int) -> dt.timedelta:
    return dt.timedelta(days=count)


def override(target: str, **ages: int | None) -> Override:
    return Override(
        target=target,
        ages={
            Tier(tier): None if count is None else days(count)
            for tier, count in ages.items()
        },
    )


def summary(problems: tuple[Problem, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(problem.key, problem.tier, problem.target) for problem in problems]


def test_the_table() -> None:
    assert [
        (tier, description.default_age.days, store_name("home", tier))
        for tier, description in TIERS.items()
    ] == [
        ("raw", 7, "home"),
        ("hourly", 90, "home_hourly"),
        ("daily", 365, "home_daily"),
        ("archive", 1826, None),
    ]
    assert STORED_TIERS == (Tier.RAW, Tier.HOURLY, Tier.DAILY)
    assert [Ages().of(tier) for tier in Tier] == [t.default_age for t in TIERS.values()]


def test_tiers_share_no_measurement() -> None:
    # A DELETE of 1.x does not look at retention policies.
    measurements = [TIERS[tier].measurement for tier in STORED_TIERS]

    assert len(set(measurements)) == len(STORED_TIERS)


@pytest.mark.parametrize("api_version", ApiVersion)
def test_every_generation_has_its_row(api_version: ApiVersion) -> None:
    limit = CAPABILITIES[api_version].max_stores

    assert limit is None or limit >= len(STORED_TIERS)


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    "ages",
    [
        pytest.param(Ages(), id="defaults"),
        pytest.param(Ages(raw=days(7), hourly=days(30), daily=days(60)), id="short"),
        pytest.param(Ages(raw=days(30), hourly=days(30), daily=days(30)), id="equal"),
        pytest.param(Ages(daily=None), id="daily-for-ever"),
        pytest.param(Ages(raw=None, hourly=None, daily=None), id="all-for-ever"),
        pytest.param(Ages(raw=MIN_AGE, daily=MAX_AGE), id="at-the-bounds"),
        # There is no archive, so its age does not matter.
        pytest.param(Ages(archive=days(1)), id="no-archive"),
    ],
)
def test_sound_ages(ages: Ages, api_version: ApiVersion) -> None:
    assert validate(ages, (), api_version) == ()


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        pytest.param(Ages(raw=days(1)), [("age_out_of_range", "raw")], id="too-short"),
        pytest.param(Ages(raw=days(0)), [("age_out_of_range", "raw")], id="zero"),
        pytest.param(
            Ages(daily=days(36_501), archive=None),
            [("age_out_of_range", "daily")],
            id="too-long",
        ),
        pytest.param(
            Ages(raw=days(91)), [("age_shorter_than_finer", "hourly")], id="hole"
        ),
        pytest.param(
            Ages(hourly=None),
            [("age_shorter_than_finer", "daily")],
            id="for-ever-first",
        ),
        pytest.param(
            Ages(daily=days(2000)),
            [("age_shorter_than_finer", "archive")],
            id="archive",
        ),
    ],
)
def test_unsound_ages(ages: Ages, expected: list[tuple[str, str]]) -> None:
    problems = validate(ages, (), ApiVersion.V1, has_archive=True)

    assert [(problem.key, problem.tier) for problem in problems] == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param([override("sensor", raw=30)], [], id="domain"),
        pytest.param([override("sensor.power_2", daily=None)], [], id="entity"),
        pytest.param(
            [override("sensor", raw=90, hourly=400, daily=400), override("sensor.x", raw=400)],
            [],
            id="entity-completes-its-domain",
        ),
        pytest.param(
            [override("sensor.x", raw=91)],
            [("age_shorter_than_finer", "hourly", "sensor.x")],
            id="hole",
        ),
        pytest.param(
            [override("sensor.x", raw=1)],
            [("age_out_of_range", "raw", "sensor.x")],
            id="too-short",
        ),
        pytest.param(
            [override("Sensor.X", raw=30), override("a.b.c", raw=30), override("", raw=9)],
            [
                ("override_target_invalid", None, "Sensor.X"),
                ("override_target_invalid", None, "a.b.c"),
                ("override_target_invalid", None, ""),
            ],
            id="no-entity",
        ),
        pytest.param(
            [override("sensor", raw=30), override("sensor", raw=40)],
            [("override_twice", None, "sensor")],
            id="twice",
        ),
        pytest.param(
            [override("sensor", archive=30)],
            [("override_of_archive", "archive", "sensor")],
            id="archive",
        ),
    ],
)  # fmt: skip
def test_overrides(
    overrides: list[Override], expected: list[tuple[str, str | None, str | None]]
) -> None:
    assert summary(validate(Ages(), overrides, ApiVersion.V2)) == expected


def test_a_server_that_cannot_delete_has_no_overrides() -> None:
    problems = validate(Ages(), [override("sensor", raw=30)], ApiVersion.V3)

    assert summary(problems) == [("overrides_not_supported", None, None)]


@pytest.mark.parametrize(
    ("entity_id", "expected"),
    [
        ("light.hall", (7, 90, 365)),
        ("sensor.other", (20, 90, 500)),
        ("sensor.power", (20, 300, 400)),
    ],
)
def test_an_entity_is_stronger_than_its_domain(
    entity_id: str, expected: tuple[int, int, int]
) -> None:
    overrides = [
        override("sensor.power", hourly=300, daily=400),
        override("sensor", raw=20, daily=500),
    ]
    ages = ages_of(entity_id, Ages(), overrides)

    assert tuple(ages.of(tier) for tier in STORED_TIERS) == tuple(map(days, expected))


@pytest.mark.parametrize(
    ("daily", "expected"),
    [(100, days(365)), (500, days(500)), (None, None)],
)
def test_the_oldest_row_of_any_entity(daily: int | None, expected: Age) -> None:
    overrides = [override("sensor", daily=daily), override("light", raw=30)]

    assert longest_age(Tier.DAILY, Ages(), overrides) == expected


@pytest.mark.parametrize(
    ("api_version", "overrides", "expected"),
    [
        (ApiVersion.V1, {}, days(28)),
        (ApiVersion.V2, {"raw": 30}, days(120)),
        (ApiVersion.V2, {"raw": None}, None),
        (ApiVersion.V3, {}, days(9)),
    ],
)
def test_the_server_keeps_longer_than_any_row(
    api_version: ApiVersion, overrides: Mapping[str, int | None], expected: Age
) -> None:
    chosen = [override("sensor", **overrides)]

    assert server_retention(Tier.RAW, Ages(), chosen, api_version) == expected
