"""What a made-up home is furnished with: 200 entities in ten areas."""

import random

from devices import AREAS, Device
from dwelling import Dwelling
from household import furnish_house
from rooms import furnish_room


def furnish(chance: random.Random) -> list[Device]:
    """Furnish a home."""
    home = Dwelling(chance)
    for number, area in enumerate(AREAS):
        furnish_room(home, number, area)
    furnish_house(home)
    return home.devices
