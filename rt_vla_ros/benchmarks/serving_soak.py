"""A policy server with robots that come and go, for a long time: whether each answer is right, and the memory flat."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.benchmarks.markdown import markdown
from rt_vla_ros.benchmarks.memory_growth import resident, summary
from rt_vla_ros.benchmarks.serving import serving
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy, PolicyLateError, PolicyLostError, WarmUpPolicy
from rt_vla_ros.policies.remote.connection import NoAnswerError
from rt_vla_ros.policies.remote.policy import RemotePolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.threads import set_threads
from rt_vla_ros.serving.cluster.processes import PROC, descendants

SCRIPTS, STEPS = 4, 30  # image sequences, and decisions in each
RATE = 3.0  # decisions per second of each robot [Hz]
STAY = (5.0, 30.0)  # of a robot [s]
KILLED = 1 / 3  # share of the robots that end by kill -9
REPLICA_KILLS = 60.0  # between two kills of a replica [s]
SAMPLE = 5.0  # between two samples of the memory [s]
BUDGET = 2.0  # [s]
ALIKE = ("--device", "cpu", "--threads", "1")  # so that sums are taken in the same order in all processes
REPLICA = "ray::ServeRepli"


@dataclass
class Answers:
    """Numbers of answers: equal to the local policy's, different ones, repeated ones, late ones, and losses of the
    server."""

    right: int = 0
    wrong: int = 0
    twice: int = 0
    late: int = 0
    lost: int = 0

    def add(self, other: Answers) -> None:
        """Adds the numbers of another robot."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


def measure(
    policy: str, robots: int, minutes: float, tell: Callable[[str], None], options: Sequence[str] = ()
) -> dict[str, Any]:
    """robots: at once. options: of the server; with --ray, a replica is killed each minute. Raises ValueError."""
    source = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="rt-vla-soak-") as folder, serving(policy, (*ALIKE, *options)) as server:
        expected = Path(folder) / "expected.json"
        tell("computing the expected answers ...")
        local = load_policy(policy, device="cpu", plan="--plan" in options)
        set_threads(1)
        expected.write_text(json.dumps(expected_tokens(local)))
        fleet = _Fleet(server.address, expected, Path(folder), source)
        try:
            times, sizes, kills = _run(fleet, server.pid, robots, 60 * minutes, "--ray" in options, tell)
        finally:
            fleet.close()
    about = {"policy": policy, "minutes": minutes, "robots_at_once": robots, "robots": fleet.begun}
    about |= {"robots_killed": fleet.killed, "replicas_killed": kills}
    return {**about, **asdict(fleet.answers), "memory": summary(times, sizes)}


def expected_tokens(policy: Policy) -> list[list[list[int]]]:
    """The tokens of each step of each script, by the policy in this process."""
    found = []
    for script in range(SCRIPTS):
        policy.reset(_instruction(policy))
        seen = (_observation(policy, script, step) for step in range(STEPS))
        found.append([[int(token) for token in policy.act(one).tokens] for one in seen])
    return found


def _instruction(policy: Policy) -> str:
    return policy.warm_up_instruction if isinstance(policy, WarmUpPolicy) else "warm up"


def _observation(policy: Policy, script: int, step: int) -> Observation:
    noise = np.random.default_rng((script, step))
    images = {
        camera.name: noise.integers(0, 256, (camera.height, camera.width, 3), np.uint8)
        for camera in policy.card.cameras
    }
    return Observation(images, step * policy.card.decision_period, middle_state(policy.card.state))


