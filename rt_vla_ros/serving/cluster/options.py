"""Options of `rt-vla serve --ray`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec

MOST_REPLICAS = 1000
INSTALL = "Serving with --ray needs Ray: pip install 'rt_vla_ros[ray]' (about 500 MB)."
FULL_GPU = 1.0


@dataclass(frozen=True)
class ClusterOptions:
    """fewest, most: number of replicas of each policy; it follows the load if they differ.

    gpus: of each replica, a fraction or a whole number; None: one if the cluster has any.
    address: of an existing cluster, HOST:PORT or "auto"; empty: a cluster on this machine that ends with the server.
    """

    fewest: int = 1
    most: int = 1
    gpus: float | None = None
    address: str = ""

    def gpus_of(self, available: float) -> float:
        """GPUs of each replica. available: in the cluster. Raises ValueError if the cluster on this machine has fewer.

        An existing cluster may still grow.
        """
        each = self.gpus if self.gpus is not None else min(available, FULL_GPU)
        if not self.address and each * self.fewest > available:
            raise ValueError(
                f"{self.fewest} replicas with {each:g} GPUs each need {each * self.fewest:g} GPUs, this machine has "
                f"{available:g}. Use fewer replicas, or a fraction such as --gpus-per-replica 0.5."
            )
        return each


def parse_replicas(text: str) -> tuple[int, int]:
    """ "4" or "1:4" as the fewest and the most replicas. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", text)
    fewest, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= fewest <= most <= MOST_REPLICAS:
        raise ValueError(f"--replicas is {text!r}, expected N or MIN:MAX with 1 <= MIN <= MAX <= {MOST_REPLICAS}.")
    return fewest, most


def parse_gpus(text: str) -> float:
    """A fraction of a GPU, or a whole number. Raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MOST_REPLICAS or (value > FULL_GPU and value != int(value)):
        raise ValueError(f"--gpus-per-replica is {text!r}, expected 0, a fraction up to 1 or a whole number.")
    return value


def require_ray() -> None:
    """Raises ImportError with the command that installs it."""
    if find_spec("ray") is None:
        raise ImportError(INSTALL)
