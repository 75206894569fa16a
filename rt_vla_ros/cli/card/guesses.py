"""A first action card and topic map of an undescribed robot: observations, and guesses to be confirmed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.arms.chain import ChainError
from rt_vla_ros.arms.described_arm import FINGERS, TIPS, DescribedArm, DescribedJoint, describe_arm
from rt_vla_ros.cli.card.survey import JOINTS_KIND, TWIST_KIND, Survey, camera_base
from rt_vla_ros.recording.card_file import CONFIRM
from rt_vla_ros.recording.topic_map import COMPRESSED, TopicMap
from zenoh_ros.commands.errors import CliError

RATE = 10.0
"""Actions per second where the cameras are fast enough [Hz]."""
IMAGES = 1.4
"""Per action, at least: with one, a camera's jitter makes frames repeat the image before."""
FASTEST = {"translation": 0.25, "rotation": 1.0}
"""Speeds at the ends of the ranges [m/s], [rad/s]."""
HALF_TURN = 3.1416  # [rad]
WIDEST = 320  # of an image of a policy [pixel]
PLAIN = {"image", "raw", "rect", "color", "colour", "rgb", "camera", "cam", "compressed", "images", "stream", "left"}
SLIDING, TURNING = (0.04, 0.0), (0.0, 0.8)
"""Positions of typical open and closed grippers of a kind [m], [rad]."""
SHARED = ("base_frame", "tip_frame", "gripper_joint", "gripper_joint_open", "gripper_joint_closed")
"""Entries that are also parameters of policy_node."""
CAMERA_FRAMES = re.compile(r"camera|optical|(^|[_/])cam([_/\d]|$)", re.IGNORECASE)
POINTS = 3  # of TIPS, that name a point and no part
GROUNDS = ("map", "odom", "world")
FLOAT_KIND, NUMBERS_KIND = "std_msgs/msg/Float64", "std_msgs/msg/Float64MultiArray"


@dataclass
class Guesses:
    """entries: of a topic map. doubts: guesses to confirm, by the entry or card key they are about.

    arm: from the robot's description; None if there is none that fits.
    """

    entries: dict[str, Any] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    arm: DescribedArm | None = None


def guess_topics(survey: Survey, cameras: Mapping[str, str] | None = None) -> Guesses:
    """cameras: topics by name, None: to be guessed. Raises CliError if there is no camera, or not the named one."""
    found = Guesses()
    found.entries["cameras"] = [f"{name}={topic}" for name, topic in _cameras(survey, cameras, found).items()]
    joints = main_joints(survey)
    if joints is not None:
        found.entries["joint_states"] = joints
    _guess_frames(survey, found)
    _read_description(survey, found)
    _guess_gripper(survey, joints, found)
    twists = survey.of_kind(TWIST_KIND, "delta_twist", "cmd") or survey.of_kind(TWIST_KIND)
    if twists is not None:
        found.entries["twist_topic"] = twists
        found.doubts["twist_topic"] = f"{twists} carries the arm's commanded velocities."
    for entry, kind, words in (
        ("instruction_topic", "std_msgs/msg/String", ("instruction",)),
        ("status_topic", "rt_vla_ros/msg/ControllerStatus", ()),
        ("teleop_topic", TWIST_KIND, ("teleop", "joy", "spacenav")),
    ):
        topic = survey.of_kind(kind, *words)
        if topic is not None:
            found.entries[entry] = topic
    found.entries["action_from"] = "tf"
    found.doubts["action_from"] = "the recorded action is the measured motion of the tip (TF), not the command."
    return found


