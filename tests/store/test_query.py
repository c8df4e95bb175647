"""Reading points back from a real InfluxDB 1.x."""

from collections.abc import Callable, Iterator
from itertools import islice
import re
import time
import tracemalloc
from typing import Any

import pytest

from custom_components.ha_ingestor.errors import StoreMissingError, StoreProtocolError
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.results import Series
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.query import (
    MAX_LIMIT,
    Row,
    count_points,
    count_values,
    count_values_by_day,
    list_measurements,
    list_tag_keys,
    next_time,
    oldest_time,
    read_points,
)
from devlib.influxd import InfluxServer

END = 10_000


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def client(influxdb: InfluxServer) -> Iterator[InfluxClient]:
    """A client of a database with a few points of two entities."""
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=influxdb.port,
            store="test",
        )
    )
    client.write(
        b'states,entity_id=sensor.a,area=Kitchen value=21,state="21.0" 1000\n'
        b'states,entity_id=sensor.a,area=Kitchen state="unavailable" 2000\n'
        b'states,entity_id=sensor.b value=1,state="on",ok=true 1500\n'
        b'states,entity_id=sensor.c,area=Kitchen value=-0.5,state="-0.5" 3000\n'
        b'states,entity_id=sensor.a,area=Kitchen value=1e300,state="x" 3000\n',
        is_gzip=False,
    )
    yield client
    client.close()


def read(client: InfluxClient, **question: object) -> list[Row]:
    arguments: dict[str, object] = {
        "fields": ["value"],
        "start_ns": 0,
        "end_ns": END,
        "limit": 100,
    }
    return list(read_points(client, "states", **(arguments | question)))  # type: ignore[arg-type]


def test_rows_come_typed_and_in_order(client: InfluxClient) -> None:
    rows = read(client, fields=["state", "value", "ok"], tag_keys=["entity_id", "area"])

    assert rows[:3] == [
        Row(
            time_ns=1_000,
            tags={"entity_id": "sensor.a", "area": "Kitchen"},
            fields={"state": "21.0", "value": 21.0},
        ),
        Row(
            time_ns=1_500,
            tags={"entity_id": "sensor.b"},
            fields={"state": "on", "value": 1.0, "ok": True},
        ),
        Row(
            time_ns=2_000,
            tags={"entity_id": "sensor.a", "area": "Kitchen"},
            fields={"state": "unavailable"},
        ),
    ]
    assert [row.time_ns for row in rows] == [1_000, 1_500, 2_000, 3_000, 3_000]
    # The server writes 21.0 as 21, and a float must stay one.
    assert [type(row.fields.get("value")) for row in rows[:2]] == [float, float]


def test_newest_first(client: InfluxClient) -> None:
    rows = read(client, is_descending=True, limit=3)

    assert [row.time_ns for row in rows] == [3_000, 3_000, 1_500]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"entity_id": "sensor.a"}, [21.0, 1e300]),
        ({"entity_id": ["sensor.a", "sensor.b"]}, [21.0, 1.0, 1e300]),
        ({"entity_id": "sensor.c", "area": "Kitchen"}, [-0.5]),
        ({"entity_id": "sensor.b", "area": "Kitchen"}, []),
        ({"entity_id": "sensor.a' OR '1'='1"}, []),
        ({'entity_id" = "entity_id': "sensor.a"}, []),
        # What a series lacks is empty.
        ({"area": ""}, [1.0]),
    ],
)
def test_tags_narrow(
    client: InfluxClient, tags: dict[str, str | list[str]], expected: list[float]
) -> None:
    assert [row.fields["value"] for row in read(client, tags=tags)] == expected


def test_the_end_is_exclusive(client: InfluxClient) -> None:
    rows = read(client, fields=["state"], start_ns=1_500, end_ns=3_000)

    assert [row.time_ns for row in rows] == [1_500, 2_000]


def test_names_may_be_odd(client: InfluxClient) -> None:
    client.write(
        b'odd\\ "m",odd\\ tag="quoted" odd\\ "f"="text with \\"quotes\\"" 1\n',
        is_gzip=False,
    )

    (row,) = read_points(
        client,
        'odd "m"',
        fields=['odd "f"'],
        tag_keys=["odd tag"],
        start_ns=0,
        end_ns=END,
        limit=10,
    )

    assert row == Row(
        time_ns=1,
        tags={"odd tag": '"quoted"'},
        fields={'odd "f"': 'text with "quotes"'},
    )


