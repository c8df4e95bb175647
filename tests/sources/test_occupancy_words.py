"""Words in titles: whole, in any spelling, the longest first."""

from itertools import permutations

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.sources.occupancy.model import Presence
from custom_components.ha_ingestor.sources.occupancy.words import (
    Vocabulary,
    find_places,
    split_words,
)

WORDS = {
    Presence.WORK_FROM_HOME: ["WFH", "Home office", "在宅"],
    Presence.HOME: ["HOME", "At home"],
    Presence.OFFICE: ["Office"],
    Presence.AWAY: ["Away", "Away from home", "Trip", " ! "],
}
VOCABULARY = Vocabulary.create(WORDS, ["Canceled", "Abgesagt", "--"])


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("WFH", Presence.WORK_FROM_HOME),
        ("wfh", Presence.WORK_FROM_HOME),
        ("🏡 [WFH]!", Presence.WORK_FROM_HOME),
        ("Anna_wfh", Presence.WORK_FROM_HOME),
        ("ＷＦＨ", Presence.WORK_FROM_HOME),  # noqa: RUF001 - full-width on purpose
        ("Home-Office", Presence.WORK_FROM_HOME),
        ("home   office until noon", Presence.WORK_FROM_HOME),
        ("今日は在宅勤務", Presence.WORK_FROM_HOME),
        ("Office", Presence.OFFICE),
        ("Home", Presence.HOME),
        ("Away from home", Presence.AWAY),
        ("Trip home", Presence.AWAY),
        ("Homework", None),
        ("Officer training", None),
        ("WFHX", None),
        ("No WFH", None),
        ("not at home", None),
        ("Without home office", None),
        ("Not at home, but WFH", Presence.WORK_FROM_HOME),
        ("Away, no home", Presence.AWAY),
        ("", None),
        ("!?", None),
    ],
)
def test_words_are_found(title: str, expected: Presence | None) -> None:
    assert VOCABULARY.find(title) is expected


def test_words_far_behind_are_not_looked_for() -> None:
    assert VOCABULARY.find("x " * 400 + "WFH") is None


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Canceled: WFH", True),
        ("WFH (canceled)", True),
        ("ABGESAGT - Trip", True),
        ("Talk about the canceled order", False),
        ("", False),
    ],
)
def test_a_title_can_void_an_event(title: str, *, expected: bool) -> None:
    assert VOCABULARY.is_void(title) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("home", Presence.HOME), ("Home!", Presence.HOME), ("Nursing home", None)],
)
def test_a_whole_text_can_be_a_word(text: str, expected: Presence | None) -> None:
    assert VOCABULARY.find_whole(text) is expected


@pytest.mark.parametrize("order", list(permutations(Presence)))
def test_work_from_home_wins_over_the_same_word(order: tuple[Presence, ...]) -> None:
    vocabulary = Vocabulary.create({key: ["Home"] for key in order}, ())

    assert vocabulary.find("Home") is Presence.WORK_FROM_HOME


@given(st.text(), st.text())
def test_any_text_can_be_looked_through(title: str, word: str) -> None:
    vocabulary = Vocabulary.create({Presence.HOME: [word]}, [word])

    assert vocabulary.find(title) in {None, Presence.HOME}
    assert vocabulary.is_void(title) in {True, False}


@given(st.lists(st.sampled_from(["a", "b", "c"])), st.sampled_from(["a", "a b", "c c"]))
def test_a_phrase_is_found_where_it_stands(words: list[str], phrase: str) -> None:
    text = " ".join(words)

    places = list(find_places(split_words(text), split_words(phrase)))

    assert bool(places) == (f" {phrase} " in f" {text} ")
    assert {" ".join(words[place.start : place.stop]) for place in places} <= {phrase}
