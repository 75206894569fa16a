"""Detection delay and false alarm rate of the check that an arm, or a mobile base, follows, for random motions.

python -m rt_vla_ros.benchmarks.follow_watch [--base] [--runs N] [--out FILE.json]
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
from rt_vla_ros.control.followed import ARM, BASE, Followed
from rt_vla_ros.control.limits import clip_norm
from rt_vla_ros.control.mobile_base import BASE_LIMITS
from rt_vla_ros.control.status import Command
from rt_vla_ros.control.track import IDENTITY, multiply, rotate, rotation
from rt_vla_ros.out_file import check_out, write_json

Vector = NDArray[np.float64]
TICK, PERIOD = 0.02, 0.2  # [s]
FINE = 0.005  # step of the arm's simulation [s]


@dataclass(frozen=True)
class PlayedArm:
    """An arm, or a mobile base, that follows its commands: `lag` [s] behind, then a first-order lag of `inertia` [s],
    within `acceleration` [m/s^2], and five times as much [rad/s^2].

    period, jitter, noise, turn_noise: of the measurements [s], [s], [m], [rad].
    slip: share of the commanded translation, and of the rotation, that is missing.
    """

    lag: float
    inertia: float
    acceleration: float
    period: float
    jitter: float
    noise: float
    turn_noise: float
    slip: tuple[float, float] = (0.0, 0.0)


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


def random_base(rng: np.random.Generator) -> PlayedArm:
    """The same of mobile bases: the lags' sum is at most 0.4 s. They slip by up to 10%, and in turns up to 15%."""
    lag = rng.uniform(0.0, 0.3)
    return PlayedArm(
        lag,
        rng.uniform(0.0, min(0.15, 0.4 - lag)),
        rng.uniform(0.6, 3.0),
        1 / rng.choice([10.0, 30.0, 50.0, 100.0]),
        rng.uniform(0.0, 0.01),
        rng.uniform(0.0, 0.003),
        rng.uniform(0.0, 0.006),
        (rng.uniform(-0.02, 0.1), rng.uniform(-0.02, 0.15)),
    )


def random_motion(rng: np.random.Generator) -> WantedMotion:
    """From almost no motion to the velocity limits."""
    return WantedMotion(
        10 ** rng.uniform(-3, -0.4), 10 ** rng.uniform(-2, 0.3), rng.uniform(0, 1.5), rng.choice([0, 0, 0.3])
    )


@dataclass(frozen=True)
class WatchedRobot:
    """What is played: an arm or a base, with typical settings of its check. random, typical: for false alarms, and for
    detections.
    """

    followed: Followed
    follow_time: float
    tolerance: float
    random: Callable[[np.random.Generator], PlayedArm]
    typical: Callable[[np.random.Generator], PlayedArm]
    usual: WantedMotion

    def step(self, linear: Vector, angular: Vector) -> EndEffectorStep:
        """A step of a translation (3,) [m] and a rotation (3,) [rad]; a base moves in the plane."""
        if self.followed is ARM:
            return EndEffectorStep(linear, angular)
        return EndEffectorStep(np.zeros(3), np.zeros(3), base=np.array([linear[0], linear[1], angular[2]]))

    def told(self, command: Command) -> Vector:
        """The commanded velocity, shape (6,)."""
        if self.followed is ARM:
            return np.concatenate([command.linear, command.angular])
        x, y, yaw = command.base
        return np.array([x, y, 0, 0, 0, yaw])

    def noise(self, rng: np.random.Generator, arm: PlayedArm) -> Vector:
        """Of a measurement, translation [m] and rotation [rad], shape (6,); a base's odometry is used in the plane."""
        noise = rng.normal(0, np.repeat([arm.noise, arm.turn_noise], 3))
        return noise if self.followed is ARM else noise * [1, 1, 0, 0, 0, 1]

    def moved(self, velocity: Vector, position: Vector, quaternion: Vector, interval: float) -> tuple[Vector, Vector]:
        """Position and orientation after a time with a velocity (6,)."""
        way, turn = velocity[:3] * interval, rotation(velocity[3:] * interval)
        if not self.followed.own_axes:
            return position + way, multiply(turn, quaternion)
        return position + rotate(quaternion, way), multiply(quaternion, turn)


