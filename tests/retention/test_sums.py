"""Sums that lose nothing."""

from fractions import Fraction
import math

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.retention.sums import ExactSum

term_st = st.floats(-1e300, 1e300) | st.sampled_from((1e300, -1e300, 1.0, 1e-300))


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


def sum_of(terms: list[float]) -> ExactSum:
    total = ExactSum()
    for term in terms:
        total.add(term)
    return total


@given(st.lists(term_st, max_size=200))
def test_a_sum_is_that_of_fractions(terms: list[float]) -> None:
    exact = sum(map(Fraction, terms), Fraction(0))
    largest = max(map(abs, terms), default=0.0)

    found = sum_of(terms).total()

    assert found is not None
    # Far more than a float can hold, since a fold keeps what rounding left of it.
    assert abs(Fraction(found) - exact) <= (
        Fraction(largest) / 2**95 + abs(exact) / 2**52 + Fraction(5e-324)
    )


def test_small_terms_are_not_lost_beside_large_ones() -> None:
    assert sum_of([1e16, *[1.0] * 1000, -1e16]).total() == 1000.0


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param([1.7e308, 1.7e308], id="overflow"),
        pytest.param([1.7e308, 1.7e308, -1.7e308, *[0.0] * 100], id="on-the-way"),
        pytest.param([math.inf], id="infinite"),
        pytest.param([math.inf, -math.inf], id="both-infinities"),
        pytest.param([math.nan, *[1.0] * 100], id="not-a-number"),
    ],
)
def test_a_sum_out_of_range_has_no_total(terms: list[float]) -> None:
    total = sum_of(terms)

    assert total.total() is None
    total.add(1.0)
    assert total.total() is None


def test_scaling_and_starting_again() -> None:
    total = sum_of([1.5] * 100)
    total.scale(2.0)
    total.add(1.0)

    assert total.total() == 301.0
    total.clear()
    assert total.total() == 0.0


def test_a_broken_sum_starts_again_as_a_whole_one() -> None:
    total = sum_of([math.inf])
    total.total()
    total.clear()
    total.add(2.0)

    assert total.total() == 2.0
