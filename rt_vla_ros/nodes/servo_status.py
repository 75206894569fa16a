"""The codes of moveit_msgs/msg/ServoStatus as sentences that say what to do; no ROS."""

from __future__ import annotations

# Servo carries out nothing of a command that ends so.
_HALTS = {
    -1: (
        "Servo cannot use the velocities (status -1, invalid): it does not know their frame, or its planning group has "
        "no inverse kinematics. Check that TF or the robot's model has the frame of the actions, and "
        "`moveit_servo.move_group_name`; Servo's log says which it is."
    ),
    2: (
        "Servo halted the arm at a singularity (status 2). Move the arm out of it (by its pendant, or a planned "
        "motion to its ready pose), then give another instruction."
    ),
    5: (
        "Servo halted the arm because of a collision, with itself or with something in MoveIt's planning scene "
        "(status 5). Take away what is in the way or move the arm out of it, then give another instruction."
    ),
    6: (
        "Servo halted the arm at the end of a joint (status 6). Move that joint back, by the pendant or a planned "
        "motion to the ready pose, then give another instruction; Servo's log names the joint."
    ),
}
_SLOW = {
    1: "Servo slows the arm down near a singularity (status 1): it goes less far than it is told to.",
    3: "Servo slows the arm down on its way out of a singularity (status 3): it goes less far than it is told to.",
    4: "Servo slows the arm down near a collision (status 4): it goes less far than it is told to.",
}
NO_WARNING = 0


def halt_of(code: int) -> str | None:
    """Why Servo carries out nothing, and what to do; None if it does. An unknown code is a halt."""
    if code == NO_WARNING or code in _SLOW:
        return None
    return _HALTS.get(
        code,
        f"Servo's status is {code}, which means nothing to this package: it knows -1 to 6. Update it, or end the node "
        "that publishes this in Servo's place.",
    )


def slow_down_of(code: int) -> str | None:
    """That Servo carries out only a part, as a sentence; None if it does not say so."""
    return _SLOW.get(code)
