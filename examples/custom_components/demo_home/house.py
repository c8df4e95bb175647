"""The house: which floors, areas and devices there are, and how they are made."""

from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import area_registry as ar, floor_registry as fr
from homeassistant.helpers.device_registry import DeviceInfo

from .const import DOMAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A floor of the house."""

    name: str
    level: int
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room with its climate sensor.

    Attributes:
        key: Part of unique ids; never changes.
        number: The number of the sensor in the recording's columns.
    """

    key: str
    number: int
    area: str
    floor: Floor
    icon: str


GROUND_FLOOR: Final = Floor(name="Ground floor", level=0, icon="mdi:home-floor-g")
FIRST_FLOOR: Final = Floor(name="First floor", level=1, icon="mdi:home-floor-1")
OUTSIDE_FLOOR: Final = Floor(name="Outdoors", level=0, icon="mdi:tree")

OUTSIDE: Final = Room(
    key="outside",
    number=6,
    area="Outside",
    floor=OUTSIDE_FLOOR,
    icon="mdi:weather-cloudy",
)
# The names of the first two are those of the areas that Home Assistant makes
# itself when its first user is created.
ROOMS: Final = (
    Room(key="kitchen", number=1, area="Kitchen", floor=GROUND_FLOOR, icon="mdi:stove"),
    Room(
        key="living_room",
        number=2,
        area="Living Room",
        floor=GROUND_FLOOR,
        icon="mdi:sofa",
    ),
    Room(
        key="laundry_room",
        number=3,
        area="Laundry Room",
        floor=GROUND_FLOOR,
        icon="mdi:washing-machine",
    ),
    Room(key="office", number=4, area="Office", floor=GROUND_FLOOR, icon="mdi:desk"),
    Room(
        key="bathroom", number=5, area="Bathroom", floor=FIRST_FLOOR, icon="mdi:shower"
    ),
    OUTSIDE,
    Room(
        key="ironing_room",
        number=7,
        area="Ironing Room",
        floor=FIRST_FLOOR,
        icon="mdi:tshirt-crew",
    ),
    Room(
        key="teenager_room",
        number=8,
        area="Teenager's Room",
        floor=FIRST_FLOOR,
        icon="mdi:school",
    ),
    Room(
        key="parents_room",
        number=9,
        area="Parents' Room",
        floor=FIRST_FLOOR,
        icon="mdi:bed-king",
    ),
)


@callback
def async_build_house(hass: HomeAssistant) -> None:
    """Make the floors and areas that are not there yet.

    An area that somebody has put on a floor stays there: only what is new, or
    has no floor, is placed.
    """
    floors = fr.async_get(hass)
    areas = ar.async_get(hass)
    for room in ROOMS:
        floor = floors.async_get_floor_by_name(room.floor.name) or floors.async_create(
            room.floor.name, level=room.floor.level, icon=room.floor.icon
        )
        area = areas.async_get_area_by_name(room.area) or areas.async_create(
            room.area, icon=room.icon
        )
        if area.floor_id is None:
            areas.async_update(area.id, floor_id=floor.floor_id)


def room_device(room: Room) -> DeviceInfo:
    """Describe the climate sensor of a room."""
    return DeviceInfo(
        identifiers={(DOMAIN, room.key)},
        name=f"{room.area} climate",
        manufacturer="Demo home",
        model="Room climate sensor",
        suggested_area=room.area,
    )


STATION_DEVICE: Final = DeviceInfo(
    identifiers={(DOMAIN, "station")},
    name="Chièvres airport",
    manufacturer="Demo home",
    model="Weather station",
    suggested_area=OUTSIDE.area,
)
# What serves the whole house is in no area.
METER_DEVICE: Final = DeviceInfo(
    identifiers={(DOMAIN, "meter")},
    name="Electricity meter",
    manufacturer="Demo home",
    model="Two-circuit meter",
)
LIGHTS_DEVICE: Final = DeviceInfo(
    identifiers={(DOMAIN, "lights")},
    name="House lights",
    manufacturer="Demo home",
    model="Lighting circuit",
)
PLAYER_DEVICE: Final = DeviceInfo(
    identifiers={(DOMAIN, "player")},
    name="Demo home",
    manufacturer="Demo home",
    model="Player of a recording",
)
