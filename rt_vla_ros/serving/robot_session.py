"""A robot's connection: receives its messages and sends answers. An error in a message affects only that robot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import AnsweringPolicy, Policy, PolicyLateError
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.chunk_wire import chunk_meta
from rt_vla_ros.policies.remote.error_wire import error_meta
from rt_vla_ros.policies.remote.image_wire import RAW, decode_images, raw_size
from rt_vla_ros.policies.remote.settings import LONGEST_BUDGET
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage, RemoteWireError, pack, unpack
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT, too_long
from rt_vla_ros.runtime.question_queue import without_words
from rt_vla_ros.serving.metrics import FleetMetrics, RobotTally
from rt_vla_ros.serving.model_worker import Ticket
from rt_vla_ros.serving.refusal import Refusal
from rt_vla_ros.serving.served_policy import ServedPolicy

POLICY_VIOLATION = 1008  # WebSocket close code, RFC 6455
SENDING = 5.0  # timeout of sending, after which a robot is disconnected [s]
OVER = "The robot disconnected."


class RobotSession:
    """session: the robot's own policy with its history. asking: lock for one question at a time, over all robots."""

    def __init__(
        self,
        socket: WebSocket,
        policy: ServedPolicy,
        session: Policy,
        tally: RobotTally,
        metrics: FleetMetrics,
        clock: Callable[[], float],
        asking: asyncio.Lock,
        rate: float,
        pending: int,
    ) -> None:
        """rate: messages per second, and burst size. pending: most resets and questions without an answer."""
        self._socket, self._policy, self._session = socket, policy, session
        self._tally, self._metrics, self._clock, self._asking = tally, metrics, clock, asking
        self._rate, self._most_pending = rate, pending
        self._allowance, self._counted = rate, clock()
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending = 0

    async def run(self) -> None:
        """Runs until the robot disconnects or violates the protocol."""
        try:
            while True:
                try:
                    data = await self._socket.receive_bytes()
                except KeyError as error:
                    raise RemoteWireError("Received text, expected bytes.") from error
                self._take(unpack(data, self._policy.largest_body), self._clock())
        except RemoteWireError as error:
            await self._send(RemoteMessage(MessageKind.REFUSED, 0, {"sentence": str(error), "reason": "value"}))
            await self._socket.close(POLICY_VIOLATION, str(error)[:100])
        finally:
            for task in self._tasks:
                task.cancel()
            self._policy.worker.forget(self._session, OVER, for_good=True)

    def account(self) -> str:
        """A summary of the connection in words."""
        tally = self._tally
        late, megabyte = tally.outcomes["late"], 1e6
        sent = f"{tally.received / megabyte:.1f} MB of images received"
        if tally.received != tally.unencoded:
            sent += f" instead of {tally.unencoded / megabyte:.1f} MB"
        return f"{tally.outcomes['decided']} decisions, {late} late, {tally.outcomes['refused']} refused; {sent}."

    def _take(self, message: RemoteMessage, now: float) -> None:
        """Raises RemoteWireError for a kind of message that a robot must not send."""
        self._allowance = min(self._rate, self._allowance + (now - self._counted) * self._rate)
        self._counted = now
        if self._allowance < 1:
            self._refuse(message, f"This robot sent more than {self._rate:g} messages per second.")
            return
        self._allowance -= 1
        if message.kind is MessageKind.ACT:
            self._act(message, now)
        elif message.kind in (MessageKind.RESET, MessageKind.ASK):
            if self._pending >= self._most_pending:
                self._refuse(message, f"{self._pending} requests of this robot are already waiting for an answer.")
                return
            self._begin(self._waiting(message))
        else:
            raise RemoteWireError(f"A robot must not send {message.kind.name}.")

    async def _waiting(self, message: RemoteMessage) -> None:
        self._pending += 1
        try:
            answer = await (self._reset(message) if message.kind is MessageKind.RESET else self._ask(message))
        except Exception as error:  # reported to the robot that asked
            answer = _refusal(message, error)
        finally:
            self._pending -= 1
        await self._send(answer)

    async def _reset(self, message: RemoteMessage) -> RemoteMessage:
        instruction = read.text(message.meta, "instruction")
        if (problem := too_long("instruction", instruction, LONGEST_TEXT)) is not None:
            raise InstructionError(problem)
        worker, session = self._policy.worker, self._session
        worker.forget(session, "A new instruction was set.")
        await asyncio.wrap_future(worker.call(lambda: session.reset(instruction)))
        return RemoteMessage(MessageKind.DONE, message.number)

    async def _ask(self, message: RemoteMessage) -> RemoteMessage:
        session, question = self._session, read.text(message.meta, "question")
        if not isinstance(session, AnsweringPolicy):
            raise ValueError(without_words(session.name))
        if (problem := too_long("question", question, LONGEST_TEXT)) is not None:
            raise ValueError(problem)
        images = decode_images(message.meta, message.body, self._policy.card)
        if self._asking.locked():
            raise ValueError("Another question is being answered; ask again later.")
        async with self._asking:
            answer = await asyncio.to_thread(session.ask, images, question)
        return RemoteMessage(MessageKind.ANSWER, message.number, {"answer": answer})

    # Decisions -------------------------------------------------------------------------------------------------------

    def _act(self, message: RemoteMessage, arrival: float) -> None:
        """The deadline is the robot's budget from now on, minus the round trip that it measured."""
        try:
            budget, trip = read.number(message.meta, "budget"), read.number(message.meta, "trip")
            if not (0 <= budget <= LONGEST_BUDGET and 0 <= trip <= LONGEST_BUDGET):
                raise RemoteWireError(f"budget is {budget:g} s and trip {trip:g} s, expected 0 to {LONGEST_BUDGET:g}.")
        except RemoteWireError as error:
            self._refuse(message, str(error))
            return
        self._metrics.receive(self._tally, len(message.body), raw_size(self._policy.card))
        self._begin(self._decide(message, arrival, arrival + budget - trip))

    async def _decide(self, message: RemoteMessage, arrival: float, deadline: float) -> None:
        batch = 0
        try:
            ticket = Ticket(self._session, await self._observation(message), arrival, deadline)
            alarm = asyncio.get_running_loop().call_later(max(deadline - self._clock(), 0.0), self._too_late, ticket)
            try:
                self._policy.worker.submit(ticket)
                decided = await asyncio.wrap_future(ticket.answer)
            finally:
                alarm.cancel()
            batch = decided.batch
            times = {"queue": decided.queue, "inference": decided.inference, "batch": batch}
            answer, outcome = (
                RemoteMessage(MessageKind.CHUNK, message.number, {**chunk_meta(decided.chunk), **times}),
                "decided",
            )
            packed = pack(answer)
        except Exception as error:  # reported to the robot that asked
            packed = pack(_refusal(message, error))
            outcome = "late" if isinstance(error, PolicyLateError) else "refused"
        self._metrics.answer(self._tally, outcome, self._clock() - arrival, batch)
        await self._send_packed(packed)

    def _too_late(self, ticket: Ticket) -> None:
        ticket.late()
        self._policy.worker.expire()

    async def _observation(self, message: RemoteMessage) -> Observation:
        """Decodes an observation. Raises RemoteWireError if it does not match the card."""
        card, meta = self._policy.card, message.meta
        raw = all(isinstance(one, dict) and one.get("format") == RAW for one in read.items(meta, "images", 64))
        if raw:
            images = decode_images(meta, message.body, card)
        else:  # takes milliseconds
            images = await asyncio.to_thread(decode_images, meta, message.body, card)
        state = None if meta.get("state") is None else np.array(read.numbers(meta, "state", len(card.state)))
        return Observation(images, read.number(meta, "stamp"), state)

    # Out -------------------------------------------------------------------------------------------------------------

    def _refuse(self, message: RemoteMessage, sentence: str) -> None:
        if message.kind is MessageKind.ACT:
            self._metrics.answer(self._tally, "refused", 0.0)
        self._begin(self._send(_refusal(message, ValueError(sentence))))

    def _begin(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(part)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the robot disconnected, which `run` notices too

    async def _send(self, message: RemoteMessage) -> None:
        await self._send_packed(pack(message))

    async def _send_packed(self, data: bytes) -> None:
        try:
            async with self._sending:
                await asyncio.wait_for(self._socket.send_bytes(data), SENDING)
        except asyncio.TimeoutError:
            raise WebSocketDisconnect(POLICY_VIOLATION, "It does not receive answers.") from None


def _refusal(message: RemoteMessage, error: Exception) -> RemoteMessage:
    refusal = Refusal.of(error)
    kind = MessageKind.LATE if isinstance(error, PolicyLateError) else MessageKind.REFUSED
    return RemoteMessage(kind, message.number, error_meta(refusal.kind, refusal.sentence))
