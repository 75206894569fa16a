"""Continuous batching: decisions that begin at different times share passes, and every robot gets its own tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import Generator
from support.vlms import random_image, save_vlm

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.decoding.batch import BatchSession
from rt_vla_ros.policies.rt2.decoding.join_estimate import RECENT_OUTPUTS, RECENT_PASSES, JoinEstimate
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.shared import MAX_BATCH_SIZE, RunningRT2, SharedRT2
from rt_vla_ros.policies.shared import ContinuousPolicy, OneByOne

SENTENCES = ("pick up the red cube", "stop", "put the green ball into the bowl on the left side of the table")


def small(directory: Path, family: str = "smolvlm") -> RT2Policy:
    return open_policy(resolve(save_vlm(directory, family)), device=torch.device("cpu"))


def planning() -> RT2Policy:
    policy = load_policy("rt2-mini", device="cpu", plan=True)
    assert isinstance(policy, RT2Policy)
    return policy


def seen(policy: RT2Policy, chance: Generator, stamp: float) -> Observation:
    seed = int(chance.integers(4))
    return Observation({c.name: random_image(seed, c.height, c.width) for c in policy.card.cameras}, stamp)


class Fleet:
    """Robots that join and leave at random; each has a twin that decides alone. joins: requests beside others."""

    def __init__(self, policy: RT2Policy, robots: int, *, asking: float = 0.3) -> None:
        """asking: probability that an idle robot asks in a step."""
        self.chance, self.policy, self.asking = np.random.default_rng(1), policy, asking
        self.shared, self.alone = SharedRT2(policy), OneByOne(policy, policy.another)
        self.running = self.shared.running()
        self.twins: dict[Policy, Policy] = {self.shared.session(): self.alone.session() for _ in range(robots)}
        self.wanted: dict[Policy, ActionChunk | Exception] = {}
        self.decided = self.joins = 0
        for robot in self.twins:
            self.instruct(robot)

    def instruct(self, robot: Policy) -> None:
        sentence = SENTENCES[int(self.chance.integers(3))]
        for session in (robot, self.twins[robot]):
            session.reset(sentence)

    def step(self, number: int) -> None:
        joining = []
        for robot, twin in self.twins.items():
            if robot in self.wanted and self.chance.random() < 0.03:
                self.running.drop(robot)
                del self.wanted[robot]
                self.instruct(robot)
            if robot not in self.wanted and self.chance.random() < self.asking:
                observation = seen(self.policy, self.chance, float(number))
                self.joins += len(self.running._decoding.unfinished) > 0
                (self.wanted[robot],) = self.alone.act([(twin, observation)])
                joining.append((robot, observation))
        for robot, chunk in self.running.step(joining):
            wanted = self.wanted.pop(robot)
            assert isinstance(chunk, ActionChunk)
            assert isinstance(wanted, ActionChunk)
            assert (chunk.tokens, chunk.plan) == (wanted.tokens, wanted.plan)
            assert chunk.confidence == pytest.approx(wanted.confidence, abs=1e-3)
            assert chunk.legal_probability == pytest.approx(wanted.legal_probability, rel=1e-2, abs=1e-6)
            self.decided += 1


@pytest.mark.parametrize("family", ["smolvlm", "qwen2_5_vl", "paligemma"])
def test_every_robot_gets_its_tokens_whenever_others_join_and_leave(family: str, tmp_path: Path) -> None:
    """The prompts of these families differ in positions, masks and images."""
    fleet = Fleet(small(tmp_path, family), 5)
    for number in range(30):
        fleet.step(number)
    assert fleet.decided > 10
    assert fleet.joins > 5


def test_plans_of_different_lengths_too() -> None:
    fleet = Fleet(planning(), 4)
    for number in range(40):
        fleet.step(number)
    assert fleet.decided > 10
    assert fleet.joins > 5


def test_the_cache_does_not_grow_with_the_number_of_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, columns = Fleet(planning(), 6, asking=0.9), list[int]()
    read = BatchSession._read

    def noted(self: BatchSession, *rows: object) -> object:
        found = read(self, *rows)  # type: ignore[arg-type]
        keys = self._filled()[0].keys
        assert keys.shape[2] == self._visible.shape[1]
        columns.append(keys.shape[2])
        return found

    monkeypatch.setattr(BatchSession, "_read", noted)
    for number in range(100):
        fleet.step(number)
        assert fleet.running._decoding.unfinished or number == 0
    assert fleet.decided > 50
    assert max(columns[len(columns) // 2 :]) <= max(columns[: len(columns) // 2]) * 1.2


def test_what_prevents_one_robot_from_joining_does_not_affect_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = planning()
    shared = SharedRT2(policy)
    running, chance = shared.running(), np.random.default_rng(0)
    first, blind, broken = (shared.session() for _ in range(3))
    for session in (first, blind, broken):
        session.reset(SENTENCES[0])
    assert dict(running.step([(first, seen(policy, chance, 0.0))])) == {}
    (found,) = running.step([(blind, Observation({}, 0.0))])
    assert found[0] is blind
    assert isinstance(found[1], ValueError)
    with monkeypatch.context() as failing:
        failing.setattr(BatchSession, "prompt", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
        found = dict(running.step([(broken, seen(policy, chance, 0.0))]))
    assert [str(one) for one in found.values()] == ["out of memory"]
    assert list(found) == [broken]
    alone = policy.another()
    alone.reset(SENTENCES[0])
    wanted = alone.act(seen(policy, np.random.default_rng(0), 0.0))
    assert finish(running)[first].tokens == wanted.tokens


def test_an_error_in_a_joint_pass_ends_all_and_the_next_decisions_work(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = planning()
    shared = SharedRT2(policy)
    running, robots = shared.running(), [shared.session() for _ in range(2)]
    requests = [(robot, seen(policy, np.random.default_rng(2), 0.0)) for robot in robots]
    for method in ("more", "join"):
        for robot in robots:
            robot.reset(SENTENCES[0])
        assert dict(running.step(requests[:1])) == {}
        with monkeypatch.context() as failing:
            failing.setattr(BatchSession, method, lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
            found = dict(running.step(requests[1:]))
        lost = robots[:1] if method == "more" else robots  # a pass comes before prompts join
        assert {robot: str(found.pop(robot)) for robot in lost} == dict.fromkeys(lost, "out of memory")
        assert found == {}
        assert list(finish(running)) == [robot for robot in robots if robot not in lost]
    for robot in robots:
        robot.reset(SENTENCES[0])
    assert list(running.step(requests)) == []
    first, second = finish(running).values()
    assert first.tokens == second.tokens


def test_one_failing_prompt_fails_only_its_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = planning()
    shared = SharedRT2(policy)
    running, robots, real = shared.running(), [shared.session() for _ in range(4)], BatchSession.prompt
    seens = [seen(policy, np.random.default_rng(number), 0.0) for number in range(4)]
    seens[2] = Observation({name: np.zeros_like(image) for name, image in seens[2].images.items()}, 0.0)
    for robot in robots:
        robot.reset(SENTENCES[0])
    bad = policy.another()
    bad.reset(SENTENCES[0])
    pixels = bad.request(seens[2]).inputs["pixel_values"]

    def prompt(self: BatchSession, prompts: list[dict[str, torch.Tensor]], guesses: object) -> object:
        if any(torch.equal(one["pixel_values"], pixels) for one in prompts):
            raise ValueError("This image cannot be processed.")
        return real(self, prompts, guesses)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchSession, "prompt", prompt)
    assert list(running.step([(robots[0], seens[0])])) == []
    found = dict(running.step(list(zip(robots[1:], seens[1:], strict=True))))
    assert {robot: str(error) for robot, error in found.items()} == {robots[2]: "This image cannot be processed."}
    assert set(finish(running)) == {robots[0], robots[1], robots[3]}


def test_an_error_while_one_leaves_is_the_result_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = planning()
    shared = SharedRT2(policy)
    running, robots = shared.running(), [shared.session() for _ in range(3)]
    requests = [(robot, seen(policy, np.random.default_rng(0), 0.0)) for robot in robots]
    for robot in robots:
        robot.reset(SENTENCES[0])
    assert list(running.step(requests)) == []
    with monkeypatch.context() as failing:
        failing.setattr(BatchSession, "keep", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
        running.drop(robots[0])
    running.drop(robots[1])  # its instruction changes before it is told
    assert [(robot, str(error)) for robot, error in running.step(())] == [(robots[2], "out of memory")]
    robots[0].reset(SENTENCES[1])
    assert list(running.step(requests[:1])) == []
    assert list(finish(running)) == robots[:1]


def finish(running: RunningRT2) -> dict[Policy, ActionChunk]:
    found: dict[Policy, ActionChunk] = {}
    while running._decoding.unfinished:
        for session, chunk in running.step(()):
            assert isinstance(chunk, ActionChunk)
            found[session] = chunk
    return found


def test_a_session_in_progress_cannot_join_again_nor_more_than_fit(tmp_path: Path) -> None:
    policy = planning()
    shared = SharedRT2(policy)
    assert isinstance(shared, ContinuousPolicy)
    running, robot, chance = shared.running(), shared.session(), np.random.default_rng(0)
    robot.reset(SENTENCES[0])
    request = (robot, seen(policy, chance, 0.0))
    assert list(running.step([request])) == []
    with pytest.raises(ValueError, match="whose decision is not complete"):
        list(running.step([request]))
    others = [(shared.session(), request[1]) for _ in range(MAX_BATCH_SIZE)]
    with pytest.raises(ValueError, match=f"got {MAX_BATCH_SIZE} requests, this policy takes {MAX_BATCH_SIZE - 1}"):
        list(running.step(others))
    assert len(finish(running)) == 1


# When to join --------------------------------------------------------------------------------------------------------


def estimate(prompt: float, further: float, passes: int) -> JoinEstimate:
    made = JoinEstimate()
    for _ in range(RECENT_PASSES):
        made.prompts_took(prompt, 1)
        made.pass_took(further)
    for _ in range(RECENT_OUTPUTS):
        made.finished(passes)
    return made


def test_without_measurements_outputs_join() -> None:
    assert JoinEstimate().pays(1, [1, 5])


@pytest.mark.parametrize(
    ("passes", "others", "joining", "pays"),
    [
        (30, [1], 1, True),  # 29 passes of 20 ms are left, the prompt takes 100 ms
        (30, [24], 1, True),
        (30, [25], 1, False),
        (30, [26], 1, False),
        (30, [15, 16, 17], 1, False),  # it would delay three for 100 ms, and has to wait for 300 ms
        (30, [14, 16, 17], 1, True),
        (30, [15, 16, 17], 2, False),  # two prompts take twice as long
        (2, [1], 1, False),
        (2, [7], 4, False),  # longer than all recent outputs: about one pass is left
    ],
)
def test_outputs_join_if_that_saves_more_time_than_it_costs(
    passes: int, others: list[int], joining: int, pays: bool
) -> None:
    assert estimate(0.1, 0.02, passes).pays(joining, others) == pays


def test_prompts_that_are_cheaper_together_join_together() -> None:
    made = estimate(0.1, 0.02, 30)
    made.prompts_took(0.12, 4)
    assert not made.pays(1, [15, 16, 17])
    assert made.pays(4, [15, 16, 17])


def test_the_estimate_follows_what_was_measured_last() -> None:
    made = estimate(0.1, 0.02, 30)
    for _ in range(RECENT_OUTPUTS):
        made.finished(2)
    assert not made.pays(1, [1])
    for _ in range(RECENT_PASSES):
        made.prompts_took(0.01, 1)
    assert made.pays(1, [1])
