"""What a made-up home has once: plugs, a meter, doors, people, the sky."""

import random
from typing import Final, NamedTuple

from devices import (
    AREAS,
    AWAKE,
    Attributes,
    Behavior,
    Level,
    Modes,
    Plug,
    Pulses,
    Sun,
    Whereabouts,
)
from dwelling import Dwelling, to_id
from surroundings import PEOPLE, Surroundings


class Appliance(NamedTuple):
    """What hangs on a plug; see `Plug`."""

    name: str
    idle_w: float
    running_w: float
    runs_per_day: float
    run_s: float
    report_s: float


_APPLIANCES: Final = (
    Appliance("Fridge", 1.1, 78.0, 22.0, 1_300.0, 75.0),
    Appliance("Freezer", 0.9, 92.0, 18.0, 1_500.0, 75.0),
    Appliance("Dishwasher", 0.7, 1_350.0, 0.8, 6_000.0, 40.0),
    Appliance("Washing Machine", 1.9, 720.0, 0.7, 5_400.0, 40.0),
    Appliance("Dryer", 1.2, 880.0, 0.5, 5_000.0, 40.0),
    Appliance("Television", 0.6, 110.0, 2.0, 6_500.0, 80.0),
    Appliance("Kettle", 0.3, 1_900.0, 5.0, 170.0, 20.0),
    Appliance("Coffee Maker", 0.8, 1_100.0, 4.0, 260.0, 20.0),
    Appliance("Desk", 3.5, 145.0, 2.0, 9_000.0, 90.0),
    Appliance("Dehumidifier", 0.9, 240.0, 3.0, 4_200.0, 90.0),
    Appliance("Wallbox", 4.1, 5_400.0, 0.4, 9_000.0, 60.0),
    Appliance("Heat Pump", 9.0, 1_450.0, 9.0, 2_700.0, 60.0),
    Appliance("Router", 11.5, 13.0, 1.0, 3_600.0, 120.0),
    Appliance("Server", 31.0, 44.0, 6.0, 1_800.0, 120.0),
    Appliance("Bedside", 0.4, 9.0, 1.0, 2_400.0, 120.0),
    Appliance("Aquarium", 6.0, 38.0, 2.0, 14_000.0, 120.0),
)
_PROGRAM: Final = ("idle", "running", "rinsing", "finished")
_SKIES: Final = ("sunny", "partlycloudy", "cloudy", "rainy", "clear-night", "fog")


def furnish_house(home: Dwelling) -> None:
    """Bring everything in."""
    for number, appliance in enumerate(_APPLIANCES):
        _plug(home, AREAS[number % len(AREAS)], appliance)
    _meter(home)
    _players(home)
    _doors(home)
    _machines(home)
    _outside(home)
    _people(home)
    _sky(home)


def _plug(home: Dwelling, area: str, appliance: Appliance) -> None:
    base = to_id(f"{area} {appliance.name}")
    power, energy, switch = (
        f"sensor.{base}_power",
        f"sensor.{base}_energy",
        f"switch.{base}",
    )
    home.add(
        appliance.name,
        area,
        "shelly",
        {
            power: ("power", "measurement", "W"),
            energy: ("energy", "total_increasing", "kWh"),
            switch: ("outlet", "", ""),
        },
        Plug(
            power_id=power,
            energy_id=energy,
            idle_w=appliance.idle_w,
            running_w=appliance.running_w,
            runs_per_day=appliance.runs_per_day,
            run_s=appliance.run_s,
            report_s=appliance.report_s,
        ),
        Pulses(
            entity_id=switch,
            per_day=0.3,
            weights=AWAKE,
            shortest_s=600,
            longest_s=20_000,
        ),
    )


def _meter(home: Dwelling) -> None:
    ids = {"sensor.grid_energy": ("energy", "total_increasing", "kWh")}
    behaviors: list[Behavior] = [
        Plug(
            power_id="sensor.grid_power",
            energy_id="sensor.grid_energy",
            idle_w=240.0,
            running_w=1_900.0,
            runs_per_day=14.0,
            run_s=1_500.0,
            report_s=36.0,
        )
    ]
    ids["sensor.grid_power"] = ("power", "measurement", "W")
    for phase in (1, 2, 3):
        voltage = f"sensor.grid_voltage_{phase}"
        ids[voltage] = ("voltage", "measurement", "V")
        behaviors.append(
            Level(
                entity_id=voltage,
                follow=lambda day, time_s: 232 - 2 * AWAKE[day.hour(time_s)],
                noise=0.4,
                interval_s=230,
                decimals=1,
            )
        )
    home.add("Meter", "Garage", "dsmr", ids, *behaviors)


