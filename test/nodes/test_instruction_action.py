"""The action of the policy node: goals begin requests, and every end of one is told with its reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from rclpy.action import ActionClient
from rt_vla_ros.action import ExecuteInstruction
from rt_vla_ros.msg import ControllerStatus, RefusedRequest
from std_srvs.srv import SetBool, Trigger
from support.actions import one_step
from support.node_bench import NodeBench
from support.policy_rig import PlayedPolicy, Rig

from rt_vla_ros.nodes import instruction_action, policy_node, smoother_watch
from rt_vla_ros.nodes.conversions import nanoseconds

Result = ExecuteInstruction.Result
PICK = "pick up the red cube"
MOVING, TERMINATED, STOPPED = ControllerStatus.MOVING, ControllerStatus.TERMINATED, ControllerStatus.STOPPED


class Asker:
    """A client of the action, and what it heard of its newest goal."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.bench = rig, rig.bench
        self.client = ActionClient(rig.bench.world, ExecuteInstruction, "policy_node/execute")
        self.feedback: list[Any] = []
        rig.bench.until(self.client.server_is_ready, "no server")

    def send(self, instruction: str = PICK, limit: Duration | None = None) -> Any:
        """The goal's handle."""
        self.feedback.clear()
        goal = ExecuteInstruction.Goal(instruction=instruction, time_limit=limit or Duration())
        future = self.client.send_goal_async(goal, feedback_callback=lambda heard: self.feedback.append(heard.feedback))
        self.bench.until(future.done, "no answer")
        return future.result()

    def begin(self, instruction: str = PICK, limit: Duration | None = None) -> Any:
        """The future of the result of a goal that is taken."""
        goal = self.send(instruction, limit)
        assert goal.accepted
        return goal.get_result_async()

    def end(self, future: Any) -> tuple[int, int, str]:
        """Status, outcome and sentence."""
        self.bench.until(future.done, "no result")
        answer = future.result()
        return answer.status, answer.result.outcome, answer.result.sentence


@pytest.fixture
def asker(rig: Rig) -> Asker:
    rig.smoother.tell(commanded_distance=0.0)
    rig.bench.until(lambda: rig.node._smoother._status is not None)
    return Asker(rig)


def test_a_goal_begins_a_request_and_tells_how_far_it_is(rig: Rig, asker: Asker) -> None:
    result = asker.begin("  pick up  the red cube\n")
    rig.until_action()
    rig.until_action()
    rig.smoother.tell(commanded_distance=0.25)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].distance == 0.25)
    assert rig.policy.instructions == [PICK]
    heard = asker.feedback[-1]
    assert (heard.step, heard.confidence, heard.plan) == (2, 1.0, "")
    assert 0 < heard.image_age < 5
    assert not result.done()


def test_in_a_dry_run_feedback_and_result_say_that_the_arm_is_not_commanded(rig: Rig, asker: Asker) -> None:
    rig.smoother.tell(commanded_distance=0.0, dry_run=True)
    result = asker.begin()
    rig.until_action()
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].waits_for == instruction_action.DRY_RUN)
    rig.smoother.tell(dry_run=False)
    rig.bench.until(lambda: asker.feedback[-1].waits_for == "")
    rig.policy._action = one_step(terminate=True, frame_id=rig.policy.card.frame_id)
    rig.until_action()
    rig.smoother.tell(state=TERMINATED)
    status, outcome, sentence = asker.end(result)
    assert (status, outcome) == (GoalStatus.STATUS_SUCCEEDED, Result.SUCCEEDED)
    assert sentence.endswith(f" {instruction_action.DRY_RUN}")


