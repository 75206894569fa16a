"""Gazebo (Harmonic) with a table, four objects, two cameras and a Panda controlled by ros2_control.

`policy.launch.py arm:=gazebo` includes it. It needs ros_gz, gz_ros2_control, ros2_controllers and
moveit_resources_panda_description.
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from rt_vla_ros.process_end import ends_the_launch

SWITCH = ["true", "false"]
CONTROLLERS = ("joint_state_broadcaster", "panda_arm_velocity_controller", "panda_hand_controller")
# Debian package names after "ros-DISTRO-", for the message about a missing package.
NEEDED = ("ros_gz_sim", "ros_gz_bridge", "gz_ros2_control", "controller_manager", "moveit_resources_panda_description")
ARGUMENTS = (
    DeclareLaunchArgument("world", default_value="", description="SDF file; empty: the table of this package"),
    DeclareLaunchArgument(
        "params_file", default_value="", description="ROS parameter file for the bridge; overrides config/gazebo"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", *SWITCH],
        description="false: the bridge must be configured and activated by hand; empty: true",
    ),
    DeclareLaunchArgument(
        "gui", default_value="true", choices=SWITCH, description="false: run Gazebo without a window"
    ),
)


def share_directory(package: str) -> str:
    """The share directory of a required package; RuntimeError with the install command if it is missing."""
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return get_package_share_directory(package)
    except PackageNotFoundError:
        debian = f"ros-{os.environ.get('ROS_DISTRO', 'jazzy')}-{package.replace('_', '-')}"
        raise RuntimeError(f"arm:=gazebo needs the package {package}: sudo apt install {debian}") from None


def gazebo(context: LaunchContext) -> list:
    """Simulator, arm and bridges; in a function, so that `--show-args` works without Gazebo."""
    from rt_vla_ros.arms.gazebo_urdf import urdf_for_gazebo

    needed = {package: share_directory(package) for package in NEEDED}
    own = os.path.join(share_directory("rt_vla_ros"), "config", "gazebo")
    world = LaunchConfiguration("world").perform(context) or os.path.join(own, "tabletop.sdf")
    if not os.path.isfile(world):
        raise FileNotFoundError(f"world: there is no file {world!r}")
    panda = os.path.join(needed["moveit_resources_panda_description"], "urdf", "panda.urdf")
    with open(panda, encoding="utf-8") as file:
        urdf = urdf_for_gazebo(file.read(), os.path.join(own, "panda_controllers.yaml"), share_directory)
    window = "" if LaunchConfiguration("gui").perform(context) == "true" else "-s --headless-rendering "
    simulator = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(needed["ros_gz_sim"], "launch", "gz_sim.launch.py")),
        launch_arguments=[("gz_args", f"-r {window}{world}"), ("on_exit_shutdown", "true")],
    )
    on_the_clock = {"use_sim_time": True}
    state = Node(
        package="robot_state_publisher",
        executable="robot_state_publisher",
        parameters=[on_the_clock, {"robot_description": ParameterValue(urdf, value_type=str)}],
    )
    arm = Node(
        package="ros_gz_sim",
        executable="create",
        arguments=["-name", "panda", "-topic", "robot_description"],
        output="screen",
    )
    bridge = Node(
        package="ros_gz_bridge",
        executable="parameter_bridge",
        parameters=[on_the_clock, {"config_file": os.path.join(own, "bridge.yaml")}],
        output="screen",
        on_exit=ends_the_launch("ros_gz_bridge has exited: no more images."),
    )
    controllers = Node(
        package="controller_manager",
        executable="spawner",
        arguments=[*CONTROLLERS, "--controller-manager-timeout", "60"],
        parameters=[on_the_clock],
        output="screen",
    )
    driver = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(share_directory("rt_vla_ros"), "launch", "ros2_control.launch.py")),
        launch_arguments=[
            ("namespace", ""),
            ("defaults_file", os.path.join(own, "nodes.yaml")),
            ("params_file", LaunchConfiguration("params_file")),
            ("use_sim_time", "true"),
            ("autostart", LaunchConfiguration("autostart")),
        ],
    )
    return [simulator, state, arm, bridge, controllers, driver]


def generate_launch_description() -> LaunchDescription:
    """The launch description for `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=gazebo)])
