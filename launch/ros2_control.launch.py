"""Only the bridge to ros2_control, and with spawn:=true the controllers that it needs.

`ros2 launch rt_vla_ros ros2_control.launch.py params_file:=config/ros2_control/panda.yaml`. The controller manager and
the robot_state_publisher are the robot's own.
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace, SetParameter

from rt_vla_ros.process_end import ends_the_launch

SWITCH = ["true", "false"]
ARGUMENTS = (
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes; empty: none"),
    DeclareLaunchArgument(
        "params_file", default_value="", description="ROS parameter file for the bridge and the spawned controllers"
    ),
    DeclareLaunchArgument(
        "defaults_file", default_value="", description="ROS parameter file for the bridge, overridden by params_file"
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=SWITCH, description="Use simulation time from /clock"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", *SWITCH],
        description="false: the bridge must be configured and activated by hand; empty: true",
    ),
    DeclareLaunchArgument(
        "spawn",
        default_value="false",
        choices=SWITCH,
        description="true: first load and activate the joint_state_broadcaster and the controller",
    ),
    DeclareLaunchArgument(
        "controller", default_value="forward_position_controller", description="Name of the controller to spawn"
    ),
)


def bridge(context: LaunchContext) -> list[Node]:
    """The bridge; without a file it uses its own defaults."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    defaults, file = value("defaults_file"), value("params_file")
    if file and not os.path.isfile(file):  # launch_ros would only warn
        raise FileNotFoundError(f"params_file: there is no file {file!r}")
    autostart = [{"autostart": value("autostart") == "true"}] if value("autostart") else []
    nodes = [
        Node(
            package="rt_vla_ros",
            executable="ros2_control_bridge_node",
            name="ros2_control_bridge_node",
            output="screen",
            parameters=[*(one for one in (defaults, file) if one), *autostart],
            sigterm_timeout="3",
            sigkill_timeout="1",
            on_exit=ends_the_launch("The bridge to ros2_control has exited: the arm is no longer controlled."),
        )
    ]
    if value("spawn") == "true":
        given = ["--param-file", file] if file else []
        arguments = ["joint_state_broadcaster", value("controller"), *given]
        nodes.append(Node(package="controller_manager", executable="spawner", arguments=arguments, output="screen"))
    return nodes


def generate_launch_description() -> LaunchDescription:
    """The launch description for `ros2 launch`."""
    nodes = GroupAction(
        [
            PushRosNamespace(LaunchConfiguration("namespace")),
            SetParameter("use_sim_time", LaunchConfiguration("use_sim_time")),
            OpaqueFunction(function=bridge),
        ]
    )
    return LaunchDescription([*ARGUMENTS, nodes])
