"""A policy in its thread: what it is given, what it tells, and that nothing comes after a cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from support.chunks import ChunkPolicy, StreamingChunkPolicy, chunk_card
from support.runner_desk import MS, PATIENCE, Desk, Recorder

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, WARM_UP_RUNS, Policy
from rt_vla_ros.runtime.policy_runner import PolicyStep


def test_it_warms_up_before_it_is_ready_and_then_waits_for_a_request(desk: Desk) -> None:
    desk.start()
    assert (desk.policy.instructions, len(desk.policy.stamps)) == ([WARM_UP_INSTRUCTION], WARM_UP_RUNS + 1)
    desk.show(1000)
    desk.runner.request("pick up the red cube")
    (step,) = desk.listener.wait("step")
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1000 * MS
    assert desk.policy.instructions[1:] == ["pick up the red cube"]


def test_a_policy_that_says_so_is_warmed_up_in_its_own_way(desk: Desk) -> None:
    class Choosy(Recorder):
        warm_up_instruction, warm_up_runs = "open the drawer", 7

    desk.policy = Choosy()
    desk.start()
    assert (desk.policy.instructions, len(desk.policy.stamps)) == (["open the drawer"], 7 + 1)


def test_an_action_counts_from_its_image_or_its_request_whichever_came_later(desk: Desk) -> None:
    desk.start()
    desk.show(1000)  # waits for a request
    before_ns = time.monotonic_ns()
    desk.runner.request("pick up the red cube")
    after_ns = time.monotonic_ns()
    later_ns = after_ns + 7 * MS
    desk.listener.wait("step")
    desk.show(1200, arrival_ns=later_ns)
    first, second = desk.listener.wait("step", 2)
    assert isinstance(first, PolicyStep)
    assert isinstance(second, PolicyStep)
    assert before_ns <= first.arrival_ns <= after_ns
    assert second.arrival_ns == later_ns


@pytest.mark.parametrize(("front", "wrist"), [(1000, 1150), (1150, 1000)])
def test_an_action_of_two_cameras_is_as_old_as_the_older_image(front: int, wrist: int) -> None:
    desk = Desk(Recorder(), "front", "wrist")
    desk.start()
    desk.runner.request("pick up the red cube")
    desk.show(front, camera="front")
    desk.show(wrist, camera="wrist")
    (step,) = desk.listener.wait("step")
    desk.runner.close()
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1000 * MS
    assert desk.policy.stamps[-1] == 1.0


def test_an_output_that_is_no_action_ends_the_request(desk: Desk) -> None:
    desk.start()
    desk.policy.error = DecodingError("The network's output is not finite.")
    desk.runner.request("first")
    desk.show(1000)
    (sentence,) = desk.listener.wait("failed")
    assert sentence == "The network's output is not finite."
    assert not desk.runner.running


def test_an_action_that_cannot_be_told_ends_the_request_and_not_the_thread(desk: Desk) -> None:
    desk.start()
    tell = desk.listener.on_step

    def fail(step: PolicyStep) -> None:
        raise OverflowError("Python int too large to convert to C int")

    desk.listener.on_step = fail  # type: ignore[method-assign]
    desk.runner.request("first")
    desk.show(1000)
    (sentence,) = desk.listener.wait("failed")
    assert str(sentence).startswith("OverflowError: Python int too large to convert to C int (fail, line ")
    assert not desk.runner.running
    desk.listener.on_step = tell  # type: ignore[method-assign]
    desk.runner.request("second")
    desk.show(1200)
    desk.listener.wait("step")


def test_a_request_that_came_before_the_policy_was_loaded_is_carried_out(desk: Desk) -> None:
    desk.runner.request("pick up the red cube")
    desk.start()
    desk.show(1000)
    desk.listener.wait("step")


def test_a_new_request_forgets_the_history_once_and_carries_on(desk: Desk) -> None:
    desk.start()
    desk.runner.request("first")
    for i in range(3):
        desk.show(1000 + 200 * i)
        desk.listener.wait("step", i + 1)
    desk.runner.request("second")
    for i in range(3, 5):
        desk.show(1000 + 200 * i)
        desk.listener.wait("step", i + 1)
    assert desk.policy.instructions[1:] == ["first", "second"]


def test_a_clock_that_began_anew_begins_the_history_anew(desk: Desk) -> None:
    desk.start()
    desk.runner.request("pick up the red cube")
    for count, stamp_ms in enumerate((90_000, 90_200, 1000, 1200), 1):
        desk.now_ms = stamp_ms
        desk.show(stamp_ms)
        desk.listener.wait("step", count)
    assert desk.policy.instructions[1:] == ["pick up the red cube"] * 2
    assert desk.policy.stamps[-4:] == [90.0, 90.2, 1.0, 1.2]


def test_after_a_cancel_no_action_comes_not_even_the_one_in_the_making(desk: Desk) -> None:
    desk.start()
    desk.policy.gate.clear()
    desk.policy.inside.clear()
    desk.runner.request("first")
    desk.show(1000)
    assert desk.policy.inside.wait(PATIENCE)
    desk.runner.cancel()
    desk.policy.gate.set()
    desk.runner.request("second")
    desk.show(1200)
    (step,) = desk.listener.wait("step")
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1200 * MS
    assert desk.policy.instructions[1:] == ["first", "second"]


def test_it_says_how_long_the_step_in_the_making_has_taken(desk: Desk) -> None:
    desk.start()
    assert desk.runner.busy_ns == 0
    desk.policy.gate.clear()
    desk.policy.inside.clear()
    desk.runner.request("first")
    desk.show(1000)
    assert desk.policy.inside.wait(PATIENCE)
    first = desk.runner.busy_ns
    desk.now_ms += 300  # by the node's clock
    assert desk.runner.busy_ns > first > 0
    desk.policy.gate.set()
    (step,) = desk.listener.wait("step")
    assert isinstance(step, PolicyStep)
    assert step.took_ns == 300 * MS
    deadline = time.monotonic() + PATIENCE
    while desk.runner.busy_ns:
        assert time.monotonic() < deadline


def test_frames_that_come_during_an_inference_are_dropped_but_for_the_newest(desk: Desk) -> None:
    desk.start()
    desk.policy.gate.clear()
    desk.policy.inside.clear()
    desk.runner.request("first")
    desk.show(1000)
    assert desk.policy.inside.wait(PATIENCE)
    for stamp in (1200, 1233, 1266):
        desk.show(stamp)
    desk.policy.gate.set()
    steps = desk.listener.wait("step", 2)
    assert [step.stamp_ns // MS for step in steps if isinstance(step, PolicyStep)] == [1000, 1266]
    assert desk.runner.buffer is not None
    assert desk.runner.buffer.dropped == 2


def test_a_terminate_ends_the_request(desk: Desk) -> None:
    desk.policy = Recorder(terminate=True)
    desk.start()
    desk.runner.request("first")
    desk.show(1000)
    desk.listener.wait("step")
    assert not desk.runner.running
    desk.show(1200)
    desk.runner.request("second")
    desk.show(1400)
    steps = desk.listener.wait("step", 2)
    assert [step.stamp_ns // MS for step in steps if isinstance(step, PolicyStep)] in ([1000, 1200], [1000, 1400])


def chunks_desk(policy: ChunkPolicy, *, stream: bool = False) -> Desk:
    desk = Desk(policy)  # type: ignore[arg-type]
    desk.load = lambda: policy
    desk.stream = stream
    desk.start()
    desk.runner.request("first")
    desk.show(1000)
    return desk


def test_a_terminate_in_the_middle_ends_the_request_when_its_step_is_due() -> None:
    desk = chunks_desk(ChunkPolicy(chunk_card(execute_steps=4), end=2))
    desk.listener.wait("step")
    assert desk.runner.running
    for stamp_ms in (1399.999, 1400):
        desk.now_ms = stamp_ms
        assert (desk.runner.conclude(), desk.runner.running) == ((True, False) if stamp_ms == 1400 else (False, True))
    assert not desk.runner.conclude()
    desk.show(2000)
    desk.runner.request("second")
    assert len(desk.listener.wait("step", 2)) == 2
    desk.runner.close()


def test_after_a_terminate_in_the_middle_nothing_is_decided_any_more() -> None:
    class Counting(ChunkPolicy):
        decided = 0

        def act(self, observation: Observation) -> ActionChunk:
            self.decided += 1
            return super().act(observation)

    policy = Counting(chunk_card(execute_steps=2), end=1)
    desk = chunks_desk(policy)
    desk.listener.wait("step")
    decided = policy.decided
    desk.show(1400)
    desk.runner.request("second")
    desk.listener.wait("step", 2)
    desk.runner.close()
    assert policy.decided == decided + 1


@pytest.mark.parametrize("now_ms", [0, 999, 10_000_000])
def test_a_request_does_not_wait_for_its_end_by_another_clock(now_ms: float) -> None:
    desk = chunks_desk(ChunkPolicy(chunk_card(execute_steps=4), end=3))
    desk.listener.wait("step")
    desk.now_ms = now_ms
    assert desk.runner.conclude()
    desk.runner.close()


def test_a_cancel_while_the_last_steps_are_executed_is_the_end() -> None:
    desk = chunks_desk(ChunkPolicy(chunk_card(execute_steps=4), end=3))
    desk.listener.wait("step")
    desk.runner.cancel()
    assert not desk.runner.running
    desk.now_ms = 2000
    assert not desk.runner.conclude()
    desk.runner.close()


def test_first_steps_and_the_rest_are_told_with_one_stamp() -> None:
    desk = chunks_desk(StreamingChunkPolicy(), stream=True)
    steps = [step for step in desk.listener.wait("step", 2) if isinstance(step, PolicyStep)]
    desk.runner.close()
    assert [(len(step.decision.chunk.steps), step.stamp_ns // MS) for step in steps] == [(1, 1000), (4, 1000)]


@pytest.mark.parametrize(("took_ms", "end", "told"), [(199, None, [1, 4]), (200, None, [4]), (200, 0, [1])])
def test_first_steps_whose_time_has_passed_are_told_before_the_rest_only_where_they_end_the_request(
    took_ms: float, end: int | None, told: list[int]
) -> None:
    class Late(StreamingChunkPolicy):
        def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
            desk.now_ms = 1000 + took_ms
            yield from super().act_streaming(observation)

    desk = Desk(Recorder())
    desk.load, desk.stream = lambda: Late(end=end), True
    desk.start()
    desk.runner.request("first")
    desk.show(1000)
    steps = desk.listener.wait("step", len(told))
    desk.runner.close()
    assert [len(step.decision.chunk.steps) for step in steps if isinstance(step, PolicyStep)] == told


def test_the_rest_of_a_request_that_is_over_is_not_told() -> None:
    gate = threading.Event()

    class Slow(StreamingChunkPolicy):
        def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
            early, whole = super().act_streaming(observation)
            yield early
            assert gate.wait(PATIENCE)
            yield whole

    desk = chunks_desk(Slow(), stream=True)
    desk.listener.wait("step")
    desk.runner.cancel()
    gate.set()
    desk.runner.request("second")
    desk.show(1400)
    steps = [step for step in desk.listener.wait("step", 3) if isinstance(step, PolicyStep)]
    desk.runner.close()
    assert [(len(step.decision.chunk.steps), step.stamp_ns // MS) for step in steps] == [
        (1, 1000),
        (1, 1400),
        (4, 1400),
    ]


def test_an_image_that_cannot_be_used_makes_no_action_and_the_next_one_does(desk: Desk) -> None:
    desk.start()
    desk.runner.request("first")
    desk.show(1000, "bad")
    assert desk.listener.wait("rejected") == ["The image is no image."]
    desk.show(1200)
    desk.listener.wait("step")
    assert desk.policy.instructions[1:] == ["first"]


def test_an_instruction_that_the_policy_refuses_ends_the_request(desk: Desk) -> None:
    desk.start()
    desk.runner.request("nonsense")
    desk.show(1000)
    assert desk.listener.wait("failed") == ["The instruction is nonsense."]
    assert not desk.runner.running
    assert not desk.listener.all("step")


def test_a_policy_that_breaks_down_ends_the_request_and_says_where(desk: Desk) -> None:
    desk.start()
    desk.policy.error = RuntimeError("out of memory")
    desk.runner.request("first")
    desk.show(1000)
    (sentence,) = desk.listener.wait("failed")
    assert str(sentence).startswith("RuntimeError: out of memory (act, line ")
    desk.policy.error = None
    desk.runner.request("second")
    desk.show(1200)
    desk.listener.wait("step")


def test_a_policy_that_cannot_be_loaded_is_told_of(desk: Desk) -> None:
    def load() -> Policy:
        raise ValueError("There is no such policy.")

    desk.load = load
    desk.runner.start()
    assert desk.listener.wait("load_failed") == ["There is no such policy."]


def test_a_request_that_is_suspended_goes_on_from_a_fresh_frame_without_a_history(desk: Desk) -> None:
    desk.start()
    desk.runner.request("pick up the red cube")
    desk.show(1000)
    desk.listener.wait("step")
    desk.policy.inside.clear()
    desk.policy.gate.clear()
    desk.show(1400)
    assert desk.policy.inside.wait(PATIENCE)
    desk.runner.suspend()  # while it decides
    desk.policy.gate.set()
    desk.show(1800)
    assert desk.runner.running
    desk.now_ms = 2000
    desk.runner.go_on()
    desk.show(1990)  # was under way
    desk.show(2010)
    _, step = desk.listener.wait("step", 2)
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 2010 * MS
    assert desk.policy.instructions[1:] == ["pick up the red cube"] * 2
    assert desk.policy.stamps[-2:] == [1.4, 2.01]


def test_an_instruction_that_comes_while_it_is_suspended_waits(desk: Desk) -> None:
    desk.start()
    desk.runner.suspend()
    desk.runner.request("lift the blue ball")
    desk.show(1000)
    desk.now_ms = 1300
    desk.runner.go_on()
    desk.show(1300)
    (step,) = desk.listener.wait("step")
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1300 * MS
    assert desk.policy.instructions[1:] == ["lift the blue ball"]


def test_a_clock_that_begins_anew_after_a_suspension_keeps_no_frame_out(desk: Desk) -> None:
    desk.start()
    desk.runner.request("pick up the red cube")
    desk.now_ms = 5000
    desk.runner.go_on()
    desk.now_ms = 20
    desk.show(20)
    desk.listener.wait("step")


def test_a_suspension_takes_back_an_end_that_the_policy_saw_coming() -> None:
    policy = ChunkPolicy(chunk_card(execute_steps=4), end=2)
    desk = Desk(policy)  # type: ignore[arg-type]
    desk.start()
    desk.runner.request("pick up the red cube")
    desk.show(1000)
    desk.listener.wait("step")
    desk.runner.suspend()
    desk.now_ms = 9000
    assert not desk.runner.conclude()
    assert desk.runner.running
    desk.runner.close()
