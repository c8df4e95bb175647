"""The recording: a CSV file of readings, one row per moment.

Knows nothing of Home Assistant.
"""

from collections.abc import Mapping
import csv
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
import math
from pathlib import Path
from typing import Final

COLUMN_DATE: Final = "date"
COLUMN_APPLIANCES: Final = "Appliances"
COLUMN_LIGHTS: Final = "lights"
COLUMN_STATION_TEMPERATURE: Final = "T_out"
COLUMN_STATION_PRESSURE: Final = "Press_mm_hg"
COLUMN_STATION_HUMIDITY: Final = "RH_out"
COLUMN_STATION_WIND_SPEED: Final = "Windspeed"
COLUMN_STATION_VISIBILITY: Final = "Visibility"
COLUMN_STATION_DEW_POINT: Final = "Tdewpoint"

VALUE_COLUMNS: Final = (
    COLUMN_APPLIANCES,
    COLUMN_LIGHTS,
    *(f"T{number}" for number in range(1, 10)),
    *(f"RH_{number}" for number in range(1, 10)),
    COLUMN_STATION_TEMPERATURE,
    COLUMN_STATION_PRESSURE,
    COLUMN_STATION_HUMIDITY,
    COLUMN_STATION_WIND_SPEED,
    COLUMN_STATION_VISIBILITY,
    COLUMN_STATION_DEW_POINT,
)

# The clock of the recording never changed to summer time: it has rows between
# 02:00 and 03:00 on 2016-03-27, which no clock in Belgium showed.
RECORDING_TIME_ZONE: Final = timezone(timedelta(hours=1))


class RecordingError(Exception):
    """The file is not a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All readings of one moment.

    Attributes:
        index: Zero-based position in the file.
        recorded_at: Aware.
        values: One finite number for each of `VALUE_COLUMNS`, in its unit.
        appliances_total_wh: What the meter would show: the sum of the column
            from the first row of the file to this one.
        lights_total_wh: The same for lights.
    """

    index: int
    recorded_at: datetime
    values: Mapping[str, float]
    appliances_total_wh: float
    lights_total_wh: float


def load_recording(path: Path) -> tuple[Row, ...]:
    """Read the file; blocks.

    Raises:
        OSError: It cannot be read.
        RecordingError: It is not a recording; the message names the line.
    """
    rows: list[Row] = []
    appliances_total = lights_total = 0.0
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = {COLUMN_DATE, *VALUE_COLUMNS} - set(reader.fieldnames or ())
        if missing:
            raise RecordingError(f"columns missing: {', '.join(sorted(missing))}")
        for index, record in enumerate(reader):
            try:
                recorded_at = _parse_date(record[COLUMN_DATE])
                values = {name: _parse_value(record[name]) for name in VALUE_COLUMNS}
            except (TypeError, ValueError) as err:
                raise RecordingError(f"line {reader.line_num}: {err}") from err
            appliances_total += values[COLUMN_APPLIANCES]
            lights_total += values[COLUMN_LIGHTS]
            rows.append(
                Row(
                    index=index,
                    recorded_at=recorded_at,
                    values=values,
                    appliances_total_wh=appliances_total,
                    lights_total_wh=lights_total,
                )
            )
    if not rows:
        raise RecordingError("no rows")
    return tuple(rows)


def _parse_date(text: str) -> datetime:
    """Read a date of the recording's own clock."""
    return datetime.fromisoformat(text).replace(tzinfo=RECORDING_TIME_ZONE)


def _parse_value(text: str) -> float:
    """Read a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value
