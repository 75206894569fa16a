"""A URDF of an arm with the Panda's kinematics, from the manufacturer's public Denavit-Hartenberg parameters."""

from __future__ import annotations

import math

_TURN = math.pi / 2
# Of each joint: a [m], d [m], alpha [rad] (Craig's convention); lower and upper end [rad], [rad/s], [rad/s^2].
JOINTS = (
    (0.0, 0.333, 0.0, -2.8973, 2.8973, 2.175, 15.0),
    (0.0, 0.0, -_TURN, -1.7628, 1.7628, 2.175, 7.5),
    (0.0, 0.316, _TURN, -2.8973, 2.8973, 2.175, 10.0),
    (0.0825, 0.0, _TURN, -3.0718, -0.0698, 2.175, 12.5),
    (-0.0825, 0.384, -_TURN, -2.8973, 2.8973, 2.61, 15.0),
    (0.0, 0.0, _TURN, -0.0175, 3.7525, 2.61, 20.0),
    (0.088, 0.0, _TURN, -2.8973, 2.8973, 2.61, 20.0),
)
NAMES = tuple(f"panda_joint{number}" for number in range(1, 8))
READY = (0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4)
FLANGE = 0.107  # [m]
TIP = "panda_link8"

# Capsules of each link, of the manufacturer's coarse model for self-collision: center and direction in the link, radius
# and length of the cylinder [m]; link 3 is 3 cm shorter, because it overlaps link 1 there.
# github.com/frankaemika/franka_ros, franka_description/robots/common (Apache-2.0).
CAPSULES = (
    (((-0.075, 0.0, 0.06), "x", 0.06, 0.03),),
    (((0.0, 0.0, -0.1915), "z", 0.06, 0.283),),
    (((0.0, 0.0, 0.0), "z", 0.06, 0.12),),
    (((0.0, 0.0, -0.13), "z", 0.06, 0.12),),
    (((0.0, 0.0, 0.0), "z", 0.06, 0.12),),
    (((0.0, 0.0, -0.26), "z", 0.06, 0.10), ((0.0, 0.08, -0.13), "z", 0.025, 0.14)),
    (((0.0, 0.0, -0.03), "z", 0.05, 0.08),),
    (((0.0, 0.0, 0.01), "z", 0.04, 0.14),),
)


def panda_urdf(*, accelerations: bool = True, fingers: bool = False, shapes: bool = False) -> str:
    """From panda_link0 to panda_link8. fingers: add a hand with two finger joints, so that there are two ends. shapes:
    with collision shapes of the links 0 to 7.
    """
    collisions = ["".join(map(_capsule, capsules)) if shapes else "" for capsules in CAPSULES]
    parts = [_link("panda_link0", collisions[0])]
    for number, (a, d, alpha, lower, upper, velocity, acceleration) in enumerate(JOINTS, 1):
        more = f' acceleration="{acceleration}"' if accelerations else ""
        parts.append(
            f'{_link(f"panda_link{number}", collisions[number])}<joint name="{NAMES[number - 1]}" type="revolute">'
            f'<parent link="panda_link{number - 1}"/><child link="panda_link{number}"/><axis xyz="0 0 1"/>'
            f'<origin xyz="{a} {-d * math.sin(alpha)!r} {d * math.cos(alpha)!r}" rpy="{alpha!r} 0 0"/>'
            f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="50"{more}/></joint>'
        )
    parts.append(_fixed("panda_link7", TIP, f"0 0 {FLANGE}"))
    if fingers:
        parts.append(_fixed(TIP, "panda_hand", "0 0 0"))
        parts += [_finger("left", 1), _finger("right", -1)]
    return f'<robot name="panda">{"".join(parts)}</robot>'


def _link(name: str, inside: str) -> str:
    return f'<link name="{name}">{inside}</link>' if inside else f'<link name="{name}"/>'


def _capsule(capsule: tuple[tuple[float, float, float], str, float, float]) -> str:
    """A cylinder with a sphere at each end."""
    center, direction, radius, length = capsule
    along = "xyz".index(direction)
    rpy = (f"0 {_TURN} 0", f"{_TURN} 0 0", "0 0 0")[along]
    parts = [(center, rpy, f'<cylinder radius="{radius}" length="{length}"/>')]
    for end in (-length / 2, length / 2):
        x, y, z = (value + end * (axis == along) for axis, value in enumerate(center))
        parts.append(((x, y, z), "0 0 0", f'<sphere radius="{radius}"/>'))
    return "".join(
        f'<collision><origin xyz="{" ".join(map(str, xyz))}" rpy="{rpy}"/><geometry>{shape}</geometry></collision>'
        for xyz, rpy, shape in parts
    )


def _fixed(parent: str, child: str, xyz: str) -> str:
    return (
        f'<link name="{child}"/><joint name="{child}_joint" type="fixed"><parent link="{parent}"/>'
        f'<child link="{child}"/><origin xyz="{xyz}"/></joint>'
    )


def _finger(side: str, direction: int) -> str:
    return (
        f'<link name="panda_{side}finger"/><joint name="panda_{side}_finger_joint" type="prismatic">'
        f'<parent link="panda_hand"/><child link="panda_{side}finger"/><axis xyz="0 {direction} 0"/>'
        '<origin xyz="0 0 0.0584"/><limit lower="0" upper="0.04" velocity="0.2" effort="20"/></joint>'
    )
