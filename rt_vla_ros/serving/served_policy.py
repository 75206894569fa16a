"""A served policy: its model in a thread, and its card and the hash of its weights for the handshake."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, AnsweringPolicy, Policy, WarmUpPolicy
from rt_vla_ros.policies.remote.handshake import Welcome
from rt_vla_ros.policies.remote.image_wire import largest_body
from rt_vla_ros.policies.shared import SharedPolicy, share_policy
from rt_vla_ros.runtime.warm_up import warm_up
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
        load: Callable[[], Policy],
        metrics: FleetMetrics,
        *,
        model: str | None = None,
        limits: BatchLimits | None = None,
        share: Callable[[Policy], SharedPolicy] | None = None,
        threads: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """load: called in the policy's thread. model: None for a policy created in memory: its card is hashed instead.

        share: shares it between several robots; None: share_policy, in batches if `limits` allow them.
        threads: of torch, see policies.threads.choose_threads. Loading starts immediately; see `wait`.
        """
        limits = limits or BatchLimits()
        self.name, self._model, self._threads = name, model, threads
        self._answers, self._warm_up = False, WARM_UP_INSTRUCTION
        self._card: ActionCard | None = None
        self._share = share or (lambda policy: share_policy(policy, batched=limits.max_batch > 1))
        metrics.serve(name)
        self.worker = ModelWorker(
            lambda: self._prepare(load()),
            clock,
            max_batch=limits.max_batch,
            max_wait=limits.max_wait,
            on_batch=lambda size, seconds: metrics.batch(name, size, seconds),
        )
        self.worker.start()

    def wait(self) -> None:
        """Waits until it is loaded and warm. Raises the errors of loading, such as ValueErrors for the user."""
        self.worker.loaded.result()

    @property
    def card(self) -> ActionCard:
        """The action card, once the policy is loaded."""
        assert self._card is not None, "wait() must be called first"
        return self._card

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
        return Welcome(self.name, self.model, self.card, self._answers, self._warm_up)

    def session(self) -> Policy:
        """A session for one more robot; call it in the worker's thread. Raises SharingError."""
        return self.worker.loaded.result().session()

    def _prepare(self, policy: Policy) -> SharedPolicy:
        warm_up(policy, self._threads)
        self._card, self._answers = policy.card, isinstance(policy, AnsweringPolicy)
        if isinstance(policy, WarmUpPolicy):
            self._warm_up = policy.warm_up_instruction
        return self._share(policy)
