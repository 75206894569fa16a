"""A remote policy with the same interface as a local one."""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.scaled_state import check_state
from rt_vla_ros.policies.policy import PolicyLateError, PolicyLostError
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.address import RemoteAddress
from rt_vla_ros.policies.remote.chunk_wire import chunk_from_meta
from rt_vla_ros.policies.remote.connection import NoAnswerError, RemoteConnection, refusal_of
from rt_vla_ros.policies.remote.handshake import Hello, Welcome, refuse_other
from rt_vla_ros.policies.remote.image_wire import encode_images, raw_size
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage, RemoteWireError

SHORTEST_BUDGET = 0.5  # where none is given [s]
SILENCE = 1.0  # of a server that owes an answer, beyond the budget: then it counts as gone [s]
LONGEST_RESET, LONGEST_ANSWER = 10.0, 120.0  # [s]
TRIPS = 8  # of which the shortest counts


class RemoteLateError(PolicyLateError):
    """The answer was late or missing and is not executed. The next one may be in time."""


class RemotePolicy:
    """Implements policies.policy.WarmUpPolicy and TimedPolicy; RemoteAnsweringPolicy: AnsweringPolicy too.

    `act` and `ask` may be called from two threads. The history is the server's; a connection that was lost ends it.
    batch: robots for which the last decision was made at once.
    sent, unencoded: bytes of the images that were sent so far, and how many they would have had as they are.
    """

    warm_up_runs = 2

    def __init__(self, address: RemoteAddress, settings: RemoteSettings, connection: RemoteConnection) -> None:
        """connection: the first one; its model and card are this policy's as long as it lives."""
        welcome = connection.welcome
        self.name, self.card, self.model = welcome.policy, welcome.card, welcome.model
        self.warm_up_instruction = welcome.warm_up_instruction
        self.budget = settings.budget or max(SHORTEST_BUDGET, self.card.decision_period)
        self.sent = self.unencoded = self.batch = 0
        self._address, self._settings = address, settings
        self._hello = Hello(welcome.policy, robot_name(settings), welcome.model, welcome.card.to_dict())
        self._link = _ServerLink(connection)
        self._end = weakref.finalize(self, self._link.close)
        self._instruction: str | None = None
        self._begun: RemoteConnection | None = None  # the connection that has the instruction
        self._owed: float | None = None  # since when an answer is missing, of a steady clock
        self._trips: deque[float] = deque(maxlen=TRIPS)
        self._parts: dict[str, float] = {}

    @property
    def parts_of_latency(self) -> Mapping[str, float]:
        """See policies.policy.TimedPolicy: network, queue and inference [s]."""
        return self._parts

    def close(self) -> None:
        """Ends the connection; the policy is of no more use."""
        self._end()

    def reset(self, instruction: str) -> None:
        """See policies.policy.Policy. Raises PolicyLostError too."""
        self._instruction = instruction
        if self._begun is not None and self._silence(self._begun) > self.budget + SILENCE:
            self._begun.close()
        self._begun = None
        self._begin(self._connected())

    def act(self, observation: Observation) -> ActionChunk:
        """See policies.policy.Policy.

        Raises RemoteLateError where the answer comes too late, or would. Raises PolicyLostError where the server cannot
        be reached, is another one than before, or has just come back: then this observation may be an old one.
        """
        began = time.monotonic()
        if self._instruction is None:
            raise RuntimeError("The policy has no instruction yet; call reset(instruction) first.")
        meta, body = self._encoded(observation)
        self._tell_loss()
        connection = self._connected()
        if self._begun is not connection:
            self._begin(connection)
            raise PolicyLostError(
                f"The policy server at {self._address.place} is reconnected. The history is lost; "
                "the robot continues from the next image."
            )
        left = began + self.budget - time.monotonic()
        meta |= {"budget": max(left, 0.0), "trip": min(self._trips, default=0.0)}
        self.sent, self.unencoded = self.sent + len(body), self.unencoded + raw_size(self.card)
        asked = time.monotonic()
        try:
            answer = connection.ask(MessageKind.ACT, meta, body, timeout=max(left, 0.0))
        except NoAnswerError as error:
            self._owed = asked if self._owed is None else self._owed
            raise RemoteLateError(
                f"The policy server at {self._address.place} has not answered within {self.budget:.3g} s "
                "(remote_budget): nothing is done by what may still come."
            ) from error
        except PolicyLostError:
            self._begun = None
            raise
        self._owed = None
        return self._chunk(answer, time.monotonic() - asked)

    def _encoded(self, observation: Observation) -> tuple[dict[str, Any], bytes]:
        """What is sent of an observation. Raises ValueError for images and a state that the card does not allow."""
        state = check_state(observation.state, self.card).tolist() if self.card.state else None
        described, body = encode_images(observation.images, self.card, self._settings.jpeg)
        return {"stamp": float(observation.stamp), "state": state, "images": described}, body

    def _chunk(self, answer: RemoteMessage, took: float) -> ActionChunk:
        self._explain(answer, MessageKind.CHUNK)
        try:
            queue, inference = read.number(answer.meta, "queue"), read.number(answer.meta, "inference")
            chunk, self.batch = chunk_from_meta(answer.meta, self.card), read.whole(answer.meta, "batch")
        except RemoteWireError as error:
            raise DecodingError(f"The policy server's answer cannot be used: {error}") from error
        trip = max(took - queue - inference, 0.0)
        self._trips.append(trip)
        self._parts = {"network": trip, "queue": queue, "inference": inference}
        return chunk

    def _begin(self, connection: RemoteConnection) -> None:
        assert self._instruction is not None, "the caller has looked"
        try:
            answer = connection.ask(MessageKind.RESET, {"instruction": self._instruction}, timeout=LONGEST_RESET)
        except NoAnswerError as error:
            self._link.close()
            raise PolicyLostError(str(error)) from error
        self._explain(answer, MessageKind.DONE)
        self._begun, self._owed = connection, None

    def _tell_loss(self) -> None:
        """Raises PolicyLostError, once, where the connection is lost or silent: to try a new one takes seconds."""
        if self._begun is None:
            return
        silence = self._silence(self._begun)
        if silence > self.budget + SILENCE:
            self._begun.lose(f"The policy server at {self._address.place} has been silent for {silence:.1f} s.")
        sentence = self._begun.lost
        if sentence is not None:
            self._begun = self._owed = None
            raise PolicyLostError(sentence)

    def _silence(self, connection: RemoteConnection) -> float:
        """For how long an answer has been missing, and nothing else has been heard either [s]."""
        return 0.0 if self._owed is None else min(time.monotonic() - self._owed, connection.silence)

    def _connected(self) -> RemoteConnection:
        """The connection; a new one where the last was lost. Raises PolicyLostError and ValueError."""
        return self._link.get(self._open)

    def _open(self) -> RemoteConnection:
        """Raises PolicyLostError where another model or card answers, too: a server is not taken at its word."""
        connection = RemoteConnection(self._address, self._settings, self._hello)
        welcome = connection.welcome
        refusal = refuse_other(self._hello, welcome.policy, welcome.model, welcome.card)
        if refusal is not None:
            connection.close()
            raise PolicyLostError(refusal)
        self._trips.clear()
        return connection

    def _explain(self, answer: RemoteMessage, expected: MessageKind) -> None:
        """Raises what the server says instead of the expected answer."""
        if answer.kind is expected:
            return
        sentence = refusal_of(answer)
        if answer.kind is MessageKind.LATE:
            raise RemoteLateError(sentence)
        reason = answer.meta.get("reason")
        if reason == "decoding":
            raise DecodingError(sentence)
        raise ValueError(sentence) if reason == "value" else RuntimeError(sentence)