class _Fleet:
    """Robot processes that are replaced when they end. begun, killed: numbers so far. answers: of the ended ones."""

    def __init__(self, address: str, expected: Path, folder: Path, source: random.Random) -> None:
        self._words = [sys.executable, "-m", "rt_vla_ros.benchmarks.serving_soak", address, str(expected)]
        self._folder, self._random = folder, source
        self._robots: dict[subprocess.Popen[bytes], tuple[Path, float | None]] = {}
        self.begun = self.killed = 0
        self.answers = Answers()

    def keep(self, count: int) -> None:
        """Collects the ended robots, ends those whose time has come by kill -9, and begins others."""
        for robot, (file, end) in list(self._robots.items()):
            if end is not None and time.monotonic() > end and robot.poll() is None:
                robot.kill()
                robot.wait()
                self.killed += 1
            if robot.poll() is not None:
                del self._robots[robot]
                self._collect(robot, file)
        while len(self._robots) < count:
            self.begun += 1
            file, stay = self._folder / f"robot{self.begun}", self._random.uniform(*STAY)
            end = time.monotonic() + stay if self._random.random() < KILLED else None
            words = [*self._words, str(self.begun % SCRIPTS), str(stay if end is None else 10 * stay)]
            with file.open("wb") as output:
                robot = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
            self._robots[robot] = file, end

    def close(self) -> None:
        """Ends and collects all."""
        for robot, (file, _) in self._robots.items():
            robot.kill()
            robot.wait()
            self._collect(robot, file)
        self._robots.clear()

    def _collect(self, robot: subprocess.Popen[bytes], file: Path) -> None:
        lines = [line for line in file.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        if robot.returncode not in (0, -signal.SIGKILL):
            raise ValueError(f"A robot of the benchmark failed: {file.read_text()[-2000:]}")
        if lines:
            self.answers.add(Answers(**json.loads(lines[-1])))
        file.unlink()


def _run(
    fleet: _Fleet, server: int, robots: int, seconds: float, kills_replicas: bool, tell: Callable[[str], None]
) -> tuple[list[float], dict[str, list[float]], int]:
    """Samples of the memory of the server and of its children but the replicas, by time; number of killed replicas."""
    begin, next_kill, next_sample, kills = time.monotonic(), REPLICA_KILLS, 0.0, 0
    times, sizes = list[float](), dict[str, list[float]]()
    while (now := time.monotonic() - begin) < seconds:
        fleet.keep(robots)
        if kills_replicas and now >= next_kill:
            next_kill, kills = now + REPLICA_KILLS, kills + _kill_replica(server)
        if now >= next_sample:
            next_sample = now + SAMPLE
            times.append(now)
            sizes.setdefault("server", []).append(resident(server))
            if kills_replicas:
                others = [resident(one) for one in descendants(server) if _name(one) != REPLICA]
                sizes.setdefault("Ray, without replicas", []).append(float(np.nansum(others)))
            said = f"{now / 60:.1f} min: {fleet.begun} robots, {_text(fleet.answers)}"
            tell(f"{said}, server {sizes['server'][-1]:.0f} MiB")
        time.sleep(0.2)
    return times, sizes, kills


def _text(answers: Answers) -> str:
    return ", ".join(f"{value} {name}" for name, value in asdict(answers).items())


def _name(process: int) -> str:
    with suppress(OSError):  # it has ended
        return (PROC / str(process) / "comm").read_text().strip()
    return ""


def _kill_replica(server: int) -> int:
    """Kills one of the replicas; whether there was one."""
    replicas = sorted(one for one in descendants(server) if _name(one) == REPLICA)
    if replicas:
        with suppress(ProcessLookupError):
            os.kill(replicas[0], signal.SIGKILL)
    return bool(replicas)


class SoakRobot:
    """Acts on a script's images and compares the tokens. After a late or lost answer it begins the script again."""

    def __init__(self, policy: RemotePolicy, script: int, expected: Sequence[Sequence[int]]) -> None:
        """expected: the tokens of each step."""
        self._policy, self._script, self._expected = policy, script, expected
        self._step, self._unanswered, self.answers = 0, 0, Answers()

    def decide(self) -> None:
        """One decision."""
        counts = self.answers
        try:
            if self._step == 0:
                self._policy.reset(_instruction(self._policy))
            chunk = self._policy.act(_observation(self._policy, self._script, self._step))
        except PolicyLateError as error:
            counts.late += 1
            self._unanswered += isinstance(error.__cause__, NoAnswerError)
            self._step = 0
        except PolicyLostError:
            counts.lost += 1
            self._step = 0
        else:
            equal = list(chunk.tokens) == list(self._expected[self._step])
            counts.right, counts.wrong = counts.right + equal, counts.wrong + (not equal)
            self._step = (self._step + 1) % len(self._expected)
        counts.twice = max(0, self._policy.dropped - self._unanswered)


def table(figures: dict[str, Any]) -> str:
    """Two tables in Markdown: the answers, and the memory."""
    robots = ("minutes", "robots at once", "robots", "robots killed", "replicas killed", "right answers", "wrong")
    counts = [str(value) for name, value in figures.items() if name not in ("policy", "memory")]
    memory = ("process", "start [MiB]", "end [MiB]", "growth [MiB/min]", "bound", "flat")
    sizes = (map(str, row.values()) for row in figures["memory"])
    return "\n\n".join([markdown([*robots, "repeated", "late", "lost"], [counts]), markdown(memory, sizes)])


def main() -> None:
    """One robot process: prints its counts as JSON after each decision."""
    address, expected, script, seconds = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), *sys.argv[3:5]
    try:
        policy = load_policy(address, remote=RemoteSettings(budget=BUDGET))
    except PolicyLostError:
        print(json.dumps(asdict(Answers(lost=1))))
        return
    if not isinstance(policy, RemotePolicy):
        raise SystemExit(f"{address} is not a policy server.")
    robot, begin = SoakRobot(policy, int(script), expected[int(script)]), time.monotonic()
    while (began := time.monotonic()) < begin + float(seconds):
        robot.decide()
        print(json.dumps(asdict(robot.answers)), flush=True)
        time.sleep(max(0.0, began + 1 / RATE - time.monotonic()))
    policy.close()


if __name__ == "__main__":
    main()
