"""Rows come once, group by group, from a real InfluxDB 1.x that may fail."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import tracemalloc
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ha_ingestor.errors import (
    RetentionError,
    StoreMissingError,
    StoreProtocolError,
    StoreQueryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.models import Point
from custom_components.ha_ingestor.retention.stream import (
    MAX_FAILURES,
    Piece,
    RowStream,
    by_group,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.results import Series
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.query import Row
from devlib.influxd import InfluxServer
from tests.retention.server_kit import DAY, HOUR, RAW, event, put, target_of
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN, InfluxDb3StandIn
from tests.stand_ins.server import Reply

ENTITY = ("entity_id",)

type Identity = tuple[Any, ...]


class FaultyClient(InfluxClient):
    """Breaks answers off after so many pieces, or refuses long spans."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, timeout_s=5.0)
        self.cuts: list[int] = []  # pieces until each cut; used up one by one
        self.max_span_ns: int | None = None
        self.statements: list[str] = []

    def query(self, statement: str, **kwargs: Any) -> Iterator[Series]:  # type: ignore[override]
        self.statements.append(statement)
        bounds = [int(word) for word in statement.split() if word.isdigit()]
        span_ns = bounds[1] - bounds[0] if len(bounds) > 1 else 0
        if self.max_span_ns is not None and span_ns > self.max_span_ns:
            raise StoreQueryError("Query would exceed file limit of 432 parquet files")
        pieces = super().query(statement, **kwargs)
        if not self.cuts or not statement.startswith("SELECT"):
            yield from pieces
            return
        for left, series in zip(range(self.cuts.pop(0), -1, -1), pieces, strict=False):
            if left == 0:
                pieces.close()  # type: ignore[attr-defined]
                raise StoreUnavailableError("The answer to the query broke off")
            yield series


@pytest.fixture(autouse=True)
def _custom_integrations() -> None:
    """Nothing here needs a Home Assistant, which takes its time to start."""


@pytest.fixture
def client(influxdb: InfluxServer) -> Iterator[FaultyClient]:
    client = FaultyClient(target_of(influxdb))
    yield client
    client.close()


@pytest.fixture
def points(influxdb: InfluxServer) -> list[Point]:
    """Three entities, one of which was in two rooms and reported twice at once."""
    points = [
        *(event("sensor.a", DAY + i * HOUR, value=float(i)) for i in range(10)),
        *(event("sensor.b", DAY + i * HOUR, area=None, state=str(i)) for i in range(7)),
        *(event("light.c", DAY + i * HOUR, area="Hall", ok=True) for i in range(5)),
        *(event("light.c", DAY + i * HOUR, area="Attic", ok=False) for i in (4, 5, 6)),
    ]
    put(influxdb, points)
    return points


def stream(client: InfluxClient, **arguments: Any) -> RowStream:
    return RowStream(client, RAW.measurement, **({"pause": lambda _: None} | arguments))


def identity(tags: Any, time_ns: int, fields: Any) -> Identity:
    return (time_ns, tuple(sorted(tags.items())), tuple(sorted(fields.items())))


def identities(pieces: Sequence[Piece]) -> list[Identity]:
    return sorted(
        identity(row.tags, row.time_ns, row.fields)
        for piece in pieces
        for row in piece.rows
    )


def expected(points: Sequence[Point]) -> list[Identity]:
    return sorted(identity(point.tags, point.time_ns, point.fields) for point in points)


@pytest.mark.parametrize("by", [None, ENTITY, (), ("area", "entity_id")], ids=str)
@pytest.mark.parametrize("chunk_rows", [1, 3, 2_000])
def test_every_row_comes_once(
    client: FaultyClient,
    points: list[Point],
    by: tuple[str, ...] | None,
    chunk_rows: int,
) -> None:
    reader = stream(client, by=by, chunk_rows=chunk_rows)

    assert identities(list(reader.read(DAY, DAY + 24 * HOUR))) == expected(points)


def test_an_entity_comes_as_one_whatever_its_rooms(
    client: FaultyClient, points: list[Point]
) -> None:
    reader = stream(client, by=ENTITY, chunk_rows=2)

    groups = [
        (dict(tags), [(row.time_ns, row.tags.get("area")) for row in rows])
        for tags, rows in by_group(reader.read(DAY, DAY + 24 * HOUR))
    ]

    assert [tags["entity_id"] for tags, _ in groups] == [
        "light.c",
        "sensor.a",
        "sensor.b",
    ]
    _, lights = groups[0]
    assert [time_ns for time_ns, _ in lights] == [
        DAY + i * HOUR for i in (0, 1, 2, 3, 4, 4, 5, 6)
    ]
    assert {area for time_ns, area in lights if time_ns == DAY + 4 * HOUR} == {
        "Hall",
        "Attic",
    }


