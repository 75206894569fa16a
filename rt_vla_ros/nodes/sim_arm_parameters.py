"""The simulated arm's parameters; the simulator is not imported, for the other nodes know their names too."""

from __future__ import annotations

from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.velocity_rivals import ALLOW_OTHER_VELOCITIES

POLICY_WITH_SIM_ARM: dict[str, bool | int | float | str] = {
    "max_frozen_way": 0.0,
    "tip_frame": "panda_hand_tcp",
    "base_frame": "panda_link0",
    "gripper_joint": "robotiq_85_left_knuckle_joint",
    "gripper_joint_open": 0.0,
    "gripper_joint_closed": 0.8,
}
"""What the policy node is told of this arm: its names, see sim.arm.ArmDescription. Its cameras have no noise: an arm
that is blocked shows them the same image again and again."""


def sim_arm_parameters(suites: tuple[str, ...] = ()) -> tuple[Parameter, ...]:
    """suites: those there are."""
    return (
        ALLOW_OTHER_VELOCITIES,
        Parameter("suite", "pick-colours", "Name of the suite of scenes.", choices=suites),
        Parameter("seed", 0, "The scene is a function of suite, seed and instruction.", low=0, high=2**53),
        Parameter("instruction", "", 'Such as "pick up the red cube": the object that it names is put on the table.'),
        Parameter("image_width", 96, "Of all images [pixel].", low=16, high=1920),
        Parameter("image_height", 96, "Of all images [pixel].", low=16, high=1080),
        Parameter("image_rate", 10.0, "Images per second; 50 divided by a whole number [Hz].", low=1.0, high=50.0),
        Parameter("wrist_image", False, "Whether the wrist camera is on too."),
        Parameter("publish_clock", False, "Publish /clock and stamp by it; the other nodes then need use_sim_time."),
        Parameter(
            "lock_step", False, "Every step waits for the last one; implies publish_clock; others need use_sim_time."
        ),
        Parameter("policy_period", 0.2, "Lock step: time between two decisions; a multiple of 0.02 [s].", 0.02, 10.0),
        Parameter("time_limit", 0.0, "Lock step: time limit of a scene; 0: none [s].", low=0.0, high=3600.0),
        Parameter("twist_timeout", 0.1, "Velocities older, or this far in the future, count as zero [s].", 0.02, 10.0),
    )