def test_while_the_policy_is_loaded_a_goal_says_so_and_its_limit_counts(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def load(_name: str, tell: Callable[[str], None], **_options: Any) -> PlayedPolicy:
        tell("weights, 3 of 9")
        loaded.wait()
        return PlayedPolicy()

    monkeypatch.setattr(policy_node, "load_policy", load)
    bench.add(policy_node.PolicyNode())
    heard: list[Any] = []
    client = ActionClient(bench.world, ExecuteInstruction, "policy_node/execute")
    bench.until(client.server_is_ready, "no server")

    def send(limit: Duration) -> Any:
        goal = ExecuteInstruction.Goal(instruction=PICK, time_limit=limit)
        sent = client.send_goal_async(goal, feedback_callback=lambda message: heard.append(message.feedback.waits_for))
        bench.until(sent.done, "no answer")
        return sent.result().get_result_async()

    try:
        ended = send(Duration(nanosec=500_000_000))
        bench.until(ended.done, "no result")
        result = ended.result().result
        assert heard[0] == "The policy is being loaded: weights, 3 of 9."
        assert result.outcome == Result.TIMED_OUT
        assert result.sentence == "The time limit of 0.5 s is reached. The policy is being loaded: weights, 3 of 9."
        ended = send(Duration())
        heard.clear()
        bench.until(lambda: heard)
    finally:
        loaded.set()
    bench.until(lambda: heard[-1] == "", "it is still being loaded")
    assert not ended.done()


def test_before_the_first_action_nothing_is_made_up(rig: Rig, asker: Asker) -> None:
    asker.begin()
    rig.bench.until(lambda: asker.feedback)
    heard = asker.feedback[0]
    assert (heard.step, heard.confidence, heard.image_age, heard.distance) == (0, -1.0, -1.0, 0.0)


def test_the_goal_succeeds_when_the_policy_says_done_and_the_arm_stands_still(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.smoother.tell(state=MOVING, commanding=True, commanded_distance=0.1)
    rig.until_action()
    rig.policy._action = one_step(terminate=True, frame_id=rig.policy.card.frame_id)
    rig.until_action()
    rig.bench.spin_for(0.5)
    assert not result.done(), "the arm brakes"
    rig.smoother.tell(state=TERMINATED, commanding=False, commanded_distance=0.3)
    sentence = "The policy reports that the instruction is done."
    assert asker.end(result) == (GoalStatus.STATUS_SUCCEEDED, Result.SUCCEEDED, sentence)
    told = result.result().result
    assert told.distance == pytest.approx(0.3)
    assert 0 < nanoseconds(told.duration) < 60e9


def test_a_canceled_goal_stops_the_arm_and_ends_when_it_stands_still(rig: Rig, asker: Asker) -> None:
    goal = asker.send()
    result = goal.get_result_async()
    rig.smoother.tell(state=MOVING, commanding=True)
    rig.until_action()
    canceled = goal.cancel_goal_async()
    assert rig.until_stop().plan == "The goal was canceled."
    rig.bench.until(canceled.done)
    assert len(canceled.result().goals_canceling) == 1
    rig.bench.spin_for(0.3)
    assert not result.done()
    again = goal.cancel_goal_async()
    rig.bench.until(again.done)
    assert not again.result().goals_canceling
    rig.smoother.tell(state=TERMINATED, commanding=False)
    assert asker.end(result) == (GoalStatus.STATUS_CANCELED, Result.CANCELED, "The goal was canceled.")


def test_a_smoother_that_says_nothing_does_not_hold_the_result_back(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_action, "STANDSTILL", 0.2)
    goal = asker.send()
    result = goal.get_result_async()
    rig.smoother.tell(state=MOVING, commanding=True)
    rig.smoother.fall_silent()
    goal.cancel_goal_async()
    assert asker.end(result)[1] == Result.CANCELED


def test_the_time_limit_ends_it(rig: Rig, asker: Asker) -> None:
    result = asker.begin(limit=Duration(nanosec=300_000_000))
    rig.until_action()
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.TIMED_OUT, "The time limit of 0.3 s is reached.")
    assert rig.until_stop().plan == "The time limit of 0.3 s is reached."
    assert nanoseconds(result.result().result.duration) >= 300_000_000


def _say_nothing(rig: Rig) -> str:
    rig.say("")
    return "The instruction is empty: stop."


def _disable(rig: Rig) -> str:
    rig.bench.call(SetBool, "policy_node/enable", data=False)
    return "The policy was disabled."


def _stop_the_smoother(rig: Rig) -> str:
    rig.smoother.tell(state=STOPPED, reason="The stop service was called.")
    return "The smoother was stopped: The stop service was called."


@pytest.mark.parametrize("stop", [_say_nothing, _disable, _stop_the_smoother])
def test_whoever_stops_the_arm_ends_the_goal(rig: Rig, asker: Asker, stop: Callable[[Rig], str]) -> None:
    result = asker.begin()
    rig.until_action()
    sentence = stop(rig)
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.STOPPED, sentence)


