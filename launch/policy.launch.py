"""Policy, smoother and an arm: with arm:=sim the simulated one, with arm:=servo one controlled by MoveIt Servo.

`ros2 launch rt_vla_ros policy.launch.py`, or `./rt-vla launch policy.launch.py` without ROS 2. Then publish an
instruction on the topic `instruction` (std_msgs/String).
"""

import difflib
import os

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    EqualsSubstitution,
    LaunchConfiguration,
    OrSubstitution,
    PathJoinSubstitution,
    PythonExpression,
)
from launch_ros.actions import Node, PushRosNamespace, SetParameter
from launch_ros.substitutions import FindPackageShare

from rt_vla_ros.process_end import ends_the_launch
from rt_vla_ros.servo_robots import SERVO_ROBOTS

PACKAGE = "rt_vla_ros"
SWITCH = ["true", "false"]
FOLLOW_CLOCK = OrSubstitution(
    OrSubstitution(LaunchConfiguration("use_sim_time"), LaunchConfiguration("lock_step")),
    EqualsSubstitution(LaunchConfiguration("arm"), "gazebo"),
)
BRIDGED = {  # arms with their own launch file, NAME.launch.py, and its arguments
    "ros2_control": ("namespace", "params_file", "autostart"),
    "gazebo": ("params_file", "world", "gui", "autostart"),
}
WATCHED = ("servo", "ros2_control", "gazebo")  # arms whose bridge publishes arm_status
PASSED_ON = ("namespace", "params_file", "lock_step", "suite", "seed", "instruction")
SIMULATED = ("sim", "gazebo")
REMOTE = {  # parameters of the policy node
    "token_file": "file with the server's token",
    "ca": "CA certificate of the server, or system; empty: no TLS",
    "certificate": "client certificate, if the server requires one",
    "key": "path of its key",
    "jpeg": "JPEG quality of sent images; empty: lossless",
    "budget": "discard answers that take longer [s]; empty: until the next decision is due",
}
BASE_TOPICS = {  # of the smoother; each argument has its topic's name, as a remap would
    "base_twist_cmds": "topic of the base's driver for velocities (geometry_msgs/TwistStamped), for example /cmd_vel",
    "base_odometry": "topic of the base's odometry (nav_msgs/Odometry), for example /odom",
}
# Any other arm starts slowly, unless a parameter file sets another scale. This is a file, not a dictionary, because ROS
# orders sections by where they are first named: a dictionary would move later sections before that file.
FIRST_RUNS = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "first_runs.yaml"])
# Ctrl-C ends all processes within five seconds.
PATIENCE = {"sigterm_timeout": "3", "sigkill_timeout": "1"}

