"""Which ROS a process gets, decided in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import ROOT

WITHOUT_ROS = "import sys; sys.path[:] = [p for p in sys.path if '/opt/ros' not in p]\n"


def run(code: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    search = [str(ROOT)] if path is None else [str(path), str(ROOT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search)}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_ROS + code], env=environment, capture_output=True, text=True, timeout=60
    )


def fake_rclpy(folder: Path, init: str, singleton: str = "") -> Path:
    implementation = folder / "rclpy" / "impl"
    implementation.mkdir(parents=True)
    (folder / "rclpy" / "__init__.py").write_text(init)
    (implementation / "__init__.py").write_text("")
    (implementation / "implementation_singleton.py").write_text(singleton)
    return folder


def test_without_rclpy_the_stand_in_comes_last_and_once() -> None:
    done = run(
        "from rt_vla_ros import ros\n"
        "print(ros.ensure(), ros.ensure(), sys.path.index(str(ros.EMBEDDED_PATH)) == len(sys.path) - 1,"
        " sys.path.count(str(ros.EMBEDDED_PATH)))\n"
        "import rclpy; from sensor_msgs.msg import Image\n"
        "print(str(ros.EMBEDDED_PATH) in rclpy.__file__, ros.ensure())"
    )
    assert done.stdout.split() == ["embedded", "embedded", "True", "1", "True", "embedded"], done.stderr


def test_a_real_rclpy_is_used(tmp_path: Path) -> None:
    folder = fake_rclpy(tmp_path, "here = True\n")
    done = run(
        "from rt_vla_ros import ros\n"
        "print(ros.ensure(), ros.ensure(), str(ros.EMBEDDED_PATH) in sys.path)\n"
        "import rclpy; print(rclpy.here)\n"
        "try:\n    import sensor_msgs\nexcept ImportError:\n    print('no mixture')",
        folder,
    )
    assert done.stdout.split() == ["ros2", "ros2", "False", "True", "no", "mixture"], done.stderr


@pytest.mark.parametrize(
    ("init", "singleton"),
    [("from ._missing import x\n", ""), ("", "raise ImportError('_rclpy_pybind11.cpython-312 is not for you')\n")],
)
def test_an_rclpy_of_another_python_is_an_error(tmp_path: Path, init: str, singleton: str) -> None:
    folder = fake_rclpy(tmp_path, init, singleton)
    done = run(
        "from rt_vla_ros import ros\n"
        "try:\n    ros.ensure()\nexcept ros.RosUnavailable as error:\n    print(error)\n"
        "print(str(ros.EMBEDDED_PATH) in sys.path)",
        folder,
    )
    assert "but Python" in done.stdout, done.stderr
    assert "cannot import it" in done.stdout
    assert done.stdout.strip().endswith("False")