def test_the_stop_service_ends_the_goal(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    rig.bench.world.create_client(Trigger, "policy_node/stop").call_async(Trigger.Request())
    assert rig.until_stop().stop
    rig.smoother.tell(state=STOPPED, reason="The stop service of the policy was called.")
    assert asker.end(result)[1:] == (Result.STOPPED, "The stop service of the policy was called.")


def test_another_instruction_takes_its_place_and_the_same_one_does_not(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    rig.say(PICK)
    rig.until_action()
    assert not result.done()
    rig.say("push the ball")
    expected = "Preempted by another instruction: 'push the ball'."
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.REPLACED, expected)
    rig.until_action()
    assert rig.policy.instructions == [PICK, "push the ball"]


def test_another_goal_takes_its_place_even_with_the_same_text(rig: Rig, asker: Asker) -> None:
    first = asker.begin()
    rig.until_action()
    second = asker.begin()
    assert asker.end(first)[1:] == (Result.REPLACED, f"Preempted by another goal: {PICK!r}.")
    rig.until_action()
    assert not second.done()
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].step == 1)
    assert rig.policy.instructions == [PICK, PICK]


def test_a_goal_takes_the_place_of_what_the_topic_began(rig: Rig, asker: Asker) -> None:
    rig.say("push the ball")
    rig.until_action()
    asker.begin()
    rig.until_action()
    rig.until_action()  # one of the request before may still have been on its way
    assert rig.policy.instructions == ["push the ball", PICK]


def test_the_restart_service_ends_the_goal(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    assert rig.bench.call(Trigger, "policy_node/restart").success
    assert asker.end(result)[1:] == (Result.REPLACED, "The request was restarted by the restart service.")


def test_a_policy_that_fails_ends_the_goal(rig: Rig, asker: Asker) -> None:
    result = asker.begin("nonsense")
    rig.show()
    assert asker.end(result) == (
        GoalStatus.STATUS_ABORTED,
        Result.FAULT,
        "The request failed: The instruction is nonsense.",
    )
    rig.bench.until_diagnostics("policy_node", 2, "The request failed: The instruction is nonsense.")


def test_a_fault_that_lasts_ends_the_goal_with_the_sentence_of_the_diagnostics(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_action, "LASTING", 0.2)
    result = asker.begin()
    rig.until_action()
    rig.show(encoding="odd")
    status, outcome, sentence = asker.end(result)
    assert (status, outcome) == (GoalStatus.STATUS_ABORTED, Result.FAULT)
    assert sentence.startswith("Camera 'front' cannot be used: ")
    assert rig.until_stop().plan == sentence


def test_a_fault_of_the_smoother_that_lasts_ends_the_goal(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_action, "LASTING", 0.3)
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.FAULT, reason="TF does not know the tip.")
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.FAULT, "TF does not know the tip.")
    rig.bench.until_diagnostics("policy_node", 2, "TF does not know the tip.")


def test_a_fault_that_passes_does_not_end_it(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.FAULT, reason="The action holds a NaN.")
    rig.bench.spin_for(0.5)
    rig.smoother.tell(state=MOVING, reason="")
    rig.until_action()
    assert not result.done()


def test_a_fault_from_before_its_first_action_does_not_end_it(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_action, "LASTING", 0.2)
    rig.smoother.tell(state=ControllerStatus.FAULT, reason="The policy is gone: no node publishes actions any more.")
    rig.bench.until(lambda: rig.node._smoother.fault)
    result = asker.begin()
    rig.bench.spin_for(0.6)
    assert not result.done(), "the policy may be slow, or be loaded"
    rig.until_action()
    assert asker.end(result)[:2] == (GoalStatus.STATUS_ABORTED, Result.FAULT)


