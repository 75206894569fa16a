"""Executes the page's requests on the graph: topics, services and the policy node's action."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from std_msgs.msg import Empty, String
from std_srvs.srv import SetBool, Trigger

from rt_vla_ros.action import ExecuteInstruction
from rt_vla_ros.console.board import Board, Exchange
from rt_vla_ros.console.requests import PageRequest, Reply
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.srv import Ask, ResetScene, StartEpisode

ANSWER = 5.0  # of a service [s]
LONG_ANSWER = 180.0  # of a model that is asked, and of the end of an episode, which is written [s]
SLOW = ("ask", "record_stop", "record_label", "new_scene")
SCENES = 10_000  # seeds of new ones

Answer = concurrent.futures.Future[Reply]


class ConsoleLink:
    """Requests come from the server's event loop and are executed in the executor's thread."""

    def __init__(self, node: GuardedNode, board: Board, names: Mapping[str, str]) -> None:
        """names: full names of the nodes `smoother`, `policy` and `recorder`."""
        self._node, self._board = node, board
        self._waiting: queue.SimpleQueue[tuple[PageRequest, Answer]] = queue.SimpleQueue()
        smoother, policy, recorder = names["smoother"], names["policy"], names["recorder"]
        self._stops = node.create_publisher(Empty, "stop", 10)
        self._instructions = node.create_publisher(String, "instruction", 10)
        self._goals = ActionClient(node, ExecuteInstruction, f"{policy}/execute")
        self._policy = policy
        scene = node.resolve_service_name("sim_arm_node/reset_scene")
        self._services: dict[str, tuple[Any, Callable[[PageRequest], Any]]] = {
            kind: (node.create_client(type_, name), make)
            for kind, type_, name, make in (
                ("stop", Trigger, f"{smoother}/stop", lambda _: Trigger.Request()),
                ("release", Trigger, f"{smoother}/release", lambda _: Trigger.Request()),
                ("resume", Trigger, f"{smoother}/resume", lambda _: Trigger.Request()),
                ("ask", Ask, f"{policy}/ask", lambda it: Ask.Request(question=it.text)),
                ("record_start", StartEpisode, f"{recorder}/start", _episode),
                ("record_stop", SetBool, f"{recorder}/stop", lambda it: SetBool.Request(data=it.flag)),
                ("record_label", SetBool, f"{recorder}/label", lambda it: SetBool.Request(data=it.flag)),
                ("record_discard", Trigger, f"{recorder}/discard", lambda _: Trigger.Request()),
                ("new_scene", ResetScene, scene, lambda _: ResetScene.Request(seed=time.time_ns() % SCENES)),
            )
        }
        self._guard = node.create_guard_condition(node._guard(self._on_waiting, "The page's request", lambda: None))

    async def carry_out(self, request: PageRequest) -> Reply:
        """See server.ArmLink."""
        answer: Answer = concurrent.futures.Future()
        self._waiting.put((request, answer))
        with contextlib.suppress(Exception):  # the node is gone
            self._guard.trigger()
        longest = LONG_ANSWER if request.kind in SLOW else ANSWER
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), longest)
        except asyncio.TimeoutError:
            return Reply(False, f"No answer within {longest:g} s: it is unknown whether the request was executed.")

    def offers(self) -> dict[str, bool]:
        """Which of the page's requests are available now."""
        return {kind: client.service_is_ready() for kind, (client, _) in self._services.items()}

    def _on_waiting(self) -> None:
        begin = self._node._guard(self._begin, "The page's request", lambda: None)  # the next one may be a stop
        while not self._waiting.empty():
            request, answer = self._waiting.get()
            if request.kind == "stop" or not answer.cancelled():
                begin(request, answer)

    def _begin(self, request: PageRequest, answer: Answer) -> None:
        if request.kind == "stop":
            self._stops.publish(Empty())  # at once; the service says whether it was taken
        if request.kind == "instruct":
            self._instruct(request.text, answer)
        elif request.kind == "cancel":
            self._instructions.publish(String(data=""))
            _settle(answer, Reply(True, "The request is canceled."))
        else:
            self._call(request, answer)

    def _call(self, request: PageRequest, answer: Answer) -> None:
        client, make = self._services[request.kind]
        if not client.service_is_ready():
            _settle(answer, Reply(False, f"The service {client.srv_name} is not available: is its node running?"))
            return
        if request.kind == "ask":
            self._board.asked(request.text)

        def done(future: Any) -> None:
            response = future.result()
            if request.kind == "ask":
                self._board.answered(Exchange(request.text, response.answer, response.message, response.seconds))
            told = response.message or (f"New scene: {response.instruction}." if request.kind == "new_scene" else "")
            _settle(answer, Reply(bool(response.success), told))

        client.call_async(make(request)).add_done_callback(self._guarded(done))

    def _instruct(self, text: str, answer: Answer) -> None:
        if not self._goals.server_is_ready():
            _settle(
                answer, Reply(False, f"The action {self._policy}/execute is not available: is the policy node running?")
            )
            return

        def over(future: Any) -> None:
            result = future.result().result
            self._board.concluded(text, result.sentence or "Finished.", good=result.outcome == result.SUCCEEDED)

        def sent(future: Any) -> None:
            handle = future.result()
            if not handle.accepted:
                why = f"The policy node rejected it. {self._board.why_refused}"
                self._board.refused(text, why)
                _settle(answer, Reply(False, why))
                return
            self._board.instructed(text)
            handle.get_result_async().add_done_callback(self._guarded(over))
            _settle(answer, Reply(True, f"Executing {text!r}."))

        goal = ExecuteInstruction.Goal(instruction=text)
        self._goals.send_goal_async(goal).add_done_callback(self._guarded(sent))

    def _guarded(self, callback: Callable[[Any], None]) -> Callable[[Any], Any]:
        return self._node._guard(callback, "An answer for the page", lambda: None)


def full_name(node: Node, name: str) -> str:
    """Full name of another node; a relative name is in the namespace of this one."""
    return name if name.startswith("/") else f"{node.get_namespace().rstrip('/')}/{name}"


def _episode(request: PageRequest) -> StartEpisode.Request:
    return StartEpisode.Request(instruction=request.text)


def _settle(answer: Answer, reply: Reply) -> None:
    with contextlib.suppress(concurrent.futures.InvalidStateError):  # it is no longer awaited
        answer.set_result(reply)
