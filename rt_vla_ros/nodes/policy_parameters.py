"""The policy node's parameters."""

from __future__ import annotations

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS
from rt_vla_ros.policies.remote.settings import LONGEST_BUDGET
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT

# Those that are not read_only can be changed while the node is unconfigured, see ManagedNode. A read-only one is
# trust_remote_code: setting parameters must not allow running code.
POLICY_PARAMETERS = (
    AUTOSTART,
    Parameter("policy", "rt1-mini", "Checkpoint name or directory.", read_only=False),
    Parameter("device", "auto", "Device of the policy: auto, cpu, cuda, cuda:1 ...", read_only=False),
    Parameter(
        "weights",
        "auto",
        "Weight format; auto: bfloat16 for RT-2 on a GPU, float32 otherwise. int8 and int4: RT-2 only.",
        choices=WEIGHTS,
        read_only=False,
    ),
    Parameter(
        "threads",
        0,
        "Torch CPU threads, at most one per core; 0: as few as keep up with the policy's rate, measured "
        "during warm-up.",
        low=0,
        high=1024,
        read_only=False,
    ),
    Parameter(
        "language",
        "",
        "Path of the sentence encoder or table of an RT-1 with sentence embeddings; empty: the "
        "table next to its weights.",
        read_only=False,
    ),
    Parameter(
        "trust_remote_code",
        False,
        "Allow a model to run Python code in the checkpoint's directory. Review it first.",
    ),
    Parameter(
        "cuda_graphs",
        True,
        "Use CUDA graphs for RT-1's step and RT-2's passes on a GPU (docs/gpu.md).",
    ),
    Parameter(
        "device_images",
        True,
        "Preprocess RT-2's images on its GPU if that gives identical pixels (docs/gpu.md).",
    ),
    Parameter(
        "cameras",
        ["front"],
        "Camera names as in the policy's action card. The first camera is on the topic `image`, each "
        "other on `NAME_image`.",
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
        "How images are resized to the policy's input: as in its action card, or overriding it.",
        choices=("card", "center", "stretch"),
    ),
    Parameter(
        "stream",
        False,
        "Publish the first steps of a chunk early, if the policy and the ensemble support it.",
        read_only=False,
    ),
    Parameter(
        "plan",
        False,
        "Write a plan in words before each action (RT-2 trained with plans); it is part of the action message.",
        read_only=False,
    ),
    Parameter(
        "remote_token_file",
        "",
        "File with the token for a policy server (policy:=remote:HOST) or an engine; empty: no token.",
    ),
    Parameter(
        "remote_ca",
        "",
        "CA certificate of that server (PEM), or system; empty: no TLS, for an https engine the system's.",
    ),
    Parameter("remote_certificate", "", "Client certificate (PEM), if the server requires one."),
    Parameter("remote_key", "", "Key of remote_certificate (PEM)."),
    Parameter(
        "remote_jpeg",
        0,
        "JPEG quality of images sent to a server; 0: lossless, which does not affect actions.",
        low=0,
        high=95,
        read_only=False,
    ),
    Parameter(
        "remote_budget",
        0.0,
        "Maximum time from image to a server's answer; later answers are discarded [s]; 0: until the next "
        "decision is due, but at least 0.5.",
        low=0.0,
        high=LONGEST_BUDGET,
        read_only=False,
    ),
    Parameter("frame_id", "", "TF frame of the actions; empty: as in the action card."),
    Parameter("tip_frame", "", "TF frame of the arm's tip, for policies with its pose as state."),
    Parameter(
        "base_frame",
        "",
        "TF frame of that pose; empty: the frame of the actions, if they are in base axes.",
    ),
    Parameter("gripper_joint", "", "Gripper joint in joint_states, for policies with the gripper as state."),
    Parameter("gripper_joint_open", 0.0, "Position of gripper_joint when open [rad] or [m].", -1000.0, 1000.0),
    Parameter("gripper_joint_closed", 0.0, "Position of gripper_joint when closed [rad] or [m].", -1000.0, 1000.0),
    Parameter(
        "max_state_age",
        0.1,
        "Maximum time difference between state and image, either way [s].",
        0.001,
        60.0,
    ),
    Parameter("max_image_age", 0.5, "Maximum age of an image, or lead if stamped in the future [s].", 0.01, 60.0),
    Parameter(
        "min_confidence",
        0.0,
        "Hold still if the confidence of an action is lower; 0: off.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "min_legal_probability",
        0.0,
        "Hold still if the legal probability of an action is lower (docs/rt2.md); 0: off.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "max_frozen_way",
        0.05,
        "End the request if the arm is commanded to move this far while a camera's image stays "
        "bit-identical; a rotation of 1 rad counts as 0.2 m; 0: off [m].",
        low=0.0,
        high=10.0,
    ),
    Parameter(
        "max_instruction_length",
        LONGEST_TEXT,
        "Longer instructions stop the arm, longer questions are rejected [characters].",
        low=1,
        high=100_000,
    ),
    Parameter(
        "instruction_pause",
        3.0,
        "An instruction repeated after a longer pause is a new request, once the first one has ended by itself [s].",
        low=0.0,
        high=3600.0,
    ),
)
