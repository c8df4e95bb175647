"""Which columns a file has."""

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.errors import ArchiveFormatError
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention import layout as layout_module
from custom_components.ha_ingestor.retention.layout import (
    Content,
    Kind,
    Layout,
    LayoutBuilder,
    Role,
    clean_name,
    lay_out,
)
from tests.retention.archive_kit import point

CONTENTS = st.one_of(
    st.builds(Content, role=st.just(Role.TAG), key=st.text(), kind=st.just(Kind.TEXT)),
    st.builds(
        Content,
        role=st.just(Role.FIELD),
        key=st.text(),
        kind=st.sampled_from(Kind),
    ),
)


def names_of(layout: Layout) -> list[str]:
    return [column.name for column in layout.columns]


def build(*points: Point) -> Layout:
    builder = LayoutBuilder()
    for each in points:
        builder.add(each)
    return builder.build()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("entity_id", "entity_id"),
        ("attr_Größe", "attr_gr_e"),
        ("attr.color-temp", "attr_color_temp"),
        ("_private", "private"),
        ("5min", "c_5min"),
        ("", "c_"),
        ("°", "c_"),
        ("x" * 300, "x" * 120),
    ],
)
def test_names_are_those_that_every_reader_knows(key: str, expected: str) -> None:
    assert clean_name(key) == expected


def test_tags_come_first_and_all_is_in_order() -> None:
    layout = build(point(tags={"area": "Hall"}, b=1.0, a="x"), point(c=True))

    assert names_of(layout) == ["area", "entity_id", "a", "b", "c"]
    assert layout.is_in_ns is False


def test_a_field_never_takes_the_name_of_a_tag_of_events() -> None:
    assert names_of(build(point(unit="µg/m³"))) == ["entity_id", "unit_text"]


def test_a_field_of_two_types_has_two_columns() -> None:
    layout = build(point(x="text"), point(x=1.0), point(x=True))

    assert [(column.name, column.content.kind) for column in layout.columns[1:]] == [
        ("x", Kind.NUMBER),
        ("x_flag", Kind.FLAG),
        ("x_text", Kind.TEXT),
    ]


def test_names_that_only_differ_in_case_are_told_apart() -> None:
    assert names_of(build(point(Time=1.0, aB=1.0, ab=1.0))) == [
        "entity_id",
        "time_number",
        "ab",
        "ab_number",
    ]


def test_nanoseconds_are_noticed() -> None:
    assert build(point(1_001)).is_in_ns is True


@given(st.lists(CONTENTS, max_size=30), st.randoms())
def test_names_are_unique_and_do_not_depend_on_the_order(
    contents: list[Content], random: object
) -> None:
    layout = lay_out(contents, is_in_ns=False)
    names = names_of(layout)

    assert len({*names, "time", "measurement"}) == len(names) + 2
    assert {column.content for column in layout.columns} == set(contents)
    assert lay_out(reversed(contents), is_in_ns=False) == layout


def test_a_value_that_no_field_can_have_is_refused() -> None:
    wrong = Point(measurement="m", tags={}, fields={"x": 3}, time_ns=0)

    with pytest.raises(ArchiveFormatError, match="int"):
        build(wrong)


def test_the_number_of_columns_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_module, "MAX_COLUMN_COUNT", 3)

    with pytest.raises(ArchiveFormatError, match="3 different"):
        build(point(a=1.0, b=1.0, c=1.0))
