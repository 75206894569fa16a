"""What a figure was measured with, so that somebody else can measure it again."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path

from rt_vla_ros import __version__
from rt_vla_ros.policies.catalogue import find_checkpoint
from rt_vla_ros.policies.checkpoint import WEIGHTS_FILE

PACKAGES = ("torch", "numpy", "mujoco", "transformers")


def versions() -> dict[str, str]:
    """Of this program, of Python and of the packages that results depend on, and the machine."""
    found = {"rt_vla_ros": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        found[package] = metadata.version(package)
    return {**found, "machine": f"{platform.system()} {platform.machine()}"}


def checkpoint_hash(policy: str) -> str | None:
    """SHA-256 of the weights of a policy by name or path, in hexadecimal; None for one that is made in memory.

    Raises UnknownPolicyError, OSError.
    """
    directory: Path | None = find_checkpoint(policy)
    if directory is None:
        return None
    return hashlib.sha256((directory / WEIGHTS_FILE).read_bytes()).hexdigest()