def test_a_smoother_that_dies_ends_the_goal(rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoother_watch, "GONE", 4)
    result = asker.begin()
    rig.until_action()
    rig.smoother.fall_silent()
    sentence = "The request was aborted: the smoother that followed its actions is gone."
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.FAULT, sentence)
    assert not asker.send().accepted


@pytest.mark.parametrize(
    ("instruction", "limit", "sentence"),
    [
        ("", Duration(), "The instruction is empty."),
        ("\n ", Duration(), "The instruction is empty."),
        ("x" * 2000, Duration(), "The instruction has 2000 characters, expected at most 1000"),
        (PICK, Duration(sec=-1), "Its time limit is -1 s, expected 0 (none) or more."),
    ],
)
def test_what_cannot_be_carried_out_is_refused(
    rig: Rig, asker: Asker, capfd: pytest.CaptureFixture[str], instruction: str, limit: Duration, sentence: str
) -> None:
    running = asker.begin()
    rig.until_action()
    assert not asker.send(instruction, limit).accepted
    assert f"The goal is refused: {sentence}" in capfd.readouterr().err
    rig.until_action()
    assert not running.done(), "the goal before goes on"


def test_nothing_begins_while_disabled_or_stopped(rig: Rig, asker: Asker, capfd: pytest.CaptureFixture[str]) -> None:
    _disable(rig)
    assert not asker.send().accepted
    assert "The goal is refused: The policy is disabled; call /policy_node/enable" in capfd.readouterr().err
    rig.bench.call(SetBool, "policy_node/enable", data=True)
    _stop_the_smoother(rig)
    rig.bench.until(lambda: rig.node._smoother.refusal is not None)
    assert not asker.send().accepted
    assert "The goal is refused: The smoother is stopped: The stop service was called." in capfd.readouterr().err
    rig.smoother.tell(state=TERMINATED, reason="")
    rig.bench.until(lambda: rig.node._smoother.refusal is None)
    assert asker.send().accepted


def test_a_smoother_that_counts_anew_is_counted_on(rig: Rig, asker: Asker) -> None:
    asker.begin()
    rig.smoother.tell(commanded_distance=0.25)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].distance == 0.25)
    rig.smoother.tell(commanded_distance=0.125)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].distance == 0.375)
    rig.smoother.tell(commanded_distance=float("nan"))
    rig.bench.spin_for(0.3)
    assert asker.feedback[-1].distance == 0.375


def test_what_a_human_moves_is_no_distance_of_the_goal(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(commanded_distance=0.25)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].distance == 0.25)
    rig.smoother.tell(awaits_resume=True, state=ControllerStatus.HUMAN, commander="human")
    rig.bench.until(lambda: asker.feedback[-1].waits_for)
    rig.smoother.tell(commanded_distance=0.75)
    rig.bench.until(lambda: rig.node._smoother.path(human=True) == 0.5)
    rig.smoother.tell(awaits_resume=False, state=ControllerStatus.IDLE, commander="")
    rig.bench.until(lambda: not asker.feedback[-1].waits_for)
    rig.smoother.tell(commanded_distance=0.875)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].distance == 0.375)
    rig.say("")
    asker.end(result)
    assert (result.result().result.distance, result.result().result.human_distance) == (0.375, 0.5)