def test_an_instant_is_never_cut_in_two(
    client: FaultyClient, points: list[Point]
) -> None:
    pieces = list(stream(client, by=(), chunk_rows=1).read(DAY, DAY + 24 * HOUR))

    times = [{row.time_ns for row in piece.rows} for piece in pieces]
    assert sum(len(group) for group in times) == len(set().union(*times))


def test_values_keep_their_types(influxdb: InfluxServer, client: FaultyClient) -> None:
    put(
        influxdb,
        [
            event(
                "sensor.a", DAY, value=21.0, state="21.0", ok=True, big=1e300, tiny=-0.5
            )
        ],
    )

    (piece,) = stream(client).read(DAY, DAY + HOUR)

    assert piece.rows == [
        Row(
            time_ns=DAY,
            tags={"entity_id": "sensor.a", "area": "Kitchen"},
            fields={
                "value": 21.0,
                "state": "21.0",
                "ok": True,
                "big": 1e300,
                "tiny": -0.5,
            },
        )
    ]
    assert type(piece.rows[0].fields["value"]) is float


def test_the_end_is_exclusive_and_tags_narrow(
    client: FaultyClient, points: list[Point]
) -> None:
    reader = stream(client, tags={"entity_id": ["sensor.a", "sensor.b"]})

    pieces = list(reader.read(DAY + HOUR, DAY + 2 * HOUR))

    assert identities(pieces) == expected(
        [
            point
            for point in points
            if point.time_ns == DAY + HOUR and point.tags["entity_id"] != "light.c"
        ]
    )


@pytest.mark.parametrize("by", [None, ENTITY, ()], ids=str)
@pytest.mark.parametrize("cuts", [[0], [1], [2], [5], [3, 1, 0], [0, 0, 1, 0, 2]])
def test_a_cut_answer_is_gone_on_with(
    client: FaultyClient,
    points: list[Point],
    by: tuple[str, ...] | None,
    cuts: list[int],
) -> None:
    client.cuts = cuts
    pieces = list(stream(client, by=by, chunk_rows=2).read(DAY, DAY + 24 * HOUR))

    assert identities(pieces) == expected(points)
    keys = [piece.key for piece in pieces]
    assert len([key for i, key in enumerate(keys) if keys[i - 1 : i] != [key]]) == len(
        set(keys)
    )


