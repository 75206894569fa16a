"""Maps a robot's topics to the inputs of its action card: a YAML file that is also a ROS parameter file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard

ACTIONS_FROM = ("tf", "commands")
COMMANDED_BY = ("", "human", "policy", "expert")
COMPRESSED = "/compressed"
TOPICS_FILE = "topics.yaml"
"""The name used by `rt-vla card init`."""


class TopicMapError(ValueError):
    """The topic map cannot be used; the message says which entry, what was expected, and what to do."""


def _entry(
    default: Any, text: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    metadata = {"text": text, "low": low, "high": high, "choices": choices}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TopicMap:
    """See the descriptions of the fields. Raises TopicMapError for invalid values."""

    cameras: tuple[str, ...] = _entry(
        ("front=image",),
        "NAME=TOPIC for each camera of the action card. Topics ending in /compressed are CompressedImage.",
    )
    joint_states: str = _entry("joint_states", "Topic of sensor_msgs/JointState.")
    state_topic: str = _entry("state", "Topic of std_msgs/Float64MultiArray, for state sources topic:N.")
    base_frame: str = _entry("", "Fixed TF frame of the tip's pose; empty: the card's frame_id.")
    tip_frame: str = _entry("", "TF frame of the arm's tip; its displacement is the action.")
    frame_id: str = _entry("", "TF frame of the action axes; empty: the card's frame_id.")
    gripper_joint: str = _entry("", "Gripper joint in joint_states; empty: none.")
    gripper_joint_open: float = _entry(0.0, "Position of gripper_joint when open [rad] or [m].", -1000.0, 1000.0)
    gripper_joint_closed: float = _entry(0.0, "Position of gripper_joint when closed [rad] or [m].", -1000.0, 1000.0)
    gripper_topic: str = _entry(
        "gripper_command",
        "Topic of the gripper command, std_msgs/Float64, 0 open to 1 closed. Empty, or before the first command: the "
        "measured position of gripper_joint.",
    )
    action_from: str = _entry(
        "tf",
        "Source of the recorded action: tf: motion of the tip in TF; commands: integral of the commanded twists.",
        choices=ACTIONS_FROM,
    )
    twist_topic: str = _entry("delta_twist_cmds", "Topic of the commanded geometry_msgs/TwistStamped.")
    twist_timeout: float = _entry(0.1, "A commanded twist holds until the next one, or this long [s].", 0.001, 10.0)
    instruction_topic: str = _entry("instruction", "Topic of the instruction, std_msgs/String.")
    status_topic: str = _entry(
        "controller_status", "Topic of rt_vla_ros/ControllerStatus, which names the commander; empty: none."
    )
    teleop_topic: str = _entry(
        "teleop_twist",
        "Topic of the operator's geometry_msgs/TwistStamped: without a status topic, a human is the commander while "
        "messages arrive here.",
    )
    commander: str = _entry(
        "", "Commander of all frames if no topic provides it: human, policy or expert.", choices=COMMANDED_BY
    )
    max_image_age: float = _entry(
        0.5, "Maximum age of an image at a frame; otherwise the episode ends there [s].", 0.01, 60.0
    )
    max_state_age: float = _entry(
        0.25, "Maximum age of the state at a frame, or gap in TF; otherwise the episode ends there [s].", 0.001, 60.0
    )

    def __post_init__(self) -> None:
        self.camera_topics()
        for name in ("base_frame", "tip_frame", "frame_id"):
            object.__setattr__(self, name, getattr(self, name).lstrip("/"))
        if self.gripper_joint and self.gripper_joint_open == self.gripper_joint_closed:
            raise TopicMapError(
                f"gripper_joint is {self.gripper_joint!r}, but gripper_joint_open and gripper_joint_closed are both "
                f"{self.gripper_joint_open:g}: set its open and closed positions."
            )

    def camera_topics(self) -> dict[str, str]:
        """The topic of each camera. Raises TopicMapError."""
        pairs = [entry.partition("=")[::2] for entry in self.cameras]
        names = [name for name, _ in pairs]
        if not pairs or len(set(names)) < len(names) or not all(name.isidentifier() and topic for name, topic in pairs):
            raise TopicMapError(
                f"cameras is {list(self.cameras)}, expected at least one NAME=TOPIC, each name once and of letters, "
                "digits and _."
            )
        return dict(pairs)

    def all_topics(self) -> tuple[str, ...]:
        """The topics of cameras, state, commands and their source; without TF and the clock, whose names are fixed."""
        others = (self.joint_states, self.state_topic, self.gripper_topic, self.twist_topic, self.instruction_topic)
        named = (*self.camera_topics().values(), *others, self.status_topic, self.teleop_topic)
        return tuple(dict.fromkeys(topic for topic in named if topic))

    def base_of(self, card: ActionCard) -> str:
        """The TF frame of the tip's pose; empty if unknown."""
        return self.base_frame or (self.axes_of(card) if card.frame == "base" else "")

    def axes_of(self, card: ActionCard) -> str:
        """The TF frame of the axes of the actions."""
        return self.frame_id or card.frame_id.lstrip("/")

    def check(self, card: ActionCard) -> None:
        """Raises TopicMapError with all mismatches of map and card."""
        problems = list(self._mismatches(card))
        if problems:
            raise TopicMapError(" ".join(problems))

    def _mismatches(self, card: ActionCard) -> Any:
        there = self.camera_topics()
        for camera in card.cameras:
            if camera.name not in there:
                yield (
                    f"The action card has the camera {camera.name!r}; cameras names {', '.join(there)}: add "
                    f"{camera.name}=TOPIC."
                )
        if card.postprocessing:
            yield (
                f"The action card has the postprocessing {card.postprocessing!r}, which is for another robot's data; "
                "record with a card without it, in SI units."
            )
        if card.moves_base:
            yield (
                "The action card moves a mobile base, whose motion is not recorded; use a card without the roles "
                f"{', '.join(BASE_ROLES)}, and keep the base still."
            )
        if not self.tip_frame:
            yield "tip_frame is empty: set the TF frame of the arm's tip."
        elif self.base_of(card) in ("", self.tip_frame):
            yield "base_frame must name the TF frame of the arm's base: the card's actions are in another frame."
        if any(one.kind == "gripper" for one in card.state) and not self.gripper_joint:
            yield (
                "The card's state has the gripper, so gripper_joint, gripper_joint_open and gripper_joint_closed are "
                "needed."
            )
        if card.index("gripper") is not None and not (self.gripper_topic or self.gripper_joint):
            yield "The card's actions have a gripper: set gripper_topic or gripper_joint."

    def to_dict(self) -> dict[str, Any]:
        """The entries, as YAML and ROS parameters hold them."""
        return {name: list(one) if isinstance(one, tuple) else one for name, one in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TopicMap:
        """Raises TopicMapError for unknown entries or wrong types."""
        known = {one.name: one for one in fields(cls)}
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known entries: {', '.join(known)}."
                raise TopicMapError(f"There is no entry {name!r}. {hint}")
        return cls(**{name: _checked(known[name], value) for name, value in values.items()})

    @classmethod
    def load(cls, path: Path) -> TopicMap:
        """Reads a YAML file: its `ros__parameters`, except those of other nodes, or plain entries.

        path: the file, or the directory of one, see `topic_map_file`. Raises TopicMapError, OSError.
        """
        path = topic_map_file(path)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise TopicMapError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(data, dict):
            raise TopicMapError(f"{path} holds {type(data).__name__}, expected the entries of a topic map.")
        parts = [
            part["ros__parameters"]
            for node, part in data.items()
            if isinstance(part, dict) and "ros__parameters" in part and not str(node).endswith(OTHER_NODES)
        ]
        entries: dict[str, Any] = {}
        for part in parts or [data]:
            entries |= part if isinstance(part, dict) else {}
        own = {one.name for one in fields(cls)}
        try:
            return cls.from_dict({k: v for k, v in entries.items() if k in own or k not in NODE_ONLY})
        except TopicMapError as error:
            raise TopicMapError(f"{path}: {error}") from error


def topic_map_file(path: Path) -> Path:
    """path: a topic map, or the directory in which it is `topics.yaml`. Raises TopicMapError for one without."""
    if not path.is_dir():
        return path
    if (path / TOPICS_FILE).is_file():
        return path / TOPICS_FILE
    there = ", ".join(sorted(one.name for one in path.iterdir() if one.suffix in (".yaml", ".yml"))) or "none"
    raise TopicMapError(
        f"{path} is a directory without {TOPICS_FILE}: name the topic map's file, as `rt-vla card init` writes it. "
        f"YAML files in it: {there}."
    )


OTHER_NODES = ("policy_node", "smoother_node", "sim_arm_node", "bridge_node", "console_node")
"""Nodes whose sections may be in the same file."""
NODE_ONLY = ("card", "out", "codec", "instruction", "use_sim_time", "autostart")
"""Parameters of recorder_node that may be in the same file."""


def find_topic(topic: str, there: Collection[str]) -> str | None:
    """The matching full name, or the only one of this name in another namespace."""
    full = f"/{topic.lstrip('/')}"
    if full in there:
        return full
    same = [] if topic.startswith("/") else [name for name in there if name.endswith(full)]
    return same[0] if len(same) == 1 else None


def _checked(one: Any, value: Any) -> Any:
    default = one.default_factory() if callable(one.default_factory) else one.default
    low, high, choices = (one.metadata[key] for key in ("low", "high", "choices"))
    if isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise TopicMapError(f"{one.name} is {value!r}, expected a list of strings.")
    if isinstance(default, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high:
            raise TopicMapError(f"{one.name} is {value!r}, expected a number from {low:g} to {high:g}.")
        return float(value)
    if not isinstance(value, str):
        raise TopicMapError(f"{one.name} is {value!r}, expected a string.")
    if choices and value not in choices:
        raise TopicMapError(f"{one.name} is {value!r}, expected one of {', '.join(map(repr, choices))}.")
    return value
