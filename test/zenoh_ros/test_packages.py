"""Packages that no ament index lists."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from zenoh_ros import packages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_registered", {})


def test_a_checkout_is_its_own_prefix_and_share_directory() -> None:
    package = packages.register("rt_vla_ros", ROOT, {"b_node": "rt_vla_ros.b", "a_node": "rt_vla_ros.a"})
    assert (package.prefix, package.share, package.is_python) == (ROOT, ROOT, True)
    assert package.executables == ["a_node", "b_node"]
    assert package.command("b_node") == [sys.executable, "-m", "rt_vla_ros.b"]
    assert package.python_path("/elsewhere") == f"{ROOT}{os.pathsep}/elsewhere"
    assert package.python_path("") == str(ROOT)
    assert packages.find("rt_vla_ros") is package
    assert packages.registered() == (package,)


def test_an_installed_wheel_finds_its_share_directory(tmp_path: Path) -> None:
    root = tmp_path / "lib/python3/site-packages"
    (tmp_path / "share/probe").mkdir(parents=True)
    (tmp_path / "share/probe/package.xml").touch()
    package = packages.register("probe", root)
    assert (package.prefix, package.share, package.is_python) == (tmp_path, tmp_path / "share/probe", False)


def test_an_incomplete_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"'probe' are missing: no package.xml in .*incomplete"):
        packages.register("probe", tmp_path / "site-packages")
    assert packages.registered() == ()


REGISTERED = """
import sys
from pathlib import Path
import zenoh_ros
from zenoh_ros import packages
packages.register("probe_msgs", Path(sys.argv[1]))
zenoh_ros.install()
from ament_index_python import get_package_share_directory
from probe_msgs.msg import Level
from probe_msgs.srv import Fill
import rclpy
print(Level(height=2.0), Fill.Request(by=Level(height=1.0)), get_package_share_directory("probe_msgs") == sys.argv[1])
print("rt_vla_ros" in sys.modules, sys.path[-1] == str(zenoh_ros.STAND_INS))
"""


def test_messages_of_a_registered_package_are_imported(tmp_path: Path) -> None:
    (tmp_path / "package.xml").touch()
    for kind, name, text in (("msg", "Level", "float64 height\n"), ("srv", "Fill", "Level by\n---\nbool full\n")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.{kind}").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", REGISTERED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == (
        "probe_msgs.msg.Level(height=2.0) "
        "probe_msgs.srv.Fill_Request(by=probe_msgs.msg.Level(height=1.0)) True\nFalse True\n"
    ), done.stderr
