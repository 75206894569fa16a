"""A policy server in this process, on a free port of localhost."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rt_vla_ros.console.web_thread import WebThread
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.shared import SharedPolicy
from rt_vla_ros.serving.access import RobotAccess
from rt_vla_ros.serving.decider import Decider, LocalDecider
from rt_vla_ros.serving.metrics import FleetMetrics
from rt_vla_ros.serving.served_policy import BatchLimits, ServedPolicy
from rt_vla_ros.serving.server import PolicyServer, RobotLimits


class RunningServer:
    """A policy server that answers; told: what it said."""

    def __init__(
        self,
        policies: dict[str, Callable[[], Policy | Decider]],
        *,
        token: str | None = None,
        port: int = 0,
        limits: RobotLimits | None = None,
        batches: BatchLimits | None = None,
        models: dict[str, str] | None = None,
        share: Callable[[Policy], SharedPolicy] | None = None,
        **web: Any,
    ) -> None:
        self.told: list[str] = []
        self.metrics = FleetMetrics(time.monotonic)
        self.served = {
            name: ServedPolicy(
                name,
                partial(_decider, load, share, batches),
                self.metrics,
                model=(models or {}).get(name),
                limits=batches,
            )
            for name, load in policies.items()
        }
        for one in self.served.values():
            one.wait()
        access = RobotAccess(token)
        self.server = PolicyServer(self.served, access, self.metrics, limits=limits, tell=self.told.append)
        self.web = WebThread(self.server.app, "127.0.0.1", port, longest_message=self.server.longest_message, **web)
        self.web.start()
        self.port = self.web.port

    @property
    def address(self) -> str:
        return f"remote:127.0.0.1:{self.port}"

    def close(self) -> None:
        self.web.close()
        for one in self.served.values():
            one.close()


def _decider(
    load: Callable[[], Policy | Decider], share: Callable[[Policy], SharedPolicy] | None, batches: BatchLimits | None
) -> Decider:
    loaded = load()
    if not isinstance(loaded, Policy):
        return loaded
    return LocalDecider(loaded, threads=1, batched=batches is None or batches.max_batch > 1, share=share)
