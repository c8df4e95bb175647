"""The made-up home as devices are brought into it."""

import random

from devices import AREAS, FLOORS, Behavior, Device


class Dwelling:
    """Collects the devices.

    Attributes:
        chance: Decides how homes differ.
    """

    def __init__(self, chance: random.Random) -> None:
        """Start with an empty home."""
        self.chance = chance
        self.devices: list[Device] = []

    def add(
        self,
        name: str,
        area: str | None,
        integration: str,
        entities: dict[str, tuple[str, str, str]],
        *behaviors: Behavior,
    ) -> None:
        """Add a device.

        Args:
            area: None for what is nowhere.
            entities: Entity id to device class, state class and unit; empty for none.
        """
        place = {}
        if area is not None:
            floor = FLOORS[AREAS.index(area) // 5]
            place = {"area": area, "floor": floor, "device": f"{area} {name}"}
        tags = {
            entity_id: {
                key: value
                for key, value in (
                    ("domain", entity_id.partition(".")[0]),
                    ("entity_id", entity_id),
                    ("integration", integration),
                    ("device_class", device_class),
                    ("state_class", state_class),
                    ("unit", unit),
                    *place.items(),
                )
                if value
            }
            for entity_id, (device_class, state_class, unit) in entities.items()
        }
        self.devices.append(Device(tags=tags, behaviors=behaviors))


def to_id(name: str) -> str:
    """Return a name as it stands in entity ids."""
    return name.lower().replace("'", "").replace(" ", "_")
