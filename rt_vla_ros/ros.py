"""Decides once which ROS this process has: a sourced ROS 2, or the stand-in that travels with this package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

EMBEDDED_PATH = Path(__file__).resolve().parents[1] / "zenoh_ros" / "stand_ins"
ROS2, EMBEDDED = "ros2", "embedded"


class RosUnavailable(ImportError):
    """There is an rclpy, but this Python cannot use it."""


def ensure() -> str:
    """Make `import rclpy` work, with the real one wherever there is one; call before the first ROS import.

    The decision is taken on rclpy alone and for all ROS packages at once. May be called again.

    Returns:
        "ros2" with a real ROS 2, "embedded" with the stand-in.

    Raises:
        RosUnavailable: an rclpy is found but cannot be imported, usually because it was built for another Python.
        FileNotFoundError: see `register`.
    """
    spec = importlib.util.find_spec("rclpy")
    if spec is not None and not _is_stand_in(spec.origin):
        _import_real(spec.origin)
        return ROS2
    if spec is None and not EMBEDDED_PATH.is_dir():
        raise RosUnavailable(
            "no rclpy: this is a ROS 2 installation of rt_vla_ros without its stand-in; source the setup file of ROS 2"
        )
    import zenoh_ros

    register()
    zenoh_ros.install()
    return EMBEDDED


def register() -> None:
    """Tells zenoh_ros of this package: its messages, its launch files and its nodes, which no ament index lists.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    from zenoh_ros import packages

    here = Path(__file__).resolve().parent
    nodes = [path.stem for path in (here / "nodes").glob("*_node.py")]
    packages.register(here.name, here.parent, {name: f"{here.name}.nodes.{name}" for name in nodes})


def _is_stand_in(origin: str | None) -> bool:
    return origin is not None and EMBEDDED_PATH in Path(origin).resolve().parents


def _import_real(origin: str | None) -> None:
    try:
        # rclpy loads its extension module on first use; a node could not start without it.
        importlib.import_module("rclpy")
        importlib.import_module("rclpy.impl.implementation_singleton")
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        raise RosUnavailable(
            f"rclpy is installed at {origin} but Python {version} ({sys.executable}) cannot import it: {error}. "
            "Run with the Python that ROS 2 was built for, or without sourcing ROS 2 to use the embedded runtime"
        ) from error
