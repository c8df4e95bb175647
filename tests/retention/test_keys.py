"""Where the files of an archive lie."""

from datetime import date

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.retention.keys import (
    ArchiveKeys,
    Month,
    clean_prefix,
)
from tests.retention.archive_kit import DAY, DAY_KEY, KEYS

NO_PREFIX = ArchiveKeys(prefix="", hub="h", tier="raw")


def test_every_key_is_below_hub_and_tier() -> None:
    month = Month(year=2025, month=3)

    assert KEYS.day(DAY) == DAY_KEY
    assert KEYS.manifest(2025) == (
        "homes/mine/01HUB/daily/archives/2025/_manifest.json"
    )
    assert KEYS.month(month) == (
        "homes/mine/01HUB/daily/archives_monthly/2025/data_2025-03.parquet"
    )
    assert KEYS.hub_root == "homes/mine/01HUB/"


def test_a_prefix_is_optional() -> None:
    assert NO_PREFIX.day(DAY) == "h/raw/archives/2025/data_2025-03-30.parquet"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), (" /a/b/ ", "a/b"), ("home=1/x.y", "home=1/x.y")],
)
def test_a_prefix_is_brought_into_shape(text: str, expected: str) -> None:
    assert clean_prefix(text) == expected


@pytest.mark.parametrize("text", ["a//b", "../a", "a/..", "ä", "a b", "a?b", "_a"])
def test_a_prefix_that_needs_escaping_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        clean_prefix(text)


@pytest.mark.parametrize(
    ("prefix", "hub", "tier"),
    [("a/", "h", "raw"), ("", "", "raw"), ("", "h/i", "raw"), ("", "h", "../raw")],
)
def test_keys_never_leave_their_folder(prefix: str, hub: str, tier: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|folders"):
        ArchiveKeys(prefix=prefix, hub=hub, tier=tier)


@given(st.dates(min_value=date(1970, 1, 1)))
def test_a_key_gives_its_day_back(day: date) -> None:
    month = Month.of(day)

    assert KEYS.parse_day(KEYS.day(day)) == day
    assert KEYS.parse_month(KEYS.month(month)) == month
    assert KEYS.parse_day(KEYS.month(month)) is None
    assert KEYS.parse_month(KEYS.day(day)) is None


@pytest.mark.parametrize(
    "key",
    [
        KEYS.manifest(2025),
        "data_2025-03-30.parquet",
        DAY_KEY.replace("/2025/", "/2024/"),
        DAY_KEY.replace("03-30", "02-30"),
        DAY_KEY.replace("daily", "hourly"),
        f"{DAY_KEY}.bak",
    ],
)
def test_a_foreign_key_is_no_day(key: str) -> None:
    assert KEYS.parse_day(key) is None


@pytest.mark.parametrize("text", ["2025-13", "2025-00", "2024-03"])
def test_a_foreign_key_is_no_month(text: str) -> None:
    key = f"{KEYS.months_root(2025)}data_{text}.parquet"

    assert KEYS.parse_month(key) is None
