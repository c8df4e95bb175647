"""What must be stored after rows of the recording have been played.

Computed from the file alone, without a line of the integrations that played and
stored it. Home Assistant fires no event where a state repeats, so a point is
expected for each change, not for each row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, auto
import itertools
from typing import Final

from .settings import RECORDING

type Record = Mapping[str, str]
type Reading = float | str

# Its clock stays on winter time (see examples/README.md).
_RECORDING_ZONE: Final = timezone(timedelta(hours=1))
_HPA_PER_MMHG: Final = 1.3332239
_KMH_PER_MS: Final = 3.6
_UNKNOWN: Final = "unknown"
_INTEGRATION: Final = {"integration": "demo_home"}
_INSIDE: Final = {
    "kitchen": (1, "Kitchen", "Ground floor"),
    "living_room": (2, "Living Room", "Ground floor"),
    "laundry_room": (3, "Laundry Room", "Ground floor"),
    "office": (4, "Office", "Ground floor"),
    "bathroom": (5, "Bathroom", "First floor"),
    "outside": (6, "Outside", "Outdoors"),
    "ironing_room": (7, "Ironing Room", "First floor"),
    "teenager_room": (8, "Teenager's Room", "First floor"),
    "parents_room": (9, "Parents' Room", "First floor"),
}
_STATION: Final = {
    "device": "Chièvres airport",
    "area": "Outside",
    "floor": "Outdoors",
    **_INTEGRATION,
}
_METER: Final = {"device": "Electricity meter", **_INTEGRATION}
_PLAYER: Final = {"device": "Demo home", **_INTEGRATION}


class Moment(Enum):
    """When in a row an entity changes: in this order."""

    WEATHER = auto()
    PRESENCE = auto()
    READING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPoint:
    """One change of one entity.

    Attributes:
        reading: A number, which is `value` and, written out, `state`; or a text,
            which is `state`.
        value: What `value` must be; None if there must be none.
        fields: Further fields with their values.
        previous: The reading before; None if it was the same or there was none.
        outdoor_temperature: The context field; None if there must be none.
        anyone_home: What the context field may be.
    """

    reading: Reading
    value: float | None
    fields: Mapping[str, Reading]
    previous: Reading | None
    outdoor_temperature: float | None
    anyone_home: frozenset[bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedEntity:
    """An entity, and how a row of the recording shows in it.

    Attributes:
        tags: All tags but domain and entity_id, which follow from the name.
        read: Its reading in a row.
        read_fields: Its further fields in a row.
        moment: When in a row it changes, which decides who is home by then.
    """

    entity_id: str
    tags: Mapping[str, str]
    read: Callable[[Record], Reading]
    read_fields: Callable[[Record], Mapping[str, Reading]] = field(default=lambda _: {})
    moment: Moment = Moment.READING

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of its points."""
        domain = self.entity_id.partition(".")[0]
        return {**self.tags, "domain": domain, "entity_id": self.entity_id}


def load_records(start_row: int, row_count: int | None) -> list[Record]:
    """Read the rows that are played, each with the meter's totals up to it."""
    totals = {"Appliances": 0.0, "lights": 0.0}
    records: list[Record] = []
    with RECORDING.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            for column, total in totals.items():
                totals[column] = total + float(record[column])
                record[f"{column}_total"] = str(totals[column])
            records.append(record)
    end = None if row_count is None else start_row + row_count
    return records[start_row:end]


def _column(name: str, factor: float = 1) -> Callable[[Record], Reading]:
    return lambda record: float(record[name]) * factor


def _sensor(
    entity_id: str,
    device_class: str,
    unit: str,
    read: Callable[[Record], Reading],
    place: Mapping[str, str],
    *,
    state_class: str = "measurement",
) -> PlayedEntity:
    return PlayedEntity(
        entity_id=f"sensor.{entity_id}",
        tags={
            "device_class": device_class,
            "state_class": state_class,
            "unit": unit,
            **place,
        },
        read=read,
    )


def _room_sensors() -> Iterator[PlayedEntity]:
    for key, (number, area, floor) in _INSIDE.items():
        place = {
            "device": f"{area} climate",
            "area": area,
            "floor": floor,
            **_INTEGRATION,
        }
        name = f"{key}_climate"
        yield _sensor(
            f"{name}_temperature", "temperature", "°C", _column(f"T{number}"), place
        )
        yield _sensor(
            f"{name}_humidity", "humidity", "%", _column(f"RH_{number}"), place
        )


def _station_sensors() -> Iterator[PlayedEntity]:
    for name, device_class, unit, column in (
        ("temperature", "temperature", "°C", "T_out"),
        ("humidity", "humidity", "%", "RH_out"),
        ("pressure", "atmospheric_pressure", "mmHg", "Press_mm_hg"),
        ("wind_speed", "wind_speed", "m/s", "Windspeed"),
        ("visibility", "distance", "km", "Visibility"),
        ("dew_point", "temperature", "°C", "Tdewpoint"),
    ):
        yield _sensor(
            f"chievres_airport_{name}", device_class, unit, _column(column), _STATION
        )


