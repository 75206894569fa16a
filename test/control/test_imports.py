"""The package control loads without ROS, torch and a simulator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "rclpy", "zenoh", "mujoco", "rosbags", "PIL")


def test_it_needs_nothing_heavy() -> None:
    modules = sorted(path.stem for path in (ROOT / "rt_vla_ros" / "control").glob("*.py") if path.stem != "__init__")
    assert "controller" in modules
    program = "import sys\n" + "".join(f"import rt_vla_ros.control.{name}\n" for name in modules)
    program += f"print([name for name in {HEAVY} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