@given(
    cuts=st.lists(st.integers(0, 6), max_size=MAX_FAILURES),
    chunk_rows=st.integers(1, 12),
    max_span=st.sampled_from([None, HOUR // 2, HOUR, 3 * HOUR, 24 * HOUR]),
    by=st.sampled_from([None, ENTITY, ()]),
)
@settings(max_examples=60, deadline=None)
def test_any_split_gives_the_same_rows_once(
    shared_influxdb: InfluxServer,
    cuts: list[int],
    chunk_rows: int,
    max_span: int | None,
    by: tuple[str, ...] | None,
) -> None:
    points = [
        event(
            f"sensor.{i % 3}", DAY + (i // 2) * HOUR, area=f"r{i % 4}", value=float(i)
        )
        for i in range(40)
    ]
    shared_influxdb.query('CREATE DATABASE "split"')
    put(shared_influxdb, points, "split")
    client = FaultyClient(target_of(shared_influxdb, "split"))
    # One more than is borne in a row would end it, which another test shows.
    client.cuts = cuts
    client.max_span_ns = max_span
    reader = stream(client, by=by, chunk_rows=chunk_rows)
    try:
        pieces = list(reader.read(DAY, DAY + 24 * HOUR))
    finally:
        client.close()
        shared_influxdb.query('DROP DATABASE "split"')

    assert identities(pieces) == expected(points)


def test_a_server_that_stays_away_is_given_up(client: FaultyClient) -> None:
    client.cuts = [0] * 100
    pauses: list[float] = []
    put_nothing = stream(client, pause=pauses.append)
    client.write(b"home_assistant_events,entity_id=a value=1 1\n", is_gzip=False)

    with pytest.raises(StoreUnavailableError):
        list(put_nothing.read(0, HOUR))

    assert len(pauses) == 1 + MAX_FAILURES
    assert max(pauses) <= 16.0


def test_a_pause_may_end_the_stream(client: FaultyClient, points: list[Point]) -> None:
    client.cuts = [1]

    def cancel(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(stream(client, pause=cancel).read(DAY, DAY + HOUR))


def test_what_is_wrong_is_not_tried_again(client: FaultyClient) -> None:
    client.write(b"home_assistant_events,entity_id=a value=1 1\n", is_gzip=False)
    gone = FaultyClient(Target(**{**_as_dict(client.target), "store": "nope"}))

    with pytest.raises(StoreMissingError):
        list(stream(gone).read(0, HOUR))

    assert len(gone.statements) == 1
    gone.close()


def _as_dict(target: Target) -> dict[str, Any]:
    return {name: getattr(target, name) for name in target.__slots__}


def test_a_tag_named_like_a_field_is_refused(
    influxdb: InfluxServer, client: FaultyClient
) -> None:
    influxdb.write(f"{RAW.measurement},entity_id=a,unit=W unit=1 {DAY}\n", "test")

    with pytest.raises(RetentionError, match="same name"):
        list(stream(client, by=ENTITY).read(DAY, DAY + HOUR))


@pytest.mark.parametrize("max_span", [None, HOUR, 5 * HOUR])
def test_the_last_row_before(
    client: FaultyClient, points: list[Point], max_span: int | None
) -> None:
    client.max_span_ns = max_span

    last = stream(client, by=ENTITY).last_rows(DAY + 6 * HOUR, DAY)

    assert {dict(key)["entity_id"]: row.time_ns for key, row in last.items()} == {
        "sensor.a": DAY + 5 * HOUR,
        "sensor.b": DAY + 5 * HOUR,
        "light.c": DAY + 5 * HOUR,
    }
    light = last[("entity_id", "light.c"),]
    assert light.tags == {"entity_id": "light.c", "area": "Attic"}
    assert light.fields == {"ok": False}


def test_no_row_before(client: FaultyClient, points: list[Point]) -> None:
    reader = stream(client)

    assert reader.last_rows(DAY, DAY - HOUR) == {}
    assert reader.last_rows(DAY, DAY) == {}
    assert list(reader.read(DAY - HOUR, DAY)) == []


def test_a_killed_server_comes_back_in_the_middle(
    influxd_binary: Path, tmp_path: Path
) -> None:
    with InfluxServer(influxd_binary, tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "test"')
        points = [
            event(f"sensor.{i % 5}", DAY + i * 10**9, value=float(i), state="x" * 200)
            for i in range(20_000)
        ]
        put(server, points)
        client = InfluxClient(target_of(server), timeout_s=5.0)
        with ThreadPoolExecutor(1) as pool:
            restarts: list[Any] = []

            def restart() -> None:
                server.kill()
                server.start()

            reader = stream(
                client, chunk_rows=500, pause=lambda _: restarts[0].result()
            )
            pieces = []
            for number, piece in enumerate(reader.read(DAY, DAY + 24 * HOUR)):
                if number == 3:
                    server.kill()
                    restarts.append(pool.submit(server.start))
                pieces.append(piece)
        client.close()

    assert identities(pieces) == expected(points)
    assert len(restarts) == 1


def test_memory_does_not_grow_with_the_rows(
    influxdb: InfluxServer, client: FaultyClient
) -> None:
    for part in range(4):
        put(
            influxdb,
            (
                event("sensor.a", DAY + (part * 20_000 + i) * 10**9, value=float(i))
                for i in range(20_000)
            ),
        )

    def peak(hours: int) -> int:
        tracemalloc.start()
        for _ in stream(client, by=ENTITY).read(DAY, DAY + hours * HOUR):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(24) < 2 * peak(6)
    assert peak(24) < 16 * 1024 * 1024


@pytest.fixture
def v3() -> Iterator[InfluxDb3StandIn]:
    with InfluxDb3StandIn(databases=("test",)) as stand_in:
        yield stand_in


def test_the_file_limit_of_3(
    v3: InfluxDb3StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract from source, not verified on a server."""
    client = FaultyClient(
        Target(
            api_version=ApiVersion.V3,
            host="127.0.0.1",
            port=v3.port,
            token=ADMIN_TOKEN,
            store="test",
        )
    )
    client.write(
        b"home_assistant_events,entity_id=a,area=x value=1 1000\n"
        b"home_assistant_events,entity_id=b value=2 1000\n"
        b"home_assistant_events,entity_id=a,area=x value=3 %d\n" % (100 * HOUR),
        is_gzip=False,
    )
    client.max_span_ns = 72 * HOUR
    reader = stream(client, by=ENTITY)

    groups = {
        tags["entity_id"]: [row.fields["value"] for row in rows]
        for tags, rows in by_group(reader.read(0, 200 * HOUR))
    }

    assert groups == {"a": [1.0, 3.0], "b": [2.0]}
    assert {
        dict(key)["entity_id"]: row.fields["value"]
        for key, row in reader.last_rows(200 * HOUR, 0).items()
    } == {"a": 3.0, "b": 2.0}
    client.close()


@pytest.mark.parametrize(
    ("replies", "count"),
    [
        pytest.param([Reply(status=503), Reply(status=503)], 1, id="busy"),
        pytest.param([Reply(body=b'{"results":[{"ser')], 1, id="cut-by-a-proxy"),
    ],
)
def test_a_busy_server_is_asked_again(
    v3: InfluxDb3StandIn, replies: list[Reply], count: int
) -> None:
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V3,
            host="127.0.0.1",
            port=v3.port,
            token=ADMIN_TOKEN,
            store="test",
        )
    )
    client.write(b"home_assistant_events,entity_id=a value=1 1000\n", is_gzip=False)
    v3.script(*replies)

    pieces = list(stream(client).read(0, HOUR))

    assert [len(piece.rows) for piece in pieces] == [count]
    client.close()


def test_a_server_that_answers_nothing_is_an_error(
    client: FaultyClient, points: list[Point]
) -> None:
    client.max_span_ns = 1

    with pytest.raises(StoreQueryError):
        list(stream(client).read(DAY, DAY + HOUR))
    with pytest.raises(StoreQueryError):
        stream(client).last_rows(DAY + HOUR, DAY)


def test_a_group_that_is_refused_is_an_error(
    client: FaultyClient, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = stream(client)
    monkeypatch.setattr(reader, "groups", lambda *_: [(("entity_id", "sensor.a"),)])
    client.max_span_ns = 1

    with pytest.raises(StoreQueryError):
        list(reader.read(DAY, DAY + HOUR))


def test_a_question_that_is_wrong_is_asked_once(
    client: FaultyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(statement: str, **kwargs: Any) -> Iterator[Series]:
        asked.append(statement)
        raise StoreQueryError("error parsing query")

    monkeypatch.setattr(client, "query", refuse)

    with pytest.raises(StoreQueryError):
        list(stream(client).read(DAY, DAY + HOUR))
    with pytest.raises(StoreQueryError):
        stream(client).last_rows(DAY + HOUR, DAY)
    assert len(asked) == 2


def test_a_slow_server_is_asked_for_less(
    client: FaultyClient, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = client.query

    def slow(statement: str, **kwargs: Any) -> Iterator[Series]:
        bounds = [int(word) for word in statement.split() if word.isdigit()]
        if len(bounds) > 1 and bounds[1] - bounds[0] > 3 * HOUR:
            raise StoreTimeoutError("No answer in time")
        return query(statement, **kwargs)

    monkeypatch.setattr(client, "query", slow)

    assert identities(list(stream(client).read(DAY, DAY + 24 * HOUR))) == expected(
        points
    )


def test_a_neighbor_with_the_same_tags_and_more(
    influxdb: InfluxServer, client: FaultyClient
) -> None:
    points = [
        event("sensor.a", DAY + i * HOUR, area=area, value=float(i))
        for i in range(4)
        for area in (None, "Kitchen", "Hall")
    ]
    put(influxdb, points)
    client.cuts = [0]

    assert identities(list(stream(client).read(DAY, DAY + 24 * HOUR))) == expected(
        points
    )


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(
            [{"tags": {"e": e}, "columns": ["time"], "values": [[1]]} for e in "aba"],
            id="twice",
        ),
        pytest.param([{"columns": ["time", "v"], "values": [["x", 1]]}], id="no-time"),
        pytest.param([{"columns": ["time", "v"], "values": [[1]]}], id="short"),
    ],
)
def test_an_answer_without_shape_is_refused(
    v3: InfluxDb3StandIn, series: list[dict[str, Any]]
) -> None:
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V3,
            host="127.0.0.1",
            port=v3.port,
            token=ADMIN_TOKEN,
            store="test",
        )
    )
    answer = Reply.json({"results": [{"series": series}]})
    v3.script(*[answer] * (2 + MAX_FAILURES))

    with pytest.raises((RetentionError, StoreProtocolError)):
        list(stream(client).read(0, HOUR))
    client.close()


def test_rows_out_of_order_are_refused(v3: InfluxDb3StandIn) -> None:
    client = InfluxClient(
        Target(
            api_version=ApiVersion.V3,
            host="127.0.0.1",
            port=v3.port,
            token=ADMIN_TOKEN,
            store="test",
        )
    )
    series = {"name": "m", "columns": ["time", "value"], "values": [[2, 1.0], [1, 1.0]]}
    v3.script(Reply.json({"results": [{"series": [series]}]}))

    with pytest.raises(RetentionError, match="order"):
        list(stream(client).read(0, HOUR))
    client.close()