def guess_card(survey: Survey, topics: Guesses, rate: float | None = None) -> ActionCard:
    """rate: of the actions [Hz]; None: guessed. The card's notes list the guesses to confirm."""
    entries, doubts = topics.entries, {}
    seen = {name: survey.cameras[topic] for name, topic in (one.split("=", 1) for one in entries["cameras"])}
    if rate is None:
        rate = max(1.0, min(RATE, *(math.floor(one.rate / IMAGES) for one in seen.values())))
        rates = ", ".join(f"{name} {one.rate:.3g}" for name, one in seen.items())
        doubts["control_rate"] = f"{rate:g} actions per second, from the cameras' rates ({rates} Hz)."
    cameras = []
    for name, one in seen.items():
        scale = min(1.0, WIDEST / one.width)
        width, height = max(2, 2 * round(one.width * scale / 2)), max(2, 2 * round(one.height * scale / 2))
        cameras.append(
            {"name": name, "width": width, "height": height, "crop": "center", "vertical_fov": one.vertical_fov}
        )
        doubts[name] = f"the policy sees {width}x{height} pixels of the camera {name!r} ({one.width}x{one.height})."
    reach = {kind: round(speed / rate, 4) for kind, speed in FASTEST.items()}
    doubts["dimensions"] = (
        f"steps of at most {reach['translation']:g} m along an axis or {reach['rotation']:g} rad about one "
        f"({FASTEST['translation']:g} m/s, {FASTEST['rotation']:g} rad/s); faster motion is clipped."
    )
    base = entries.get("base_frame") or "base_link"
    doubts["frame_id"] = f"the actions are given in the axes of {base!r}, a fixed frame."
    state = _state(survey, topics, doubts)
    return ActionCard.from_dict(
        {
            "name": "my robot",
            "dimensions": _dimensions(reach),
            "bins": 256,
            "quantization": "round",
            "frame": "base",
            "frame_id": base,
            "rotation": "rotation_vector",
            "gripper_open": 0.0,
            "gripper_closed": 1.0,
            "control_rate": float(rate),
            "cameras": cameras,
            "version": 1,
            "state": state,
            "notes": [CONFIRM + text for text in doubts.values()],
        }
    )


def topic_map_text(topics: Guesses) -> str:
    """The YAML file, which is a ROS parameter file too: a comment for each entry, and for each guess.

    Entries that a running policy needs are not in the recorder's section, as policy.launch.py reads the file too.
    """
    lines = [
        "# Topic map: the topics of this robot that provide the data of its card. For the recorder, for bags and",
        "# for `rt-vla card check`. Check each line marked TO CONFIRM, and remove the mark.",
        "# `rt-vla launch policy.launch.py params_file:=FILE` uses the section /** for the policy.",
    ]
    for section, shared in (("/**", True), ("/**/recorder_node", False)):
        lines += [f"{section}:", "  ros__parameters:"]
        for one in fields(TopicMap):
            if one.name in topics.entries and (one.name in SHARED) == shared:
                lines.append(f"    # {one.metadata['text']}")
                if one.name in topics.doubts:
                    lines.append(f"    # {CONFIRM}{topics.doubts[one.name]}")
                lines.append(f"    {one.name}: {json.dumps(topics.entries[one.name])}")
    return "\n".join(lines) + "\n"


def camera_names(topics: Iterable[str]) -> dict[str, str]:
    """A short name for each image topic, from the distinctive part of it; topics by name."""
    names: dict[str, str] = {}
    for topic in topics:
        words = [word for word in re.split(r"[/_\W]+", camera_base(topic)) if word and word.lower() not in PLAIN]
        name = re.sub(r"\W", "_", "_".join(words[-2:])) or "front"
        name = name if name.isidentifier() else f"camera_{name}"
        while name in names:
            name += "_2"
        names[name] = topic
    return names


def main_joints(survey: Survey) -> str | None:
    """The topic with the most joints; joint_states is preferred."""
    ranked = sorted(survey.joints, key=lambda name: (-len(survey.joints[name].positions), len(name), name))
    plain = [name for name in ranked if name.endswith("/joint_states") and survey.joints[name].positions]
    return next(iter([*plain, *ranked]), survey.of_kind(JOINTS_KIND))


def usable_cameras(survey: Survey) -> list[str]:
    """Topics with usable images; the raw one if a camera has a raw and a compressed one."""
    good = {topic for topic, one in survey.cameras.items() if one.usable}
    return sorted(topic for topic in good if not (topic.endswith(COMPRESSED) and camera_base(topic) in good))


