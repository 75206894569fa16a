"""The robots for which there is a ready configuration of MoveIt Servo; for launch files."""

from __future__ import annotations

# Each with its file in config/servo.
SERVO_ROBOTS = {"panda": "panda.yaml"} | dict.fromkeys(
    ("ur3", "ur3e", "ur5", "ur5e", "ur10", "ur10e", "ur16e", "ur20", "ur30"), "ur.yaml"
)
