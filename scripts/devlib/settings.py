"""What a run of scripts/develop was asked to do, and where its things lie."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import socket
from typing import Final, Self

PROJECT: Final = Path(__file__).resolve().parents[2]
DEV: Final = PROJECT / ".dev"
RECORDING: Final = PROJECT / "examples" / "home-energy-2016.csv"

DEFAULT_DATABASE: Final = "home_assistant"
DEFAULT_SPEED: Final = 20.0
# Starts five days before the change to summer time and ends five days after it.
ONCE_START_ROW: Final = 2_478
ONCE_ROW_COUNT: Final = 400
HOME_ASSISTANT_PORT: Final = 8123
INFLUXDB_PORT: Final = 8086


class DevelopError(Exception):
    """Something that a person has to mend; the message says what."""


class StartError(DevelopError):
    """Home Assistant does not run as it should; its log says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The command line.

    Attributes:
        row_count: None for all rows.
        folder: Where this run keeps its state; a run with `--once` has its own,
            so that it never touches what a person has set up.
    """

    is_once: bool
    is_fresh: bool
    is_playing: bool
    start_row: int
    row_count: int | None
    rows_per_second: float
    folder: Path

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Self:
        """Read the command line; ends the program where it is wrong."""
        parser = argparse.ArgumentParser(prog="scripts/develop")
        parser.add_argument("--once", action="store_true")
        parser.add_argument("--fresh", action="store_true")
        parser.add_argument("--no-play", action="store_true")
        parser.add_argument("--rows", type=int)
        parser.add_argument("--speed", type=float, default=DEFAULT_SPEED)
        values = parser.parse_args(arguments)
        if values.rows is not None and values.rows < 1:
            parser.error("--rows must be at least 1")
        if not 0 < values.speed <= 1000:  # noqa: PLR2004, as the demo home allows
            parser.error("--speed must be above 0 and at most 1000")
        if values.once and values.no_play:
            parser.error("--once has nothing to check without playing")
        is_once: bool = values.once
        return cls(
            is_once=is_once,
            is_fresh=values.fresh or is_once,
            is_playing=not values.no_play,
            start_row=ONCE_START_ROW if is_once else 0,
            row_count=values.rows or (ONCE_ROW_COUNT if is_once else None),
            rows_per_second=values.speed,
            folder=DEV / "state" / ("once" if is_once else "develop"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxTarget:
    """An InfluxDB as the person, or this program, knows it.

    Attributes:
        is_ours: Whether this program has started it.
        store: Database or bucket.
    """

    url: str
    is_ours: bool
    token: str = ""
    organization: str = ""
    store: str = DEFAULT_DATABASE
    username: str = ""
    password: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Take the server that the environment names; None where it names none."""
        url = environment.get("INFLUXDB_URL", "").strip()
        if not url:
            return None
        if not url.startswith(("http://", "https://")):
            raise DevelopError(
                f"INFLUXDB_URL is {url}; it must begin with http:// or https://"
            )
        return cls(
            url=url.rstrip("/"),
            is_ours=False,
            token=environment.get("INFLUXDB_TOKEN", ""),
            organization=environment.get("INFLUXDB_ORG", ""),
            store=environment.get("INFLUXDB_BUCKET", "")
            or environment.get("INFLUXDB_DATABASE", "")
            or DEFAULT_DATABASE,
            username=environment.get("INFLUXDB_USERNAME", ""),
            password=environment.get("INFLUXDB_PASSWORD", ""),
        )

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of the v1 API, which takes a token as the password."""
        if self.token:
            return (self.username or "token", self.token)
        if self.username:
            return (self.username, self.password)
        return None


def find_free_port(preferred: int) -> int:
    """Return the preferred port of loopback if nobody has it, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # A port in TIME_WAIT after a former run is free for a server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise DevelopError("no free port on loopback")