ARGUMENTS = (
    DeclareLaunchArgument(
        "arm",
        default_value="sim",
        choices=["sim", "gazebo", "servo", "ros2_control", "none"],
        description="Arm to start: simulated, in Gazebo, controlled by MoveIt Servo or by a joint group "
        "controller of ros2_control, or none",
    ),
    DeclareLaunchArgument(
        "gripper",
        default_value="",
        choices=["", "none", "parallel_gripper_command", "gripper_command", "franka", "topic"],
        description="Gripper interface (docs/grippers.md); empty: none, in Gazebo parallel_gripper_command",
    ),
    DeclareLaunchArgument(
        "world", default_value="", description="With arm:=gazebo: SDF file; empty: the table of this package"
    ),
    DeclareLaunchArgument(
        "gui", default_value="true", choices=SWITCH, description="With arm:=gazebo: false: run Gazebo without a window"
    ),
    DeclareLaunchArgument(
        "robot",
        default_value="panda",
        choices=list(SERVO_ROBOTS),
        description="With arm:=servo: robot, see config/servo",
    ),
    DeclareLaunchArgument(
        "servo",
        default_value="running",
        choices=["mock", "real", "running"],
        description="With arm:=servo: mock: Servo with mock hardware (never next to a real arm: same names); "
        "real: start Servo for a running arm driver; running: use a running Servo",
    ),
    DeclareLaunchArgument(
        "servo_node",
        default_value="/servo_node",
        description="With arm:=servo: full name of a running Servo node, if not the default",
    ),
    DeclareLaunchArgument("policy", default_value="", description="Checkpoint name or directory; empty: rt1-mini"),
    DeclareLaunchArgument(
        "cameras",
        default_value="",
        description="Comma-separated cameras of the policy: the first is on the topic `image`, each "
        "other on `NAME_image`; empty: front",
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="Image transport for policy and console: raw, or compressed (JPEG, PNG) on "
        "the topic's /compressed; empty: raw",
    ),
    DeclareLaunchArgument(
        "device", default_value="", description="cpu, cuda, cuda:1 ...; empty: a GPU if there is one"
    ),
    DeclareLaunchArgument(
        "weights",
        default_value="",
        choices=["", "auto", "float32", "bfloat16", "int8", "int4"],
        description="Weight format of the policy; empty: auto, which is bfloat16 for RT-2 on a GPU, else float32",
    ),
    DeclareLaunchArgument("threads", default_value="", description="Torch CPU threads; empty: as few as keep up"),
    DeclareLaunchArgument(
        "language",
        default_value="",
        description="Sentence encoder of an RT-1 with sentence embeddings; empty: the table next to its weights",
    ),
    *(
        DeclareLaunchArgument(f"remote_{name}", default_value="", description=f"For remote:HOST and engines: {meaning}")
        for name, meaning in REMOTE.items()
    ),
    DeclareLaunchArgument(
        "trust_remote_code",
        default_value="",
        choices=["", *SWITCH],
        description="true: allow Python code in the checkpoint's directory to run; review it first",
    ),
    DeclareLaunchArgument(
        "stream",
        default_value="",
        choices=["", *SWITCH],
        description="true: RT-2 policies publish the first steps of a chunk before the rest",
    ),
    DeclareLaunchArgument(
        "plan",
        default_value="",
        choices=["", *SWITCH],
        description="true: RT-2 policies trained with plans write a plan in words before each action",
    ),
    DeclareLaunchArgument(
        "console",
        default_value="false",
        choices=SWITCH,
        description="true: start the web console (docs/console.md)",
    ),
    DeclareLaunchArgument(
        "console_port", default_value="", description="Port of the console on localhost; empty: 8767; 0: any free port"
    ),
    DeclareLaunchArgument(
        "console_cameras",
        default_value="",
        description="Comma-separated cameras shown by the console; empty: those of `cameras`",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes; empty: none"),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=SWITCH, description="Use simulation time from /clock"
    ),
    DeclareLaunchArgument(
        "dry_run", default_value="", choices=["", *SWITCH], description="true: do everything except commanding the arm"
    ),
    DeclareLaunchArgument(
        "drive_base",
        default_value="",
        choices=["", *SWITCH],
        description="true: actions may also move a mobile base, on `base_twist_cmds`; empty: such actions are rejected",
    ),
    *(
        DeclareLaunchArgument(name, default_value=name, description=f"With drive_base:=true: {meaning}")
        for name, meaning in BASE_TOPICS.items()
    ),
    DeclareLaunchArgument(
        "params_file", default_value="", description="ROS parameter file for the nodes; launch arguments override it"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", *SWITCH],
        description="false: policy and bridges wait for `ros2 lifecycle set` or a lifecycle manager; empty: true",
    ),
    DeclareLaunchArgument(
        "respawn_policy",
        default_value="false",
        choices=SWITCH,
        description="Restart the policy node if it dies",
    ),
    DeclareLaunchArgument(
        "lock_step",
        default_value="false",
        choices=SWITCH,
        description="true: simulation, policy and smoother run in lock step: a run is determined by its seed alone",
    ),
    DeclareLaunchArgument("suite", default_value="", description="Scene suite of the simulated arm"),
    DeclareLaunchArgument("seed", default_value="", description="Random seed of the scene"),
    DeclareLaunchArgument(
        "instruction", default_value="", description="Set up a scene with the object that this instruction names"
    ),
)


def refuse_lost_settings(context: LaunchContext) -> None:
    """Rejects arguments that were meant to limit the arm but would have no effect.

    `ros2 launch` silently accepts any name, and so does an include. Raises RuntimeError.
    """
    from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS  # not for `--show-args`
    from rt_vla_ros.nodes.parameters import is_safety

    declared = [argument.name for argument in ARGUMENTS]
    limits = {one.name for one in SMOOTHER_PARAMETERS if is_safety(one.name)}.difference(declared)
    for name in context.launch_configurations:
        if name in limits:
            raise RuntimeError(
                f"{name!r} is not an argument of policy.launch.py but a parameter: set it in params_file. If it is for "
                "something else, include policy.launch.py in a GroupAction with forwarding=False"
            )
        near = difflib.get_close_matches(name, [*limits, "dry_run"], n=1, cutoff=0.85)
        if name not in declared and near:
            raise RuntimeError(f"policy.launch.py has no argument {name!r}; did you mean {near[0]!r}?")