def _players(home: Dwelling) -> None:
    for number, area in enumerate(AREAS[:4]):
        player = f"media_player.{to_id(area)}"
        home.add(
            "Speaker",
            area,
            "cast",
            {player: ("speaker" if number else "tv", "", "")},
            Modes(
                entity_id=player,
                states=("playing", "paused", "idle", "off"),
                per_day=18,
                attributes=_volume,
            ),
        )


def _doors(home: Dwelling) -> None:
    for door in ("Front Door", "Garage Door"):
        entity_id = f"binary_sensor.{to_id(door)}"
        lock = f"lock.{to_id(door)}"
        home.add(
            door,
            "Hall" if door.startswith("Front") else "Garage",
            "zwave_js",
            {entity_id: ("door", "", ""), lock: ("", "", "")},
            Pulses(
                entity_id=entity_id,
                per_day=12,
                weights=AWAKE,
                shortest_s=10,
                longest_s=200,
            ),
            Modes(entity_id=lock, states=("locked", "unlocked"), per_day=8),
        )


def _machines(home: Dwelling) -> None:
    for name in ("Washing Machine", "Dishwasher", "Dryer"):
        entity_id = f"sensor.{to_id(name)}_status"
        home.add(
            name,
            "Laundry",
            "home_connect",
            {entity_id: ("enum", "", "")},
            Modes(entity_id=entity_id, states=_PROGRAM, per_day=9),
        )
    for area in AREAS[:3]:
        entity_id = f"cover.{to_id(area)}"
        home.add(
            "Blind",
            area,
            "zwave_js",
            {entity_id: ("blind", "", "")},
            Modes(
                entity_id=entity_id,
                states=("open", "closed"),
                per_day=5,
                attributes=_position,
            ),
        )
    home.add(
        "Robot",
        "Hall",
        "roborock",
        {"vacuum.robot": ("", "", "")},
        Modes(
            entity_id="vacuum.robot",
            states=("docked", "cleaning", "returning"),
            per_day=7,
        ),
    )


def _people(home: Dwelling) -> None:
    for person in PEOPLE:
        home.add(
            "Phone",
            None,
            "mobile_app",
            {
                f"device_tracker.{person}_phone": ("", "", ""),
                f"person.{person}": ("", "", ""),
                f"sensor.{person}_phone_battery": ("battery", "measurement", "%"),
            },
            Whereabouts(person=person),
            Level(
                entity_id=f"sensor.{person}_phone_battery",
                follow=lambda day, time_s: 95 - 2.5 * day.hour(time_s),
                noise=0.8,
                interval_s=1_200,
                decimals=0,
            ),
        )


def _sky(home: Dwelling) -> None:
    home.add(
        "Weather",
        None,
        "met",
        {"weather.home": ("", "", "")},
        Modes(
            entity_id="weather.home",
            states=_SKIES,
            per_day=24,
            attributes=_weather,
        ),
    )
    home.add("Sun", None, "sun", {"sun.sun": ("", "", "")}, Sun())


def _outside(home: Dwelling) -> None:
    temperature, humidity = "sensor.garden_temperature", "sensor.garden_humidity"
    home.add(
        "Weather Station",
        "Garage",
        "ecowitt",
        {
            temperature: ("temperature", "measurement", "°C"),
            humidity: ("humidity", "measurement", "%"),
        },
        Level(
            entity_id=temperature,
            follow=lambda day, time_s: day.temperature(time_s),
            noise=0.08,
            interval_s=420,
            decimals=1,
        ),
        Level(
            entity_id=humidity,
            follow=lambda day, time_s: 88 - 35 * day.daylight(time_s),
            noise=0.5,
            interval_s=420,
            decimals=0,
        ),
    )


def _volume(_day: Surroundings, _time_s: float, chance: random.Random) -> Attributes:
    return (
        ("media_content_type", "music"),
        ("source", chance.choice(("Radio", "Queue"))),
        ("volume_level", chance.choice((0.2, 0.3, 0.35, 0.5))),
    )


def _position(_day: Surroundings, _time_s: float, chance: random.Random) -> Attributes:
    return (("current_position", float(chance.randrange(0, 101, 10))),)


def _weather(day: Surroundings, time_s: float, chance: random.Random) -> Attributes:
    return (
        ("cloud_coverage", float(chance.randrange(0, 101, 5))),
        ("humidity", float(chance.randrange(40, 96))),
        ("pressure", round(chance.gauss(1_013, 4), 1)),
        ("temperature", day.temperature(time_s)),
        ("wind_speed", round(abs(chance.gauss(12, 5)), 1)),
    )
