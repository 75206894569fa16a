"""Smoothness of hand-overs between policy and human: velocity, acceleration and jerk around many of them, as a table.

python -m rt_vla_ros.benchmarks.takeover [--hand-overs N]
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.takeover import HumanTwist, Takeover, TakeoverSettings

TICK, PERIOD, FRAME = 0.02, 0.2, "base"  # [s]
LIMITS = {
    "default limits": Limits(),
    "with max_linear_jerk 60 m/s^3": Limits(max_linear_jerk=60.0, max_angular_jerk=240.0),
    "config/real_arm.yaml": Limits(
        max_linear_velocity=0.15,
        max_angular_velocity=1.0,
        max_linear_acceleration=1.5,
        max_angular_acceleration=10.0,
    ).scaled(0.3),
}


def hand_over(limits: Limits, seed: int) -> dict[str, NDArray[np.float64]]:
    """Linear velocities around each event of one run, ticks times 3 [m/s]."""
    rng = np.random.default_rng(seed)
    controller = Controller(limits)
    human = Takeover(controller, TakeoverSettings())
    stick, ticks, velocities = rng.uniform(-0.5, 0.5, 6), 0, list[NDArray[np.float64]]()

    def run(duration: float, held: bool) -> None:
        nonlocal ticks
        for _ in range(round(duration / TICK)):
            ticks += 1
            now = round(ticks * TICK, 9)
            if ticks % round(PERIOD / TICK) == 0:
                step = EndEffectorStep(rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.1, 0.1, 3))
                controller.accept(ActionChunk((step,), PERIOD, frame_id=FRAME), stamp=now, now=now)
            human.hold(held, now)
            if held:  # as a hand does, never quite still
                human.twist(HumanTwist(stick + rng.normal(0, 0.02, 6), FRAME, now), now)
            human.tick(now, now)
            velocities.append(controller.tick(now).linear)

    parts = {}
    run(1.0 + PERIOD * rng.random(), held=False)
    for name, duration, held in (("the human takes over", 0.4, True), ("lets go", 0.2, False)):
        begin = len(velocities) - 3
        run(duration, held)
        parts[name] = np.array(velocities[begin:])
    human.resume(round(ticks * TICK, 9))
    begin = len(velocities) - 3
    run(0.6, held=False)
    parts["the policy resumes"] = np.array(velocities[begin:])
    return parts


def measure(limits: Limits, count: int) -> dict[str, tuple[float, float, float]]:
    """For each event, the maximum step between two ticks [m/s], acceleration [m/s^2] and jerk [m/s^3]."""

    def largest(velocities: NDArray[np.float64], order: int) -> float:
        return float(np.linalg.norm(np.diff(velocities, n=order, axis=0), axis=1).max())

    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(count):
        for name, part in hand_over(limits, seed).items():
            step = largest(part, 1)
            found.setdefault(name, []).append((step, step / TICK, largest(part, 2) / TICK**2))
    return {name: tuple(np.max(values, axis=0).tolist()) for name, values in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hand-overs", type=int, default=300, metavar="N")
    count = parser.parse_args().hand_overs
    print(f"maximum of {count}, ticks of {TICK * 1000:.0f} ms")
    print("| limits | event | step in velocity | acceleration, of its limit | jerk |")
    print("|---|---|---|---|---|")
    for title, limits in LIMITS.items():
        for name, (step, acceleration, jerk) in measure(limits, count).items():
            allowed = limits.max_linear_acceleration
            told = f"{acceleration:.3g} m/s^2, {acceleration / allowed:.0%}"
            print(f"| {title} | {name} | {step * 1000:.3g} mm/s | {told} | {jerk:.0f} m/s^3 |")


if __name__ == "__main__":
    main()
