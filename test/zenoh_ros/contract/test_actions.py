"""Clients and servers of actions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from rclpy.action import (
    ActionClient,
    ActionServer,
    CancelResponse,
    GoalResponse,
    get_action_client_names_and_types_by_node,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from rt_vla_ros.action import ExecuteInstruction
from std_srvs.srv import Trigger
from unique_identifier_msgs.msg import UUID

GOAL = ExecuteInstruction.Goal(instruction="lift the cube")
TYPE = "rt_vla_ros/action/ExecuteInstruction"


def succeed(handle: Any) -> Any:
    handle.succeed()
    return ExecuteInstruction.Result(sentence=f"done: {handle.request.instruction}")


@pytest.fixture
def pair(world: Any) -> Callable[..., SimpleNamespace]:
    """Makes a server that takes these callbacks, and a client that sees it."""

    def make(execute: Callable[[Any], Any] = succeed, **options: Any) -> SimpleNamespace:
        serving, asking = world.node("serving"), world.node("asking")
        server = ActionServer(serving, ExecuteInstruction, "do", execute, **options)
        client = ActionClient(asking, ExecuteInstruction, "do")
        assert client.wait_for_server(20.0)
        return SimpleNamespace(serving=serving, asking=asking, server=server, client=client)

    return make


def send(world: Any, client: ActionClient, **options: Any) -> Any:
    return world.answer(client.send_goal_async(GOAL, **options))


def held(handles: list[Any]) -> tuple[Callable[[Any], Any], Future]:
    """An execution that ends when the future is done, and the handles it was called with."""
    gate: Future = Future()

    async def execute(handle: Any) -> Any:
        handles.append(handle)
        end = await gate
        getattr(handle, end)()
        return ExecuteInstruction.Result(sentence=end)

    return execute, gate


def test_a_goal_is_accepted_executed_and_its_result_is_told(world: Any, pair: Any) -> None:
    client = pair().client
    handle = send(world, client)
    assert handle.accepted
    assert handle.stamp.sec > 0
    answer = world.answer(handle.get_result_async())
    assert (answer.status, answer.result.sentence) == (GoalStatus.STATUS_SUCCEEDED, "done: lift the cube")
    assert world.spin_until(lambda: handle.status == GoalStatus.STATUS_SUCCEEDED)
    assert world.answer(handle.get_result_async()).result == answer.result, "it can be asked for again"


def test_a_goal_may_be_refused(world: Any, pair: Any) -> None:
    seen = []

    def refuse(goal: Any) -> GoalResponse:
        seen.append(goal.instruction)
        return GoalResponse.REJECT

    handle = send(world, pair(goal_callback=refuse).client)
    assert (handle.accepted, seen) == (False, ["lift the cube"])
    answer = world.answer(handle.get_result_async())
    assert answer.status == GoalStatus.STATUS_UNKNOWN


def test_what_is_no_goal_response_refuses(world: Any, pair: Any) -> None:
    assert not send(world, pair(goal_callback=lambda goal: True).client).accepted


def test_a_goal_may_be_thought_about(world: Any, pair: Any) -> None:
    gate: Future = Future()

    async def think(goal: Any) -> Any:
        return await gate

    future = pair(goal_callback=think).client.send_goal_async(GOAL)
    world.spin_for(0.2)
    assert not future.done()
    gate.set_result(GoalResponse.ACCEPT)
    assert world.answer(future).accepted


def test_feedback_goes_to_the_client_of_the_goal(world: Any, pair: Any) -> None:
    handles: list[Any] = []
    execute, gate = held(handles)
    both = pair(execute)
    mine: list[Any] = []
    others: list[Any] = []
    first = send(world, both.client, feedback_callback=mine.append)
    send(world, both.client, feedback_callback=others.append)
    assert world.spin_until(lambda: len(handles) == 2)
    of_first = next(handle for handle in handles if handle.goal_id == first.goal_id)
    of_first.publish_feedback(ExecuteInstruction.Feedback(step=7))
    assert world.spin_until(lambda: mine)
    assert (mine[0].feedback.step, mine[0].goal_id, others) == (7, first.goal_id, [])
    with pytest.raises(TypeError):
        of_first.publish_feedback(ExecuteInstruction.Result())
    gate.set_result("succeed")


def test_a_goal_is_canceled(world: Any, pair: Any) -> None:
    handles: list[Any] = []
    execute, gate = held(handles)
    client = pair(execute, cancel_callback=lambda handle: CancelResponse.ACCEPT).client
    goal = send(world, client)
    result = goal.get_result_async()
    assert world.spin_until(lambda: handles)
    assert handles[0].status == GoalStatus.STATUS_EXECUTING
    assert not handles[0].is_cancel_requested
    canceling = world.answer(goal.cancel_goal_async()).goals_canceling
    assert [info.goal_id for info in canceling] == [goal.goal_id]
    assert handles[0].is_cancel_requested
    assert handles[0].is_active
    assert world.spin_until(lambda: goal.status == GoalStatus.STATUS_CANCELING)
    gate.set_result("canceled")
    answer = world.answer(result)
    assert (answer.status, answer.result.sentence) == (GoalStatus.STATUS_CANCELED, "canceled")
    assert not handles[0].is_active


def test_by_default_nothing_can_be_canceled(world: Any, pair: Any) -> None:
    handles: list[Any] = []
    execute, gate = held(handles)
    goal = send(world, pair(execute).client)
    assert world.spin_until(lambda: handles)
    assert not world.answer(goal.cancel_goal_async()).goals_canceling
    assert handles[0].status == GoalStatus.STATUS_EXECUTING
    gate.set_result("abort")
    assert world.answer(goal.get_result_async()).status == GoalStatus.STATUS_ABORTED


def test_what_has_ended_or_never_was_cannot_be_canceled(world: Any, pair: Any) -> None:
    client = pair(cancel_callback=lambda handle: CancelResponse.ACCEPT).client
    goal = send(world, client)
    world.answer(goal.get_result_async())
    response = world.answer(goal.cancel_goal_async())
    assert response.return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED
    assert not response.goals_canceling
    service = world.node("canceler").create_client(CancelGoal, "do/_action/cancel_goal")
    assert service.wait_for_service(20.0)
    request = CancelGoal.Request()
    request.goal_info.goal_id = UUID(uuid=[7] * 16)
    assert world.answer(service.call_async(request)).return_code == CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID


def test_an_empty_request_cancels_one_goal_after_another(world: Any, pair: Any) -> None:
    handles: list[Any] = []
    execute, gate = held(handles)
    client = pair(execute, cancel_callback=lambda handle: CancelResponse.ACCEPT).client
    goals = [send(world, client) for _ in range(3)]
    assert world.spin_until(lambda: len(handles) == 3)
    service = world.node("canceler").create_client(CancelGoal, "do/_action/cancel_goal")
    assert service.wait_for_service(20.0)
    canceling = world.answer(service.call_async(CancelGoal.Request())).goals_canceling
    assert sorted(bytes(info.goal_id.uuid) for info in canceling) == sorted(bytes(goal.goal_id.uuid) for goal in goals)
    gate.set_result("canceled")
    assert all(world.answer(goal.get_result_async()).status == GoalStatus.STATUS_CANCELED for goal in goals)


def test_an_execution_that_says_no_end_is_aborted(world: Any, pair: Any) -> None:
    goal = send(world, pair(lambda handle: ExecuteInstruction.Result(sentence="lost")).client)
    answer = world.answer(goal.get_result_async())
    assert (answer.status, answer.result.sentence) == (GoalStatus.STATUS_ABORTED, "lost")


def test_an_execution_that_fails_is_aborted(world: Any, pair: Any) -> None:
    def fail(handle: Any) -> Any:
        raise ValueError("no arm")

    answer = world.answer(send(world, pair(fail).client).get_result_async())
    assert (answer.status, answer.result) == (GoalStatus.STATUS_ABORTED, ExecuteInstruction.Result())


def test_a_state_that_cannot_follow_is_refused(world: Any, pair: Any) -> None:
    errors: list[Exception] = []

    def execute(handle: Any) -> Any:
        try:
            handle.canceled()
        except RuntimeError as error:
            errors.append(error)
        return succeed(handle)

    answer = world.answer(send(world, pair(execute).client).get_result_async())
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert "invalid transition" in str(errors[0])


def test_an_execution_may_be_deferred_and_another_one_be_given(world: Any, pair: Any) -> None:
    accepted: list[Any] = []
    goal = send(world, pair(handle_accepted_callback=accepted.append).client)
    result = goal.get_result_async()
    world.spin_for(0.2)
    assert (len(accepted), result.done(), accepted[0].status) == (1, False, GoalStatus.STATUS_ACCEPTED)

    def other(handle: Any) -> Any:
        handle.abort()
        return ExecuteInstruction.Result(sentence="another")

    accepted[0].execute(other)
    answer = world.answer(result)
    assert (answer.status, answer.result.sentence) == (GoalStatus.STATUS_ABORTED, "another")


def test_a_goal_id_is_taken_once(world: Any, pair: Any) -> None:
    handles: list[Any] = []
    execute, gate = held(handles)
    client = pair(execute).client
    twice = UUID(uuid=list(range(16)))
    first = send(world, client, goal_uuid=twice)
    assert (first.accepted, first.goal_id) == (True, twice)
    assert not send(world, client, goal_uuid=twice).accepted
    gate.set_result("succeed")


def test_the_result_is_forgotten_in_time(world: Any, pair: Any) -> None:
    goal = send(world, pair(result_timeout=0).client)
    assert world.spin_until(
        lambda: world.answer(goal.get_result_async()).status == GoalStatus.STATUS_UNKNOWN, patience=10.0
    )


def test_the_status_of_all_goals_is_told_to_whoever_comes_late(world: Any, pair: Any) -> None:
    goal = send(world, pair().client)
    world.answer(goal.get_result_async())
    heard: list[Any] = []
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    world.node("late").create_subscription(GoalStatusArray, "do/_action/status", heard.append, lasting)
    assert world.spin_until(lambda: heard)
    assert [(one.goal_info.goal_id, one.status) for one in heard[-1].status_list] == [
        (goal.goal_id, GoalStatus.STATUS_SUCCEEDED)
    ]


def test_the_graph_shows_the_parts_of_an_action(world: Any, pair: Any) -> None:
    asking = pair().asking
    assert ("/do", [TYPE]) in get_action_names_and_types(asking)
    assert get_action_server_names_and_types_by_node(asking, "serving", "/") == [("/do", [TYPE])]
    assert get_action_client_names_and_types_by_node(asking, "asking", "/") == [("/do", [TYPE])]
    assert get_action_client_names_and_types_by_node(asking, "serving", "/") == []
    services = dict(asking.get_service_names_and_types())
    assert services["/do/_action/send_goal"] == [f"{TYPE}_SendGoal"]
    assert services["/do/_action/get_result"] == [f"{TYPE}_GetResult"]
    assert services["/do/_action/cancel_goal"] == ["action_msgs/srv/CancelGoal"]
    (feedback,) = asking.get_publishers_info_by_topic("/do/_action/feedback")
    (status,) = asking.get_publishers_info_by_topic("/do/_action/status")
    assert (feedback.topic_type, status.topic_type) == (f"{TYPE}_FeedbackMessage", "action_msgs/msg/GoalStatusArray")
    assert feedback.qos_profile.durability == DurabilityPolicy.VOLATILE
    assert status.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert {one.qos_profile.reliability for one in (feedback, status)} == {ReliabilityPolicy.RELIABLE}
    if status.qos_profile.history == HistoryPolicy.KEEP_LAST:  # DDS does not tell
        assert (feedback.qos_profile.depth, status.qos_profile.depth) == (10, 1)


def test_a_server_that_comes_and_goes_is_noticed(world: Any) -> None:
    client = ActionClient(world.node("asking"), ExecuteInstruction, "later")
    assert not client.server_is_ready()
    assert not client.wait_for_server(timeout_sec=0.1)
    server = ActionServer(world.node("serving"), ExecuteInstruction, "later", succeed)
    assert client.wait_for_server(20.0)
    server.destroy()
    assert world.spin_until(lambda: not client.server_is_ready())
    client.destroy()


def test_send_goal_blocks_until_the_result(world: Any, pair: Any) -> None:
    client = pair().client
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(client.send_goal(GOAL)))
    thread.start()
    assert world.spin_until(lambda: answers)
    thread.join()
    assert answers[0].result.sentence == "done: lift the cube"


def test_a_node_may_use_the_plain_names_itself(world: Any) -> None:
    node = world.node("serving")
    node._actions = None
    server = ActionServer(node, ExecuteInstruction, "do", succeed)
    client = ActionClient(world.node("asking"), ExecuteInstruction, "do")
    assert client.wait_for_server(20.0)
    assert send(world, client).accepted
    server.destroy()


def test_what_is_no_goal_is_refused(pair: Any) -> None:
    client = pair().client
    with pytest.raises(TypeError):
        client.send_goal_async(ExecuteInstruction.Feedback())
    with pytest.raises(TypeError):
        client.send_goal(Trigger.Request())


def test_an_action_class_is_no_object_and_names_what_travels() -> None:
    with pytest.raises(NotImplementedError):
        ExecuteInstruction()
    request = ExecuteInstruction.Impl.SendGoalService.Request(goal=GOAL)
    assert request.goal.instruction == GOAL.instruction
    assert ExecuteInstruction.Impl.CancelGoalService is CancelGoal
    assert ExecuteInstruction.Impl.GoalStatusMessage is GoalStatusArray
