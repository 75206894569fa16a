"""The codes of moveit_msgs/msg/ServoStatus as sentences that say what to do; no ROS."""

from __future__ import annotations

# With these codes Servo does not execute the command.
_HALTS = {
    -1: (
        "Servo cannot use the velocities (status -1, invalid): it does not know their frame, or its planning group has "
        "no inverse kinematics. Check that TF or the robot's model has the frame of the actions, and "
        "`moveit_servo.move_group_name`; see Servo's log for which."
    ),
    2: (
        "Servo halted the arm at a singularity (status 2). Move the arm out of it (with its teach pendant, or a "
        "planned motion to its ready pose), then give another instruction."
    ),
    5: (
        "Servo halted the arm because of a collision with itself or with an object in MoveIt's planning scene "
        "(status 5). Remove the obstacle or move the arm away from it, then give another instruction."
    ),
    6: (
        "Servo halted the arm at a joint limit (status 6). Move that joint back with the teach pendant or a planned "
        "motion to the ready pose, then give another instruction; Servo's log names the joint."
    ),
}
_SLOW = {
    1: "Servo slows the arm down near a singularity (status 1): it moves less than commanded.",
    3: "Servo slows the arm down on its way out of a singularity (status 3): it moves less than commanded.",
    4: "Servo slows the arm down near a collision (status 4): it moves less than commanded.",
}
NO_WARNING = 0


def halt_of(code: int) -> str | None:
    """Why Servo executes nothing, and what to do; None if it does. An unknown code is a halt."""
    if code == NO_WARNING or code in _SLOW:
        return None
    return _HALTS.get(
        code,
        f"Servo's status is {code}, which is unknown to this package (expected -1 to 6). Update the package, or stop "
        "the node that publishes it in Servo's place.",
    )


def slow_down_of(code: int) -> str | None:
    """That Servo carries out only a part, as a sentence; None if it does not say so."""
    return _SLOW.get(code)
