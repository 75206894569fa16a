"""Plays the episodes of an evaluation on a ROS graph: policy, smoother and arm as a process each, in lock-step."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.evaluation.record import SAME_TIME, EpisodeRecord, Trajectory, make_record
from rt_vla_ros.live.graph_session import ANSWER, STALL, GraphSession, RunFailed, tail
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.live.recorder import Recorder, join, leave
from rt_vla_ros.progress import Progress
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.pacing import steps_per_action
from rt_vla_ros.sim.scenes import TIME_LIMIT, Scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD
from zenoh_ros.commands.errors import CliError

NAMESPACE = "/rt_vla_evaluation"
LAUNCHED = ("device", "weights", "trust_remote_code")
ATTEMPTS = 5  # at an episode whose first image the policy did not get first
# One small image at a time: more threads only get into each other's way, and sum up in another order.
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def ros_player(policy: str, card: ActionCard, options: Mapping[str, object], progress: Progress) -> Iterator[RosPlayer]:
    """The graph, and a player on it.

    policy: name or path of a checkpoint. options: device, weights, trust_remote_code and
    min_confidence, as the policy node has them.
    Raises CliError where it breaks down.
    """
    with PrivateGraph() as graph, tempfile.TemporaryDirectory() as folder:
        log, parameters = Path(folder) / "graph.log", Path(folder) / "parameters.yaml"
        period = steps_per_action(card.period) * CONTROL_PERIOD
        parameters.write_text(_parameters(card, period, options["min_confidence"]), encoding="utf-8")
        progress.line(f"Starting policy, smoother and simulated arm, a process each, in the namespace {NAMESPACE}.")
        arguments = {
            "policy": policy,
            "namespace": NAMESPACE,
            "lock_step": "true",
            "params_file": parameters,
            **{name: str(options[name]).lower() for name in LAUNCHED if options[name] not in ("auto", False)},
        }
        words = ["policy.launch.py", *(f"{name}:={value}" for name, value in arguments.items() if value)]
        launched = graph.start("rt_vla_ros.cli", "launch", *words, log=log, variables=SINGLE_THREAD)
        recorder = join(NAMESPACE, "evaluation")
        try:
            player = RosPlayer(recorder, launched, progress, period)
            player.wait_for_nodes()
            yield player
        except RunFailed as failure:
            raise CliError(f"{failure} What the processes said last:\n{tail(log)}") from failure
        finally:
            leave(recorder)


def _parameters(card: ActionCard, period: float, min_confidence: object) -> str:
    """A ROS parameter file for the policy and the arm."""
    camera = card.cameras[0]
    values: dict[str, object] = {
        "image_width": camera.width,
        "image_height": camera.height,
        "policy_period": period,
        "time_limit": TIME_LIMIT,
    }
    nodes: dict[str, dict[str, object]] = {"sim_arm_node": values, "policy_node": {"min_confidence": min_confidence}}
    lines = [
        f"{NAMESPACE}/{node}:\n  ros__parameters:\n" + "".join(f"    {name}: {value}\n" for name, value in own.items())
        for node, own in nodes.items()
    ]
    return "".join(lines)


class RosPlayer(GraphSession):
    """See evaluation.rollout.Player."""

    def __init__(
        self, recorder: Recorder, launched: subprocess.Popen[bytes], progress: Progress, period: float
    ) -> None:
        """period: from one image of a scene to the next [s]."""
        super().__init__(recorder, launched, progress)
        self._period = period
        self._said = ""

    def play(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory]:
        """From a freshly laid table to the judgement. Raises RunFailed."""
        for _ in range(ATTEMPTS):
            played = self._attempt(scene)
            if played is not None:
                return played
        raise RunFailed(f"In {ATTEMPTS} attempts the policy never began with the first image of the scene.")

    def _attempt(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory] | None:
        """None where messages overtook each other so that the policy saw an image of the scene before."""
        self._begin(scene)
        terminated = self._watch(scene.task.time_limit)
        if not terminated and not self.recorder.stop_policy(_soon()):
            raise RunFailed("The policy node did not stop when time was up.")
        verdict = self.recorder.judge(_soon(), terminated=terminated)
        if verdict is None:
            raise RunFailed("The simulated arm did not say how the scene stands.")
        seconds = round(verdict.seconds, 9)
        expected = round(seconds / self._period) + terminated
        self.recorder.wait(lambda: len(self._actions()) >= expected, _soon())
        actions = self._actions()
        if len(actions) != expected or not self._one_after_the_other(actions):
            return None
        outcome, refusal = Outcome(verdict.outcome), self.recorder.refusal
        made = [(action, latency) for _, action, latency in actions]
        record = make_record(scene, outcome, made, seconds=seconds, terminated=terminated, refusal=refusal)
        return record, self.recorder.trajectory

    def _begin(self, scene: Scene) -> None:
        refused = self.recorder.lay_scene(scene.suite, scene.seed, "", _soon())
        if refused is not None:
            raise RunFailed(f"The scene could not be laid: {refused}.")
        text = scene.task.instruction
        # The policy node takes the same text again for the same request.
        heard = self.recorder.restart_policy(_soon()) if text == self._said else self.recorder.instruct(text, _soon())
        if not heard:
            raise RunFailed("Nobody listened to the instruction.")
        self._said = text

    def _watch(self, limit: float) -> bool:
        """Until the policy says that it is done, or `limit` [s] is over; whether it was the policy."""
        recorder, seen, changed = self.recorder, -1, time.monotonic()
        while True:
            actions = self._actions()
            if actions and actions[-1][1].terminate:
                return True
            if recorder.trajectory.time >= limit - SAME_TIME:
                return False
            events = len(recorder.trajectory.states) + len(actions)
            if events != seen:
                seen, changed = events, time.monotonic()
            elif time.monotonic() - changed > STALL:
                reason = recorder.status.reason if recorder.status is not None else "the smoother is silent"
                raise RunFailed(f"Nothing happened for {STALL:.0f} s: {reason}")
            recorder.wait(lambda: False, time.monotonic() + 0.01)

    def _actions(self) -> list[tuple[int, EndEffectorAction, float]]:
        """Stamp of the image [ns], action, latency [s]. A stop has no latency: no image was looked at for it."""
        events = zip(self.recorder.action_stamps, self.recorder.trajectory.actions, strict=True)
        return [(stamp, action, latency) for stamp, (_, action, latency) in events if latency > 0]

    def _one_after_the_other(self, actions: list[tuple[int, EndEffectorAction, float]]) -> bool:
        stamps = np.array([stamp for stamp, _, _ in actions], np.int64)
        return bool((np.diff(stamps) == round(self._period * 1e9)).all())


def _soon() -> float:
    return time.monotonic() + ANSWER
