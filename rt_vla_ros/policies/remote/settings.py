"""Connection options of a robot's policy server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

LONGEST_BUDGET = 60.0
"""[s]"""


@dataclass(frozen=True)
class RemoteSettings:
    """Raises ValueError, with a sentence, for what cannot be.

    token_file: path of a file with the server's token; empty: none is sent.
    ca: path of the certificate (PEM) that the server's must be signed by, or be; "system": this machine's usual
    authorities; empty: no TLS.
    certificate, key: paths of this robot's own (PEM), for a server that demands one.
    jpeg: quality of the images, 1 ... 95; 0: they are sent as they are.
    budget: from the image's arrival at `act` to its action [s]; an answer that takes longer is not acted on. 0: the
    time until the next decision is due, and no less than 0.5 s.
    robot: what this robot is called in the server's table; empty: as the host.
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
            raise ValueError(f"remote_jpeg is {self.jpeg}, expected a quality of 1 to 95, or 0 for images as they are.")
        if not (math.isfinite(self.budget) and 0 <= self.budget <= LONGEST_BUDGET):
            raise ValueError(f"remote_budget is {self.budget:g} s, expected 0 to {LONGEST_BUDGET:g} s.")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("remote_certificate and remote_key must be given together.")
        if self.certificate and not self.ca:
            raise ValueError("remote_certificate requires TLS: set remote_ca to the server's CA.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RemoteSettings:
        """From parameters of a node or options of a command, which have `remote_` before their names."""
        return cls(**{one.name: settings[f"remote_{one.name}"] for one in fields(cls)})
