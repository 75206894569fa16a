"""Who plays the episodes of an evaluation: the simulator in this process, or whoever else can tell how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rt_vla_ros.evaluation.baselines import Informed
from rt_vla_ros.evaluation.record import Record, make_record
from rt_vla_ros.evaluation.recording import Recording
from rt_vla_ros.evaluation.rollout import Step, make_controller, rollout
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim


@dataclass(frozen=True)
class Played:
    """An episode that is over."""

    record: Record
    recording: Recording


class Player(Protocol):
    """Plays scenes with one policy, one after the other."""

    def play(self, scene: Scene) -> Played:
        """From a freshly laid table to the judgement."""


class DirectPlayer:
    """The simulator and the policy in this process, without ROS, in the very steps that the nodes take in lock-step."""

    def __init__(self, policy: Policy) -> None:
        camera = policy.card.cameras[0]
        self._policy = policy
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._controller = make_controller(self._sim)

    def play(self, scene: Scene) -> Played:
        """See Player."""
        recording = Recording()

        def watch(step: Step) -> None:
            recording.states.append((step.stamp, self._sim.data.qpos.copy()))
            recording.images.append((step.stamp, step.image))
            recording.actions.append((step.stamp, step.action, step.latency))

        if isinstance(self._policy, Informed):
            self._policy.tell(scene, self._sim)
        episode = rollout(self._policy, scene, self._sim, self._controller, on_step=watch)
        return Played(make_record(scene, episode, [action for _, action, _ in recording.actions]), recording)

    def close(self) -> None:
        """Give the graphics memory back."""
        self._sim.close()
