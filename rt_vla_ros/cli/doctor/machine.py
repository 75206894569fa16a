"""This machine: what is present, what is missing and how to fix it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from rt_vla_ros import ros
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.control.stop_file import stopped_nodes
from rt_vla_ros.policies.checkpoint import resolve as catalogue
from rt_vla_ros.sim.arm import find_arm

_LOWEST, _HIGHEST = (3, 10), (3, 14)
_LIBRARIES = (*((name, name) for name in ("numpy", "torch", "transformers", "mujoco", "av")), ("Pillow", "PIL"))
_LIBRARIES += (("PyYAML", "yaml"),)
_WIRE_LIBRARIES = (("eclipse-zenoh", "zenoh"), ("rosbags", "rosbags"), ("xxhash", "xxhash"))


def python() -> Iterator[Finding]:
    """The interpreter."""
    here, lowest, highest = (".".join(map(str, version)) for version in (sys.version_info[:3], _LOWEST, _HIGHEST))
    fine = _LOWEST <= sys.version_info[:2] <= _HIGHEST
    remedy = "" if fine else f"; {lowest} to {highest} are supported: use another one"
    yield Finding(fine, f"Python {here} at {sys.executable}{remedy}.")


def ros_runtime() -> Iterator[Finding]:
    """The ROS installation."""
    try:
        which = ros.ensure()
    except (ImportError, OSError) as error:
        yield Finding(False, f"ROS: {error}.")
        return
    if which == ros.ROS2:
        middleware = os.environ.get("RMW_IMPLEMENTATION", "the default middleware")
        yield Finding(True, f"ROS 2 {os.environ.get('ROS_DISTRO', '')} is sourced, with {middleware}.")
    else:
        embedded = "the embedded runtime is used, compatible with rmw_zenoh_cpp."
        yield Finding(True, f"No ROS 2 is sourced: {embedded}")


def libraries() -> Iterator[Finding]:
    """Python libraries: installed and importable."""
    wanted = _LIBRARIES + (_WIRE_LIBRARIES if ros.EMBEDDED_PATH.is_dir() else ())
    versions, missing = [], []
    for distribution, module in wanted:
        try:
            importlib.import_module(module)
            versions.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except (ImportError, OSError) as error:
            missing.append((distribution, error))
    yield Finding(True, f"Libraries: {', '.join(versions)}.")
    for distribution, reason in missing:
        remedy = f"{sys.executable} -m pip install {distribution}"
        yield Finding(False, f"{distribution} cannot be imported ({reason}): {remedy}")


def accelerator() -> Iterator[Finding]:
    """The device that policies run on."""
    try:
        import torch
    except (ImportError, OSError):
        return
    if torch.cuda.is_available():
        yield Finding(True, f"Policies run on {torch.cuda.get_device_name(0)}.")
    elif shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        remedy = "install a CUDA build of torch, or a newer driver"
        unused = f"There is an NVIDIA driver, but torch {torch.__version__} cannot use it: {remedy}."
        yield Finding(False, f"{unused} Policies run on the CPU meanwhile.")
    else:
        yield Finding(True, f"No GPU: policies run on the CPU, {os.cpu_count()} cores.")


def pictures() -> Iterator[Finding]:
    """Whether the simulated cameras can render."""
    try:
        from rt_vla_ros.sim import rendering

        rendering.open_context(16, 16).free()
    except (ImportError, OSError, RuntimeError) as error:
        yield Finding(False, f"The simulated cameras cannot render: {error}")
    else:
        yield Finding(
            True, f"The simulated cameras render with OpenGL ({os.environ.get('MUJOCO_GL', 'system default')})."
        )


def arm_model() -> Iterator[Finding]:
    """Whether there is an arm to simulate."""
    try:
        arm = find_arm()
    except FileNotFoundError as error:
        yield Finding(False, str(error))
    else:
        yield Finding(True, f"The simulated arm: {arm.mjcf}.")


def checkpoints() -> Iterator[Finding]:
    """The installed policies."""
    names, listed = catalogue.policy_names(), ", ".join(catalogue.policy_names())
    fine = bool(set(names) - set(catalogue.MADE_IN_MEMORY))
    missing = f"No trained policy in {catalogue.CHECKPOINTS}; {listed} have random weights: get a trained one."
    yield Finding(fine, f"Policies: {listed}." if fine else missing)


def launch_files() -> Iterator[Finding]:
    """Whether the launch files are installed."""
    try:
        from ament_index_python.packages import get_package_share_directory

        share = get_package_share_directory("rt_vla_ros")
    except (ImportError, KeyError) as error:
        yield Finding(False, f"Launch files: {error}.")
    else:
        names = sorted(path.name for path in Path(share, "launch").glob("*.launch.py"))
        yield Finding(bool(names), f"Launch files in {share}: {', '.join(names) or 'none; install the package again'}.")


def port() -> Iterator[Finding]:
    """Whether the graph's port is free or in use by a graph."""
    if not _has_wire():
        return
    from zenoh_ros.wire import session as wire
    from zenoh_ros.wire.errors import WireError
    from zenoh_ros.wire.zenoh_settings import ZenohSettings

    try:
        router = ZenohSettings(os.environ.get(wire.ROUTER_VARIABLE)).router
        was_free = not _answers(router)
        session = wire.Session.open(patience=1.0)
    except WireError as error:
        yield Finding(False, f"The graph cannot be joined: {error}.")
        return
    domain = session.domain
    session.close()
    state = "is free: the first node will host the graph" if was_free else "hosts a running graph"
    yield Finding(True, f"{router} (domain {domain}) {state}.")


