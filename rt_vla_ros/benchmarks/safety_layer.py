"""Cost of the controller, the last layer before the arm, and its effect on the jerk of a policy's motion.

python -m rt_vla_ros.benchmarks.safety_layer [--ticks N] [--plot FILE.svg]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.track import IDENTITY
from rt_vla_ros.control.walls import ForbiddenBox
from rt_vla_ros.out_file import check_out
from rt_vla_ros.svg import COLOURS, GRID, picture, text

Vector = NDArray[np.float64]
TICK, PERIOD = 0.01, 0.2  # [s]
JERK = 60.0  # [m/s^3]


def policy(seed: int = 0) -> Callable[[], ActionChunk]:
    """Random-walk steps of up to 4 cm, as from a policy."""
    rng = np.random.default_rng(seed)
    mean = np.zeros(3)

    def act() -> ActionChunk:
        nonlocal mean
        mean = 0.7 * mean + 0.3 * rng.normal(0, 0.04, 3)
        step = np.clip(mean + rng.normal(0, 0.008, 3), -0.04, 0.04)
        return ActionChunk((EndEffectorStep(step, np.zeros(3)),), PERIOD, frame_id="base")

    return act


def cost(ticks: int) -> tuple[float, float, float]:
    """Times of accept and tick with all features on [s]: median, 99th percentile; median without an action."""
    boxes = tuple(ForbiddenBox((1.0 + i, 1.0, 0.0), (1.5 + i, 2.0, 0.5)) for i in range(4))
    limits = Limits(forbidden_boxes=boxes, workspace_low=(-2, -2, -2), max_linear_jerk=JERK, max_angular_jerk=4 * JERK)
    controller, watch, act = Controller(limits), FollowWatch(0.4, 0.12), policy()
    with_action: list[float] = []
    without: list[float] = []
    position = np.zeros(3)
    for tick in range(ticks):
        now, chunk = tick * TICK, act() if tick % 20 == 0 else None
        begin = time.perf_counter()
        if chunk is not None:
            controller.accept(chunk, stamp=now, now=now)
        controller.set_pose(position, now)
        watch.measure(now, position, IDENTITY)
        watch.alarm()
        command = controller.tick(now)
        watch.tick(now, np.concatenate([command.linear, command.angular]), watching=True)
        (without if chunk is None else with_action).append(time.perf_counter() - begin)
        position = position + command.linear * TICK
    return float(np.median(with_action)), float(np.percentile(with_action, 99)), float(np.median(without))


def motion(limits: Limits, smoothing: float, duration: float = 6.0) -> Vector:
    """Velocities (ticks, 3) [m/s] of the same policy."""
    controller, act = Controller(limits, ControllerSettings(smoothing_time_constant=smoothing)), policy()
    found = []
    for tick in range(round(duration / TICK)):
        now = tick * TICK
        if tick % round(PERIOD / TICK) == 0:
            controller.accept(act(), stamp=now, now=now)
        found.append(controller.tick(now).linear)
    return np.array(found)


def jerk(velocities: Vector) -> Vector:
    """Norm of the jerk at each tick [m/s^3]."""
    size: Vector = np.linalg.norm(np.diff(velocities, n=2, axis=0), axis=1) / TICK**2
    return size


def motions() -> dict[str, Vector]:
    """Motions before and after the controller."""
    free = Limits(max_linear_acceleration=1e4, max_linear_velocity=5.0)
    return {
        "raw policy output": motion(free, 0.0),
        "smoothed, within the default limits": motion(Limits(), 0.05),
        f"with max_linear_jerk {JERK:g} m/s^3": motion(Limits(max_linear_jerk=JERK), 0.05),
    }


def plot(found: dict[str, Vector]) -> str:
    """Velocity along x in the first two seconds, and the maximum jerk of each, as SVG."""
    content, width, height, ticks = [], 720, 300, round(2 / TICK)
    for speed in (-0.2, 0.0, 0.2):
        y = 140 - 450 * speed
        content.append(f'<line x1="60" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        content.append(text(52, y + 4, f"{speed:g}", "end"))
    content.append(text(60, 24, "velocity along x [m/s] over 2 s", "start"))
    for number, (name, velocities) in enumerate(found.items()):
        places = " ".join(
            f"{60 + 640 * i / ticks:.1f},{140 - 450 * v[0]:.1f}" for i, v in enumerate(velocities[:ticks])
        )
        content.append(f'<polyline points="{places}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>')
        largest = f"{name}: jerk up to {jerk(velocities).max():.0f} m/s^3"
        content.append(text(60, 252 + 18 * number, largest, "start", COLOURS[number]))
    return picture(width, height, content)


def main() -> None:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ticks", type=int, default=4000, help="number of timed ticks (default 4000)")
    parser.add_argument("--plot", type=Path, help="also plot the motion to this SVG file")
    args = parser.parse_args()
    check_out(args.plot)
    median, most, tick = cost(args.ticks)
    print(f"accept and tick: median {median * 1e3:.2f} ms, 99 % {most * 1e3:.2f} ms; tick alone {tick * 1e3:.2f} ms\n")
    found = motions()
    print("| motion | jerk, root mean square | maximum |\n|---|---|---|")
    for name, velocities in found.items():
        size = jerk(velocities)
        print(f"| {name} | {np.sqrt(np.mean(size**2)):.0f} m/s^3 | {size.max():.0f} m/s^3 |")
    if args.plot is not None:
        args.plot.write_text(plot(found), encoding="utf-8")


if __name__ == "__main__":
    main()
