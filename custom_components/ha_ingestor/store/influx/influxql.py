"""Pieces of InfluxQL, quoted so that no name and no value can change a statement."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

# The only escapes that InfluxQL knows inside quotes; everything else stands for
# itself, a newline included, which alone would end the text.
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

type ParamValue = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A WHERE clause and the values that are bound in it.

    Attributes:
        clause: Begins with " WHERE ", or is empty.
        params: Values by name, for the request's `params`.
    """

    clause: str
    params: Mapping[str, ParamValue]


def quote_identifier(name: str) -> str:
    """Quote a measurement, tag, field or database name.

    Raises:
        ValueError: The name is empty, or cannot be written in InfluxQL at all: its
            reader turns a carriage return into a newline and takes a NUL for the
            end, quoted or not.
    """
    if not name or "\r" in name or "\0" in name:
        raise ValueError("A name cannot be empty or hold a carriage return or NUL")
    return f'"{name.translate(_ESCAPES)}"'


def build_condition(
    *,
    tags: Mapping[str, str | Collection[str]] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Condition:
    """Build a WHERE clause from tag values and a time range.

    Args:
        tags: Tag to its value, or to several of which any matches.
        start_ns: First instant, inclusive; None for no bound.
        end_ns: Last instant, exclusive; None for no bound.
    """
    terms: list[str] = []
    params: dict[str, ParamValue] = {}
    for key, wanted in (tags or {}).items():
        values = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        if not values:
            raise ValueError(f"No value to look for in tag {key}")
        alternatives = []
        for value in values:
            name = f"tag_{len(params)}"
            params[name] = value
            alternatives.append(f"{quote_identifier(key)} = ${name}")
        terms.append(
            alternatives[0]
            if len(alternatives) == 1
            else f"({' OR '.join(alternatives)})"
        )
    # A bare integer is nanoseconds in every generation, whatever the epoch asked for.
    if start_ns is not None:
        terms.append(f"time >= {int(start_ns)}")
    if end_ns is not None:
        terms.append(f"time < {int(end_ns)}")
    clause = f" WHERE {' AND '.join(terms)}" if terms else ""
    return Condition(clause=clause, params=params)