def actions(motion: WantedMotion, rng: np.random.Generator, watched: WatchedRobot) -> Callable[[float], ActionChunk]:
    """A policy: image timestamp -> action."""
    direction, axis = rng.normal(size=3), rng.normal(size=3)

    def act(_time: float) -> ActionChunk:
        nonlocal direction, axis
        direction = _unit(direction + motion.wander * rng.normal(size=3))
        axis = _unit(axis + motion.wander * rng.normal(size=3))
        share = 0.0 if rng.random() < motion.pauses else rng.uniform(0.5, 1.0)
        step = watched.step(PERIOD * share * motion.speed * direction, PERIOD * share * motion.turn * axis)
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
    watched: WatchedRobot,
) -> tuple[float | None, str, float]:
    """Time of the alarm [s], its message, and the distance since `begin` [s], the start of the fault [m]."""
    controller = Controller(base=BASE_LIMITS)
    watch = FollowWatch(watched.follow_time, watched.tolerance, watched.followed)
    told: list[Vector] = []  # by FINE steps
    velocity, position, quaternion, gone = np.zeros(6), np.zeros(3), IDENTITY, 0.0
    held = 1 - np.repeat(arm.slip, 3)
    next_action, next_pose = 0.1, rng.uniform(0, arm.period)
    for tick in range(round(duration / TICK)):
        now = tick * TICK
        if now >= next_action:
            controller.accept(act(now), stamp=now, now=now)
            next_action += PERIOD
        command = controller.tick(now)
        wanted = watched.told(command)
        watch.tick(now, wanted, watching=True)
        if (sentence := watch.alarm()) is not None:
            return now, sentence, gone
        for fine in range(round(TICK / FINE)):
            time = now + fine * FINE
            told.append(wanted)
            heard = told[max(0, len(told) - 1 - round(arm.lag / FINE))]
            velocity = _driven(fault(heard, time - begin) if time >= begin else heard, velocity, arm)
            position, quaternion = watched.moved(velocity * held, position, quaternion, FINE)
            gone += float(np.linalg.norm(velocity[:3])) * FINE if time >= begin else 0.0
            if time >= next_pose:
                next_pose += arm.period
                noise = watched.noise(rng, arm)
                seen, turned = position + noise[:3], multiply(rotation(noise[3:]), quaternion)
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
PLAYED_ARM = WatchedRobot(
    ARM,
    follow_time=0.4,
    tolerance=0.12,
    random=random_arm,
    typical=lambda rng: replace(random_arm(rng), lag=rng.uniform(0, 0.12), acceleration=4.0),
    usual=USUAL,
)
PLAYED_BASE = WatchedRobot(
    BASE,
    follow_time=1.0,
    tolerance=0.25,
    random=random_base,
    typical=lambda rng: replace(random_base(rng), acceleration=1.5),
    usual=WantedMotion(0.3, 0.5, 0.1, 0.0),
)


def detections(runs: int, watched: WatchedRobot, seed: int = 0) -> dict[str, Any]:
    """Detection delay of each fault with random arms or bases and typical motions [s], from the start of motion."""
    found = {}
    for name, fault in FAULTS.items():
        for when, begin in (("from rest", 0.1), ("in motion", 2.0)):
            rng = np.random.default_rng(seed)
            times = []
            for _ in range(runs):
                arm, motion = watched.typical(rng), actions(watched.usual, rng, watched)
                duration = begin + 5 * watched.follow_time
                end, _, _ = play(motion, arm, rng, duration=duration, begin=begin, fault=fault, watched=watched)
                times.append(np.inf if end is None else end - begin)
            found[f"{name}, {when}"] = times
    return found


def false_alarms(runs: int, watched: WatchedRobot, seed: int = 1) -> list[str]:
    """Messages of false alarms in `runs` runs of 10 s."""
    found = []
    for number in range(runs):
        rng = np.random.default_rng([seed, number])
        arm, motion = watched.random(rng), random_motion(rng)
        act = actions(motion, rng, watched)
        end, sentence, _ = play(act, arm, rng, duration=10, begin=np.inf, fault=lambda v, _: v, watched=watched)
        if end is not None:
            found.append(f"{number}: {end:.2f} s {arm} {motion} {sentence}")
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", action="store_true", help="a mobile base instead of an arm")
    parser.add_argument(
        "--runs", type=int, default=20, help="runs per fault, ten times as many for false alarms (default 20)"
    )
    parser.add_argument("--out", type=Path, help="also write the results to this file")
    args = parser.parse_args()
    check_out(args.out)
    watched = PLAYED_BASE if args.base else PLAYED_ARM
    found = detections(args.runs, watched)
    print("| fault | detection delay, median | maximum |\n|---|---|---|")
    for name, times in found.items():
        missed = sum(map(np.isinf, times))
        longest = f"not noticed in {missed} of {len(times)} runs" if missed else f"{max(times):.2f} s"
        print(f"| {name} | {np.median(times):.2f} s | {longest} |")
    wrong = false_alarms(10 * args.runs, watched)
    print(f"\nFalse alarms: {len(wrong)} in {10 * args.runs} runs of 10 s.", *wrong, sep="\n")
    write_json(args.out, {"noticed_after_s": found, "false_alarms": wrong, "runs": args.runs})


if __name__ == "__main__":
    main()
