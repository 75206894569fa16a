"""The simulated arm's parameters; does not import the simulator, because other nodes check against these names, too."""

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
"""The policy node's parameters for this arm, see sim.arm.ArmDescription. Its cameras have no
noise: the images of a blocked arm are identical.
"""


def sim_arm_parameters(suites: tuple[str, ...] = ()) -> tuple[Parameter, ...]:
    """suites: names of all suites."""
    return (
        ALLOW_OTHER_VELOCITIES,
        Parameter("suite", "pick-colours", "Scene suite.", choices=suites),
        Parameter("seed", 0, "Random seed of the scene.", low=0, high=2**53),
        Parameter("instruction", "", 'Instruction, such as "pick up the red cube"; its object is placed on the table.'),
        Parameter("image_width", 96, "Image size [pixel].", low=16, high=1920),
        Parameter("image_height", 96, "Image size [pixel].", low=16, high=1080),
        Parameter("image_rate", 10.0, "Image rate; 50 divided by an integer [Hz].", low=1.0, high=50.0),
        Parameter("wrist_image", False, "Also publish the wrist camera's images."),
        Parameter(
            "publish_clock", False, "Publish /clock and use it for timestamps; the other nodes then need use_sim_time."
        ),
        Parameter("lock_step", False, "Run in lock step; implies publish_clock; other nodes need use_sim_time."),
        Parameter("policy_period", 0.2, "Lock step: time between two decisions; a multiple of 0.02 [s].", 0.02, 10.0),
        Parameter("time_limit", 0.0, "Lock step: time limit of a scene; 0: none [s].", low=0.0, high=3600.0),
        Parameter(
            "twist_timeout",
            0.1,
            "Maximum age of a velocity command, also into the future; otherwise zero [s].",
            0.02,
            10.0,
        ),
    )
