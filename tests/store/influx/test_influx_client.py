"""The client against a real InfluxDB 1.x."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import gzip
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest
import pytest_socket

from custom_components.ha_ingestor.errors import (
    BatchRejectedError,
    BatchTooLargeError,
    StoreAuthError,
    StoreMissingError,
    StorePermissionError,
    StoreQueryError,
    StoreRefusedError,
    StoreRight,
    StoreUnavailableError,
)
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.influxql import quote_identifier
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from devlib.influxd import InfluxServer

DAY_NS = 86_400 * 10**9
T0 = 1_700_000_000_000_000_000

type MakeClient = Callable[..., InfluxClient]


def read(client: InfluxClient, statement: str) -> list[list[object]]:
    return [row for series in client.execute(statement) for row in series.rows]


def test_ping_tells_the_version(client: InfluxClient) -> None:
    info = client.ping()

    assert info.api_version is ApiVersion.V1
    assert info.version.startswith("1.")
    assert info.build == "OSS"


@pytest.mark.parametrize("is_gzip", [False, True], ids=["plain", "gzip"])
def test_what_is_written_is_read(client: InfluxClient, is_gzip: bool) -> None:
    lines = f'm,room=kitchen value=21.5,state="on",ok=true {T0}\n'.encode()
    body = gzip.compress(lines, compresslevel=1) if is_gzip else lines

    client.write(body, is_gzip=is_gzip)

    (series,) = client.execute("SELECT ok, state, value FROM m GROUP BY room")
    assert series.name == "m"
    assert series.tags == {"room": "kitchen"}
    assert series.columns == ("time", "ok", "state", "value")
    assert series.rows == [[T0, True, "on", 21.5]]


def test_a_resend_changes_nothing(client: InfluxClient) -> None:
    lines = b"".join(b"m,i=%d value=%d %d\n" % (i % 7, i, T0 + i) for i in range(500))

    client.write(lines, is_gzip=False)
    client.write(lines, is_gzip=False)

    assert read(client, "SELECT count(value), sum(value) FROM m") == [
        [0, 500, sum(range(500))]
    ]


def test_several_threads_may_share_a_client(client: InfluxClient) -> None:
    def write(number: int) -> None:
        client.write(b"m,i=%d value=1 %d\n" % (number, number), is_gzip=False)
        list(client.query("SELECT value FROM m LIMIT 1"))

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(write, range(100)))

    assert read(client, "SELECT count(value) FROM m") == [[0, 100]]


@pytest.mark.parametrize(
    ("bad_line", "words"),
    [
        pytest.param(f'm value="text" {T0 + 1}', "field type conflict", id="type"),
        pytest.param(f"m value=1 {T0 + 1}\r", "bad timestamp", id="crlf"),
        pytest.param(f"m value=NaN {T0 + 1}", "invalid", id="nan"),
        pytest.param(f"m,tag=a\\ value=1 {T0 + 1}", "unable to parse", id="backslash"),
        pytest.param(f"m,time=1 value=1 {T0 + 1}", "time", id="tag-time"),
        pytest.param(f"m,tag= value=1 {T0 + 1}", "missing tag value", id="empty-tag"),
        pytest.param(f"m value=1u {T0 + 1}", "invalid", id="unsigned"),
        pytest.param("no line at all", "unable to parse", id="nonsense"),
    ],
)
def test_a_bad_line_rejects_the_batch_and_a_resend_without_it_is_written(
    client: InfluxClient, bad_line: str, words: str
) -> None:
    client.write(b"m value=0 1\n", is_gzip=False)
    good = [f"m value=1 {T0}", f"m value=2 {T0 + 2}"]
    batch = "\n".join([good[0], bad_line, good[1]])

    with pytest.raises(BatchRejectedError, match=words) as caught:
        client.write(batch.encode(), is_gzip=False)
    client.write("\n".join(good).encode(), is_gzip=False)

    # 1.x names no line, so that the writer has to split the batch.
    assert caught.value.bad_lines is None
    assert read(client, f"SELECT value FROM m WHERE time >= {T0}") == [
        [T0, 1],
        [T0 + 2, 2],
    ]


def test_a_conflict_inside_one_batch_writes_nothing_of_it(client: InfluxClient) -> None:
    # Unlike one with stored points, where the rest is written: a 400 alone says
    # nothing about the other lines.
    with pytest.raises(BatchRejectedError, match="field type conflict"):
        client.write(b'new value=1 1\nnew value="a" 2\nnew value=3 3', is_gzip=False)

    assert read(client, "SELECT * FROM new") == []


def test_the_words_for_a_batch_of_bad_lines_are_bounded(client: InfluxClient) -> None:
    # About 600 KB of reasons, of which only the beginning is fetched.
    body = b"".join(b"m value=%d 1\r\n" % i for i in range(12_000))

    with pytest.raises(BatchRejectedError) as caught:
        client.write(body, is_gzip=False)

    assert "bad timestamp" in caught.value.reason
    assert len(caught.value.reason) <= 1_024


def test_a_missing_database_is_no_reason_to_give_up_points(
    make_client: MakeClient, target: Target
) -> None:
    client = make_client(replace(target, store="nowhere"))

    with pytest.raises(StoreMissingError, match="nowhere"):
        client.write(b"m value=1 1", is_gzip=False)
    with pytest.raises(StoreMissingError, match="nowhere"):
        client.execute("SELECT value FROM m")


def test_a_missing_retention_policy_is_missing_though_it_is_a_500(
    client: InfluxClient, influxdb: InfluxServer
) -> None:
    influxdb.query('DROP RETENTION POLICY "autogen" ON "test"')

    with pytest.raises(StoreMissingError, match="retention policy not found"):
        client.write(b"m value=1 1", is_gzip=False)

    influxdb.query(
        'CREATE RETENTION POLICY "autogen" ON "test" DURATION INF REPLICATION 1 DEFAULT'
    )
    client.write(b"m value=1 1", is_gzip=False)
    assert read(client, "SELECT value FROM m") == [[1, 1]]


class TestLimits:
    """A server with a small `max-body-size`, as a proxy has it too."""

    @pytest.fixture
    def small(
        self, influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Target]:
        server = InfluxServer(
            influxd_binary,
            tmp_path_factory.mktemp("small"),
            max_body_size=100_000,
        )
        with server:
            server.query("CREATE DATABASE home_assistant")
            yield Target(api_version=ApiVersion.V1, host="127.0.0.1", port=server.port)

    # Half a megabyte fits into the buffers of the sockets, so that the 413 arrives;
    # with the larger ones the server resets the connection while they are sent.
    @pytest.mark.parametrize("size", [500_000, 4_000_000, 20_000_000])
    def test_too_large_is_told_even_where_the_connection_is_cut(
        self, make_client: MakeClient, small: Target, size: int
    ) -> None:
        client = make_client(small)
        line = b"m value=1 1\n"

        with pytest.raises(BatchTooLargeError):
            client.write(line * (size // len(line)), is_gzip=False)
        client.write(line, is_gzip=False)

        assert read(client, "SELECT value FROM m") == [[1, 1]]


class TestDown:
    """A server that comes and goes."""

    def test_refused_while_down_and_written_once_up(
        self,
        make_client: MakeClient,
        influxd_binary: Path,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        server = InfluxServer(influxd_binary, tmp_path_factory.mktemp("down"))
        client = make_client(
            Target(api_version=ApiVersion.V1, host="127.0.0.1", port=server.port)
        )
        with pytest.raises(StoreRefusedError):
            client.write(b"m value=1 1", is_gzip=False)

        with server:
            server.query("CREATE DATABASE home_assistant")
            client.write(b"m value=1 1", is_gzip=False)
            server.kill()
            with pytest.raises(StoreUnavailableError):
                client.write(b"m value=2 2", is_gzip=False)
            server.start()
            # The kept connection is dead; the client notices by itself.
            client.write(b"m value=2 2", is_gzip=False)

            assert read(client, "SELECT value FROM m") == [[1, 1], [2, 2]]


class TestAuth:
    """A server that asks who one is."""

    PASSWORD = "Pass'w\"ord: ä€\\"

    @pytest.fixture(scope="class")
    def server(
        self, influxd_binary: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[InfluxServer]:
        # See the fixture `shared_influxdb`.
        pytest_socket.enable_socket()
        folder = tmp_path_factory.mktemp("auth")
        with InfluxServer(influxd_binary, folder, auth=True) as server:
            server.create_admin("admin", self.PASSWORD)
            server.query("CREATE DATABASE home_assistant")
            server.query("CREATE DATABASE other")
            for user, right in (
                ("reader", "READ"),
                ("writer", "WRITE"),
                ("all", "ALL"),
            ):
                server.query(f"CREATE USER \"{user}\" WITH PASSWORD '{user}-secret'")
                server.query(f'GRANT {right} ON home_assistant TO "{user}"')
            yield server

    @pytest.fixture
    def protected(self, server: InfluxServer) -> Target:
        return Target(
            api_version=ApiVersion.V1,
            host="127.0.0.1",
            port=server.port,
            username="admin",
            password=self.PASSWORD,
        )

    def test_any_password_works(
        self, make_client: MakeClient, protected: Target
    ) -> None:
        client = make_client(protected)

        client.write(b"m value=1 1", is_gzip=False)

        assert read(client, "SELECT value FROM m") == [[1, 1]]

    @pytest.mark.parametrize(
        ("username", "password"),
        [("admin", "wrong-password"), ("nobody", "wrong-password"), ("", "")],
        ids=["password", "user", "none"],
    )
    def test_refused_credentials(
        self, make_client: MakeClient, protected: Target, username: str, password: str
    ) -> None:
        client = make_client(replace(protected, username=username, password=password))

        with pytest.raises(StoreAuthError) as on_write:
            client.write(b"m value=1 1", is_gzip=False)
        with pytest.raises(StoreAuthError) as on_query:
            client.execute("SELECT value FROM m")

        assert "wrong-password" not in f"{on_write.value!r} {on_query.value!r}"

    @pytest.mark.parametrize(
        ("username", "store", "right"),
        [
            ("reader", "home_assistant", StoreRight.WRITE),
            ("writer", "home_assistant", StoreRight.READ),
            ("reader", "home_assistant", StoreRight.DELETE),
            ("all", "other", StoreRight.WRITE),
        ],
    )
    def test_the_missing_right_is_named(
        self,
        make_client: MakeClient,
        protected: Target,
        username: str,
        store: str,
        right: StoreRight,
    ) -> None:
        client = make_client(
            replace(
                protected,
                username=username,
                password=f"{username}-secret",
                store=store,
            )
        )
        calls = {
            StoreRight.WRITE: lambda: client.write(b"m value=1 1", is_gzip=False),
            StoreRight.READ: lambda: client.execute("SELECT value FROM m"),
            StoreRight.DELETE: lambda: client.delete(
                "m", tags={}, start_ns=0, end_ns=1
            ),
        }

        with pytest.raises(StorePermissionError) as caught:
            calls[right]()

        assert caught.value.right is right
        assert f"{username}-secret" not in str(caught.value)


def test_values_are_bound_and_cannot_change_the_statement(
    client: InfluxClient,
) -> None:
    name = "it's \"quoted\" \\ and' OR '1'='1"
    client.write(
        b"m,who=it's\\ \"quoted\"\\ \\\\\\ and'\\ OR\\ '1'\\='1 value=1 1\n"
        b"m,who=other value=2 2\n",
        is_gzip=False,
    )
    (series,) = client.execute("SELECT value FROM m GROUP BY who LIMIT 1")[:1]
    stored = series.tags["who"]

    rows = [
        row
        for part in client.query(
            "SELECT value FROM m WHERE who = $who", params={"who": stored}
        )
        for row in part.rows
    ]

    assert stored.startswith("it's")
    assert rows == [[1, 1]]
    assert (
        client.execute("SELECT value FROM m WHERE who = $t", params={"t": name}) == []
    )


@pytest.mark.parametrize(
    ("param", "expected"),
    [(2, [[3, 3]]), (1.5, [[2, 2], [3, 3]]), (0, [[1, 1], [2, 2], [3, 3]])],
)
def test_numbers_can_be_bound(
    client: InfluxClient, param: float, expected: list[list[int]]
) -> None:
    client.write(b"m value=1 1\nm value=2 2\nm value=3 3", is_gzip=False)

    (series,) = client.execute(
        "SELECT value FROM m WHERE value > $low", params={"low": param}
    )

    assert series.rows == expected


# Text that is UTF-8, but the two characters that InfluxQL cannot carry.
NAMES = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r"),
    min_size=1,
    max_size=30,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=NAMES)
def test_any_name_can_be_quoted(client: InfluxClient, name: str) -> None:
    # The server gives the name back as it has understood it.
    client.write(b"m value=1 1", is_gzip=False)
    statement = f"SELECT value AS {quote_identifier(name)} FROM m"

    (series,) = client.execute(statement)

    assert series.columns == ("time", name)


def test_a_name_cannot_break_out(client: InfluxClient) -> None:
    client.write(b"m value=1 1", is_gzip=False)
    evil = 'm" WHERE time < 0; DROP MEASUREMENT "m'

    client.delete(evil, tags={evil: evil}, start_ns=0, end_ns=10)

    assert read(client, "SELECT value FROM m") == [[1, 1]]


@pytest.mark.parametrize("name", ["", "carriage\rreturn", "nul\0"])
def test_a_name_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="A name cannot"):
        quote_identifier(name)


def test_a_long_answer_comes_in_pieces(client: InfluxClient) -> None:
    count = 25_000
    body = b"".join(b"m,i=%d value=%d %d\n" % (i % 2, i, i) for i in range(count))
    client.write(gzip.compress(body), is_gzip=True)

    sizes = [
        len(series.rows)
        for series in client.query("SELECT value FROM m", chunk_size=1_000)
    ]
    times = [
        row[0] for series in client.query("SELECT value FROM m") for row in series.rows
    ]

    assert sizes == [1_000] * 25
    assert times == list(range(count))
    assert all(earlier < later for earlier, later in pairwise(times))


def test_an_answer_that_is_left_half_read_does_no_harm(client: InfluxClient) -> None:
    body = b"".join(b"m value=%d %d\n" % (i, i) for i in range(5_000))
    client.write(body, is_gzip=False)
    pieces = client.query("SELECT value FROM m", chunk_size=10)

    first = next(pieces)
    pieces.close()

    assert len(first.rows) == 10
    assert read(client, "SELECT count(value) FROM m") == [[0, 5_000]]


def test_nothing_is_no_error(client: InfluxClient) -> None:
    assert client.execute("SELECT value FROM nothing") == []
    client.delete("nothing", tags={}, start_ns=0, end_ns=10)


@pytest.mark.parametrize(
    "statement",
    ["SELEC value FROM m", "SELECT mean(*) FROM m WHERE value = ", "SELECT 1 FROM m"],
)
def test_a_wrong_query_is_told_in_the_servers_words(
    client: InfluxClient, statement: str
) -> None:
    with pytest.raises(StoreQueryError, match=r"."):
        client.execute(statement)

    client.write(b"m value=1 1", is_gzip=False)
    assert read(client, "SELECT value FROM m") == [[1, 1]]


def test_the_end_of_a_delete_is_exclusive(client: InfluxClient) -> None:
    times = [0, 1, DAY_NS - 1, DAY_NS, DAY_NS + 1, 2 * DAY_NS - 1, 2 * DAY_NS]
    client.write(b"".join(b"m value=1 %d\n" % t for t in times), is_gzip=False)
    client.write(b"other value=1 %d\n" % DAY_NS, is_gzip=False)

    client.delete("m", tags={}, start_ns=DAY_NS, end_ns=2 * DAY_NS)

    left = [row[0] for row in read(client, "SELECT value FROM m")]
    assert left == [0, 1, DAY_NS - 1, 2 * DAY_NS]
    assert read(client, "SELECT value FROM other") == [[DAY_NS, 1]]


def test_a_delete_can_be_narrowed_to_a_tag(client: InfluxClient) -> None:
    client.write(
        b"m,entity_id=sensor.a,area=x value=1 1\n"
        b"m,entity_id=sensor.a,area=y value=2 2\n"
        b"m,entity_id=sensor.b,area=x value=3 3\n",
        is_gzip=False,
    )

    client.delete("m", tags={"entity_id": "sensor.a"}, start_ns=0, end_ns=10)

    assert read(client, "SELECT value FROM m") == [[3, 3]]
