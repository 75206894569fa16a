"""The policy node's parameters."""

from __future__ import annotations

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS
from rt_vla_ros.policies.remote.settings import LONGEST_BUDGET
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT

# Those that are not read_only can be changed while the node is unconfigured, see ManagedNode. Among those that stay is
# trust_remote_code: who may set parameters must not thereby run code.
POLICY_PARAMETERS = (
    AUTOSTART,
    Parameter("policy", "rt1-mini", "Name or directory of the checkpoint.", read_only=False),
    Parameter("device", "auto", "Where it runs: auto, cpu, cuda, cuda:1 ...", read_only=False),
    Parameter(
        "weights",
        "auto",
        "How its weights are held; auto: bfloat16 for RT-2 on a GPU, float32 for everything else. int8 and int4: RT-2.",
        choices=WEIGHTS,
        read_only=False,
    ),
    Parameter(
        "threads",
        0,
        "Threads of torch on the CPU, at most one for each core; 0: as few as keep up with the policy's rate, measured "
        "when it is warmed up.",
        low=0,
        high=1024,
        read_only=False,
    ),
    Parameter(
        "language",
        "",
        "Path of the sentence encoder or table of an RT-1 that takes sentence vectors; empty: the "
        "table beside its weights.",
        read_only=False,
    ),
    Parameter(
        "trust_remote_code",
        False,
        "Whether Python code that lies in the checkpoint's directory is run, where a model needs it. Read it first.",
    ),
    Parameter(
        "cuda_graphs",
        True,
        "Whether a GPU replays RT-1's step and RT-2's passes as CUDA graphs (docs/gpu.md).",
    ),
    Parameter(
        "device_images",
        True,
        "Whether RT-2's images are prepared on its GPU, where that gives the very same pixels (docs/gpu.md).",
    ),
    Parameter(
        "cameras",
        ["front"],
        "Names of the cameras as the policy's action card has them. The first one's images come on `image`, those of "
        "any further one on `NAME_image`.",
    ),
    Parameter(
        "image_transport",
        "raw",
        "raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage (JPEG, PNG) on the topic's /compressed.",
        choices=("raw", "compressed"),
    ),
    Parameter(
        "image_fit",
        "card",
        "How an image of another size is brought to the policy's: as its action card says, or against it.",
        choices=("card", "center", "stretch"),
    ),
    Parameter(
        "stream",
        False,
        "Whether the first steps of a chunk are published before the rest, where the policy and its ensemble allow it.",
        read_only=False,
    ),
    Parameter(
        "plan",
        False,
        "Whether an RT-2 that was taught to writes a plan in words before each action; it comes with the action.",
        read_only=False,
    ),
    Parameter(
        "remote_token_file",
        "",
        "Path of a file with the token of a policy on a server (policy:=remote:HOST); empty: none is sent.",
    ),
    Parameter(
        "remote_ca",
        "",
        "Path of the certificate by which that server is trusted (PEM), or system; empty: without TLS.",
    ),
    Parameter("remote_certificate", "", "Path of this robot's own certificate (PEM), where the server demands one."),
    Parameter("remote_key", "", "Path of the key of remote_certificate (PEM)."),
    Parameter(
        "remote_jpeg",
        0,
        "Quality of the images that are sent to a server as JPEG; 0: as they are, which changes no action.",
        low=0,
        high=95,
        read_only=False,
    ),
    Parameter(
        "remote_budget",
        0.0,
        "A server's answer that takes longer, from the image to the action, is not acted on [s]; 0: until the next "
        "decision is due, but at least 0.5.",
        low=0.0,
        high=LONGEST_BUDGET,
        read_only=False,
    ),
    Parameter("frame_id", "", "Frame of the actions; empty: as the action card says."),
    Parameter("tip_frame", "", "TF frame of the arm's tip, for a policy whose state has its pose."),
    Parameter(
        "base_frame",
        "",
        "TF frame in which that pose is given; empty: that of the actions, where these are in axes of the base.",
    ),
    Parameter("gripper_joint", "", "Joint in joint_states that tells how far the gripper is closed, for such a state."),
    Parameter("gripper_joint_open", 0.0, "Its position where the gripper is open [rad] or [m].", -1000.0, 1000.0),
    Parameter("gripper_joint_closed", 0.0, "Its position where the gripper is closed [rad] or [m].", -1000.0, 1000.0),
    Parameter(
        "max_state_age",
        0.1,
        "A state farther in time from the image, before or after it, is not acted on [s].",
        0.001,
        60.0,
    ),
    Parameter("max_image_age", 0.5, "Images older, or this far in the future, are not acted on [s].", 0.01, 60.0),
    Parameter(
        "min_confidence",
        0.0,
        "The arm holds still in place of actions that the policy is less sure of; 0: never.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "min_legal_probability",
        0.0,
        "The arm holds still in place of actions that the policy's model would hardly write by itself; 0: never.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "max_frozen_way",
        0.05,
        "The request is ended where the arm is told to go this far while a camera's image stays the same to the last "
        "bit; a turn by 1 rad counts as 0.2 m; 0: never [m].",
        low=0.0,
        high=10.0,
    ),
    Parameter(
        "max_instruction_length",
        LONGEST_TEXT,
        "Longer instructions stop the arm, longer questions are refused [characters].",
        low=1,
        high=100_000,
    ),
    Parameter(
        "instruction_pause",
        3.0,
        "The same instruction again after a pause longer than this is a new request once the first one has ended by "
        "itself [s].",
        low=0.0,
        high=3600.0,
    ),
)