def certificates() -> Iterator[Finding]:
    """Whether this host's certificate is valid, and for how long; no finding without keys."""
    if not _has_wire():
        return
    from zenoh_ros.wire import session as wire
    from zenoh_ros.wire.certificates import TlsFiles
    from zenoh_ros.wire.errors import WireError
    from zenoh_ros.wire.zenoh_settings import ZenohSettings

    try:
        settings = ZenohSettings(os.environ.get(wire.ROUTER_VARIABLE))
        files = TlsFiles(settings.tls)
        own = files.own_certificate() if settings.secure else None
    except WireError as error:
        yield Finding(False, f"Keys: {error}.")
        return
    if own is None:
        if settings.secure:
            yield Finding(False, "TLS is configured without mutual authentication: see docs/security.md.")
        return
    until = f"{datetime.fromtimestamp(own.until, timezone.utc):%Y-%m-%d}"
    yield Finding(True, f"Only hosts with a certificate are on the graph; this one's is {own.name}, until {until}.")
    if soon := own.ends_soon():
        yield Finding(False, f"{soon[0].upper()}{soon[1:]}.")
    for path in files.open_to_others():
        yield Finding(False, f"{path} is this host's private key, but others can read it: chmod 600 {path}")


def latched_stops() -> Iterator[Finding]:
    """Nodes of this domain that start in the stopped state."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    try:
        stopped = stopped_nodes(int(domain))
    except (OSError, ValueError) as error:
        yield Finding(False, f"Cannot read the latched stops of the domain {domain!r}: {error}.")
        return
    for name, reason in stopped.items():
        yield Finding(False, f"{name} is stopped, also after a restart, until {name}/release is called. {reason}")


def _has_wire() -> bool:
    """The embedded runtime and its library."""
    if not ros.EMBEDDED_PATH.is_dir():
        return False
    try:
        importlib.import_module("zenoh_ros.wire.session")
    except (ImportError, OSError):
        return False
    return True


def _answers(router: str) -> bool:
    host, _, number = router.partition("/")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(number)), timeout=1.0):
            return True
    except (OSError, ValueError):
        return False


LOOKS: tuple[Callable[[], Iterator[Finding]], ...]
LOOKS = (
    python,
    ros_runtime,
    libraries,
    accelerator,
    pictures,
    arm_model,
    checkpoints,
    launch_files,
    certificates,
    port,
    latched_stops,
)
