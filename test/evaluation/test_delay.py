"""What a delay between image and action does to a rollout, against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.rollout import check_delay, make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim

SCENE = make_scene("pick-colours", 0)


class PlannedPolicy:
    """Decision k moves sideways by plan[k] [m] in each of its steps, later ones by nothing; it keeps the stamps."""

    name = "planned"

    def __init__(
        self,
        plan: Sequence[float],
        *,
        horizon: int,
        execute_steps: int = 1,
        done: int | None = None,
        rule: str = "newest",
    ) -> None:
        """done: number of the step of every decision that terminates. rule: of the ensemble."""
        card = tabletop_card("planned", horizon=horizon)
        self.card = replace(card, execute_steps=execute_steps, ensemble=Ensemble(rule))
        self._plan, self._done = list(plan), done
        self.stamps: list[float] = []

    def reset(self, instruction: str) -> None:
        self.stamps.clear()

    def act(self, observation: Observation) -> ActionChunk:
        number = len(self.stamps)
        self.stamps.append(observation.stamp)
        move = np.array([0.0, self._plan[number] if number < len(self._plan) else 0.0, 0.0])
        steps = [EndEffectorStep(move, np.zeros(3), 0.0, i == self._done) for i in range(self.card.horizon)]
        return ActionChunk(tuple(steps), self.card.period, frame_id=self.card.frame_id, ensemble=self.card.ensemble)


def play(policy: PlannedPolicy, sim: TabletopSim, delay: float, periods: int = 12) -> tuple[EpisodeRecord, float]:
    """And how far the arm was led sideways [m]."""
    decisions = periods // policy.card.execute_steps
    record = rollout(policy, SCENE, sim, make_controller(sim), delay=delay, max_steps=decisions)
    return record, float(sim.reference_position[1] - SCENE.layout.start[1])


@pytest.mark.parametrize(
    ("delay", "execute_steps", "stamps"),
    [
        (0.0, 1, [0.0, 0.2, 0.4, 0.6]),
        (0.1, 1, [0.0, 0.2, 0.4, 0.6]),
        (0.2, 1, [0.0, 0.2, 0.4, 0.6]),
        (0.3, 1, [0.0, 0.3, 0.6, 0.9]),
        (0.4, 1, [0.0, 0.4, 0.8, 1.2]),
        (0.0, 3, [0.0, 0.6, 1.2, 1.8]),
        (0.4, 3, [0.0, 0.6, 1.2, 1.8]),
        (0.7, 3, [0.0, 0.7, 1.4, 2.1]),
    ],
)
def test_a_decision_begins_when_the_last_one_is_there_and_the_card_says_so(
    sim: TabletopSim, delay: float, execute_steps: int, stamps: list[float]
) -> None:
    policy = PlannedPolicy([], horizon=4, execute_steps=execute_steps)
    record, _ = play(policy, sim, delay)
    assert policy.stamps[:4] == pytest.approx(stamps)
    assert record.steps == len(policy.stamps)
    assert record.seconds == pytest.approx(2.4)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_a_single_step_is_done_whole_however_late_it_is(sim: TabletopSim, delay: float) -> None:
    _, led = play(PlannedPolicy([0.01, -0.004, 0.02], horizon=1), sim, delay)
    assert led == pytest.approx(0.026, abs=2e-4)


def led_by_compensated_chunks(plan: Sequence[float], delay: float) -> float:
    """How far, where a decision is followed for `delay` [s] from its arrival on, which is when the next image is taken.

    At the end of that the arm is where the decision leads from where the arm was on its image, however it got there.
    Decisions that move nothing leave it there.
    """
    at = [0.0, 0.0]  # [m], on the images of decisions 0 and 1: before the first one is there
    for number, step in enumerate(plan):
        at.append(at[number] + step * 2 * delay / 0.2)
    return at[-1]


@pytest.mark.parametrize("plan", [(0.006, -0.003, 0.008), (0.01, 0.01, 0.01), (0.01, 0.008, 0.004)])
@pytest.mark.parametrize("delay", [0.2, 0.4])
def test_compensated_chunks_lead_on_from_where_the_arm_was_on_their_image(
    sim: TabletopSim, delay: float, plan: tuple[float, ...]
) -> None:
    _, led = play(PlannedPolicy(plan, horizon=4, rule="compensated"), sim, delay)
    assert led == pytest.approx(led_by_compensated_chunks(plan, delay), abs=2e-4)


@pytest.mark.parametrize("delay", [0.2, 0.4])
def test_by_the_rule_newest_what_has_passed_of_chunks_stays_undone(sim: TabletopSim, delay: float) -> None:
    _, led = play(PlannedPolicy([0.01, -0.004, 0.02], horizon=4), sim, delay)
    assert led == pytest.approx(0.026 * delay / 0.2, abs=2e-4)


def test_without_delay_the_first_step_of_each_chunk_is_done(sim: TabletopSim) -> None:
    _, led = play(PlannedPolicy([0.01, -0.004, 0.02], horizon=4), sim, 0.0)
    assert led == pytest.approx(0.026, abs=2e-4)


def test_until_the_first_decision_is_there_nothing_moves(sim: TabletopSim) -> None:
    at: list[float] = []
    policy = PlannedPolicy([0.03] * 9, horizon=4)
    rollout(
        policy,
        SCENE,
        sim,
        make_controller(sim),
        delay=0.4,
        max_steps=4,
        on_period=lambda _: at.append(sim.reference_position[1]),
    )
    assert at[0] == at[1] == at[2] < at[3] - 0.01


@pytest.mark.parametrize(("delay", "done", "seconds"), [(0.0, 0, 0.0), (0.4, 0, 0.4), (0.1, 3, 0.62), (0.4, 3, 0.62)])
def test_a_terminate_ends_the_episode_when_it_comes_due(
    sim: TabletopSim, delay: float, done: int, seconds: float
) -> None:
    """In the middle of a chunk the tick after that notices it."""
    policy = PlannedPolicy([], horizon=4, execute_steps=4, done=done)
    record, _ = play(policy, sim, delay)
    assert record.terminated
    assert record.seconds == pytest.approx(seconds)


def test_of_a_single_step_the_terminate_comes_after_the_delay(sim: TabletopSim) -> None:
    record, _ = play(PlannedPolicy([], horizon=1, done=0), sim, 0.3)
    assert (record.terminated, record.seconds, record.steps) == (True, 0.3, 1)


@pytest.mark.parametrize("delay", [-0.02, 0.03, 1.02, float("nan"), float("inf")])
def test_refuses_delays_that_cannot_be(delay: float) -> None:
    with pytest.raises(ValueError, match=r"expected a multiple of 0.02 s from 0 to 1 s"):
        check_delay(delay)


def test_takes_every_tick_up_to_the_oldest_action() -> None:
    assert [check_delay(delay) for delay in (0.0, 0.02, 0.3, 1.0)] == [0.0, 0.02, 0.3, 1.0]
