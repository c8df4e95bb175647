"""Constants of the demo home; no logic."""

from typing import Final

DOMAIN: Final = "demo_home"

# Where the file of readings lies, relative to Home Assistant's configuration
# folder or absolute.
CONF_PATH: Final = "path"
DEFAULT_PATH: Final = "home-energy-2016.csv"

SERVICE_PLAY: Final = "play"
SERVICE_STOP: Final = "stop"
ATTR_ROW: Final = "row"
ATTR_ROWS: Final = "rows"
ATTR_ROWS_PER_SECOND: Final = "rows_per_second"
ATTR_START_ROW: Final = "start_row"
# Some thirty entities change with a row: this is about 600 events a second,
# far more than any real house has, and little for one core.
DEFAULT_ROWS_PER_SECOND: Final = 20.0
# Beyond this one row takes longer to write than the time it is given.
MAX_ROWS_PER_SECOND: Final = 1_000.0
