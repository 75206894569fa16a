"""What the tests of several packages share: a private ROS graph each, and which tests must run alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rt_vla_ros import ros

# The order in which floats are added depends on the number of threads: here and in the processes that tests start it is
# one, so that both compute the same to the last bit.
os.environ["OMP_NUM_THREADS"] = "1"

# What a script starts in the background ignores SIGINT, and so do its children; tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests that run at the same time, also those of somebody else on this machine, use different ports and domains. Ports
# are below those that a system gives to outgoing connections; a ROS domain is 0 to 232.
_PORTS = count(os.getpid() * 97)
_DOMAINS = count(os.getpid() * 29)

# Their processes must meet deadlines, or they measure rates: other load could make them fail. A test that only waits
# for processes or messages is none of these.
_SERIAL = (
    "cli/test_bench.py",
    "console/test_page.py",
    "live/test_takeover_times.py",
    "nodes/test_thin_line.py",
    "zenoh_ros/contract/test_timers.py",
)


def _is_serial(path: Path) -> bool:
    here = Path(__file__).parent
    return path.is_relative_to(here) and path.relative_to(here).as_posix().startswith(_SERIAL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of _SERIAL as `serial`; `rt-vla test` runs them one by one."""
    for item in items:
        if _is_serial(item.path):
            item.add_marker(pytest.mark.serial)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only serial tests are asked for, the files that have none are not imported, which takes long."""
    only = config.option.markexpr == "serial" or config.option.markexpr.startswith("serial and ")
    if not only or not collection_path.match("test_*.py") or _is_serial(collection_path):
        return None
    return True if "serial" not in collection_path.read_text(encoding="utf-8") else None


# Beside a ROS 2 these come from pip, for the simulated arm, for an arm's kinematics, for datasets, for int8, for keys
# and for the console only, or are messages of arms' own packages: without them their tests are skipped there.
# Everywhere else they come with the tests.
_OPTIONAL_WITH_ROS2 = (
    *("av", "cryptography", "google_crc32c", "mujoco", "pinocchio", "pyarrow", "torchao"),
    *("mkdocs", "playwright", "starlette", "uvicorn", "websockets"),
    *("control_msgs", "controller_manager_msgs", "franka_msgs", "moveit_msgs"),
)


def _missing(error: BaseException | None) -> str:
    """Which of them an error is about; empty for none."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name in _OPTIONAL_WITH_ROS2:
            return error.name if ros.ensure() == ros.ROS2 else ""
        error = error.__cause__ or error.__context__
    return ""


def _skip(report: pytest.CollectReport | pytest.TestReport, name: str) -> None:
    report.outcome = "skipped"
    report.longrepr = (report.nodeid, 0, f"Skipped: {name} is not installed")


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, None]:
    """Skips a module that needs what is missing."""
    report = (yield).get_result()
    call = getattr(report, "call", None)
    if report.failed and call is not None and call.excinfo and (name := _missing(call.excinfo.value)):
        _skip(report, name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Skips a test that needs what is missing."""
    report = (yield).get_result()
    if report.failed and call.excinfo and (name := _missing(call.excinfo.value)):
        _skip(report, name)


class RosGraph(NamedTuple):
    """A graph that nobody else is on: nothing that a test does reaches a real robot."""

    port: int
    domain: int
    router: str


def free_port() -> int:
    """A localhost port that nobody listens on."""
    while True:
        port = 12_000 + next(_PORTS) % 18_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def ros_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RosGraph:
    """Sets router, domain and ROS_HOME for this process and those it starts."""
    port, domain = free_port(), 1 + next(_DOMAINS) % 230
    graph = RosGraph(port, domain, f"tcp/localhost:{port}")
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", graph.router)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    for name in ("ZENOH_CONFIG_OVERRIDE", "ZENOH_SESSION_CONFIG_URI", "ZENOH_ROUTER_CHECK_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    return graph
