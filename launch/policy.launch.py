"""Policy, smoother and an arm: with arm:=sim the simulated one, with arm:=servo one that MoveIt Servo moves.

`ros2 launch rt_vla_ros policy.launch.py`, or `./rt-vla launch policy.launch.py` where there is no ROS 2. Then publish
what shall be done on the topic `instruction` (std_msgs/String).
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
BRIDGED = {  # arms with a launch file of their own, NAME.launch.py, and what it is given
    "ros2_control": ("namespace", "params_file", "autostart"),
    "gazebo": ("params_file", "world", "gui", "autostart"),
}
WATCHED = ("servo", "ros2_control", "gazebo")  # arms whose bridge publishes arm_status
PASSED_ON = ("namespace", "params_file", "lock_step", "suite", "seed", "instruction")
SIMULATED = ("sim", "gazebo")
REMOTE = {  # parameters of the policy node
    "token_file": "path of a file with the server's token",
    "ca": "path of the certificate by which the server is trusted, or system; empty: without TLS",
    "certificate": "path of this robot's own certificate, where the server demands one",
    "key": "path of its key",
    "jpeg": "quality of the images that are sent; empty: as they are",
    "budget": "an answer that takes longer is not acted on [s]; empty: until the next decision is due",
}
# Any other arm begins slowly, unless a parameter file says otherwise. A dictionary here would put those behind it
# before that file, too: ROS takes a section's place from where it is first named.
FIRST_RUNS = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "first_runs.yaml"])
# Ctrl-C ends everything within five seconds, whatever the nodes are doing.
PATIENCE = {"sigterm_timeout": "3", "sigkill_timeout": "1"}

ARGUMENTS = (
    DeclareLaunchArgument(
        "arm",
        default_value="sim",
        choices=["sim", "gazebo", "servo", "ros2_control", "none"],
        description="Which arm is started: simulated here or in Gazebo, one that MoveIt Servo moves, one with a joint "
        "group controller of ros2_control, or none of ours",
    ),
    DeclareLaunchArgument(
        "gripper",
        default_value="",
        choices=["", "none", "parallel_gripper_command", "gripper_command", "franka", "topic"],
        description="What moves the fingers (docs/grippers.md); empty: none, in Gazebo parallel_gripper_command",
    ),
    DeclareLaunchArgument(
        "world", default_value="", description="With arm:=gazebo: SDF file; empty: the table of this package"
    ),
    DeclareLaunchArgument(
        "gui", default_value="true", choices=SWITCH, description="With arm:=gazebo: false: Gazebo without a window"
    ),
    DeclareLaunchArgument(
        "robot",
        default_value="panda",
        choices=list(SERVO_ROBOTS),
        description="With arm:=servo: which robot, see config/servo",
    ),
    DeclareLaunchArgument(
        "servo",
        default_value="running",
        choices=["mock", "real", "running"],
        description="With arm:=servo: Servo is started with mock hardware (never beside a real arm, whose names that "
        "has), or for an arm whose driver runs, or it runs already",
    ),
    DeclareLaunchArgument(
        "servo_node",
        default_value="/servo_node",
        description="With arm:=servo: the full name of Servo's node, where it runs already under another one",
    ),
    DeclareLaunchArgument("policy", default_value="", description="Name or directory of a checkpoint; empty: rt1-mini"),
    DeclareLaunchArgument(
        "cameras",
        default_value="",
        description="Names of the policy's cameras, with commas between: the first one's images come on `image`, those "
        "of a further one on `NAME_image`; empty: front",
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="How the cameras' images come, to the policy and to the page: raw, or compressed (JPEG, PNG) on "
        "the topic's /compressed; empty: raw",
    ),
    DeclareLaunchArgument(
        "device", default_value="", description="cpu, cuda, cuda:1 ...; empty: a GPU if there is one"
    ),
    DeclareLaunchArgument(
        "weights",
        default_value="",
        choices=["", "auto", "float32", "bfloat16", "int8", "int4"],
        description="How the policy's weights are held; empty: auto, which is bfloat16 for RT-2 on a GPU, else float32",
    ),
    DeclareLaunchArgument(
        "threads", default_value="", description="Threads of torch on the CPU; empty: as few as keep up"
    ),
    DeclareLaunchArgument(
        "language",
        default_value="",
        description="Sentence encoder of an RT-1 that takes sentence vectors; empty: the table beside its weights",
    ),
    *(
        DeclareLaunchArgument(f"remote_{name}", default_value="", description=f"For policy:=remote:HOST: {meaning}")
        for name, meaning in REMOTE.items()
    ),
    DeclareLaunchArgument(
        "trust_remote_code",
        default_value="",
        choices=["", *SWITCH],
        description="true: Python code that lies in the checkpoint's directory may be run; read it first",
    ),
    DeclareLaunchArgument(
        "stream",
        default_value="",
        choices=["", *SWITCH],
        description="true: the first steps of a chunk are published before the rest, by RT-2 policies",
    ),
    DeclareLaunchArgument(
        "plan",
        default_value="",
        choices=["", *SWITCH],
        description="true: a plan in words before each action, of RT-2 policies that were taught to write one",
    ),
    DeclareLaunchArgument(
        "console",
        default_value="false",
        choices=SWITCH,
        description="true: a page in the browser to see, tell, stop and take over the arm (docs/console.md)",
    ),
    DeclareLaunchArgument(
        "console_port", default_value="", description="Port of that page on localhost; empty: 8767; 0: any that is free"
    ),
    DeclareLaunchArgument(
        "console_cameras",
        default_value="",
        description="Names of the cameras that the page shows, with commas between, as `cameras`; empty: those",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes; empty: none"),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=SWITCH, description="Whether policy and smoother follow /clock"
    ),
    DeclareLaunchArgument(
        "dry_run", default_value="", choices=["", *SWITCH], description="true: everything but commands to the arm"
    ),
    DeclareLaunchArgument(
        "drive_base",
        default_value="",
        choices=["", *SWITCH],
        description="true: actions may move a mobile base as well, by velocities on `base_twist_cmds`; empty: such are "
        "refused",
    ),
    DeclareLaunchArgument(
        "params_file", default_value="", description="ROS parameter file for the nodes; what is given here wins over it"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", *SWITCH],
        description="false: policy and bridges wait for `ros2 lifecycle set`, or a manager of nodes; empty: true",
    ),
    DeclareLaunchArgument(
        "respawn_policy",
        default_value="false",
        choices=SWITCH,
        description="Whether a policy that died is started again",
    ),
    DeclareLaunchArgument(
        "lock_step",
        default_value="false",
        choices=SWITCH,
        description="true: the simulation waits for policy and smoother at every step: a run is a function of its seed "
        "alone",
    ),
    DeclareLaunchArgument("suite", default_value="", description="Suite of scenes for the simulated arm"),
    DeclareLaunchArgument("seed", default_value="", description="The scene is a function of suite and seed"),
    DeclareLaunchArgument(
        "instruction", default_value="", description="Sets up a scene with the object that this names"
    ),
)


def refuse_lost_settings(context: LaunchContext) -> None:
    """Refuses arguments that would have no effect where they were meant to limit the arm.

    `ros2 launch` takes any name in silence, and so does an include. Raises RuntimeError.
    """
    from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS  # not for `--show-args`
    from rt_vla_ros.nodes.parameters import is_safety

    declared = [argument.name for argument in ARGUMENTS]
    limits = {one.name for one in SMOOTHER_PARAMETERS if is_safety(one.name)}.difference(declared)
    for name in context.launch_configurations:
        if name in limits:
            raise RuntimeError(
                f"{name!r} is no argument of policy.launch.py but a parameter: set it in params_file. Where it is for "
                "something else, include policy.launch.py in a GroupAction with forwarding=False"
            )
        near = difflib.get_close_matches(name, [*limits, "dry_run"], n=1, cutoff=0.85)
        if name not in declared and near:
            raise RuntimeError(f"policy.launch.py has no argument {name!r}; did you mean {near[0]!r}?")


def chosen_parameters(context: LaunchContext, **types: type) -> list:
    """The parameter file, then the arguments that were given, as the nodes take them."""
    file = LaunchConfiguration("params_file").perform(context)
    if file and not os.path.isfile(file):  # launch_ros warns and starts the nodes without it
        raise FileNotFoundError(f"params_file: there is no file {file!r}")
    texts = {name: LaunchConfiguration(name).perform(context) for name in types}
    read = {
        list: lambda text: text.split(","),
        bool: lambda text: text == "true",
        int: lambda text: int(text) if text.isdecimal() else text,  # the node refuses it, in a sentence
        float: number_or_text,
        str: str,
    }
    given = {name: read[types[name]](text) for name, text in texts.items() if text}
    return [*([file] if file else []), *([given] if given else [])]


def number_or_text(text: str) -> float | str:
    """The node refuses what is no number, in a sentence."""
    try:
        return float(text)
    except ValueError:
        return text


def policy_ended(event: ProcessExited, context: LaunchContext) -> list:
    """The smoother stays, for it is what keeps the arm still."""
    if context.is_shutdown or LaunchConfiguration("respawn_policy").perform(context) == "true":
        return []
    return [
        LogInfo(
            msg=f"The policy has ended (exit code {event.returncode}); the arm stands still, and the other nodes stay. "
            "Start a policy_node by hand, or all of them again with respawn_policy:=true."
        )
    ]


def smoother_for_servo(context: LaunchContext) -> tuple[list, list]:
    """Parameters of the smoother before the user's own, and its remaps: its velocities go to Servo alone."""
    servo = LaunchConfiguration("servo_node").perform(context)
    if not servo.startswith("/"):
        raise RuntimeError(f"servo_node:={servo} is not valid, expected a full name such as /servo_node")
    remaps = [("delta_twist_cmds", f"{servo.rstrip('/')}/delta_twist_cmds")]
    return [servo_file(context)], remaps


