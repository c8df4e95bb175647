"""What every room of a made-up home has."""

import math
import random

from devices import (
    AWAKE,
    DARK,
    Attributes,
    Level,
    Modes,
    Pulses,
)
from dwelling import Dwelling, to_id
from surroundings import Surroundings


def furnish_room(home: Dwelling, number: int, area: str) -> None:
    """Bring in what a room has; some have more than others."""
    _climate_sensor(home, area)
    _motion(home, area)
    for side in ("Left", "Right"):
        _contact(home, area, f"{side} Window")
    _light(home, area, "Ceiling Light", per_day=5.0)
    _light(home, area, "Floor Lamp", per_day=3.0)
    if number % 2 == 0:
        _thermostat(home, area)
    if number % 3 == 0:
        _air(home, area)


def _climate_sensor(home: Dwelling, area: str) -> None:
    base = to_id(area)
    warmth = home.chance.gauss(20.8, 0.8)
    ids = {
        f"sensor.{base}_temperature": ("temperature", "measurement", "°C"),
        f"sensor.{base}_humidity": ("humidity", "measurement", "%"),
        f"sensor.{base}_climate_battery": ("battery", "measurement", "%"),
        f"sensor.{base}_climate_signal": ("signal_strength", "measurement", "dBm"),
    }
    temperature, humidity, battery, signal = ids

    def indoor(day: Surroundings, time_s: float) -> float:
        return warmth + 0.06 * (day.temperature(time_s) - 10) + _swing(day, time_s)

    def damp(day: Surroundings, time_s: float) -> float:
        return 47 + 0.5 * (day.temperature(time_s) - 10) - 2 * _swing(day, time_s)

    home.add(
        "Climate Sensor",
        area,
        "zha",
        ids,
        Level(
            entity_id=temperature,
            follow=indoor,
            noise=0.06,
            interval_s=900,
            decimals=1,
        ),
        Level(
            entity_id=humidity,
            follow=damp,
            noise=0.4,
            interval_s=1_000,
            decimals=1,
        ),
        _cell(battery),
        Level(
            entity_id=signal,
            follow=lambda _day, _time_s: -66.0,
            noise=0.7,
            interval_s=3_600,
            decimals=0,
        ),
    )


def _motion(home: Dwelling, area: str) -> None:
    base = to_id(area)
    motion = f"binary_sensor.{base}_motion"
    light = f"sensor.{base}_illuminance"
    home.add(
        "Motion Sensor",
        area,
        "zha",
        {
            motion: ("motion", "", ""),
            light: ("illuminance", "measurement", "lx"),
            f"sensor.{base}_motion_battery": ("battery", "measurement", "%"),
        },
        Pulses(
            entity_id=motion,
            per_day=home.chance.uniform(15, 65),
            weights=AWAKE,
            shortest_s=25,
            longest_s=600,
        ),
        Level(
            entity_id=light,
            follow=lambda day, time_s: 400 * day.daylight(time_s),
            noise=6.0,
            interval_s=1_200,
            decimals=0,
            low=0.0,
        ),
        _cell(f"sensor.{base}_motion_battery"),
    )


def _contact(home: Dwelling, area: str, name: str) -> None:
    entity_id = f"binary_sensor.{to_id(area)}_{to_id(name)}"
    home.add(
        name,
        area,
        "zha",
        {entity_id: ("window", "", "")},
        Pulses(
            entity_id=entity_id,
            per_day=home.chance.uniform(0.5, 3),
            weights=AWAKE,
            shortest_s=200,
            longest_s=7_000,
        ),
    )


def _light(home: Dwelling, area: str, name: str, *, per_day: float) -> None:
    entity_id = f"light.{to_id(area)}_{to_id(name)}"
    home.add(
        name,
        area,
        "hue",
        {entity_id: ("", "", "")},
        Pulses(
            entity_id=entity_id,
            per_day=per_day * home.chance.uniform(0.5, 1.5),
            weights=DARK,
            shortest_s=300,
            longest_s=9_000,
            has_brightness=True,
        ),
    )


def _thermostat(home: Dwelling, area: str) -> None:
    def attributes(
        day: Surroundings, time_s: float, chance: random.Random
    ) -> Attributes:
        return (
            ("current_temperature", round(20.5 + _swing(day, time_s), 1)),
            ("hvac_action", chance.choice(("heating", "idle"))),
            ("temperature", chance.choice((17.0, 20.0, 21.0))),
        )

    entity_id = f"climate.{to_id(area)}"
    home.add(
        "Thermostat",
        area,
        "tado",
        {entity_id: ("", "", "")},
        Modes(
            entity_id=entity_id,
            states=("heat", "heat", "heat", "off"),
            per_day=24,
            attributes=attributes,
        ),
    )


def _air(home: Dwelling, area: str) -> None:
    entity_id = f"sensor.{to_id(area)}_co2"
    home.add(
        "Air Monitor",
        area,
        "esphome",
        {entity_id: ("carbon_dioxide", "measurement", "ppm")},
        Level(
            entity_id=entity_id,
            follow=lambda day, time_s: 620 + 180 * AWAKE[day.hour(time_s)],
            noise=14.0,
            interval_s=400,
            decimals=0,
        ),
    )


def _swing(day: Surroundings, time_s: float) -> float:
    hour = (time_s - day.start_s) / 3_600
    return 0.8 * math.cos((hour - 18) / 12 * math.pi)


def _cell(entity_id: str) -> Level:
    return Level(
        entity_id=entity_id,
        follow=_battery,
        noise=0.0,
        interval_s=20_000,
        decimals=0,
    )


def _battery(day: Surroundings, _time_s: float) -> float:
    return 100 - day.date.timetuple().tm_yday % 300 / 4