def test_a_long_range_is_streamed(client: InfluxClient) -> None:
    count = 60_000
    client.write(
        b"".join(b"long value=%d.5 %d\n" % (i, i) for i in range(count)), is_gzip=False
    )
    question = {"start_ns": 0, "end_ns": count, "limit": count}

    tracemalloc.start()
    try:
        rows = read_points(client, "long", fields=["value"], **question)
        total = sum(1 for row in rows if row.fields["value"] == row.time_ns + 0.5)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert total == count
    # All rows at once would take some 25 MB.
    assert peak_bytes < 10_000_000
    assert list(islice(read_points(client, "long", fields=["value"], **question), 5))


@pytest.mark.parametrize(
    "question",
    [
        {"fields": []},
        {"fields": ["value", "value"]},
        {"fields": ["value"], "tag_keys": ["value"]},
        {"fields": ["time"]},
        {"limit": 0},
        {"limit": MAX_LIMIT + 1},
        {"tags": {"entity_id": []}},
        {"fields": ["a\rb"]},
    ],
    ids=lambda question: next(iter(question)),
)
def test_wrong_questions(client: InfluxClient, question: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(client, **question)


def test_nothing_there(client: InfluxClient, influxdb: InfluxServer) -> None:
    assert read(client, fields=["other"]) == []
    assert (
        list(read_points(client, "no", fields=["a"], start_ns=0, end_ns=1, limit=1))
        == []
    )
    influxdb.query("DROP DATABASE test")

    with pytest.raises(StoreMissingError):
        read(client)

    influxdb.query("CREATE DATABASE test")
    assert read(client) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"field": "state"}, 5),
        ({"field": "value"}, 4),
        ({"field": "value", "tags": {"entity_id": "sensor.a"}}, 2),
        ({"field": "value", "start_ns": 1_500, "end_ns": 3_000}, 1),
        ({"field": "value", "end_ns": 3_001}, 4),
        ({"field": "nothing"}, 0),
        ({"field": "state", "tags": {"entity_id": ["sensor.b", "sensor.c"]}}, 2),
    ],
)
def test_counts(
    client: InfluxClient, question: dict[str, object], expected: int
) -> None:
    assert count_points(client, "states", **question) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "series",
    [
        Series(name="m", tags={}, columns=("time",), rows=[[1]]),
        Series(name="m", tags={}, columns=("time", "value"), rows=[["1970", 1]]),
    ],
    ids=["columns", "time"],
)
def test_answers_of_another_shape(
    client: InfluxClient, monkeypatch: pytest.MonkeyPatch, series: Series
) -> None:
    answer: Callable[..., list[Series]] = lambda *args, **kwargs: [series]  # noqa: E731
    monkeypatch.setattr(client, "query", answer)

    with pytest.raises(StoreProtocolError):
        read(client)


def test_a_count_of_another_shape(
    client: InfluxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = Series(name="m", tags={}, columns=("time", "count"), rows=[[0, "many"]])
    monkeypatch.setattr(client, "execute", lambda *args, **kwargs: [series])

    with pytest.raises(StoreProtocolError):
        count_points(client, "states", field="value")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, 10),
        ({"start_ns": 1_500, "end_ns": 3_000}, 4),
        ({"tags": {"entity_id": ["sensor.a", "sensor.b"]}}, 8),
        ({"tags": {"entity_id": "sensor.nobody"}}, 0),
    ],
)
def test_values_of_all_fields_are_counted(
    client: InfluxClient, question: dict[str, Any], expected: int
) -> None:
    arguments = {"start_ns": 0, "end_ns": END} | question

    assert count_values(client, "states", **arguments) == expected
    assert count_values(client, "missing", **arguments) == 0


def test_values_are_counted_by_day(client: InfluxClient) -> None:
    day_ns = 86_400 * 10**9
    client.write(
        f"days a=1,b=2 {day_ns - 1}\ndays a=1 {day_ns}\ndays b=1 {3 * day_ns}\n".encode(),
        is_gzip=False,
    )

    counts = count_values_by_day(client, "days", start_ns=0, end_ns=4 * day_ns)

    assert counts == {0: 2, day_ns: 1, 3 * day_ns: 1}
    assert count_values_by_day(client, "missing", start_ns=0, end_ns=1) == {}


