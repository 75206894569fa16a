"""Time of a collision check of actions with one and ten steps, including the pipe to its real process.

python -m rt_vla_ros.benchmarks.collision_check [--checks N]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from rt_vla_ros.arms.collision_checker import CollisionChecker
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.arms.panda_urdf import NAMES, READY, TIP, panda_urdf

TABLE = [-0.5, -1.0, -0.5, 1.0, 1.0, -0.02]  # [m]
WAY, TURN = 0.03, 0.05  # of each step [m], [rad]
PATIENCE = 30.0  # [s]


def measure(checks: int, steps: int) -> tuple[np.ndarray, int]:
    """Times of this many checks of random actions [s], and how many of them collide. Raises ValueError without a
    checker.
    """
    setup = CollisionSetup(panda_urdf(shapes=True), TIP, 0.01, [TABLE], "panda_link0")
    checker, rng, times, collisions = CollisionChecker(setup), np.random.default_rng(0), [], 0
    try:
        deadline = time.perf_counter() + PATIENCE
        while checker.problem is not None:
            if checker.is_given_up or time.perf_counter() > deadline:
                raise ValueError(checker.problem)
            time.sleep(0.005)
            checker.poll()
        for _ in range(checks):
            way, turn = (
                size * one / np.linalg.norm(one) for size, one in zip((WAY, TURN), rng.normal(size=(2, 3)), strict=True)
            )
            motion = [[step, *way, *turn] for step in range(steps)]
            begin = time.perf_counter()
            checker.ask(CollisionQuestion(dict(zip(NAMES, READY, strict=True)), motion))
            while (found := checker.answer()) is None:
                time.sleep(1e-4)
            times.append(time.perf_counter() - begin)
            collisions += isinstance(found, FoundCollision)
    finally:
        checker.close()
    return np.array(times), collisions


def main() -> None:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checks", type=int, default=500, help="number of timed checks of each kind (default 500)")
    args = parser.parse_args()
    print("| action | median | p99 | collisions |\n|---|---|---|---|")
    for steps in (1, 10):
        times, collisions = measure(args.checks, steps)
        median, most = 1e3 * np.median(times), 1e3 * np.percentile(times, 99)
        print(f"| {steps} steps of {WAY:g} m | {median:.1f} ms | {most:.1f} ms | {collisions} of {args.checks} |")


if __name__ == "__main__":
    main()
