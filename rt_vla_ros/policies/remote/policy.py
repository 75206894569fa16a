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
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.scaled_state import check_state
from rt_vla_ros.policies.policy import NO_INSTRUCTION, PolicyLateError, PolicyLostError
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.address import RemoteAddress
from rt_vla_ros.policies.remote.chunk_wire import chunk_from_meta
from rt_vla_ros.policies.remote.connection import NoAnswerError, RemoteConnection, refusal_of
from rt_vla_ros.policies.remote.error_wire import KINDS, read_kind
from rt_vla_ros.policies.remote.handshake import Hello, Welcome, refuse_other
from rt_vla_ros.policies.remote.image_wire import encode_images, raw_size
from rt_vla_ros.policies.remote.settings import SHORTEST_BUDGET, RemoteSettings
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage, RemoteWireError

SILENCE = 1.0  # silence of a server beyond the budget after which it counts as lost [s]
LONGEST_RESET, LONGEST_ANSWER = 10.0, 120.0  # [s]
TRIPS = 8  # round trips of which the shortest is used


class RemoteLateError(PolicyLateError):
    """The answer was late or missing; it is not executed. The next one may be in time."""


class RemotePolicy:
    """Implements policies.policy.WarmUpPolicy and TimedPolicy; RemoteAnsweringPolicy: AnsweringPolicy too.

    `act` and `ask` may be called from two threads. The history is on the server; it ends when the connection is lost.
    batch: number of robots in the batch of the last decision.
    sent, unencoded: total size of the images sent so far, and their size without encoding [bytes].
    """

    warm_up_runs = 2

    def __init__(self, address: RemoteAddress, settings: RemoteSettings, connection: RemoteConnection) -> None:
        """connection: the first connection; its model and card are kept for the lifetime of this policy."""
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
        self._begun: RemoteConnection | None = None  # the connection that knows the instruction
        self._owed: float | None = None  # since when an answer is due, on a monotonic clock
        self._trips: deque[float] = deque(maxlen=TRIPS)
        self._parts: dict[str, float] = {}

    @property
    def parts_of_latency(self) -> Mapping[str, float]:
        """See policies.policy.TimedPolicy: network, queue and inference [s]."""
        return self._parts

    @property
    def dropped(self) -> int:
        """Number of answers that came too late or again, on all connections so far."""
        return self._link.dropped

    def close(self) -> None:
        """Closes the connection; the policy cannot be used afterwards."""
        self._end()

    def reset(self, instruction: str) -> None:
        """See policies.policy.Policy. Raises InstructionError as the server's policy does, and PolicyLostError."""
        self._instruction = instruction
        if self._begun is not None and self._silence(self._begun) > self.budget + SILENCE:
            self._begun.close()
        self._begun = None
        self._begin(self._connected())

    def act(self, observation: Observation) -> ActionChunk:
        """See policies.policy.Policy.

        Raises RemoteLateError if the answer comes, or would come, too late. Raises PolicyLostError if the server cannot
        be reached, has changed its model or card, or was just reconnected: this observation may then be outdated.
        """
        began = time.monotonic()
        if self._instruction is None:
            raise RuntimeError(NO_INSTRUCTION)
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
                "(remote_budget); a later answer is ignored."
            ) from error
        except PolicyLostError:
            self._begun = None
            raise
        self._owed = None
        return self._chunk(answer, time.monotonic() - asked)

    def _encoded(self, observation: Observation) -> tuple[dict[str, Any], bytes]:
        """An observation as it is sent. Raises ValueError for images and states that do not match the card."""
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
        assert self._instruction is not None, "checked by the caller"
        try:
            answer = connection.ask(MessageKind.RESET, {"instruction": self._instruction}, timeout=LONGEST_RESET)
        except NoAnswerError as error:
            self._link.close()
            raise PolicyLostError(str(error)) from error
        except RemoteWireError as error:  # too long to be sent
            raise InstructionError(str(error)) from error
        self._explain(answer, MessageKind.DONE)
        self._begun, self._owed = connection, None

    def _tell_loss(self) -> None:
        """Raises PolicyLostError once if the connection is lost or silent: reconnecting takes seconds."""
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
        """How long an answer has been due without any message from the server [s]."""
        return 0.0 if self._owed is None else min(time.monotonic() - self._owed, connection.silence)

    def _connected(self) -> RemoteConnection:
        """The connection; a new one if the last was lost. Raises PolicyLostError and ValueError."""
        return self._link.get(self._open)

    def _open(self) -> RemoteConnection:
        """Raises PolicyLostError also if the server's model or card has changed; this is checked here as well."""
        connection = RemoteConnection(self._address, self._settings, self._hello)
        welcome = connection.welcome
        refusal = refuse_other(self._hello, welcome.policy, welcome.model, welcome.card)
        if refusal is not None:
            connection.close()
            raise PolicyLostError(refusal)
        self._trips.clear()
        return connection

    def _explain(self, answer: RemoteMessage, expected: MessageKind) -> None:
        """Raises the error in the server's answer, of the type that a local policy would raise."""
        if answer.kind is expected:
            return
        sentence = refusal_of(answer)
        if answer.kind is MessageKind.LATE:
            raise RemoteLateError(sentence)
        raise KINDS[read_kind(answer.meta)](sentence)


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
    """The connection of a policy: one at a time, replaced when it was lost."""

    def __init__(self, connection: RemoteConnection) -> None:
        self._connection, self._before = connection, 0
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """See RemotePolicy."""
        return self._before + self._connection.dropped

    def get(self, make: Callable[[], RemoteConnection]) -> RemoteConnection:
        """The connection. Raises what `make` raises."""
        with self._lock:
            if self._connection.lost is not None:
                made = make()
                self._before, self._connection = self.dropped, made
            return self._connection

    def close(self) -> None:
        """Closes the connection for good."""
        self._connection.close()


def robot_name(settings: RemoteSettings) -> str:
    """The name of this robot on the server."""
    return settings.robot or socket.gethostname() or "robot"


def fetch_welcome(address: RemoteAddress, settings: RemoteSettings) -> Welcome:
    """Connects to a server, reads its description of a policy, disconnects. Raises PolicyLostError and ValueError."""
    connection = RemoteConnection(address, settings, Hello(address.name, robot_name(settings)))
    connection.close()
    return connection.welcome


def open_policy(address: RemoteAddress, settings: RemoteSettings) -> RemotePolicy:
    """Opens a policy on a server. Raises PolicyLostError, which is a ValueError, and ValueError."""
    connection = RemoteConnection(address, settings, Hello(address.name, robot_name(settings)))
    kind = RemoteAnsweringPolicy if connection.welcome.answers else RemotePolicy
    return kind(address, settings, connection)
