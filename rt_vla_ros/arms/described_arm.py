"""Which links and joints of a URDF are the arm, its base and its tip: guesses, for a person to confirm."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rt_vla_ros.arms.chain import MOVES, TURNS, ChainError, check_links, end_of, joint_range, joints_above, parse_robot

FINGERS = re.compile(r"finger|gripper|knuckle|jaw", re.IGNORECASE)
"""Typical parts of names of a gripper's joints and links."""
TIPS = ("tcp", "tool0", "tool_center", "ee_link", "link_ee", "end_effector", "hand", "flange")
"""Typical parts of tip names, most likely first."""
MOST_LINKS = 2000
BASES = re.compile(r"(base_link|link_?0)$")


@dataclass(frozen=True)
class DescribedJoint:
    """unit: "rad" or "m". lower, upper: its range; None if the description gives none, or it is continuous."""

    name: str
    unit: str
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class DescribedArm:
    """base, tip: links. joints: that move between them, in the order of the chain. mount: the link that carries the
    fingers; empty if there are none. reach: maximum distance of the tip from the base [m].
    """

    base: str
    tip: str
    joints: tuple[DescribedJoint, ...]
    mount: str
    reach: float


def describe_arm(urdf: str) -> DescribedArm:
    """The chain that ends at the gripper, or else the one with the most joints. Raises ChainError if there is none."""
    robot = parse_robot(urdf)
    above = joints_above(robot)
    links = [str(link.get("name")) for link in robot.findall("link")]
    check_links(above, links)
    if len(links) > MOST_LINKS:
        raise ChainError(f"The robot description has {len(links)} links, expected at most {MOST_LINKS}.")
    mount = _mount(above)
    ends = [mount] if mount else links
    last = max(ends, key=lambda link: (len(_moving(above, link)), -len(_up(above, link)), link))
    arm = _moving(above, last)
    if not arm:
        raise ChainError("The robot description has no movable joint except a gripper's.")
    tip = _tip(above, links, last)
    first = end_of(arm[0], "parent")
    bases = [first, *(end_of(joint, "parent") for joint in reversed(_up(above, first)) if joint.get("type") == "fixed")]
    base = next((link for link in bases if BASES.search(link)), first)
    path = [joint for joint in _up(above, tip) if joint not in _up(above, base)]
    reach = sum(_length(joint) for joint in path)
    return DescribedArm(base, tip, tuple(_described(joint) for joint in arm), mount, reach)


def _up(above: Mapping[str, ET.Element], link: str) -> list[ET.Element]:
    """The joints from the root to a link. Raises ChainError for a cycle."""
    path: list[ET.Element] = []
    while link in above:
        if len(path) > len(above):
            raise ChainError(f"The joints above the link {link!r} form a cycle.")
        path.insert(0, above[link])
        link = end_of(above[link], "parent")
    return path


def _is_finger(joint: ET.Element) -> bool:
    return joint.find("mimic") is not None or FINGERS.search(str(joint.get("name"))) is not None


def _moving(above: Mapping[str, ET.Element], link: str) -> list[ET.Element]:
    """Of the joints from the root to a link those of an arm."""
    return [joint for joint in _up(above, link) if joint.get("type") in MOVES and not _is_finger(joint)]


def _mount(above: Mapping[str, ET.Element]) -> str:
    """Where the fingers begin; of several grippers the one at the end of the longest chain."""
    mounts = []
    for joint in above.values():
        if joint.get("type") in MOVES and _is_finger(joint):
            way = [one for one in _up(above, end_of(joint, "child")) if one.get("type") in MOVES]
            mounts.append(next(end_of(one, "parent") for one in way if _is_finger(one)))
    return max(mounts, key=lambda link: (len(_moving(above, link)), link), default="")


def _tip(above: Mapping[str, ET.Element], links: list[str], last: str) -> str:
    """Of a link and those that are fixed to it, below it, the one with a tip's name; else the last in a row of them."""
    fixed = [link for link in links if last in _fixed_above(above, link)]
    for word in TIPS:
        named = [link for link in fixed if word in link.lower()]
        if named:
            return min(named, key=lambda link: (not link.lower().endswith(word), link))
    while len(below := [joint for joint in above.values() if end_of(joint, "parent") == last]) == 1:
        if below[0].get("type") != "fixed":
            break
        last = end_of(below[0], "child")
    return last


def _fixed_above(above: Mapping[str, ET.Element], link: str) -> Iterator[str]:
    """A link, and those above it up to the first joint that moves."""
    yield link
    for joint in reversed(_up(above, link)):
        if joint.get("type") != "fixed":
            return
        yield end_of(joint, "parent")


def _described(joint: ET.Element) -> DescribedJoint:
    name, kind, limit = str(joint.get("name")), str(joint.get("type")), joint.find("limit")
    ends: tuple[float, float] | None = None
    if limit is not None and kind != "continuous":
        ends = joint_range(joint, limit, name, kind)
    return DescribedJoint(name, "rad" if kind in TURNS else "m", *(ends or (None, None)))


def _length(joint: ET.Element) -> float:
    """Maximum distance of a joint's link from its parent link [m]. Raises ChainError."""
    origin = joint.find("origin")
    try:
        shift = [float(text) for text in (origin.get("xyz") or "").split()] if origin is not None else []
    except ValueError as error:
        raise ChainError(f"The joint {joint.get('name')!r} has an origin that is not three numbers.") from error
    limit, slides = joint.find("limit"), 0.0
    if joint.get("type") == "prismatic" and limit is not None:
        slides = max(map(abs, joint_range(joint, limit, str(joint.get("name")), "prismatic")))
    length = math.hypot(*shift) + slides
    if not math.isfinite(length):
        raise ChainError(f"The joint {joint.get('name')!r} has an origin at {shift}, expected finite numbers.")
    return length
