"""A robot's collision shapes and its obstacles in MuJoCo, without the pairs that may touch.

Only the checker's process imports this module.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.arms.chain import end_of, joints_above, parse_robot
from rt_vla_ros.arms.collision_protocol import CollisionSetup

Vector = NDArray[np.float64]
Pair = tuple[str, str]
# Links in contact in this share of random configurations touch by design, as in MoveIt's setup assistant.
ALWAYS, SAMPLES = 0.95, 300
# MuJoCo demands a mass [kg] and inertia [kg m^2] of every link; a kinematic check ignores them.
LEAST_MASS = 1e-3
FORBIDDEN_BOX = "forbidden box"


class CollisionModel:
    """All links, all joints and the boxes. Of a mesh the convex hull counts, as always in MuJoCo.

    bare: links without collision shapes. joints: that move independently. model, data: MuJoCo's; a link is a body of
    the same name.
    """

    def __init__(self, setup: CollisionSetup) -> None:
        """Raises ValueError for a URDF without shapes, a mesh that cannot be read, and an unknown tip."""
        robot = parse_robot(setup.urdf)
        above = joints_above(robot)
        shaped = {str(link.get("name")): link.find("collision") is not None for link in robot.findall("link")}
        if setup.tip not in shaped:
            raise ValueError(f"the URDF has no link {setup.tip!r} (tip_frame); it has {', '.join([*shaped][:30])}")
        if not any(shaped.values()):
            raise ValueError("the URDF has no collision shapes (<collision>), so there is nothing to check")
        self.bare = [link for link, has_shape in shaped.items() if not has_shape]
        self._mimics = [_mimic(joint) for joint in robot.findall("joint") if joint.find("mimic") is not None]
        self._spec, self._margin = _spec(robot), setup.margin
        self._add_boxes(setup)
        adjacent = _adjacent([*shaped], above)
        self._allow({*adjacent, *((one, other) for one, other in setup.allowed)})
        self._compile()
        mimics = {name for name, *_ in self._mimics}
        self.joints = [name for i in range(self.model.njnt) if (name := self.model.joint(i).name) not in mimics]
        self._allow(self._always_touching() | self._touching_by_design(setup.rest, adjacent))
        self._compile()

    def set_positions(self, positions: Mapping[str, float]) -> None:
        """Of joints by name [rad or m]; those that mimic another follow it. Raises ValueError if one is missing."""
        for name in self.joints:
            if not math.isfinite(positions.get(name, math.nan)):
                raise ValueError(f"the position of the joint {name!r} is unknown")
            self.data.joint(name).qpos[0] = positions[name]
        self.follow()

    def follow(self) -> None:
        """Moves the joints that mimic another to where that one is."""
        for name, source, multiplier, offset in self._mimics:
            self.data.joint(name).qpos[0] = multiplier * self.data.joint(source).qpos[0] + offset

    def distances(self) -> dict[Pair, float]:
        """Of the bodies that are closer than the margin [m], negative where they overlap; at `data`'s positions."""
        mujoco.mj_collision(self.model, self.data)
        found: dict[Pair, float] = {}
        if self.data.ncon == 0:
            return found
        contact = self.data.contact  # all of them at once: one by one they are slow
        for distance, geoms in zip(contact.dist.tolist(), contact.geom.tolist(), strict=True):
            if distance < self._margin:  # MuJoCo adds up the margins of both
                names = (self._body_of_geom[geom] for geom in geoms)
                one, other = sorted(names, key=lambda name: (name.startswith(FORBIDDEN_BOX), name))
                found[one, other] = min(distance, found.get((one, other), math.inf))
        return found

    def _add_boxes(self, setup: CollisionSetup) -> None:
        if not setup.boxes:
            return
        body = self._spec.body(setup.boxes_in)
        if body is None:
            raise ValueError(f"the URDF has no link {setup.boxes_in!r}, the frame of forbidden_boxes")
        for number, corners in enumerate(setup.boxes, 1):
            low, high = np.array(corners[:3]), np.array(corners[3:])
            frame = body.add_body(
                name=f"{FORBIDDEN_BOX} {number}", pos=setup.boxes_at[:3], quat=setup.boxes_at[3:], mass=LEAST_MASS
            )
            frame.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=(low + high) / 2, size=(high - low) / 2)

    def _allow(self, pairs: set[Pair]) -> None:
        for one, other in pairs:
            if self._spec.body(one) is not None and self._spec.body(other) is not None:
                self._spec.add_exclude(bodyname1=one, bodyname2=other)

    def _compile(self) -> None:
        for geom in self._spec.geoms:
            geom.margin = self._margin
        self.model = self._spec.compile()
        for body in range(self.model.nbody):
            if self.model.body(body).name.startswith(FORBIDDEN_BOX) and self.model.body_weldid[body]:
                raise ValueError("the frame of forbidden_boxes moves with the arm")
        self.data = mujoco.MjData(self.model)
        self._body_of_geom = [self.model.body(body).name for body in self.model.geom_bodyid]

    def _always_touching(self) -> set[Pair]:
        rng, touching = np.random.default_rng(0), Counter[Pair]()
        limited = self.model.jnt_limited.astype(bool)
        low = np.where(limited, self.model.jnt_range[:, 0], -math.pi)
        high = np.where(limited, self.model.jnt_range[:, 1], math.pi)
        for _ in range(SAMPLES):
            self.data.qpos[:] = rng.uniform(low, high)
            self.follow()
            mujoco.mj_kinematics(self.model, self.data)
            touching.update(self.distances().keys())
        return {pair for pair, count in touching.items() if count >= ALWAYS * SAMPLES and _are_links(pair)}

    def _touching_by_design(self, rest: Mapping[str, float], adjacent: set[Pair]) -> set[Pair]:
        """Links that are close at rest, if only one link is between them."""
        if not rest:
            return set()
        self.set_positions(rest)
        mujoco.mj_kinematics(self.model, self.data)
        both = adjacent | {(other, one) for one, other in adjacent}
        near = {(one, other) for one, link in both for between, other in both if link == between}
        return {pair for pair in self.distances() if pair in near and _are_links(pair)}


