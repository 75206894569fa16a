"""The joints between an arm's base and its tip, with their limits, as a URDF describes them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

LONGEST_URDF = 16_000_000  # [characters]
TURNS = "revolute", "continuous"
MOVES = (*TURNS, "prismatic")
FEWEST_JOINTS = 6


class ChainError(ValueError):
    """A URDF does not describe an arm that can be driven; the message is a sentence."""


@dataclass(frozen=True)
class ChainJoint:
    """A joint that moves: positions in [rad], or [m] where it slides, and their time derivatives.

    kind: one of MOVES. lower, upper: infinite for a continuous joint. velocity: the most it may have.
    acceleration: the most it may have; None if the URDF gives none, as usual.
    """

    name: str
    kind: str
    lower: float
    upper: float
    velocity: float
    acceleration: float | None = None


@dataclass(frozen=True)
class Chain:
    """The moving joints from `base` to `tip` (links), nearest to the base first.

    urdf: of these joints, the fixed ones between them and their links alone: without meshes, masses and other branches.
    """

    base: str
    tip: str
    joints: tuple[ChainJoint, ...]
    urdf: str = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The joints' names."""
        return tuple(joint.name for joint in self.joints)

    def with_accelerations(self, default: float) -> Chain:
        """The same chain; a joint without an acceleration limit in the URDF gets the default [rad/s^2 or m/s^2]."""
        joints = (one if one.acceleration else replace(one, acceleration=default) for one in self.joints)
        return replace(self, joints=tuple(joints))


def read_chain(urdf: str, tip: str = "", base: str = "") -> Chain:
    """Reads it. tip: may be empty if the robot has one end only. base: empty for the robot's root.

    Raises ChainError for an invalid URDF, unknown links, and joints without limits.
    """
    robot = parse_robot(urdf)
    above = joints_above(robot)
    links = [str(link.get("name")) for link in robot.findall("link")]
    check_links(above, links)
    roots = [link for link in links if link not in above]
    if len(roots) != 1:
        raise ChainError(
            f"The URDF is not a tree, expected one link without a parent joint, got {_listed(roots) or 'none'}."
        )
    tip = tip or _only_end(above, links)
    base = base or roots[0]
    for what, link in (("tip_frame", tip), ("base_frame", base)):
        if link not in links:
            raise ChainError(f"The URDF has no link {link!r} ({what}); it has {_listed(links)}.")
    path = _path(above, base, tip)
    joints = tuple(_read_joint(joint) for joint in path if joint.get("type") != "fixed")
    if not joints:
        raise ChainError(f"No joint moves between {base!r} and {tip!r}: set base_frame and tip_frame.")
    if len(joints) < FEWEST_JOINTS:
        raise ChainError(
            f"Only {len(joints)} joints move between {base!r} and {tip!r} ({_listed(one.name for one in joints)}): "
            f"motion in all directions needs {FEWEST_JOINTS}. Set base_frame and tip_frame."
        )
    return Chain(base, tip, joints, _only(path, base, joints))


def check_joints(chain: Chain, given: Sequence[str]) -> tuple[str, ...]:
    """The names in the order in which commands are sent: as given, or the chain's own. Raises ChainError."""
    if not given:
        return chain.names
    twice = [name for name, count in Counter(given).items() if count > 1]
    if twice:
        raise ChainError(f"The parameter 'joints' has {_listed(twice)} more than once.")
    missing = [name for name in chain.names if name not in given]
    other = [name for name in given if name not in chain.names]
    if missing or other:
        wrong = [f"it lacks {_listed(missing)}"] * bool(missing) + [f"{_listed(other)} is not among them"] * bool(other)
        raise ChainError(
            f"The parameter 'joints' must name the {len(chain.names)} joints from {chain.base!r} to {chain.tip!r}, "
            f"which are {_listed(chain.names)}: {' and '.join(wrong)}. A bridge drives a single chain."
        )
    return tuple(given)


def parse_robot(urdf: str) -> ET.Element:
    """The element <robot>. Raises ChainError for an invalid URDF, one that is too long, or one with a document type."""
    if len(urdf) > LONGEST_URDF:
        raise ChainError(f"The robot description has {len(urdf)} characters, more than {LONGEST_URDF}.")
    if "<!DOCTYPE" in urdf:
        raise ChainError("The robot description declares a document type, which a URDF must not have: it is not read.")
    try:
        robot = ET.fromstring(urdf)
    except (ET.ParseError, ValueError) as error:
        raise ChainError(f"The robot description is not valid XML: {error}.") from error
    if robot.tag != "robot":
        raise ChainError(f"The robot description is not a URDF: its root element is <{robot.tag}>, expected <robot>.")
    return robot


def joints_above(robot: ET.Element) -> dict[str, ET.Element]:
    """The joint above each link. Raises ChainError if there are two, or a joint has no ends."""
    above: dict[str, ET.Element] = {}
    for joint in robot.findall("joint"):
        ends = [
            element.get("link") if (element := joint.find(end)) is not None else None for end in ("parent", "child")
        ]
        if not joint.get("name") or not all(ends):
            raise ChainError(f"The joint {joint.get('name')!r} of the URDF has no name, parent or child.")
        if str(ends[1]) in above:
            other = above[str(ends[1])].get("name")
            raise ChainError(f"The link {ends[1]!r} has two joints above it, {other!r} and {joint.get('name')!r}.")
        above[str(ends[1])] = joint
    return above


