"""What the user decides about the occupancy of a home."""

from typing import Final

from ..base import Argument, ArgumentType

CONF_TRAVEL_MINUTES: Final = "travel_minutes"
CONF_TRAVEL_ENTITY: Final = "travel_entity"
CONF_PREPARE_MINUTES: Final = "prepare_minutes"
CONF_HOME_OTHERWISE: Final = "home_otherwise"
CONF_WORK_START: Final = "work_start"
CONF_WORK_END: Final = "work_end"

DEFAULT_TRAVEL_MINUTES: Final = 30.0
DEFAULT_PREPARE_MINUTES: Final = 15.0
DEFAULT_WORK_START: Final = "09:00:00"
DEFAULT_WORK_END: Final = "17:00:00"
# Longer than a day nobody travels home from an appointment.
MAX_MINUTES: Final = 1_440.0

OCCUPANCY_SETTINGS: Final = (
    Argument(
        key=CONF_TRAVEL_MINUTES,
        type=ArgumentType.NUMBER,
        default=DEFAULT_TRAVEL_MINUTES,
        minimum=0,
        maximum=MAX_MINUTES,
        unit="min",
    ),
    Argument(
        key=CONF_TRAVEL_ENTITY,
        type=ArgumentType.ENTITY,
        is_required=False,
        domains=("sensor", "input_number", "number"),
    ),
    Argument(
        key=CONF_PREPARE_MINUTES,
        type=ArgumentType.NUMBER,
        default=DEFAULT_PREPARE_MINUTES,
        minimum=0,
        maximum=MAX_MINUTES,
        unit="min",
    ),
    Argument(
        key=CONF_WORK_START,
        type=ArgumentType.TIME,
        default=DEFAULT_WORK_START,
    ),
    Argument(
        key=CONF_WORK_END,
        type=ArgumentType.TIME,
        default=DEFAULT_WORK_END,
    ),
    Argument(
        key=CONF_HOME_OTHERWISE,
        type=ArgumentType.BOOLEAN,
        default=False,
    ),
)
