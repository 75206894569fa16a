"""The clock types."""

from enum import IntEnum


class ClockType(IntEnum):
    """Values of rcl_clock_type_e."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3
