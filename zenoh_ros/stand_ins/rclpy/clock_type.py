"""The kinds of clock."""

from enum import IntEnum


class ClockType(IntEnum):
    """Numbers of rcl_clock_type_e."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3
