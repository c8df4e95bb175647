"""Answers to queries, cut in every possible way."""

from hypothesis import given, strategies as st
import orjson
import pytest

from custom_components.ha_ingestor.errors import StoreProtocolError, StoreQueryError
from custom_components.ha_ingestor.store.influx import results
from custom_components.ha_ingestor.store.influx.results import Series, iterate_series

# Texts that look like the end of a piece.
TEXTS = ["plain", "a\nb", '}{"results"', '}{"results":[]}', "ü€😀", "\\", '"']


def piece(*rows: list[object], is_partial: bool, tag: str = "") -> bytes:
    series: dict[str, object] = {"name": "m", "columns": ["time", "s"], "values": rows}
    if tag:
        series["tags"] = {"room": tag}
    result: dict[str, object] = {"statement_id": 0, "series": [series]}
    if is_partial:
        series["partial"] = result["partial"] = True
    return orjson.dumps({"results": [result]})


PIECES = [
    piece([1, TEXTS[0]], [2, TEXTS[1]], is_partial=True),
    piece([3, TEXTS[2]], [4, TEXTS[3]], is_partial=True, tag="a"),
    piece([5, TEXTS[4]], [6, TEXTS[5]], [7, TEXTS[6]], is_partial=False),
]


# 1.x and 2.x end each piece with a newline; 3.x may not.
@pytest.mark.parametrize("separator", [b"\n", b""], ids=["newline", "nothing"])
@given(data=st.data())
def test_wherever_the_answer_is_cut(separator: bytes, data: st.DataObject) -> None:
    body = separator.join([*PIECES, b""])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    bounds = list(zip([0, *cuts], [*cuts, len(body)], strict=True))

    series = list(iterate_series(body[start:end] for start, end in bounds))

    assert [(row[0], row[1]) for part in series for row in part.rows] == [
        *enumerate(TEXTS, start=1)
    ]
    assert [part.tags for part in series] == [{}, {"room": "a"}, {}]


def test_one_byte_at_a_time() -> None:
    body = b"".join(PIECES)

    series = list(iterate_series(body[at : at + 1] for at in range(len(body))))

    assert [len(part.rows) for part in series] == [2, 2, 3]


def test_rows_before_an_error_are_given() -> None:
    body = PIECES[0] + b'\n{"results":[{"statement_id":0,"error":"query killed"}]}\n'
    rows = iterate_series([body])

    first = next(rows)

    assert isinstance(first, Series)
    with pytest.raises(StoreQueryError, match="query killed"):
        next(rows)


def test_an_error_beside_rows_is_not_overlooked() -> None:
    body = orjson.loads(PIECES[2])
    body["results"][0]["error"] = "out of memory"
    rows = iterate_series([orjson.dumps(body)])

    assert len(next(rows).rows) == 3
    with pytest.raises(StoreQueryError, match="out of memory"):
        next(rows)


def test_an_answer_without_end_is_not_kept_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "MAX_PIECE_BYTES", 1_000)

    with pytest.raises(StoreProtocolError, match="without end"):
        list(iterate_series(b"x" * 100 for _ in range(100)))


def test_an_empty_answer() -> None:
    assert list(iterate_series([])) == []
    assert list(iterate_series([b"\n", b"\n"])) == []
