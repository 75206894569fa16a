"""Only MoveIt Servo, configured to execute this package's velocities completely; optionally with mock hardware.

Needs MoveIt: `sudo apt install ros-$ROS_DISTRO-moveit-servo ros-$ROS_DISTRO-moveit-configs-utils`, and the robot's own
packages. The names of each robot are in config/servo.
"""

import subprocess
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    TimerAction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from rt_vla_ros.servo_robots import SERVO_ROBOTS

PACKAGE = "rt_vla_ros"
PANDA = "moveit_resources_panda_moveit_config"
ARGUMENTS = (
    DeclareLaunchArgument(
        "robot", default_value="panda", choices=list(SERVO_ROBOTS), description="Robot, for names and limits"
    ),
    DeclareLaunchArgument(
        "hardware",
        default_value="real",
        choices=["mock", "real"],
        description="mock: also start ros2_control with mock hardware and move it a little; never next to a real arm; "
        "real: the arm's driver is already running",
    ),
    DeclareLaunchArgument(
        "servo_params_file", default_value="", description="ROS parameter file for Servo; overrides config/servo"
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="Use simulation time from /clock"
    ),
)
# Servo waits for a joint state that differs from the previous ones, but those of mock hardware never change. Therefore
# the last joint of the Panda is rotated by 0.001 rad from its initial position in moveit_resources, and a UR is bent:
# its driver's initial position, stretched upwards, is a singularity.
NUDGE_AFTER = 8.0
PANDA_NUDGE = (
    "/panda_arm_controller/joint_trajectory",
    "trajectory_msgs/msg/JointTrajectory",
    "{joint_names: [panda_joint1, panda_joint2, panda_joint3, panda_joint4, panda_joint5, panda_joint6, panda_joint7], "
    "points: [{positions: [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.786], time_from_start: {sec: 1}}]}",
)
UR_NUDGE = (
    "/forward_position_controller/commands",
    "std_msgs/msg/Float64MultiArray",
    "{data: [0.0, -1.57, 1.57, -1.57, -1.57, 0.0]}",
)
# A real arm on this graph may have the same names, and would move to this position at once.
NUDGE_MOCK = """
managers=$(ros2 node list --no-daemon --spin-time 3 2>/dev/null | grep -cx /controller_manager)
if [ "$managers" = 1 ]; then
  exec ros2 topic pub --once "$@"
fi
echo "The mock arm was not moved: there are $managers nodes /controller_manager, expected this one alone. \
Is a real arm running? Then give servo:=real to policy.launch.py, or hardware:=real to servo.launch.py." >&2
exit 1
"""


def refuse_a_second_arm() -> None:
    """Raises RuntimeError if a controller manager is already running: a real arm may have the mock arm's names."""
    command = ["ros2", "node", "list", "--no-daemon", "--spin-time", "3"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if "/controller_manager" in listed:
        raise RuntimeError(
            "Mock hardware is not started: a node /controller_manager is running, perhaps that of a real arm, which "
            "would get the mock arm's commands. For that arm use servo:=real with policy.launch.py, or hardware:=real "
            "with servo.launch.py; otherwise stop that node, or use another ROS_DOMAIN_ID"
        )


def robot_model(robot: str) -> dict:
    """Servo's robot parameters, from the robot's MoveIt configuration. Raises RuntimeError."""
    try:
        from moveit_configs_utils import MoveItConfigsBuilder  # requires MoveIt
    except ImportError as error:
        raise RuntimeError(
            f"MoveIt is missing ({error}): sudo apt install ros-$ROS_DISTRO-moveit-servo "
            "ros-$ROS_DISTRO-moveit-configs-utils. If Servo already runs, use servo:=running with policy.launch.py"
        ) from error
    if robot == "panda":
        panda = MoveItConfigsBuilder("moveit_resources_panda").robot_description(file_path="config/panda.urdf.xacro")
        config = panda.joint_limits(file_path="config/hard_joint_limits.yaml").to_moveit_configs()
    else:  # the model itself is published on /robot_description by the arm's driver
        ur = MoveItConfigsBuilder(robot_name="ur", package_name="ur_moveit_config")
        srdf = Path("srdf") / "ur.srdf.xacro"
        config = ur.robot_description_semantic(srdf, {"name": robot}).to_moveit_configs()
    parts = (
        config.robot_description,
        config.robot_description_semantic,
        config.robot_description_kinematics,
        config.joint_limits,
    )
    return {name: value for part in parts for name, value in (part or {}).items()}


def share(package: str, *parts: str) -> PathJoinSubstitution:
    """The path of a file in a package."""
    return PathJoinSubstitution([FindPackageShare(package), *parts])


def moved_once(nudge: tuple[str, str, str]) -> TimerAction:
    """Moves the mock arm. nudge: topic, type and message."""
    command = ["sh", "-c", NUDGE_MOCK, "sh", *nudge]
    return TimerAction(period=NUDGE_AFTER, actions=[ExecuteProcess(cmd=command, output="screen")])


def mock_panda(model: dict) -> list:
    """The mock Panda, as started by moveit_servo's demo."""
    manager = ["--controller-manager", "/controller_manager"]
    return [
        Node(
            package="controller_manager",
            executable="ros2_control_node",
            parameters=[share(PANDA, "config", "ros2_controllers.yaml")],
            remappings=[("/controller_manager/robot_description", "/robot_description")],
            output="screen",
        ),
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": model["robot_description"]}],
        ),
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            arguments=["--frame-id", "world", "--child-frame-id", "panda_link0"],
        ),
        *(
            Node(package="controller_manager", executable="spawner", arguments=[controller, *manager])
            for controller in ("joint_state_broadcaster", "panda_arm_controller", "panda_hand_controller")
        ),
        moved_once(PANDA_NUDGE),
    ]


def mock_ur(robot: str) -> list:
    """The mock UR, as started by Universal Robots' driver."""
    given = {
        "ur_type": robot,
        "robot_ip": "0.0.0.0",
        "use_mock_hardware": "true",
        "initial_joint_controller": "forward_position_controller",
        "launch_rviz": "false",
    }
    file = share("ur_robot_driver", "launch", "ur_control.launch.py")
    return [
        IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=list(given.items())),
        moved_once(UR_NUDGE),
    ]


def servo_and_arm(context: LaunchContext) -> list:
    """Servo exits if it gets no joint states within seconds, and is restarted until it does."""
    robot, hardware, file, clock = (
        LaunchConfiguration(name).perform(context)
        for name in ("robot", "hardware", "servo_params_file", "use_sim_time")
    )
    if file and not Path(file).is_file():  # launch_ros warns and starts the node without it
        raise FileNotFoundError(f"servo_params_file: there is no file {file!r}")
    model = robot_model(robot)
    servo = Node(
        package="moveit_servo",
        executable="servo_node",
        name="servo_node",
        parameters=[
            model,
            share(PACKAGE, "config", "servo", SERVO_ROBOTS[robot]),
            *([file] if file else []),
            {"use_sim_time": clock == "true"},
        ],
        output="screen",
        respawn=True,
        respawn_delay=2.0,
    )
    if hardware == "real":
        return [servo]
    refuse_a_second_arm()
    return [servo, *(mock_panda(model) if robot == "panda" else mock_ur(robot))]


def generate_launch_description() -> LaunchDescription:
    """The launch description for `ros2 launch`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=servo_and_arm)])