def chosen_parameters(context: LaunchContext, **types: type) -> list:
    """The parameter file, then the given arguments, with the types of the nodes' parameters."""
    file = LaunchConfiguration("params_file").perform(context)
    if file and not os.path.isfile(file):  # launch_ros warns and starts the nodes without it
        raise FileNotFoundError(f"params_file: there is no file {file!r}")
    texts = {name: LaunchConfiguration(name).perform(context) for name in types}
    read = {
        list: lambda text: text.split(","),
        bool: lambda text: text == "true",
        int: lambda text: int(text) if text.isdecimal() else text,  # the node rejects it with a message
        float: number_or_text,
        str: str,
    }
    given = {name: read[types[name]](text) for name, text in texts.items() if text}
    return [*([file] if file else []), *([given] if given else [])]


def number_or_text(text: str) -> float | str:
    """The number, or the text itself, which the node rejects with a message."""
    try:
        return float(text)
    except ValueError:
        return text


def policy_ended(event: ProcessExited, context: LaunchContext) -> list:
    """The smoother keeps running, because it holds the arm still."""
    if context.is_shutdown or LaunchConfiguration("respawn_policy").perform(context) == "true":
        return []
    return [
        LogInfo(
            msg=f"The policy has exited (exit code {event.returncode}); the arm is stopped, other nodes keep running. "
            "Start a policy_node by hand, or restart everything with respawn_policy:=true."
        )
    ]


def smoother_for_servo(context: LaunchContext) -> tuple[list, list]:
    """The smoother's parameters before those of the user, and its remaps: only Servo gets its velocities."""
    servo = LaunchConfiguration("servo_node").perform(context)
    if not servo.startswith("/"):
        raise RuntimeError(f"servo_node:={servo} is not valid, expected a full name such as /servo_node")
    remaps = [("delta_twist_cmds", f"{servo.rstrip('/')}/delta_twist_cmds")]
    return [servo_file(context)], remaps


def base_remaps(context: LaunchContext) -> list[tuple[str, str]]:
    """The smoother's remaps to the topics of a mobile base's driver."""
    chosen = {name: LaunchConfiguration(name).perform(context) for name in BASE_TOPICS}
    if unnamed := [name for name, topic in chosen.items() if not topic]:
        raise RuntimeError(f"{unnamed[0]}:= is empty, expected the name of a topic, such as {unnamed[0]}")
    return [(name, topic) for name, topic in chosen.items() if topic != name]


def servo_file(context: LaunchContext) -> PathJoinSubstitution:
    """The robot's parameter file, for Servo and for the nodes."""
    robot = LaunchConfiguration("robot").perform(context)
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "servo", SERVO_ROBOTS[robot]])


