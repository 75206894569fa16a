"""Players run the episodes of an evaluation: in this process or, through ROS, in others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

from rt_vla_ros.environments.environment import FAILED, REFUSED, Ending, Environment, EnvironmentFailure, LaidTask
from rt_vla_ros.environments.tabletop import TabletopEnvironment
from rt_vla_ros.evaluation.baselines import PrivilegedPolicy
from rt_vla_ros.evaluation.record import EpisodeRecord, Trajectory, make_record
from rt_vla_ros.evaluation.replay import draw_images, draw_run
from rt_vla_ros.evaluation.rollout import Follower, RolloutStep, make_controller, play_episode
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim

RENDER_RATE = Fraction(5, 2)  # frames of a video per simulated second


class Player(Protocol):
    """Runs episodes of one policy sequentially. outcomes: the possible outcomes of an episode.

    about: description of the environment for a report."""

    @property
    def outcomes(self) -> tuple[str, ...]: ...
    @property
    def about(self) -> Mapping[str, Any]: ...

    def play(self, suite: str, seed: int) -> tuple[EpisodeRecord, Trajectory]:
        """Run one episode, from the reset to the outcome."""

    def draw(self, suite: str, record: EpisodeRecord, trajectory: Trajectory) -> Iterator[Pixels]:
        """The video frames of a finished episode."""


def tabletop_frames(suite: str, record: EpisodeRecord, trajectory: Trajectory) -> Iterator[Pixels]:
    """An episode on the simulated table."""
    scene = make_scene(suite, record.seed)
    return draw_run(trajectory, scene, record.reason, success=record.success, rate=RENDER_RATE)


class DirectPlayer:
    """Environment and policy without ROS; on the simulated table in the same steps as the nodes in lock step.

    delay: of the following episodes, see rollout [s].
    """

    def __init__(
        self,
        policy: Policy,
        environment: Environment | None = None,
        follower: Follower | None = None,
        *,
        min_confidence: float = 0.0,
        min_legal_probability: float = 0.0,
    ) -> None:
        """environment, follower: None for the simulated table and its controller.

        min_confidence, min_legal_probability: as in the policy node. Raises ActionCardError if the environment does not
        support the policy.
        """
        self.delay = 0.0
        self._policy = policy
        self._play = partial(play_episode, min_confidence=min_confidence, min_legal_probability=min_legal_probability)
        if environment is None or follower is None:
            camera = policy.card.cameras[0]
            sim = TabletopSim(size=(camera.width, camera.height))
            environment, follower = TabletopEnvironment(sim), make_controller(sim)
        environment.refuse(policy.card)
        self._environment, self._follower = environment, follower

    @property
    def outcomes(self) -> tuple[str, ...]:
        """See Player."""
        return self._environment.outcomes

    @property
    def about(self) -> Mapping[str, Any]:
        """Description of the environment for a report."""
        return self._environment.about

    def play(self, suite: str, seed: int) -> tuple[EpisodeRecord, Trajectory]:
        """See Player. A crash or timeout of the environment's process is stated in the record.

        So is an instruction of a foreign task that the policy refuses. Raises InstructionError for one of our own.
        """
        trajectory, delay, environment = Trajectory(), self.delay, self._environment
        tabletop = environment if isinstance(environment, TabletopEnvironment) else None

        def on_period(time: float) -> None:
            if tabletop is not None:
                trajectory.states.append((time, tabletop.sim.data.qpos.copy()))

        def on_step(step: RolloutStep) -> None:
            trajectory.images.append((step.stamp, step.image))
            trajectory.actions.append((step.stamp + delay, step.chunk, delay or step.latency))

        task = LaidTask(seed, "", suite, 0.0)
        try:
            task = environment.lay(suite, seed)
            if tabletop is not None and isinstance(self._policy, PrivilegedPolicy):
                self._policy.set_scene(tabletop.scene, tabletop.sim)
            record = self._play(
                self._policy, environment, task, self._follower, delay=delay, on_step=on_step, on_period=on_period
            )
        except InstructionError as refusal:
            if tabletop is not None:
                raise
            ending = Ending(REFUSED, f"The policy refused the instruction. {refusal}")
            record = make_record(task, ending, [], seconds=0.0, terminated=False, refusal="", ended_by_itself=True)
        except EnvironmentFailure as failure:
            made = [(chunk, latency) for _, chunk, latency in trajectory.actions]
            seconds = trajectory.images[-1][0] if trajectory.images else 0.0
            ending = Ending(FAILED, str(failure))
            record = make_record(
                task, ending, made, seconds=seconds, terminated=False, refusal="", ended_by_itself=True
            )
        return record, trajectory

    def draw(self, suite: str, record: EpisodeRecord, trajectory: Trajectory) -> Iterator[Pixels]:
        """See Player."""
        if isinstance(self._environment, TabletopEnvironment):
            return tabletop_frames(suite, record, trajectory)
        return draw_images(trajectory, record.instruction, record.reason, success=record.success)

    def close(self) -> None:
        """Release the graphics memory, and end the environment's process."""
        self._environment.close()
