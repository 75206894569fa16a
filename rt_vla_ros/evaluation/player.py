"""Runs the episodes of an evaluation: in this process, or behind the same protocol somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rt_vla_ros.evaluation.baselines import PrivilegedPolicy
from rt_vla_ros.evaluation.record import EpisodeRecord, make_record
from rt_vla_ros.evaluation.rollout import RolloutStep, make_controller, rollout
from rt_vla_ros.evaluation.trajectory import Trajectory
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim


@dataclass(frozen=True)
class PlayedEpisode:
    """A finished episode: its summary and its time series."""

    record: EpisodeRecord
    trajectory: Trajectory


class Player(Protocol):
    """Runs episodes of one policy, one after the other."""

    def play(self, scene: Scene) -> PlayedEpisode:
        """One episode, from the reset to the outcome."""


class DirectPlayer:
    """Simulator and policy in this process, without ROS, in the same steps as the nodes in lock step."""

    def __init__(self, policy: Policy, *, min_confidence: float = 0.0) -> None:
        """min_confidence: as in the policy node."""
        camera = policy.card.cameras[0]
        self._policy, self._min_confidence = policy, min_confidence
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._controller = make_controller(self._sim)

    def play(self, scene: Scene) -> PlayedEpisode:
        """See Player."""
        trajectory = Trajectory()

        def on_step(step: RolloutStep) -> None:
            trajectory.states.append((step.stamp, self._sim.data.qpos.copy()))
            trajectory.images.append((step.stamp, step.image))
            trajectory.actions.append((step.stamp, step.action, step.latency))

        if isinstance(self._policy, PrivilegedPolicy):
            self._policy.set_scene(scene, self._sim)
        episode = rollout(
            self._policy,
            scene,
            self._sim,
            self._controller,
            min_confidence=self._min_confidence,
            on_step=on_step,
        )
        return PlayedEpisode(make_record(scene, episode, [action for _, action, _ in trajectory.actions]), trajectory)

    def close(self) -> None:
        """Release the graphics memory."""
        self._sim.close()