def _meter_sensors() -> Iterator[PlayedEntity]:
    for name, column in (("appliances", "Appliances"), ("lights", "lights")):
        entity = f"electricity_meter_{name}"
        # Wh of ten minutes, as their mean in W.
        yield _sensor(f"{entity}_power", "power", "W", _column(column, 6), _METER)
        yield _sensor(
            f"{entity}_energy",
            "energy",
            "Wh",
            _column(f"{column}_total"),
            _METER,
            state_class="total_increasing",
        )


def outdoor_temperature(record: Record) -> float:
    """Return what the weather entity shows: Home Assistant gives it in tenths."""
    return round(float(record["T_out"]), 1)


def _weather_fields(record: Record) -> dict[str, Reading]:
    """Return the attributes that are captured, in Home Assistant's metric units."""
    return {
        "attr_temperature": outdoor_temperature(record),
        "attr_humidity": float(round(float(record["RH_out"]))),
        "attr_pressure": round(float(record["Press_mm_hg"]) * _HPA_PER_MMHG, 2),
        "attr_wind_speed": round(float(record["Windspeed"]) * _KMH_PER_MS, 2),
    }


def _weather_condition(record: Record) -> str:
    if float(record["Visibility"]) < 1:
        return "fog"
    return "windy" if float(record["Windspeed"]) >= 10.8 else _UNKNOWN  # noqa: PLR2004


def _weather_hidden(record: Record) -> tuple[float, float]:
    """Return the attributes that are not captured, but whose change is an event."""
    return (round(float(record["Tdewpoint"]), 1), round(float(record["Visibility"]), 2))


def _is_lit(record: Record) -> bool:
    return float(record["lights"]) > 0


def _recorded_at(record: Record) -> str:
    moment = datetime.fromisoformat(record["date"]).replace(tzinfo=_RECORDING_ZONE)
    return moment.astimezone(UTC).isoformat()


def list_played_entities() -> list[PlayedEntity]:
    """Return every entity that the recording moves."""
    return [
        *_room_sensors(),
        *_station_sensors(),
        *_meter_sensors(),
        PlayedEntity(
            entity_id="binary_sensor.electricity_meter_appliances_running",
            tags={"device_class": "running", **_METER},
            read=lambda record: "on" if float(record["Appliances"]) >= 100 else "off",  # noqa: PLR2004
        ),
        PlayedEntity(
            entity_id="light.house_lights",
            tags={"device": "House lights", **_INTEGRATION},
            read=lambda record: "on" if _is_lit(record) else "off",
        ),
        PlayedEntity(
            entity_id="device_tracker.resident",
            tags=_INTEGRATION,
            read=lambda record: "home" if _is_lit(record) else "not_home",
            moment=Moment.PRESENCE,
        ),
        PlayedEntity(
            entity_id="weather.chievres_airport",
            tags=_STATION,
            read=_weather_condition,
            read_fields=_weather_fields,
            moment=Moment.WEATHER,
        ),
        PlayedEntity(
            entity_id="sensor.demo_home_recorded_at",
            tags={"device_class": "timestamp", **_PLAYER},
            read=_recorded_at,
        ),
    ]


# Nobody's whereabouts are known before the first row; Home Assistant's own home
# zone then counts nobody in it.
_NOBODY_KNOWN: Final[frozenset[bool | None]] = frozenset({False, None})
_VALUE_BY_STATE: Final = {
    "on": 1.0,
    "off": 0.0,
    "home": 1.0,
    "not_home": 0.0,
}


def _value_of(reading: Reading) -> float | None:
    return reading if isinstance(reading, float) else _VALUE_BY_STATE.get(reading)


def _who_is_home(
    moment: Moment, before: Record | None, record: Record
) -> frozenset[bool | None]:
    """Return what the context may say at a moment of a row."""
    already = _NOBODY_KNOWN if before is None else frozenset({_is_lit(before)})
    match moment:
        case Moment.WEATHER:
            return already
        case Moment.PRESENCE:
            # The very change: before or after it, both describe the moment.
            return already | {_is_lit(record)}
        case Moment.READING:
            return frozenset({_is_lit(record)})


def expect_points(
    entity: PlayedEntity, records: Sequence[Record]
) -> list[ExpectedPoint]:
    """Return the points of an entity: unknown at first, then every change."""
    points = [
        ExpectedPoint(
            reading=_UNKNOWN,
            value=None,
            fields={},
            previous=None,
            outdoor_temperature=None,
            anyone_home=_NOBODY_KNOWN,
        )
    ]
    shown: object = None
    for before, record in itertools.pairwise([None, *records]):
        if record is None:
            continue
        reading, fields = entity.read(record), entity.read_fields(record)
        # The weather changes with any of its attributes.
        showing = (reading, fields, _weather_hidden(record) if fields else None)
        if showing == shown:
            continue
        last = points[-1].reading
        points.append(
            ExpectedPoint(
                reading=reading,
                value=_value_of(reading),
                fields=fields,
                previous=None if last == reading else last,
                outdoor_temperature=outdoor_temperature(record),
                anyone_home=_who_is_home(entity.moment, before, record),
            )
        )
        shown = showing
    return points
