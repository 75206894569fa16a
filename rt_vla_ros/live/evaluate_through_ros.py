"""Runs the episodes of an evaluation on a ROS graph: policy, smoother and arm as a process each, in lock step."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.environments.environment import Ending, LaidTask
from rt_vla_ros.environments.tabletop import TabletopEnvironment, check_table_arm
from rt_vla_ros.evaluation.players import tabletop_frames
from rt_vla_ros.evaluation.record import SAME_TIME, EpisodeRecord, Trajectory, make_record
from rt_vla_ros.live.graph_session import GraphSession, RunFailed, tail
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.progress import Progress
from rt_vla_ros.runtime.confidence_gate import THRESHOLDS
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.pacing import steps_per_action
from rt_vla_ros.sim.scenes import TIME_LIMIT, Scene, make_scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD
from zenoh_ros.commands.errors import CliError

NAMESPACE = "/rt_vla_evaluation"
LAUNCHED = ("device", "weights", "trust_remote_code", "threads", "plan")
ATTEMPTS = 5  # for an episode in which the policy missed the first image


@contextmanager
def ros_player(
    policy: str,
    card: ActionCard,
    options: Mapping[str, object],
    progress: Progress,
    remote: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[RosPlayer]:
    """The graph, and a player on it.

    policy: name or path of a checkpoint. options: device, weights, trust_remote_code, threads, plan
    and the thresholds, as the policy node has them. remote: launch arguments for a policy server.
    Raises ActionCardError for actions that move a base, CliError if it fails.
    """
    check_table_arm(card)
    with PrivateGraph() as graph, tempfile.TemporaryDirectory() as folder:
        log, parameters = Path(folder) / "graph.log", Path(folder) / "parameters.yaml"
        period = card.execute_steps * steps_per_action(card.period) * CONTROL_PERIOD
        parameters.write_text(_parameters(card, period, options), encoding="utf-8")
        progress.line(f"Starting policy, smoother and simulated arm, a process each, in the namespace {NAMESPACE}.")
        arguments = {
            "policy": policy,
            "namespace": NAMESPACE,
            "lock_step": "true",
            "cameras": ",".join(spec.name for spec in card.cameras),
            "params_file": parameters,
            **remote,
            **{name: str(options[name]).lower() for name in LAUNCHED if options[name] not in ("auto", False, 0)},
        }
        words = ["policy.launch.py", *(f"{name}:={value}" for name, value in arguments.items() if value)]
        launched = graph.start("rt_vla_ros.cli", "launch", *words, log=log)
        with GraphSession(NAMESPACE, launched, progress) as session:
            try:
                session.wait_for_nodes()
                yield RosPlayer(session, period)
            except RunFailed as failure:
                raise CliError(f"{failure} Last output of the processes:\n{tail(log)}") from failure


def _parameters(card: ActionCard, period: float, options: Mapping[str, object]) -> str:
    """A ROS parameter file for the policy and the arm."""
    size = {"image_width": card.cameras[0].width, "image_height": card.cameras[0].height}
    arm: dict[str, object] = {**size, "policy_period": period, "time_limit": TIME_LIMIT}
    nodes = {"sim_arm_node": arm, "policy_node": {name: options[name] for name in THRESHOLDS}}
    return "".join(
        f"{NAMESPACE}/{node}:\n  ros__parameters:\n" + "".join(f"    {name}: {value}\n" for name, value in own.items())
        for node, own in nodes.items()
    )


class RosPlayer:
    """See evaluation.players.Player."""

    outcomes, about = TabletopEnvironment.outcomes, TabletopEnvironment.about

    def __init__(self, session: GraphSession, period: float) -> None:
        """period: from one decision of the policy to the next [s]."""
        self._session, self._period = session, period
        self._said = ""

    def play(self, suite: str, seed: int) -> tuple[EpisodeRecord, Trajectory]:
        """From a reset scene to the result. Raises RunFailed."""
        scene = make_scene(suite, seed)
        for _ in range(ATTEMPTS):
            if (played := self._attempt(scene)) is not None:
                return played
        raise RunFailed(f"In {ATTEMPTS} attempts the policy never started with the first image of the scene.")

    def draw(self, suite: str, record: EpisodeRecord, trajectory: Trajectory) -> Iterator[Pixels]:
        """See Player."""
        return tabletop_frames(suite, record, trajectory)

    def _attempt(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory] | None:
        """None if reordered messages made the policy see an image of the previous scene."""
        session, text = self._session, scene.task.instruction
        session.lay_scene(scene)
        session.instruct(text, again=text == self._said)
        self._said = text
        decisions = math.ceil((scene.task.time_limit - SAME_TIME) / self._period)
        if not session.watch(decisions * self._period - SAME_TIME, 0.01, self._terminated):
            session.wait(lambda: len(self._actions()) >= decisions)
        terminated = self._terminated()
        if not terminated:
            session.end_request()
        verdict = session.judge(terminated=terminated)
        seconds = round(verdict.seconds, 9)
        actions = self._actions()
        expected = math.ceil((seconds - SAME_TIME) / self._period) + (terminated and actions[-1][1].terminate)
        stamps = np.array([stamp for stamp, _, _ in actions], np.int64)
        if len(actions) != expected or (np.diff(stamps) != round(self._period * 1e9)).any():
            return None
        outcome, refusal = Outcome(verdict.outcome), session.refusal
        made = [(action, latency) for _, action, latency in actions]
        task = LaidTask(scene.seed, text, scene.target.name, scene.task.time_limit)
        ending = Ending(outcome.value, outcome.sentence)
        record = make_record(task, ending, made, seconds=seconds, terminated=terminated, refusal=refusal)
        return record, session.trajectory

    def _terminated(self) -> bool:
        return bool(self._actions()) and self._session.has_ended()

    def _actions(self) -> list[tuple[int, ActionChunk, float]]:
        """Stamp of the image [ns], action, latency [s]. A stop has no latency: no image was looked at for it."""
        events = zip(self._session.action_stamps, self._session.trajectory.actions, strict=True)
        return [(stamp, action, latency) for stamp, (_, action, latency) in events if latency > 0]
