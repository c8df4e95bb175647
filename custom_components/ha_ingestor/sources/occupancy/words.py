"""Words in the titles of events, found as whole words in any spelling.

Upper and lower case, hyphens, punctuation and emoji make no difference: `WFH`,
`wfh!` and `[Wfh]` are the same, and so are `home-office` and `Home Office`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import re
from typing import Final, Self
import unicodedata

from .model import Presence

type Tokens = tuple[str, ...]

# Long enough for every title; descriptions may be whole mail threads.
_MAX_LENGTH: Final = 500
_TOKEN: Final = re.compile(r"\w+")
# Scripts without spaces between words: there a word is found inside of others.
_WITHOUT_SPACES: Final = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u9fff]")
# "No WFH today" does not mean working from home.
_NEGATIONS: Final = frozenset({"no", "not", "without"})

# Of presences whose words are equally long: what somebody wants to be told of.
_ORDER: Final = (
    Presence.WORK_FROM_HOME,
    Presence.AWAY,
    Presence.OFFICE,
    Presence.HOME,
)


def split_words(text: str) -> Tokens:
    """Return the words of a text, as they are compared."""
    plain = unicodedata.normalize("NFKC", text[:_MAX_LENGTH]).casefold()
    return tuple(_TOKEN.findall(plain.replace("_", " ")))


def find_places(text: Tokens, phrase: Tokens) -> Iterator[range]:
    """List where in a text a phrase stands."""
    length = len(phrase)
    for index in range(len(text) - length + 1):
        if text[index : index + length] == phrase:
            yield range(index, index + length)
    if length == 1 and _WITHOUT_SPACES.search(phrase[0]):
        for index, word in enumerate(text):
            if phrase[0] in word and phrase[0] != word:
                yield range(index, index + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The user's words.

    Attributes:
        phrases: With what they mean; those that win come first.
        ignored: Words at either end of a title that make the event void.
    """

    phrases: tuple[tuple[Tokens, Presence], ...]
    ignored: tuple[Tokens, ...]

    @classmethod
    def create(
        cls, words: Mapping[Presence, Iterable[str]], ignored: Iterable[str]
    ) -> Self:
        """Take the words as the user has entered them.

        Of several that stand in a title the longest counts: `Home office` is not
        `Office`, and `Away from home` is not `Home`.
        """
        phrases = [
            (tokens, presence)
            for presence in _ORDER
            for word in words.get(presence, ())
            if (tokens := split_words(word))
        ]
        # Stable: equally long ones stay in the order of presences.
        phrases.sort(key=lambda item: len(item[0]), reverse=True)
        voids = tuple(tokens for word in ignored if (tokens := split_words(word)))
        return cls(phrases=tuple(phrases), ignored=voids)

    def find(self, text: str) -> Presence | None:
        """Return what a text means, None if no word of the user stands in it."""
        tokens = split_words(text)
        negated: set[int] = set()
        for phrase, presence in self.phrases:
            for place in find_places(tokens, phrase):
                if not negated.isdisjoint(place):
                    continue
                if place.start == 0 or tokens[place.start - 1] not in _NEGATIONS:
                    return presence
                # What is "not at home" is not "home" either.
                negated.update(place)
        return None

    def find_whole(self, text: str) -> Presence | None:
        """Return what a text means that consists of nothing but a user's word."""
        tokens = split_words(text)
        return next(
            (presence for phrase, presence in self.phrases if phrase == tokens), None
        )

    def is_void(self, title: str) -> bool:
        """Tell whether a title says that the event does not take place."""
        tokens = split_words(title)
        return any(
            tokens[: len(word)] == word or tokens[-len(word) :] == word
            for word in self.ignored
        )
