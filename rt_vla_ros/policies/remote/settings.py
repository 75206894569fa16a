"""Connection settings for a policy server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

LONGEST_BUDGET, SHORTEST_BUDGET = 60.0, 0.5
"""Of a request, and the shortest that is the default [s]."""


@dataclass(frozen=True)
class RemoteSettings:
    """Raises ValueError for invalid settings.

    token_file: path of a file with the server's token (an engine's API key); empty: none is sent.
    ca: path of the CA certificate (PEM) of the server, or of its own certificate; "system": the system's CAs; empty:
    no TLS, or for an engine with an https url the system's CAs.
    certificate, key: paths of this robot's client certificate and key (PEM), for a server that requires one.
    jpeg: quality of the images, 1 ... 95; 0: raw images, or PNG for an engine.
    budget: longest time from the call of `act` to its action [s]; a later answer is not executed. 0: the time until the
    next decision is due, at least 0.5 s.
    robot: name of this robot in the server's table; empty: the host name.
    """

    token_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    jpeg: int = 0
    budget: float = 0.0
    robot: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.jpeg <= 95:
            raise ValueError(f"remote_jpeg is {self.jpeg}, expected a quality of 1 to 95, or 0 for raw images.")
        if not (math.isfinite(self.budget) and 0 <= self.budget <= LONGEST_BUDGET):
            raise ValueError(f"remote_budget is {self.budget:g} s, expected 0 to {LONGEST_BUDGET:g} s.")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("remote_certificate and remote_key must be given together.")
        if self.certificate and not self.ca:
            raise ValueError("remote_certificate requires TLS: set remote_ca to the server's CA.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RemoteSettings:
        """From parameters of a node or options of a command, whose names start with `remote_`."""
        return cls(**{one.name: settings[f"remote_{one.name}"] for one in fields(cls)})
