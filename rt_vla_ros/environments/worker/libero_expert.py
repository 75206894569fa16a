"""A scripted expert for the suite libero_object: pick up the first object of interest, drop it into the basket.

It reads the simulator's state and serves to validate the path of actions; it is no part of LIBERO.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL = 0.05  # of a full action [m]
OPEN, CLOSED = -1.0, 1.0
ABOVE, CARRY, DROP = 0.12, 0.25, 0.16  # above the object, while carrying, and for the release [m]
NEAR = 0.008  # [m]
PATIENCE = 60  # steps for a way
GRASP, RELEASE = 12, 15  # steps

Vector = NDArray[np.float64]


def expert_actions(env: Any) -> Iterator[list[float]]:
    """env: the robosuite environment. Each action depends on the state at the time when it is asked for."""
    item, basket = env.obj_of_interest[:2]

    def place(name: str) -> Vector:
        return np.array(env.sim.data.body_xpos[env.obj_body_id[name]])

    def tip() -> Vector:
        return np.array(env.sim.data.site_xpos[env.robots[0].eef_site_id])

    def go(target: Vector, gripper: float) -> Iterator[list[float]]:
        for _ in range(PATIENCE):
            way = target - tip()
            if np.linalg.norm(way) < NEAR:
                return
            yield [*(float(value) for value in np.clip(way / FULL, -1.0, 1.0)), 0.0, 0.0, 0.0, gripper]

    def hold(steps: int, gripper: float) -> Iterator[list[float]]:
        for _ in range(steps):
            yield [0.0] * 6 + [gripper]

    start = place(item)
    yield from go(start + np.array([0.0, 0.0, ABOVE]), OPEN)
    yield from go(start, OPEN)
    yield from hold(GRASP, CLOSED)
    yield from go(start + np.array([0.0, 0.0, CARRY]), CLOSED)
    goal = place(basket)
    yield from go(np.array([goal[0], goal[1], start[2] + CARRY]), CLOSED)
    yield from go(np.array([goal[0], goal[1], goal[2] + DROP]), CLOSED)
    yield from hold(RELEASE, OPEN)
