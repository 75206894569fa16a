"""Services and clients."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from .conftest import eventually


def _count(request: Any, response: Any) -> Any:
    response.success, response.message = True, "counted"
    return response


def test_a_request_is_answered(world: Any) -> None:
    def switch(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = request.data, f"switched {'on' if request.data else 'off'}"
        return response

    world.node("server").create_service(SetBool, "switch", switch)
    client = world.node("asker").create_client(SetBool, "switch")
    assert client.wait_for_service(20.0)
    on = world.answer(client.call_async(SetBool.Request(data=True)))
    off = world.answer(client.call_async(SetBool.Request(data=False)))
    assert (on.success, on.message, off.success, off.message) == (True, "switched on", False, "switched off")


def test_two_clients_get_their_own_answers(world: Any) -> None:
    def echo(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = request.data
        return response

    world.node("server").create_service(SetBool, "echo", echo)
    clients = [world.node(name).create_client(SetBool, "echo") for name in ("first", "second")]
    assert all(client.wait_for_service(20.0) for client in clients)
    futures = [
        client.call_async(SetBool.Request(data=wanted))
        for _ in range(5)
        for client, wanted in zip(clients, (True, False), strict=True)
    ]
    answers = [world.answer(future).success for future in futures]
    assert answers == [True, False] * 5


def test_a_missing_server_is_waited_for(world: Any) -> None:
    client = world.node("asker").create_client(Trigger, "later")
    assert not client.service_is_ready()
    assert not client.wait_for_service(timeout_sec=0.1)
    world.node("server").create_service(Trigger, "later", _count)
    assert client.wait_for_service(20.0)
    assert world.answer(client.call_async(Trigger.Request())).message == "counted"


def test_a_request_to_nobody_stays_open(world: Any) -> None:
    client = world.node("asker").create_client(Trigger, "nobody")
    future = client.call_async(Trigger.Request())
    world.executor.spin_until_future_complete(future, timeout_sec=0.2)
    assert not future.done()
    client.remove_pending_request(future)


def test_a_server_that_goes_is_noticed(world: Any) -> None:
    server = world.node("server")
    service = server.create_service(Trigger, "brief", _count)
    client = world.node("asker").create_client(Trigger, "brief")
    assert client.wait_for_service(20.0)
    assert server.destroy_service(service)
    assert world.spin_until(lambda: not client.service_is_ready())


def test_a_coroutine_may_answer_later(world: Any) -> None:
    server = world.node("server")
    gate: Future = Future()

    async def patient(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = await gate
        response.success = True
        return response

    server.create_service(Trigger, "patient", patient)
    client = world.node("asker").create_client(Trigger, "patient")
    assert client.wait_for_service(20.0)
    future = client.call_async(Trigger.Request())
    world.executor.spin_until_future_complete(future, timeout_sec=0.2)
    assert not future.done()
    gate.set_result("opened")
    assert world.answer(future).message == "opened"


def test_a_callback_may_await_another_service(world: Any) -> None:
    server = world.node("server")
    group = ReentrantCallbackGroup()
    inner_client = server.create_client(Trigger, "inner", callback_group=group)

    async def outer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        inner = await inner_client.call_async(Trigger.Request())
        response.success, response.message = True, f"outer of {inner.message}"
        return response

    server.create_service(Trigger, "inner", _count, callback_group=group)
    server.create_service(Trigger, "outer", outer, callback_group=group)
    client = world.node("asker").create_client(Trigger, "outer")
    assert client.wait_for_service(20.0)
    assert inner_client.wait_for_service(20.0)
    assert world.answer(client.call_async(Trigger.Request())).message == "outer of counted"


def test_call_blocks_until_the_answer(world: Any) -> None:
    server, asker = world.node("server"), world.node("asker")
    server.create_service(Trigger, "count", _count)
    client = asker.create_client(Trigger, "count")
    assert client.wait_for_service(20.0)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(client.call(Trigger.Request())))
    thread.start()
    assert world.spin_until(lambda: answers)
    thread.join()
    assert answers[0].message == "counted"


def test_a_service_may_call_a_service_with_two_threads(world: Any) -> None:
    executor = MultiThreadedExecutor(num_threads=2, context=world.context)
    server = world.node("server", spins=False)
    executor.add_node(server)
    inner_client = server.create_client(Trigger, "inner", callback_group=MutuallyExclusiveCallbackGroup())

    def outer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        inner = inner_client.call(Trigger.Request())
        response.success, response.message = inner.success, f"outer of {inner.message}"
        return response

    server.create_service(Trigger, "outer", outer)
    world.node("inner").create_service(Trigger, "inner", _count)
    client = world.node("asker").create_client(Trigger, "outer")
    assert client.wait_for_service(20.0)
    assert inner_client.wait_for_service(20.0)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        assert world.answer(client.call_async(Trigger.Request())).message == "outer of counted"
    finally:
        executor.shutdown()
        thread.join()
    assert eventually(lambda: not thread.is_alive())


def test_what_is_no_request_is_refused(world: Any) -> None:
    client = world.node("asker").create_client(Trigger, "count")
    with pytest.raises(TypeError):
        client.call_async(SetBool.Request())
