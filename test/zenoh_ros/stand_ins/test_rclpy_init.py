"""`rclpy.init` where the port of the graph is taken, as a node's program says it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_port_that_another_program_has_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        router = f"tcp/localhost:{other.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "rt_vla_ros.nodes.smoother_node"],
            cwd=ROOT,
            env={**os.environ, "RT_VLA_ROS_ROUTER": router},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 1
    assert f"cannot join the graph: {router} is in use by a program that is not a Zenoh router" in ended.stderr
    assert "Traceback" not in ended.stderr
