"""What all scenarios share: the server, the plan, and the figures so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import tempfile
from typing import Any, Final

from figures import Figures
from plan import Plan
from processes import ROOT, Setting, Subject, running, say, scratch_folder
from watch import Database

from devlib.influxd import InfluxServer

_INFLUXD: Final = ROOT / ".dev" / "influxdb" / "influxd"


@contextmanager
def fresh_server(port: int | None = None) -> Iterator[InfluxServer]:
    """Run a server with nothing in it, on a given port or any.

    One that is stopped and started again in the middle of a scenario must not have
    to read what other scenarios have left.
    """
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-influxd-") as folder,
        InfluxServer(_INFLUXD, Path(folder), port=port) as server,
    ):
        yield server


class Bench:
    """One run over competitors and scenarios.

    Attributes:
        server: For all scenarios in which the database is never away.
    """

    def __init__(self, server: InfluxServer, plan: Plan, names: list[str]) -> None:
        """Begin with empty figures."""
        self.server = server
        self.plan = plan
        self.names = names
        self.ha_version = ""
        self.notes: list[str] = []
        self._figures: dict[str, Figures] = {}
        self._database_count = 0

    def of(self, name: str) -> Figures:
        """Return the figures of a competitor."""
        return self._figures.setdefault(name, Figures())

    def note(self, words: str) -> None:
        """Say something once under the report."""
        if words not in self.notes:
            self.notes.append(words)
            say(words)

    @property
    def measured(self) -> list[str]:
        """Those of whom there are figures."""
        return list(self._figures)

    def make_database(self, server: InfluxServer | None = None) -> Database:
        """Create an empty database with a name of its own."""
        self._database_count += 1
        return Database(server or self.server, f"benchmark_{self._database_count}")

    @contextmanager
    def subject(
        self,
        name: str,
        scenario: str,
        *,
        server: InfluxServer | None = None,
        parent_folder: Path | None = None,
        **options: Any,
    ) -> Iterator[tuple[Subject, Database]]:
        """Start a competitor with a database of its own, ready to go.

        Args:
            parent_folder: Where its folder is made, if not where all temporary
                folders are.
        """
        database = self.make_database(server)
        with scratch_folder(parent_folder) as folder:
            setting = Setting(
                name=name, folder=folder, port=database.port, database=database.name
            )
            with self.started(setting, scenario, **options) as subject:
                yield subject, database

    @contextmanager
    def started(
        self, setting: Setting, scenario: str, **options: Any
    ) -> Iterator[Subject]:
        """Start a competitor in a given setting, ready to go."""
        words = " ".join(f"{key}={value}" for key, value in options.items())
        say(f"{setting.name}: {scenario} {words}")
        with running(setting, scenario, **options) as subject:
            self.ha_version = subject.hear()["ha_version"]
            yield subject