def test_what_there_is(client: InfluxClient) -> None:
    client.write(b"other,room=a value=1 7\n", is_gzip=False)

    assert list_measurements(client) == ["other", "states"]
    assert list_tag_keys(client, "states") == ["area", "entity_id"]
    assert list_tag_keys(client, "missing") == []
    assert oldest_time(client, "missing") is None


@pytest.mark.parametrize("near", [None, 0, 1, 2, 40, 5_000])
@pytest.mark.parametrize("field", [None, "value"])
def test_the_oldest_row_is_found_wherever_it_is(
    client: InfluxClient, field: str | None, near: int | None
) -> None:
    day_ns = 86_400 * 10**9
    near_ns = None if near is None else near * day_ns
    client.write(
        b"".join(
            f"rare,room=r{at} value={at} {at}\n".encode()
            for at in (day_ns + 5, 30 * day_ns, 20_000 * day_ns, 80_000 * day_ns)
        ),
        is_gzip=False,
    )

    def ask() -> int | None:
        return oldest_time(client, "rare", field=field, near_ns=near_ns)

    assert ask() == day_ns + 5
    client.delete("rare", tags={}, start_ns=0, end_ns=2 * day_ns)
    assert ask() == 30 * day_ns
    client.delete("rare", tags={}, start_ns=0, end_ns=31 * day_ns)
    assert ask() == 20_000 * day_ns
    client.delete("rare", tags={}, start_ns=0, end_ns=20_001 * day_ns)
    # What lies in the future is a row as well.
    assert ask() == 80_000 * day_ns
    client.delete("rare", tags={}, start_ns=0, end_ns=80_001 * day_ns)
    assert ask() is None


def test_a_row_without_the_field_is_passed_over(client: InfluxClient) -> None:
    client.write(b"rare other=1 5\nrare value=1 7\n", is_gzip=False)

    assert oldest_time(client, "rare", field="value") == 7
    assert oldest_time(client, "rare") == 5


def test_the_oldest_row_is_looked_for_in_short_spans(
    client: InfluxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server opens all shards of a span at once, which a year brings down."""
    day_ns = 86_400 * 10**9
    now_ns = time.time_ns()
    first_ns = now_ns - 360 * day_ns
    client.write(f"year value=1 {first_ns}\n".encode(), is_gzip=False)
    asked: list[tuple[int, int]] = []
    execute = client.execute

    def spy(statement: str, **arguments: Any) -> list[Series]:
        if found := re.search(r"time >= (-?\d+) AND time < (-?\d+)", statement):
            asked.append((int(found[1]), int(found[2])))
        return execute(statement, **arguments)

    monkeypatch.setattr(client, "execute", spy)

    assert oldest_time(client, "year") == first_ns
    assert asked[-1][1] - asked[-1][0] < 125 * day_ns
    assert 5 < len(asked) < 40

    asked.clear()
    assert oldest_time(client, "year", near_ns=first_ns - 1) == first_ns
    assert [end - start for start, end in asked] == [day_ns]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 50), None),
        ((0, 4_000), 1_000),
        ((1_000, 4_000), 1_000),
        ((1_001, 1 << 60), 2_000),
        ((9_000, 1 << 60), None),
        ((5, 5), None),
    ],
)
def test_the_next_row(
    client: InfluxClient, span: tuple[int, int], expected: int | None
) -> None:
    client.write(b"rare value=1 1000\nrare value=1 2000\n", is_gzip=False)

    found = next_time(client, "rare", field="value", start_ns=span[0], end_ns=span[1])

    assert found == expected


@pytest.mark.parametrize("row", [["x", 1], [1, "x"]], ids=["time", "count"])
def test_a_count_that_is_none_is_refused(
    client: InfluxClient, monkeypatch: pytest.MonkeyPatch, row: list[Any]
) -> None:
    series = Series(name="m", tags={}, columns=("time", "count_a"), rows=[row])
    monkeypatch.setattr(client, "execute", lambda *args, **kwargs: [series])

    with pytest.raises(StoreProtocolError):
        count_values_by_day(client, "m", start_ns=0, end_ns=1)


def test_an_oldest_row_without_a_time_is_refused(
    client: InfluxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = Series(name="m", tags={}, columns=("time", "a"), rows=[[None, 1]])
    monkeypatch.setattr(client, "execute", lambda *args, **kwargs: [series])

    with pytest.raises(StoreProtocolError):
        oldest_time(client, "m", near_ns=0)