def test_the_end_of_the_node_is_told(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.until_action()
    rig.node.close()
    assert asker.end(result)[1:] == (Result.STOPPED, "The policy node was shut down.")


def test_after_a_goal_the_same_text_by_topic_begins_nothing(rig: Rig, asker: Asker) -> None:
    goal = asker.send()
    result = goal.get_result_async()
    rig.until_action()
    goal.cancel_goal_async()
    assert asker.end(result)[1] == Result.CANCELED
    rig.say(PICK)
    rig.show()
    rig.bench.spin_for(0.3)
    assert rig.policy.instructions == [PICK]


def refused(rig: Rig, reason: str) -> list[RefusedRequest]:
    """What a smoother tells of the newest request."""
    newest = rig.actions[-1]
    return [RefusedRequest(publisher=newest.publisher, request=newest.request, reason=reason)]


RIVAL = "The arm follows /other/policy_node: the actions of /policy_node are refused. Send the instruction again."
GUARD = "The arm is not ready: Servo halts for a collision. The request is over."


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ({"state": MOVING, "followed_publisher": "/other/policy_node#1"}, RIVAL, Result.REFUSED),
        ({"state": ControllerStatus.FAULT}, GUARD, Result.FAULT),
    ],
)
def test_a_goal_whose_actions_the_smoother_refuses_is_aborted_and_says_why(
    rig: Rig, asker: Asker, status: dict[str, Any], reason: str, outcome: int
) -> None:
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(refused=refused(rig, reason), **status)
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, outcome, reason)
    rig.bench.until_diagnostics("policy_node", 2, reason)
    count = len(rig.actions)
    rig.show()
    rig.bench.spin_for(0.3)
    assert len(rig.actions) == count, "nothing more comes of it, not even a stop: another one may move the arm"
    assert not asker.begin("push the ball").done()
    rig.until_action()
    assert rig.policy.instructions == [PICK, "push the ball"]


def test_done_is_no_success_where_the_smoother_followed_another_one(rig: Rig, asker: Asker) -> None:
    result = asker.begin()
    rig.smoother.tell(state=MOVING, commanding=True, followed_publisher="/other/policy_node#1")
    rig.policy._action = one_step(terminate=True, frame_id=rig.policy.card.frame_id)
    rig.until_action()
    begin = time.monotonic()
    rig.smoother.tell(refused=refused(rig, RIVAL))
    assert asker.end(result) == (GoalStatus.STATUS_ABORTED, Result.REFUSED, RIVAL)
    assert time.monotonic() - begin < instruction_action.STANDSTILL, "it waited until the other one's arm stands still"


def test_an_instruction_of_the_topic_whose_actions_are_refused_is_over(rig: Rig) -> None:
    rig.say(PICK)
    rig.until_action()
    rig.smoother.tell(refused=refused(rig, GUARD), state=ControllerStatus.FAULT)
    rig.bench.until_diagnostics("policy_node", 2, GUARD)
    count = len(rig.actions)
    for _ in range(2):
        rig.say(PICK)  # as `ros2 topic pub` repeats it
        rig.show()
        rig.bench.spin_for(0.2)
    assert len(rig.actions) == count
    rig.say("push the ball")
    rig.until_action()


def test_a_goal_waits_while_a_human_commands_and_says_so(rig: Rig, asker: Asker) -> None:
    result = asker.begin(limit=Duration(sec=1))
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.HUMAN, commander="human", awaits_resume=True)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].waits_for.startswith("A human is in control"))
    rig.bench.spin_for(1.2)
    assert not result.done()
    rig.smoother.tell(state=ControllerStatus.IDLE, commander="", awaits_resume=False)
    rig.bench.until(lambda: asker.feedback[-1].waits_for == "")
    assert asker.end(result)[1] == Result.TIMED_OUT


def test_a_fault_while_a_human_commands_does_not_end_the_goal(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_action, "LASTING", 0.2)
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(
        state=ControllerStatus.FAULT, reason="The operator's command cannot be executed.", awaits_resume=True
    )
    rig.bench.spin_for(0.6)
    assert not result.done()
    rig.smoother.tell(state=ControllerStatus.IDLE, reason="", awaits_resume=False)
    rig.until_action()
    assert not result.done()


def test_a_goal_that_ends_while_a_human_commands_does_not_say_that_the_policy_acts_again(
    rig: Rig, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoother_watch, "GONE", 4)
    result = asker.begin()
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.HUMAN, commander="human", awaits_resume=True)
    rig.bench.until(lambda: asker.feedback and asker.feedback[-1].waits_for)
    rig.smoother.fall_silent()
    assert asker.end(result)[1] == Result.FAULT
    assert asker.feedback[-1].waits_for
