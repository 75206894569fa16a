"""Detection delay and false alarm rate of the check that the arm follows its commands, for random arms and motions.

python -m rt_vla_ros.benchmarks.follow_watch [--runs N] [--out FILE.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.follow_watch import FollowWatch
from rt_vla_ros.control.limits import clip_norm
from rt_vla_ros.control.track import IDENTITY, multiply, rotation
from rt_vla_ros.out_file import check_out, write_json

Vector = NDArray[np.float64]
TICK, PERIOD = 0.02, 0.2  # [s]
FINE = 0.005  # step of the arm's simulation [s]
FOLLOW_TIME, TOLERANCE = 0.4, 0.12


@dataclass(frozen=True)
class PlayedArm:
    """An arm that follows its commands: `lag` [s] behind, then a first-order lag of `inertia` [s], within
    `acceleration` [m/s^2], and five times as much [rad/s^2].

    period, jitter, noise, turn_noise: of the transforms [s], [s], [m], [rad].
    """

    lag: float
    inertia: float
    acceleration: float
    period: float
    jitter: float
    noise: float
    turn_noise: float


@dataclass(frozen=True)
class WantedMotion:
    """A policy's motion: actions of `speed` [m/s] and `turn` [rad/s] in directions that wander by `wander` [rad]."""

    speed: float
    turn: float
    wander: float
    pauses: float


# Motion of an arm for a velocity (6,), this time after the start of the fault [s].
Fault = Callable[[Vector, float], Vector]


def random_arm(rng: np.random.Generator) -> PlayedArm:
    """Typical lags, inertia, acceleration, rates and noise of arms; the sum of the first two is at most 0.2 s."""
    lag = rng.uniform(0.0, 0.15)
    return PlayedArm(
        lag,
        rng.uniform(0.0, min(0.05, 0.2 - lag)),
        rng.uniform(2.0, 6.0),
        1 / rng.choice([10.0, 30.0, 50.0, 100.0]),
        rng.uniform(0.0, 0.005),
        rng.uniform(0.0, 0.0007),
        rng.uniform(0.0, 0.004),
    )


def random_motion(rng: np.random.Generator) -> WantedMotion:
    """From almost no motion to the velocity limits."""
    return WantedMotion(
        10 ** rng.uniform(-3, -0.4), 10 ** rng.uniform(-2, 0.3), rng.uniform(0, 1.5), rng.choice([0, 0, 0.3])
    )


def actions(motion: WantedMotion, rng: np.random.Generator) -> Callable[[float], ActionChunk]:
    """A policy: image timestamp -> action."""
    direction, axis = rng.normal(size=3), rng.normal(size=3)

    def act(_time: float) -> ActionChunk:
        nonlocal direction, axis
        direction = _unit(direction + motion.wander * rng.normal(size=3))
        axis = _unit(axis + motion.wander * rng.normal(size=3))
        share = 0.0 if rng.random() < motion.pauses else rng.uniform(0.5, 1.0)
        step = EndEffectorStep(PERIOD * share * motion.speed * direction, PERIOD * share * motion.turn * axis)
        return ActionChunk((step,), PERIOD, frame_id="base")

    return act


def play(
    act: Callable[[float], ActionChunk],
    arm: PlayedArm,
    rng: np.random.Generator,
    *,
    duration: float,
    begin: float,
    fault: Fault,
) -> tuple[float | None, str, float]:
    """Time of the alarm [s], its message, and the distance since `begin` [s], the start of the fault [m]."""
    controller, watch = Controller(), FollowWatch(FOLLOW_TIME, TOLERANCE)
    told: list[Vector] = []  # by FINE steps
    velocity, position, quaternion, gone = np.zeros(6), np.zeros(3), IDENTITY, 0.0
    next_action, next_pose = 0.1, rng.uniform(0, arm.period)
    for tick in range(round(duration / TICK)):
        now = tick * TICK
        if now >= next_action:
            controller.accept(act(now), stamp=now, now=now)
            next_action += PERIOD
        command = controller.tick(now)
        wanted = np.concatenate([command.linear, command.angular])
        watch.tick(now, wanted, watching=True)
        if (sentence := watch.alarm()) is not None:
            return now, sentence, gone
        for fine in range(round(TICK / FINE)):
            time = now + fine * FINE
            told.append(wanted)
            heard = told[max(0, len(told) - 1 - round(arm.lag / FINE))]
            velocity = _driven(fault(heard, time - begin) if time >= begin else heard, velocity, arm)
            position = position + velocity[:3] * FINE
            quaternion = multiply(rotation(velocity[3:] * FINE), quaternion)
            gone += float(np.linalg.norm(velocity[:3])) * FINE if time >= begin else 0.0
            if time >= next_pose:
                next_pose += arm.period
                seen = position + rng.normal(0, arm.noise, 3)
                turned = multiply(rotation(rng.normal(0, arm.turn_noise, 3)), quaternion)
                watch.measure(time + FINE + rng.uniform(-1, 1) * arm.jitter, seen, turned)
    return None, "", gone


