"""Requests join decisions in progress; each is answered once, by its own policy, as soon as it is decided."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from support.fleet_policies import CountingPolicy, view
from support.policy_server import RunningServer

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt2.decoding.engine import Decoded
from rt_vla_ros.policies.rt2.decoding.join_estimate import JoinEstimate
from rt_vla_ros.policies.rt2.decoding.joint import JointDecoding, OutputRequest
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.serving.decider import LateRequestError, LocalDecider
from rt_vla_ros.serving.model_worker import ModelWorker, Ticket

PATIENCE = 30.0
Serve = Callable[..., RunningServer]


class Stepwise:
    """A ContinuousPolicy whose decisions take as many steps as the image is bright, each when the test permits it."""

    max_batch_size = 3

    def __init__(self, policy: Policy) -> None:
        self.name, self.card, self.willing = policy.name, policy.card, True
        self.permits, self.steps = threading.Semaphore(0), list[tuple[int, int]]()
        self.left: dict[Policy, int] = {}
        self.broken, self.begun = False, 0

    def session(self) -> Policy:
        return CountingPolicy(self.card)

    def act(self, requests: Sequence[tuple[Policy, Observation]]) -> list[ActionChunk | Exception]:
        raise AssertionError("requests join those in progress")

    def running(self) -> Stepwise:
        return self

    def admits(self, count: int) -> bool:
        assert count >= 0
        return self.willing

    def step(self, joining: Sequence[tuple[Policy, Observation]]) -> Iterator[tuple[Policy, ActionChunk | Exception]]:
        self.begun += 1
        assert self.permits.acquire(timeout=PATIENCE)
        self.steps.append((len(self.left), len(joining)))
        if self.broken:
            raise RuntimeError("The model is broken.")
        for session, observation in joining:
            self.left[session] = int(observation.images["front"].mean())
        for session in list(self.left):
            self.left[session] -= 1
            if self.left[session] <= 0:
                del self.left[session]
                yield session, session.act(view(200))

    def drop(self, session: Policy) -> None:
        self.left.pop(session, None)


class Rig:
    """A worker with three robots."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        made: list[Stepwise] = []

        def share(policy: Policy) -> Stepwise:
            made.append(Stepwise(policy))
            return made[0]

        self.worker = ModelWorker(
            lambda: LocalDecider(CountingPolicy(), threads=1, share=share),
            time.monotonic,
            max_batch=8,
            max_wait=0.0,
            on_batch=lambda size, _seconds: self.sizes.append(size),
        )
        self.worker.start()
        self.worker.loaded.result(PATIENCE)
        self.policy = made[0]
        self.robots = [self.worker.call(self.policy.session).result(PATIENCE) for _ in range(4)]

    def ask(self, robot: int, steps: int, budget: float = PATIENCE) -> Ticket:
        now = time.monotonic()
        ticket = Ticket(self.robots[robot], view(steps), now, now + budget)
        self.worker.submit(ticket)
        return ticket

    def permit(self, count: int = 1) -> None:
        """Permits steps, and waits until the next one has begun, which requests can no longer join, or all are done."""
        for _ in range(count):
            self._permit_one(len(self.policy.steps) + 1)

    def _permit_one(self, number: int) -> None:
        policy = self.policy
        policy.permits.release()
        until(lambda: len(policy.steps) == number and (policy.begun > number or not policy.left))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.policy.permits.release(1000)
    made.worker.close()


def test_a_short_decision_is_answered_before_a_long_one_that_began_earlier(rig: Rig) -> None:
    long = rig.ask(0, 5)
    rig.permit()
    short = rig.ask(1, 2)
    rig.permit(3)
    decided = short.answer.result(PATIENCE)
    assert decided.batch == 2
    assert not long.answer.done()
    rig.permit()
    assert long.answer.result(PATIENCE).batch == 2
    assert rig.policy.steps == [(0, 1), (1, 0), (1, 1), (2, 0), (1, 0)]
    until(lambda: rig.sizes == [1, 1, 2, 2, 1])


def test_requests_wait_while_joining_does_not_pay_and_for_a_free_place(rig: Rig) -> None:
    rig.policy.willing = False
    first = rig.ask(0, 4)
    rig.permit()
    others = [rig.ask(1, 3), rig.ask(2, 3), rig.ask(3, 1)]
    rig.permit()
    rig.policy.willing = True
    rig.permit(2)
    assert first.answer.result(PATIENCE).batch == 3
    rig.permit(2)
    assert [one.answer.result(PATIENCE).batch for one in others] == [3, 3, 3]
    assert rig.policy.steps == [(0, 1), (1, 0), (1, 0), (1, 2), (2, 1), (2, 0)], "at most three at a time"


def test_a_new_instruction_ends_the_decision_in_progress_and_no_other(rig: Rig) -> None:
    first = rig.ask(0, 9)
    rig.permit()
    other = rig.ask(1, 4)
    rig.permit()
    rig.worker.forget(rig.robots[0], "A new instruction was set.")
    reset = rig.worker.call(lambda: rig.robots[0].reset("stop"))
    rig.permit()
    with pytest.raises(LateRequestError, match="A new instruction was set"):
        first.answer.result(PATIENCE)
    reset.result(PATIENCE)
    rig.permit(3)
    assert other.answer.result(PATIENCE).chunk.tokens == (1, 200)
    again = rig.ask(0, 1)
    rig.permit()
    assert again.answer.result(PATIENCE).chunk.tokens == (1, 200)


