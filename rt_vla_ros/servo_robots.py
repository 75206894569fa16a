"""The robots for which there is a ready configuration of MoveIt Servo; for launch files."""

from __future__ import annotations

# Each with its file in config/servo.
SERVO_ROBOTS = {"panda": "panda.yaml"} | dict.fromkeys(
    (  # what ur_robot_driver calls its `ur_type`
        *("ur3", "ur3e", "ur5", "ur5e", "ur7e", "ur8long", "ur10", "ur10e", "ur12e", "ur15", "ur16e", "ur18"),
        *("ur20", "ur30"),
    ),
    "ur.yaml",
)
