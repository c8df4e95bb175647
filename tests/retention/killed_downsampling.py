"""Hours and days that are killed again and again; prints how far each life came.

Arguments: port of the server, folder, number of kills, seed. Everything is loaded
once; each life is a fork of it. Every life begins with a late row.
"""

import datetime as dt
import json
import os
from pathlib import Path
import random
import signal
import sys
import time

from custom_components.ha_ingestor.retention.ledgers import EVENTS_LEDGER
from custom_components.ha_ingestor.store.influx.target import ApiVersion, Target
from tests.retention.downsample_kit import Home
from tests.retention.kit import DAY, SWITCH, row

START = 20_513 * DAY
DAYS = 4
LONGEST_LIFE_S = 0.5


def live(target: Target, folder: Path, generator: random.Random) -> None:
    """Write a late row, then make hours and days until nothing is left."""
    with Home(target, folder, dt.timezone(dt.timedelta(hours=5, minutes=30))) as home:
        time_ns = START + generator.randrange(DAYS * DAY // 1000) * 1000
        home.checkpoint.mark_dirty(EVENTS_LEDGER, (time_ns, time_ns + 1))
        state = generator.choice(("on", "off"))
        home.write_rows([row(time_ns, state, {**SWITCH, "entity_id": "switch.late"})])
        home.hours(START + DAYS * DAY)
        home.days(START + DAYS * DAY)


def main() -> None:
    """Give life and take it."""
    port, folder, kills, seed = sys.argv[1:]
    generator = random.Random(seed)
    target = Target(
        api_version=ApiVersion.V1, host="127.0.0.1", port=int(port), store="test"
    )
    endings = []
    for number in range(int(kills)):
        child = os.fork()
        if not child:
            live(target, Path(folder), random.Random(number))
            os._exit(0)
        time.sleep(generator.uniform(0.02, LONGEST_LIFE_S))
        os.kill(child, signal.SIGKILL)
        endings.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    sys.stdout.write(json.dumps(endings))


if __name__ == "__main__":
    main()