def servo_file(context: LaunchContext) -> PathJoinSubstitution:
    """Of the robot: for Servo, and for the nodes before it."""
    robot = LaunchConfiguration("robot").perform(context)
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "servo", SERVO_ROBOTS[robot]])


def gazebo_file() -> PathJoinSubstitution:
    """What our nodes are told of the arm in Gazebo."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "gazebo", "nodes.yaml"])


def gripper_bridge(context: LaunchContext) -> list[Node]:
    """What moves the fingers of an arm that is not the simulated one."""
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
            on_exit=ends_the_launch("The gripper's bridge has ended: the gripper does not follow any more."),
            **PATIENCE,
        )
    ]


def servo_bridge(context: LaunchContext) -> list[Node]:
    """What keeps Servo ready."""
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
            on_exit=ends_the_launch("The bridge to Servo has ended: nobody knows what the arm does any more."),
            **PATIENCE,
        )
    ]


def servo_itself(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """Unless it runs; in no namespace, as its drivers are."""
    how = LaunchConfiguration("servo").perform(context)
    if how == "running":
        return []
    if LaunchConfiguration("servo_node").perform(context) != "/servo_node":
        raise RuntimeError("servo_node:= names a Servo that runs already: give servo:=running too")
    given = {name: LaunchConfiguration(name) for name in ("robot", "use_sim_time")} | {
        "hardware": how,
        "servo_params_file": LaunchConfiguration("params_file"),
    }
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", "servo.launch.py"])
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=list(given.items()))]


def policy_and_smoother(context: LaunchContext) -> list[Node]:
    """Both nodes; without an argument or a file they keep their own defaults."""
    from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM  # not for `--show-args`

    chosen = LaunchConfiguration("arm").perform(context)
    if chosen in SIMULATED and LaunchConfiguration("drive_base").perform(context) == "true":
        raise RuntimeError(f"drive_base:=true is for an arm on a mobile base, and arm:={chosen} has none")
    arm = {"sim": [POLICY_WITH_SIM_ARM], "gazebo": [gazebo_file()]}.get(chosen, [])
    before, remaps = smoother_for_servo(context) if chosen == "servo" else ([], [])
    before = [gazebo_file()] if chosen == "gazebo" else before
    after = [{"require_arm_status": True}] if chosen in WATCHED else []  # a file cannot take that back
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
            remappings=remaps,
            on_exit=ends_the_launch("The smoother has ended: nobody follows the policy's actions any more."),
            **PATIENCE,
        ),
    ]


def console(context: LaunchContext) -> list[Node]:
    """The page; the arm needs it for nothing."""
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
            on_exit=[LogInfo(msg="The console has ended; the other nodes stay.")],
            **PATIENCE,
        )
    ]


def simulated_arm(_context: LaunchContext) -> list[IncludeLaunchDescription]:
    """The arm; made in a function, so that `--show-args` does not offer what is set here."""
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
    """The bridge to an arm, and Gazebo; nothing for an arm that has none."""
    name = LaunchConfiguration("arm").perform(context)
    if name not in BRIDGED:
        return []
    if name == "gazebo" and LaunchConfiguration("namespace").perform(context):
        raise RuntimeError("arm:=gazebo takes no namespace: Gazebo's images, joints and controllers are in none")
    passed_on = [(argument, LaunchConfiguration(argument)) for argument in BRIDGED[name]]
    if name == "ros2_control":
        passed_on.append(("use_sim_time", FOLLOW_CLOCK))
    file = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", f"{name}.launch.py"])
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=passed_on)]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` asks for."""
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
