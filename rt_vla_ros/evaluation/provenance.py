"""Versions and checksums that make a measurement reproducible."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata

from rt_vla_ros import __version__
from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.policies.checkpoint.files import ENGINE_FILE, RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, REMOTE, resolve
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt2.openvla.card import openvla_config

WEIGHTS = ("*.safetensors", "*.onnx", "*.so")
DESCRIPTION = (CARD_FILE, ENGINE_FILE, RT2_CONFIG_FILE)
PACKAGES = ("torch", "numpy", "mujoco", "transformers")


def versions() -> dict[str, str]:
    """Versions of this package, Python and the relevant packages, and the machine."""
    found = {"rt_vla_ros": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        found[package] = metadata.version(package)
    return {**found, "machine": f"{platform.system()} {platform.machine()}"}


def center_cropped(policy: str, remote: RemoteSettings | None = None) -> bool | None:
    """Whether an OpenVLA checkpoint sees the center of its images only; None for other policies and those on a server.

    Raises UnknownPolicyError, CheckpointError, RT2ConfigError.
    """
    checkpoint = resolve(policy, remote=remote)
    return openvla_config(checkpoint).center_crop if checkpoint.family == "openvla" else None


def checkpoint_hash(policy: str, remote: RemoteSettings | None = None) -> str | None:
    """SHA-256 of a policy's safetensors, ONNX and compiled files, in the order of their names, in hexadecimal.

    None for a policy created in memory; for a remote policy, as reported by the server; for one whose model runs in an
    engine, of its description, as an engine does not report its weights. remote: connection options.
    Raises UnknownPolicyError, PolicyLostError, OSError.
    """
    checkpoint = resolve(policy, remote=remote)
    if checkpoint.family == REMOTE:
        return checkpoint.welcome().model
    directory = checkpoint.adapter or checkpoint.directory
    endings = DESCRIPTION if checkpoint.family == ENGINE else WEIGHTS
    files = [] if directory is None else sorted(path for ending in endings for path in directory.glob(ending))
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest() if files else None