def end_of(joint: ET.Element, which: str) -> str:
    """Its link. which: "parent" or "child"."""
    return str(joint.find(which).get("link"))  # type: ignore[union-attr]


def check_links(above: Mapping[str, ET.Element], links: Sequence[str]) -> None:
    """Raises ChainError for a joint with a link that is not there."""
    for joint in above.values():
        unknown = [link for link in (end_of(joint, "parent"), end_of(joint, "child")) if link not in links]
        if unknown:
            raise ChainError(f"The joint {joint.get('name')!r} has the link {unknown[0]!r}, which is not in the URDF.")


def _only_end(above: Mapping[str, ET.Element], links: Sequence[str]) -> str:
    parents = {end_of(joint, "parent") for joint in above.values()}
    ends = [link for link in links if link not in parents]
    if len(ends) != 1:
        raise ChainError(f"The robot has several ends, {_listed(ends)}: set the parameter tip_frame.")
    return ends[0]


def _path(above: Mapping[str, ET.Element], base: str, tip: str) -> list[ET.Element]:
    """The joints from base to tip."""
    path: list[ET.Element] = []
    link = tip
    while link != base:
        if link not in above or len(path) > len(above):
            raise ChainError(f"The link {tip!r} (tip_frame) is not a descendant of {base!r} (base_frame).")
        path.insert(0, above[link])
        link = end_of(above[link], "parent")
    return path


def _read_joint(joint: ET.Element) -> ChainJoint:
    name, kind = str(joint.get("name")), str(joint.get("type"))
    if kind not in MOVES:
        raise ChainError(f"The joint {name!r} is of the type {kind!r}, expected one of {', '.join(MOVES)} or fixed.")
    if joint.find("mimic") is not None:
        raise ChainError(f"The joint {name!r} mimics another one: an arm's joint must be independent.")
    limit = joint.find("limit")
    if limit is None:
        raise ChainError(f"The joint {name!r} has no <limit>: its maximum velocity must be known to move it safely.")
    velocity = _number(name, limit, "velocity")
    if velocity is None or velocity <= 0:
        raise ChainError(f"The joint {name!r} has the maximum velocity {velocity}, expected a number above 0.")
    acceleration = _number(name, limit, "acceleration")
    if acceleration is not None and acceleration <= 0:
        raise ChainError(f"The joint {name!r} has the maximum acceleration {acceleration}, expected a number above 0.")
    return ChainJoint(name, kind, *joint_range(joint, limit, name, kind), velocity, acceleration)


def joint_range(joint: ET.Element, limit: ET.Element, name: str, kind: str) -> tuple[float, float]:
    """Least and greatest position; the soft limits of a safety_controller are the narrower ones."""
    if kind == "continuous":
        return -math.inf, math.inf
    lower, upper = _number(name, limit, "lower"), _number(name, limit, "upper")
    if lower is None or upper is None or not lower < upper:
        raise ChainError(
            f"The joint {name!r} has the range {lower} to {upper}, expected two numbers in increasing order."
        )
    soft = joint.find("safety_controller")
    if soft is not None:
        soft_lower, soft_upper = (_number(name, soft, f"soft_{which}_limit") for which in ("lower", "upper"))
        if soft_lower is not None and soft_upper is not None and soft_lower < soft_upper:
            lower, upper = max(lower, soft_lower), min(upper, soft_upper)
    if not lower < upper:
        raise ChainError(f"The joint {name!r} has soft limits outside its limits.")
    return lower, upper


def _number(name: str, element: ET.Element, attribute: str) -> float | None:
    text = element.get(attribute)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ChainError(f"The joint {name!r} has {attribute}={text!r}, expected a finite number.")
    return number


def _only(path: Sequence[ET.Element], base: str, joints: Sequence[ChainJoint]) -> str:
    """A URDF of this chain alone; the solver applies the limits, so continuous joints need no special case."""
    moving = {joint.name: joint for joint in joints}
    robot = ET.Element("robot", name="chain")
    for link in (base, *(end_of(joint, "child") for joint in path)):
        ET.SubElement(robot, "link", name=link)
    for joint in path:
        name = str(joint.get("name"))
        kind = "fixed" if name not in moving else "prismatic" if moving[name].kind == "prismatic" else "revolute"
        copy = ET.SubElement(robot, "joint", name=name, type=kind)
        for tag in ("origin", "parent", "child", "axis"):
            if (element := joint.find(tag)) is not None:
                ET.SubElement(copy, tag, dict(element.attrib))
        if name in moving:
            ET.SubElement(copy, "limit", lower="-1e6", upper="1e6", effort="0", velocity=repr(moving[name].velocity))
    return ET.tostring(robot, encoding="unicode")


def _listed(names: Iterable[str]) -> str:
    """At most thirty of them."""
    names = list(names)
    return ", ".join(names[:30]) + (f" and {len(names) - 30} others" if len(names) > 30 else "")
