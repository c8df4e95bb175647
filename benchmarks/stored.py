"""What databases of an InfluxDB 1.x server take on its disk.

Compacted: right after a load most of it lies in a log, and in files that are merged
later. The server is told to do at once what it would do after minutes and hours
without a write; what it then has on disk is the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
import struct
import time
from typing import Any, Final

# Write the cache out, and merge the files of a shard, as soon as nobody writes.
EAGER: Final[Mapping[str, str]] = {
    "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
    "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "5s",
    # A load of a year touches more shards than the cache is meant for.
    "INFLUXDB_DATA_CACHE_MAX_MEMORY_SIZE": "4g",
}
_POLL_S: Final = 1.0
# As long as nothing has changed for so long, nothing more is done.
_CALM_S: Final = 15.0
_PATIENCE_S: Final = 600.0
_BLOCK_BYTES: Final = 512  # what st_blocks counts in
_SEPARATOR: Final = b"#!~#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One database.

    Attributes:
        disk_bytes: Everything, as the file system counts it: data, indexes, log.
        data_bytes: The data files alone.
        measurements: Data by measurement and field.
    """

    disk_bytes: int
    data_bytes: int
    measurements: Mapping[str, Mapping[str, int]]

    def of(self, measurement: str) -> int:
        """Return the data of one measurement."""
        return sum(self.measurements.get(measurement, {}).values())

    def to_json(self) -> dict[str, Any]:
        """Return it for the file of figures."""
        return {
            "disk_bytes": self.disk_bytes,
            "data_bytes": self.data_bytes,
            "measurements": {
                name: dict(fields) for name, fields in self.measurements.items()
            },
        }


def settle(folder: Path, databases: list[str]) -> None:
    """Wait until the server has written out and merged all of some databases.

    Args:
        folder: That of the server.
    """
    deadline = time.monotonic() + _PATIENCE_S
    before: list[tuple[int, int]] = []
    calm_since = time.monotonic()
    while time.monotonic() < deadline:
        now = [
            (_disk_bytes(folder / "data" / name), _wal_bytes(folder, name))
            for name in databases
        ]
        if now != before or any(wal for _, wal in now):
            before, calm_since = now, time.monotonic()
        elif time.monotonic() - calm_since >= _CALM_S:
            return
        time.sleep(_POLL_S)


def measure(folder: Path, database: str) -> Stored:
    """Measure a database that is settled."""
    data = folder / "data" / database
    measurements: dict[str, dict[str, int]] = {}
    data_bytes = 0
    for path in sorted(data.rglob("*.tsm")):
        data_bytes += path.stat().st_size
        for measurement, field, size in _fields_of(path.read_bytes()):
            fields = measurements.setdefault(measurement, {})
            fields[field] = fields.get(field, 0) + size
    return Stored(
        disk_bytes=_disk_bytes(data) + _disk_bytes(folder / "wal" / database),
        data_bytes=data_bytes,
        measurements=measurements,
    )


def _disk_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * _BLOCK_BYTES
        except FileNotFoundError:
            # It was merged into another one meanwhile.
            continue
    return total


def _wal_bytes(folder: Path, database: str) -> int:
    return sum(
        path.stat().st_size
        for path in (folder / "wal" / database).rglob("*.wal")
        if path.exists()
    )


def _fields_of(data: bytes) -> Iterator[tuple[str, str, int]]:
    """Read the index of a data file: measurement, field, bytes of blocks and index.

    Its layout is that of InfluxDB's tsdb/engine/tsm1 (DESIGN.md): the last eight
    bytes say where the index begins; an entry of it has a key, a type, and the
    place and size of each block.
    """
    (at,) = struct.unpack(">Q", data[-8:])
    while at < len(data) - 8:
        (key_length,) = struct.unpack_from(">H", data, at)
        key = data[at + 2 : at + 2 + key_length]
        (count,) = struct.unpack_from(">H", data, at + 3 + key_length)
        end = at + 5 + key_length + count * 28
        size = end - at
        for block in range(at + 5 + key_length, end, 28):
            size += struct.unpack_from(">qqqI", data, block)[3]
        series, _, field = key.partition(_SEPARATOR)
        yield series.partition(b",")[0].decode(), field.decode(), size
        at = end