def _spec(robot: ET.Element) -> mujoco.MjSpec:
    """With the links' collision shapes alone. Raises ValueError for a mesh that cannot be read."""
    meshes: dict[str, bytes] = {}
    for link in robot.findall("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
        for mesh in link.iter("mesh"):
            path = Path(mesh.get("filename", "").removeprefix("file://"))
            if path.suffix.lower() not in (".stl", ".obj"):
                raise ValueError(
                    f"the collision mesh of {link.get('name')!r}, {str(path)!r}, is neither STL nor OBJ, which "
                    "MuJoCo reads: convert it"
                )
            try:
                meshes[f"{len(meshes)}{path.suffix}"] = path.read_bytes()
            except OSError as error:
                raise ValueError(f"the collision mesh of {link.get('name')!r} cannot be read: {error}") from error
            mesh.set("filename", [*meshes][-1])
    spec = mujoco.MjSpec.from_string(ET.tostring(robot, encoding="unicode"), assets=meshes)
    spec.compiler.fusestatic = False  # links keep their names
    spec.compiler.boundmass = spec.compiler.boundinertia = LEAST_MASS
    return spec


def _are_links(pair: Pair) -> bool:
    return not any(body.startswith(FORBIDDEN_BOX) for body in pair)


def _mimic(joint: ET.Element) -> tuple[str, str, float, float]:
    """A joint, the one it follows, multiplier and offset."""
    mimic = joint.find("mimic")
    assert mimic is not None
    multiplier, offset = (float(mimic.get(name, default)) for name, default in (("multiplier", "1"), ("offset", "0")))
    return str(joint.get("name")), str(mimic.get("joint")), multiplier, offset


def _adjacent(links: Sequence[str], above: Mapping[str, ET.Element]) -> set[Pair]:
    """Links with one moving joint between them, however many fixed ones."""
    rigid = {link: _carrier(link, above) for link in links}
    joined = [(rigid[end_of(joint, "parent")], child) for child, joint in above.items() if rigid[child] == child]
    members = {root: [link for link in links if rigid[link] == root] for root in rigid.values()}
    return {pair for one, other in joined for pair in product(members[one], members[other])}


def _carrier(link: str, above: Mapping[str, ET.Element]) -> str:
    """The first link of those that are rigidly connected to it."""
    while link in above and above[link].get("type") == "fixed":
        link = end_of(above[link], "parent")
    return link