def _driven(wanted: Vector, velocity: Vector, arm: PlayedArm) -> Vector:
    change = (wanted - velocity) * (1.0 if arm.inertia < FINE else FINE / arm.inertia)
    most = arm.acceleration * FINE
    linear = change[:3] * min(1.0, most / max(float(np.linalg.norm(change[:3])), 1e-12))
    angular = change[3:] * min(1.0, 5 * most / max(float(np.linalg.norm(change[3:])), 1e-12))
    reached: Vector = velocity + np.concatenate([linear, angular])
    return reached


def _unit(vector: Vector) -> Vector:
    length: Vector = vector / np.linalg.norm(vector)
    return length


def _turned(velocity: Vector, _since: float) -> Vector:
    """Rotation by 90 degrees about z, as in a wrong frame."""
    x, y, z, a, b, c = velocity
    return np.array([-y, x, z, -b, a, c])


FAULTS: dict[str, Fault] = {
    "no motion at all": lambda velocity, _: np.zeros(6),
    "in a wrong frame, rotated by 90 degrees": _turned,
    "57 % of the command": lambda velocity, _: 0.57 * velocity,
    "in the opposite direction": lambda velocity, _: -velocity,
    "no translation": lambda velocity, _: np.concatenate([np.zeros(3), velocity[3:]]),
    "no rotation": lambda velocity, _: np.concatenate([velocity[:3], np.zeros(3)]),
    "clipped at 0.1 m/s, 0.4 rad/s": lambda velocity, _: np.concatenate(
        [clip_norm(velocity[:3], 0.1), clip_norm(velocity[3:], 0.4)]
    ),
    "another node adds 0.1 m/s": lambda velocity, _: velocity + np.array([0, 0.1, 0, 0, 0, 0]),
}
USUAL = WantedMotion(0.2, 0.8, 0.1, 0.0)
PLAIN = PlayedArm(0.1, 0.02, 4.0, 0.02, 0.002, 0.0003, 0.002)


def detections(runs: int, seed: int = 0) -> dict[str, Any]:
    """Detection delay of each fault with random arms and typical motions [s], from the start of motion."""
    found = {}
    for name, fault in FAULTS.items():
        for when, begin in (("from rest", 0.1), ("in motion", 2.0)):
            rng = np.random.default_rng(seed)
            times = []
            for _ in range(runs):
                arm = replace(random_arm(rng), lag=rng.uniform(0, 0.12), acceleration=4.0)
                end, _, _ = play(actions(USUAL, rng), arm, rng, duration=begin + 2, begin=begin, fault=fault)
                times.append(np.inf if end is None else end - begin)
            found[f"{name}, {when}"] = times
    return found


def false_alarms(runs: int, seed: int = 1) -> list[str]:
    """Messages of false alarms in `runs` runs of 10 s."""
    found = []
    for number in range(runs):
        rng = np.random.default_rng([seed, number])
        arm, motion = random_arm(rng), random_motion(rng)
        end, sentence, _ = play(actions(motion, rng), arm, rng, duration=10, begin=np.inf, fault=lambda v, _: v)
        if end is not None:
            found.append(f"{number}: {end:.2f} s {arm} {motion} {sentence}")
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--runs", type=int, default=20, help="runs per fault, ten times as many for false alarms (default 20)"
    )
    parser.add_argument("--out", type=Path, help="also write the results to this file")
    args = parser.parse_args()
    check_out(args.out)
    found = detections(args.runs)
    print("| fault | detection delay, median | maximum |\n|---|---|---|")
    for name, times in found.items():
        print(f"| {name} | {np.median(times):.2f} s | {max(times):.2f} s |")
    wrong = false_alarms(10 * args.runs)
    print(f"\nFalse alarms: {len(wrong)} in {10 * args.runs} runs of 10 s.", *wrong, sep="\n")
    write_json(args.out, {"noticed_after_s": found, "false_alarms": wrong, "runs": args.runs})


if __name__ == "__main__":
    main()