def gazebo_file() -> PathJoinSubstitution:
    """The nodes' parameters for the arm in Gazebo."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "gazebo", "nodes.yaml"])


def gripper_bridge(context: LaunchContext) -> list[Node]:
    """The gripper bridge, for arms other than the simulated one."""
    in_gazebo = LaunchConfiguration("arm").perform(context) == "gazebo"
    kind = LaunchConfiguration("gripper").perform(context) or ("parallel_gripper_command" if in_gazebo else "none")
    if kind == "none":
        return []
    return [
        Node(
            package=PACKAGE,
            executable="gripper_bridge_node",
            name="gripper_bridge_node",
            output="screen",
            parameters=[
                *([gazebo_file()] if in_gazebo else []),
                *chosen_parameters(context, autostart=bool),
                {"kind": kind},
            ],
            on_exit=ends_the_launch("The gripper bridge has exited: the gripper is no longer controlled."),
            **PATIENCE,
        )
    ]


def servo_bridge(context: LaunchContext) -> list[Node]:
    """The bridge to Servo."""
    return [
        Node(
            package=PACKAGE,
            executable="servo_bridge_node",
            name="servo_bridge_node",
            output="screen",
            parameters=[
                *chosen_parameters(context, autostart=bool),
                {"servo_node": LaunchConfiguration("servo_node").perform(context)},
            ],
            on_exit=ends_the_launch("The bridge to Servo has exited: the state of the arm is unknown."),
            **PATIENCE,
        )
    ]


def servo_itself(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """Servo, unless it is already running; without a namespace, like its drivers."""
    how = LaunchConfiguration("servo").perform(context)
    if how == "running":
        return []
    if LaunchConfiguration("servo_node").perform(context) != "/servo_node":
        raise RuntimeError("servo_node:= names a running Servo: add servo:=running")
    given = {name: LaunchConfiguration(name) for name in ("robot", "use_sim_time")} | {
        "hardware": how,
        "servo_params_file": LaunchConfiguration("params_file"),
    }
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", "servo.launch.py"])
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=list(given.items()))]


def policy_and_smoother(context: LaunchContext) -> list[Node]:
    """Both nodes; without arguments or a file they use their own defaults."""
    from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM  # not for `--show-args`

    chosen = LaunchConfiguration("arm").perform(context)
    if chosen in SIMULATED and LaunchConfiguration("drive_base").perform(context) == "true":
        raise RuntimeError(f"drive_base:=true is for an arm on a mobile base, and arm:={chosen} has none")
    arm = {"sim": [POLICY_WITH_SIM_ARM], "gazebo": [gazebo_file()]}.get(chosen, [])
    before, remaps = smoother_for_servo(context) if chosen == "servo" else ([], [])
    before = [gazebo_file()] if chosen == "gazebo" else before
    after = [{"require_arm_status": True}] if chosen in WATCHED else []  # a file cannot override this
    policy = chosen_parameters(
        context,
        policy=str,
        cameras=list,
        image_transport=str,
        device=str,
        weights=str,
        threads=int,
        language=str,
        trust_remote_code=bool,
        stream=bool,
        plan=bool,
        autostart=bool,
        remote_token_file=str,
        remote_ca=str,
        remote_certificate=str,
        remote_key=str,
        remote_jpeg=int,
        remote_budget=float,
    )
    return [
        Node(
            package=PACKAGE,
            executable="policy_node",
            name="policy_node",
            output="screen",
            parameters=[*arm, *policy],
            respawn=LaunchConfiguration("respawn_policy"),
            respawn_delay=1.0,
            on_exit=policy_ended,
            **PATIENCE,
        ),
        Node(
            package=PACKAGE,
            executable="smoother_node",
            name="smoother_node",
            output="screen",
            parameters=[
                *([] if chosen in SIMULATED else [FIRST_RUNS]),
                *before,
                *chosen_parameters(context, dry_run=bool, drive_base=bool),
                *after,
            ],
            remappings=[*remaps, *base_remaps(context)],
            on_exit=ends_the_launch("The smoother has exited: the policy's actions are no longer executed."),
            **PATIENCE,
        ),
    ]


def console(context: LaunchContext) -> list[Node]:
    """The web console; the arm does not depend on it."""
    port, cameras = (LaunchConfiguration(name).perform(context) for name in ("console_port", "console_cameras"))
    return [
        Node(
            package=PACKAGE,
            executable="console_node",
            name="console_node",
            output="screen",
            parameters=[
                *chosen_parameters(context, cameras=list, image_transport=str),
                *([{"cameras": cameras.split(",")}] if cameras else []),
                *([{"port": int(port) if port.isdecimal() else port}] if port else []),
            ],
            on_exit=[LogInfo(msg="The console has exited; the other nodes keep running.")],
            **PATIENCE,
        )
    ]


def simulated_arm(_context: LaunchContext) -> list[IncludeLaunchDescription]:
    """The arm; in a function, so that `--show-args` omits the arguments that are set here."""
    wrist_image = PythonExpression(["str('wrist' in '", LaunchConfiguration("cameras"), "'.split(',')).lower()"])
    passed_on = [
        *[(name, LaunchConfiguration(name)) for name in PASSED_ON],
        ("publish_clock", FOLLOW_CLOCK),
        ("wrist_image", wrist_image),
    ]
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", "sim_arm.launch.py"])
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=passed_on)]


def _is_arm(name: str) -> IfCondition:
    return IfCondition(EqualsSubstitution(LaunchConfiguration("arm"), name))


def bridged_arm(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """The bridge to an arm, and Gazebo; an empty list for arms without one."""
    name = LaunchConfiguration("arm").perform(context)
    if name not in BRIDGED:
        return []
    if name == "gazebo" and LaunchConfiguration("namespace").perform(context):
        raise RuntimeError(
            "arm:=gazebo does not support a namespace: Gazebo's images, joints and controllers have none"
        )
    passed_on = [(argument, LaunchConfiguration(argument)) for argument in BRIDGED[name]]
    if name == "ros2_control":
        passed_on.append(("use_sim_time", FOLLOW_CLOCK))
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", f"{name}.launch.py"])
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=passed_on)]


def generate_launch_description() -> LaunchDescription:
    """The launch description for `ros2 launch`."""
    arm = OpaqueFunction(function=simulated_arm, condition=_is_arm("sim"))
    bridge = OpaqueFunction(function=bridged_arm)
    nodes = GroupAction(
        [
            PushRosNamespace(LaunchConfiguration("namespace")),
            SetParameter("use_sim_time", FOLLOW_CLOCK),
            OpaqueFunction(function=policy_and_smoother),
            OpaqueFunction(function=servo_bridge, condition=_is_arm("servo")),
            OpaqueFunction(function=gripper_bridge),
            OpaqueFunction(function=console, condition=IfCondition(LaunchConfiguration("console"))),
        ]
    )
    servo = OpaqueFunction(function=servo_itself, condition=_is_arm("servo"))
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=refuse_lost_settings), arm, bridge, servo, nodes])
