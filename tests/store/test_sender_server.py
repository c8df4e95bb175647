"""The sender against a real server: bad lines stand alone, all others are stored."""

import time

from custom_components.ha_ingestor.store.dead_letters import LetterSelection
from custom_components.ha_ingestor.store.influx.client import InfluxClient
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from custom_components.ha_ingestor.store.sender import Sender
from custom_components.ha_ingestor.store.sqlite_buffer import SqliteBuffer
from custom_components.ha_ingestor.store.stats import PipelineStats
from devlib.influxd import InfluxServer

WAIT_S = 10.0


def test_wrong_types_in_a_batch_of_5000_on_the_real_server(
    buffer: SqliteBuffer, stats: PipelineStats, influxdb: InfluxServer
) -> None:
    influxdb.write("m a=1.5 1", "test")
    target = Target(
        api_version=ApiVersion.V1, host="127.0.0.1", port=influxdb.port, store="test"
    )
    lines = [b"m a=%d %d" % (number, number) for number in range(2, 5_002)]
    lines[1_234] = b'm a="text" 1236'
    lines[4_999] = b"m a= 5001"
    buffer.add(b"\n".join(lines), len(lines), 1)
    sender = Sender(
        buffer,
        stats,
        lambda: InfluxClient(target),
        lambda _: None,
        flush_interval_s=0.01,
    )
    sender.start()
    deadline = time.monotonic() + WAIT_S
    while buffer.size().point_count:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    assert sender.stop(WAIT_S)
    assert influxdb.rows("SELECT count(a) FROM m", "test")[0][1] == 4_999
    assert (stats.written, stats.rejected) == (4_998, 2)
    found, _ = buffer.list_dead_letters(LetterSelection(), 10)
    letters = [stored.letter for stored in found]
    reasons = {letter.line: letter.reason for letter in letters}
    assert "field type conflict" in reasons[lines[1_234]]
    assert "missing field value" in reasons[lines[4_999]]
