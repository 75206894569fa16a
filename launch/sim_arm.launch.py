"""Only the simulated arm: it takes velocities, and publishes images, joint states and transforms."""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from rt_vla_ros.process_end import ends_the_launch

SWITCH = ["true", "false"]
ARGUMENTS = (
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node; empty: none"),
    DeclareLaunchArgument(
        "params_file", default_value="", description="ROS parameter file for the node; launch arguments override it"
    ),
    DeclareLaunchArgument(
        "publish_clock", default_value="false", choices=SWITCH, description="Publish simulation time on /clock"
    ),
    DeclareLaunchArgument(
        "lock_step",
        default_value="false",
        choices=SWITCH,
        description="true: the simulation runs in lock step with policy and smoother; they must use /clock",
    ),
    DeclareLaunchArgument(
        "wrist_image", default_value="false", choices=SWITCH, description="Also publish the wrist camera"
    ),
    DeclareLaunchArgument("suite", default_value="", description="Scene suite; empty: the node's default"),
    DeclareLaunchArgument("seed", default_value="", description="Random seed of the scene"),
    DeclareLaunchArgument(
        "instruction", default_value="", description="Set up a scene with the object that this instruction names"
    ),
)


def sim_arm(context: LaunchContext) -> list[Node]:
    """The node; without arguments or a file it uses its own defaults."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    if value("params_file") and not os.path.isfile(value("params_file")):  # launch_ros would only warn
        raise FileNotFoundError(f"params_file: there is no file {value('params_file')!r}")
    given = {name: value(name) for name in ("suite", "instruction") if value(name)}
    given |= {name: value(name) == "true" for name in ("publish_clock", "lock_step", "wrist_image")}
    if value("seed"):
        if not value("seed").isdecimal():
            raise RuntimeError(f"seed:={value('seed')} is not valid, expected an integer, 0 or more")
        given["seed"] = int(value("seed"))
    return [
        Node(
            package="rt_vla_ros",
            executable="sim_arm_node",
            name="sim_arm_node",
            output="screen",
            parameters=[*([value("params_file")] if value("params_file") else []), given],
            sigterm_timeout="3",
            sigkill_timeout="1",
            on_exit=ends_the_launch("The simulated arm has exited: nothing left to do."),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """The launch description for `ros2 launch`."""
    node = GroupAction([PushRosNamespace(LaunchConfiguration("namespace")), OpaqueFunction(function=sim_arm)])
    return LaunchDescription([*ARGUMENTS, node])
