"""A served policy: what decides, in a thread, and its card and the hash of its weights for the handshake."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.handshake import Welcome
from rt_vla_ros.policies.remote.image_wire import largest_body
from rt_vla_ros.serving.decider import Decider
from rt_vla_ros.serving.metrics import FleetMetrics
from rt_vla_ros.serving.model_worker import ModelWorker

MAX_BATCH, MAX_WAIT = 32, 0.005


@dataclass(frozen=True)
class BatchLimits:
    """max_batch: most robots in a batch. max_wait: longest time that a request waits for others [s]."""

    max_batch: int = MAX_BATCH
    max_wait: float = MAX_WAIT


class ServedPolicy:
    """name: by which robots request it. model: SHA-256 of the weights. worker: its thread."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Decider],
        metrics: FleetMetrics,
        *,
        model: str | None = None,
        limits: BatchLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """load: called in the policy's thread. model: None for a policy created in memory: its card is hashed instead.

        Loading starts immediately; see `wait`.
        """
        limits = limits or BatchLimits()
        self.name, self._model = name, model
        metrics.serve(name)
        self.worker = ModelWorker(
            load,
            clock,
            max_batch=limits.max_batch,
            max_wait=limits.max_wait,
            on_batch=lambda size, seconds: metrics.batch(name, size, seconds),
            on_lost=lambda _size: metrics.lose(name),
        )
        self.worker.start()

    def wait(self) -> None:
        """Waits until it is loaded and warm. Raises the errors of loading, such as ValueErrors for the user."""
        self.worker.loaded.result()

    @property
    def decider(self) -> Decider:
        """What decides, once the policy is loaded."""
        assert self.worker.loaded.done(), "wait() must be called first"
        return self.worker.loaded.result()

    @property
    def card(self) -> ActionCard:
        """The action card, once the policy is loaded."""
        return self.decider.card

    @property
    def model(self) -> str:
        """SHA-256 of the weights, in hexadecimal."""
        made = json.dumps([self.name, self.card.to_dict()], sort_keys=True).encode()
        return self._model or hashlib.sha256(made).hexdigest()

    @property
    def largest_body(self) -> int:
        """Largest size of a message's body [bytes]."""
        return largest_body(self.card)

    def welcome(self) -> Welcome:
        """The server's first message about it to a robot."""
        decider = self.decider
        return Welcome(self.name, self.model, decider.card, decider.answers, decider.warm_up_instruction)

    def health(self) -> dict[str, Any]:
        """Its state for `/health`."""
        decider = self.decider
        ready = self.worker.ready
        return {"model": self.model, "ready": ready, "card": decider.card.name, "replicas": decider.replicas}

    def session(self) -> Policy:
        """A session for one more robot; call it in the worker's thread. Raises SharingError."""
        return self.decider.session()

    def close(self) -> None:
        """Ends its thread and its replicas."""
        self.worker.close()
        loaded = self.worker.loaded
        if loaded.done() and loaded.exception() is None:
            loaded.result().close()