def image_topics_in_words(survey: Survey) -> str:
    """All image topics with their properties, for a sentence."""
    told = [
        f"{topic} ({one.encoding} {one.width}x{one.height}, {one.rate:.3g} Hz)" if one.usable else f"{topic} (unusable)"
        for topic, one in sorted(survey.cameras.items())
    ]
    return ", ".join(told) or "none"


def _cameras(survey: Survey, given: Mapping[str, str] | None, found: Guesses) -> dict[str, str]:
    if given is not None:
        for name, topic in given.items():
            full = survey.find(topic)
            seen = survey.cameras.get(full or "")
            if seen is None or not seen.usable:
                why = f"cannot be used: {seen.problem}" if seen is not None else "has no publisher."
                raise CliError(f"{topic}, the camera {name!r}, {why} Image topics: {image_topics_in_words(survey)}.")
        return {name: str(survey.find(topic)) for name, topic in given.items()}
    cameras = camera_names(usable_cameras(survey))
    if not cameras:
        raise CliError(f"no usable camera; image topics: {image_topics_in_words(survey)}. Start one.")
    found.doubts["cameras"] = "these names, and that the policy uses all of these cameras, in this order."
    return cameras


def _guess_frames(survey: Survey, found: Guesses) -> None:
    chains = {
        frame: chain for frame in survey.parents if (chain := _moving_chain(survey, frame)) and _may_be_tip(frame)
    }
    last = max(
        (frame for frame in chains if frame in survey.moving), key=lambda one: (len(chains[one]), one), default=""
    )
    named = sorted(filter(_tip_rank, chains), key=lambda one: (_tip_rank(one), -len(chains[one]), one))
    tip = next(iter(named), last)
    if not tip:
        found.entries |= {"base_frame": "base_link", "tip_frame": "tool0"}
        found.doubts["base_frame"] = found.doubts["tip_frame"] = "TF has no frames: is a robot_state_publisher running?"
        return
    tops = [frame for frame in chains[tip] if survey.parents[frame] not in GROUNDS]
    found.entries |= {"base_frame": survey.parents[(tops or chains[tip])[-1]], "tip_frame": tip}
    found.doubts["base_frame"] = "the chain of moving frames starts there."
    why = "it moves and has a typical tip name" if named else "the chain of moving frames ends there"
    below = sorted(frame for frame in chains if frame not in survey.moving and last in survey.above(frame))
    others = list(dict.fromkeys(one for one in (*named, last, *below) if one and one != tip))
    found.doubts["tip_frame"] = f"{why}; else: {', '.join(others[:8])}." if others else f"{why}."


def _moving_chain(survey: Survey, frame: str) -> list[str]:
    """The moving ones of a frame and its ancestors; empty if it is static."""
    return [one for one in (frame, *survey.above(frame)) if one in survey.moving]


def _may_be_tip(frame: str) -> bool:
    """Not a camera's or finger's frame; a gripper's only if its name means the point between the fingers."""
    return CAMERA_FRAMES.search(frame) is None and (FINGERS.search(frame) is None or 0 < _tip_rank(frame) <= POINTS)


def _tip_rank(frame: str) -> int:
    """1 and up for names of tips, most likely first; 0 for others."""
    words = enumerate((rf"(?<![a-z]){word}(?![a-z])" for word in TIPS), 1)  # no hand is in a handle
    return next((rank for rank, word in words if re.search(word, frame.lower())), 0)


def _read_description(survey: Survey, found: Guesses) -> None:
    """Frames from the robot's URDF, if TF has them too."""
    if not survey.description:
        return
    try:
        arm = describe_arm(survey.description)
    except ChainError as error:
        found.doubts["tip_frame"] += f" The robot's description is not used: {error}"
        return
    unknown = {arm.base, arm.tip} - {*survey.parents, *survey.parents.values()}
    if unknown:
        found.doubts["tip_frame"] += f" In the robot's description it is {arm.tip!r}, which is unknown to TF."
        return
    found.arm = arm
    others = ", ".join(sorted({found.entries["tip_frame"], arm.mount} - {arm.tip, ""}))
    chain = "of the chain with the gripper" if arm.mount else "of its longest chain"
    found.entries |= {"base_frame": arm.base, "tip_frame": arm.tip}
    found.doubts["base_frame"] = "the arm starts there in the robot's description."
    found.doubts["tip_frame"] = f"in the robot's description it is the end {chain}" + (
        f"; else: {others}." if others else "."
    )