def test_a_call_runs_between_two_steps_of_a_long_decision(rig: Rig) -> None:
    long = rig.ask(0, 4)
    rig.permit()
    called = [rig.worker.call(lambda number=number: number) for number in range(2)]  # type: ignore[misc]
    rig.permit(2)
    assert [one.result(PATIENCE) for one in called] == [0, 1], "one after each step"
    assert not long.answer.done()
    rig.permit()
    long.answer.result(PATIENCE)


def test_an_error_of_a_step_is_the_answer_of_all_and_the_worker_goes_on(rig: Rig) -> None:
    first = rig.ask(0, 5)
    rig.permit()
    second = rig.ask(1, 5)
    rig.permit()
    rig.policy.broken = True
    rig.permit()
    for ticket in (first, second):
        with pytest.raises(RuntimeError, match="The model is broken"):
            ticket.answer.result(PATIENCE)
    rig.policy.broken = False
    again = rig.ask(0, 1)
    rig.permit()
    assert again.answer.result(PATIENCE).chunk.tokens == (1, 200)


def test_a_decision_that_is_late_ends_and_does_not_hold_up_the_next(rig: Rig) -> None:
    late = rig.ask(0, 9, budget=3.0)
    other = rig.ask(1, 9)
    rig.permit()
    until(lambda: time.monotonic() > late.deadline)
    rig.permit()
    with pytest.raises(LateRequestError):
        late.answer.result(PATIENCE)
    assert rig.robots[0] not in rig.policy.left
    assert 2.0 < rig.worker._batcher.expected(2) < PATIENCE, "it would have taken longer"
    again = rig.ask(0, 1)
    rig.permit(2)
    assert again.answer.result(PATIENCE).chunk.tokens == (1, 200)
    assert not other.answer.done()


def test_errors_are_not_taken_for_quick_decisions(rig: Rig) -> None:
    rig.policy.broken = True
    broken = rig.ask(0, 1)
    rig.permit()
    with pytest.raises(RuntimeError):
        broken.answer.result(PATIENCE)
    assert rig.worker._batcher.expected(1) == 0.0
    assert not rig.worker._batcher._durations


def test_requests_in_progress_are_answered_when_the_server_ends(rig: Rig) -> None:
    asked = rig.ask(0, 9)
    rig.permit()
    ending = threading.Thread(target=rig.worker.close, args=(PATIENCE,))
    ending.start()
    until(lambda: rig.worker._closing)
    rig.policy.permits.release()
    with pytest.raises(LateRequestError, match="shutting down"):
        asked.answer.result(PATIENCE)
    ending.join(PATIENCE)


def test_a_robot_that_leaves_ends_its_decision(rig: Rig) -> None:
    gone = rig.ask(0, 9)
    rig.permit()
    rig.worker.forget(rig.robots[0], "The robot disconnected.", for_good=True)
    rig.permit()
    with pytest.raises(LateRequestError, match="disconnected"):
        gone.answer.result(PATIENCE)
    assert rig.policy.left == {}


@pytest.mark.parametrize("whole", [False, True])
def test_a_policy_decides_continuously_unless_whole_batches_are_asked_for(whole: bool) -> None:
    decider = LocalDecider(CountingPolicy(), threads=1, share=Stepwise, whole_batches=whole)
    assert (decider.running() is None) == whole


def test_a_policy_of_one_pass_decides_whole_batches() -> None:
    assert LocalDecider(CountingPolicy(), threads=1).running() is None


def test_robots_that_plan_get_what_they_would_get_alone(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the wire, on a model whose plans take different numbers of passes."""
    monkeypatch.setattr(JoinEstimate, "pays", lambda *_: True)
    real, joined = JointDecoding.begin, list[int]()

    def begin(self: JointDecoding[RT2Policy], requests: Mapping[RT2Policy, OutputRequest]) -> dict[RT2Policy, Decoded]:
        joined.extend([len(requests)] * (len(self.unfinished) > 0))
        return real(self, requests)

    monkeypatch.setattr(JointDecoding, "begin", begin)
    server = serve({"rt2-mini": lambda: load_policy("rt2-mini", device="cpu", plan=True)})
    local = load_policy("rt2-mini", device="cpu", plan=True)
    sentences = ("pick up the red cube", "pick up the blue cube", "pick up the green cube")
    noise = np.random.default_rng(0)
    images = [
        {
            camera.name: noise.integers(0, 256, (camera.height, camera.width, 3), np.uint8)
            for camera in local.card.cameras
        }
        for _ in range(3)
    ]

    def decided(policy: Policy, sentence: str) -> list[tuple[object, ...]]:
        policy.reset(sentence)
        chunks = [policy.act(Observation(images[step % 3], 0.2 * step)) for step in range(12)]
        return [(chunk.tokens, chunk.plan) for chunk in chunks]

    found: dict[str, list[tuple[object, ...]]] = {}

    def robot(sentence: str) -> None:
        found[sentence] = decided(load_policy(server.address, remote=RemoteSettings(budget=30.0)), sentence)

    threads = [threading.Thread(target=robot, args=(sentence,)) for sentence in sentences]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert joined
    assert found == {sentence: decided(local, sentence) for sentence in sentences}