class RemoteAnsweringPolicy(RemotePolicy):
    """Implements policies.policy.AnsweringPolicy."""

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        """See policies.policy.AnsweringPolicy. Raises PolicyLostError too."""
        described, body = encode_images(images, self.card, self._settings.jpeg)
        meta = {"question": question, "images": described}
        answer = self._link.get(self._open).ask(MessageKind.ASK, meta, body, timeout=LONGEST_ANSWER)
        self._explain(answer, MessageKind.ANSWER)
        return read.text(answer.meta, "answer")


class _ServerLink:
    """The connection of a policy: one at a time, made anew where it was lost."""

    def __init__(self, connection: RemoteConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def get(self, make: Callable[[], RemoteConnection]) -> RemoteConnection:
        """The connection. Raises what `make` raises."""
        with self._lock:
            if self._connection.lost is not None:
                self._connection = make()
            return self._connection

    def close(self) -> None:
        """The connection is of no use any more."""
        self._connection.close()


def robot_name(settings: RemoteSettings) -> str:
    """What this robot is called at the server."""
    return settings.robot or socket.gethostname() or "robot"


def fetch_welcome(address: RemoteAddress, settings: RemoteSettings) -> Welcome:
    """What a server says of a policy; nothing stays open. Raises PolicyLostError and ValueError."""
    connection = RemoteConnection(address, settings, Hello(address.name, robot_name(settings)))
    connection.close()
    return connection.welcome


def open_policy(address: RemoteAddress, settings: RemoteSettings) -> RemotePolicy:
    """The policy of a server. Raises PolicyLostError, which is a ValueError, and ValueError."""
    connection = RemoteConnection(address, settings, Hello(address.name, robot_name(settings)))
    kind = RemoteAnsweringPolicy if connection.welcome.answers else RemotePolicy
    return kind(address, settings, connection)