def _guess_gripper(survey: Survey, joints: str | None, found: Guesses) -> None:
    seen = survey.joints.get(joints or "")
    positions = seen.positions if seen is not None else {}
    fingers = [name for name in positions if FINGERS.search(name)]
    commands = {name: kind for name, kind in survey.topics.items() if "teleop" not in name}  # not of a human alone
    topic = replace(survey, topics=commands).of_kind(FLOAT_KIND, "gripper")
    if fingers:
        opened, closed = TURNING if "knuckle" in fingers[0].lower() else SLIDING
        found.entries |= {"gripper_joint": fingers[0], "gripper_joint_open": opened, "gripper_joint_closed": closed}
        now = f"it was at {positions[fingers[0]]:.4g} when this was written."
        found.doubts["gripper_joint_open"] = f"the gripper is open there; {now}"
        found.doubts["gripper_joint_closed"] = f"the gripper is closed there; {now}"
    if topic is not None:
        found.entries["gripper_topic"] = topic
    elif fingers:
        found.entries["gripper_topic"] = ""
        found.doubts["gripper_topic"] = "there is no gripper command topic, so it is read from gripper_joint."


def _state(survey: Survey, topics: Guesses, doubts: dict[str, str]) -> list[dict[str, Any]]:
    entries, arm = topics.entries, topics.arm
    seen = survey.joints.get(entries.get("joint_states", ""))
    names = [name for name in seen.positions if not FINGERS.search(name)] if seen is not None else []
    joints = [DescribedJoint(name, "rad", None, None) for name in names]
    if arm is not None and names:
        joints = [joint for joint in arm.joints if joint.name in names]
        doubts["state"] = "joints of the state, their order and ranges are from the robot's description."
    elif names:
        doubts["state"] = "the joints of the state are revolute (rad; prismatic ones in m), with these ranges."
    state = [_dimension(one.name, one.unit, one.lower, one.upper, f"joint:{one.name}") for one in joints]
    if arm is not None and arm.reach > 0:
        reach = math.ceil(100 * arm.reach) / 100
        state += [_dimension(f"tip_{axis}", "m", -reach, reach, f"tip:{axis}") for axis in "xyz"]
        state += [_dimension(f"tip_r{axis}", "rad", None, None, f"tip:r{axis}") for axis in "xyz"]
        doubts["tip"] = (
            f"the policy also sees the pose of {arm.tip!r} in {arm.base!r}, at most {reach:g} m away, the arm's reach; "
            "otherwise remove tip_x to tip_rz from the state."
        )
    if entries.get("gripper_joint"):
        state.append(_dimension("gripper", "1", 0.0, 1.0, "gripper"))
    return state


def _dimension(name: str, unit: str, low: float | None, high: float | None, source: str) -> dict[str, Any]:
    """low, high: None for those of an angle."""
    ends = (-HALF_TURN, HALF_TURN) if low is None or high is None else (low, high)
    return {"name": name, "unit": unit, "low": ends[0], "high": ends[1], "source": source}


def _dimensions(reach: Mapping[str, float]) -> list[dict[str, Any]]:
    units = {"translation": "m", "rotation": "rad"}
    moves = [
        {"name": f"{kind}_{axis}", "role": f"{kind}_{axis}", "low": -far, "high": far, "unit": units[kind]}
        for kind, far in reach.items()
        for axis in "xyz"
    ]
    end = {
        "name": "terminate",
        "role": "terminate",
        "low": 0,
        "high": 0,
        "unit": "mode",
        "modes": ["terminate", "move"],
    }
    return [end, *moves, {"name": "gripper", "role": "gripper", "low": 0.0, "high": 1.0, "unit": "1"}]
