"""Reading of what a person types into the options; no Home Assistant state."""

from collections.abc import Callable, Iterable, Mapping
import re
from typing import Final

from homeassistant.core import valid_domain

from ..const import (
    CONF_ATTRIBUTES,
    CONF_EXCLUDE_DOMAINS,
    CONF_EXCLUDE_GLOBS,
    CONF_INCLUDE_DOMAINS,
    CONF_INCLUDE_GLOBS,
    CONF_STATIC_TAGS,
)
from ..models import ContextField
from ..options import RESERVED_TAGS
from .problems import FormProblemError

# What an entity id is made of, and the wildcards of `fnmatch`. Anything else,
# such as a capital letter, can never match.
_GLOB: Final = re.compile(r"[a-z0-9_.*?\[\]!-]+")
_DOMAIN_GLOB: Final = re.compile(r"[a-z0-9_*?\[\]!-]+")
_ENTITY_GLOB: Final = re.compile(r"[a-z0-9_*?\[\]!-]+\.[a-z0-9_*?\[\]!-]+")

# Fields that every point may carry. InfluxDB 3 keeps tags and fields as columns
# of one table and refuses a tag that has the name of a field.
_FIELD_NAMES: Final = frozenset(
    {
        "context_id",
        "context_parent_id",
        "context_user_id",
        "data",
        "duration_s",
        "name",
        "previous_state",
        "state",
        "value",
        *ContextField,
    }
)
_ATTRIBUTE_FIELD_PREFIX: Final = "attr_"


def _has_balanced_brackets(text: str) -> bool:
    """Tell whether each `[` opens a set; `fnmatch` takes a lone one literally."""
    return not set("[]") & set(re.sub(r"\[!?[^\[\]]+\]", "", text))


def is_valid_glob(text: str) -> bool:
    """Tell whether a pattern can match an entity id."""
    return _GLOB.fullmatch(text) is not None and _has_balanced_brackets(text)


def is_valid_entity_glob(text: str) -> bool:
    """Tell whether a text is `domain.name`, wildcards allowed in both."""
    return _ENTITY_GLOB.fullmatch(text) is not None and _has_balanced_brackets(text)


def is_valid_attribute_pattern(text: str) -> bool:
    """Tell whether a text is `domain.attribute`, wildcards allowed in both."""
    domain, _, attribute = text.partition(".")
    return (
        _DOMAIN_GLOB.fullmatch(domain) is not None
        and _has_balanced_brackets(domain)
        and bool(attribute)
        and attribute == attribute.strip()
        and attribute.isprintable()
        and _has_balanced_brackets(attribute)
    )


# Checks of the fields that hold a list of typed texts, and the error of each.
LIST_CHECKS: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    CONF_INCLUDE_DOMAINS: (valid_domain, "invalid_domain"),
    CONF_EXCLUDE_DOMAINS: (valid_domain, "invalid_domain"),
    CONF_INCLUDE_GLOBS: (is_valid_glob, "invalid_glob"),
    CONF_EXCLUDE_GLOBS: (is_valid_glob, "invalid_glob"),
    CONF_ATTRIBUTES: (is_valid_attribute_pattern, "invalid_attribute"),
}


def parse_list(field: str, values: Iterable[str]) -> list[str]:
    """Return typed texts in their order, without blanks and repetitions.

    Raises:
        FormProblemError: One of them is not what the field takes.
    """
    texts = list(dict.fromkeys(text for value in values if (text := value.strip())))
    is_valid, error = LIST_CHECKS[field]
    if wrong := [text for text in texts if not is_valid(text)]:
        raise FormProblemError(field, error, {"invalid": ", ".join(wrong)})
    return texts


def parse_static_tags(lines: Iterable[str]) -> dict[str, str]:
    """Read lines of the form `name=value`; blank ones are left out.

    Raises:
        FormProblemError: A line, a name or a value cannot be used.
    """
    tags: dict[str, str] = {}
    for line in lines:
        text = line.strip()
        if not text:
            continue
        name, _, value = (part.strip() for part in text.partition("="))
        if error := _find_tag_error(name, value, tags):
            raise FormProblemError(CONF_STATIC_TAGS, error, {"invalid": text})
        tags[name] = value
    return tags


def _find_tag_error(name: str, value: str, known: Mapping[str, str]) -> str | None:
    """Return the key of what is wrong with a tag, None if nothing is."""
    if not name or not value:
        return "tag_incomplete"
    if not name.isprintable() or not value.isprintable():
        return "tag_unprintable"
    if name.startswith("_"):
        return "tag_underscore"
    if (
        name in RESERVED_TAGS
        or name in _FIELD_NAMES
        or name.startswith(_ATTRIBUTE_FIELD_PREFIX)
    ):
        return "tag_reserved"
    if name in known:
        return "tag_repeated"
    return None


def format_static_tags(tags: Mapping[str, str]) -> list[str]:
    """Return tags as the lines that `parse_static_tags` reads."""
    return [f"{name}={value}" for name, value in sorted(tags.items())]
