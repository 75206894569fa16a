"""The wheel carries what a ROS 2 package is made of, and works where the source tree is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def checked(*command: str | Path, **more: object) -> str:
    """Runs a command; its output, which is shown where it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since building writes into the tree."""
    tree = tmp_path_factory.mktemp("source") / "rt_vla_ros"
    left_out = shutil.ignore_patterns(
        ".*", "__pycache__", "test", "docs", "build", "dist", "runs", "demo_out", "*.egg-info"
    )
    shutil.copytree(ROOT, tree, ignore=left_out)
    out = tree.parent / "wheel"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    checked(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", out, tree)
    (built,) = out.iterdir()
    return built


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in ("rt_vla_ros", "zenoh_ros"):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*") if path.is_file()}
        assert len(files) > 50
        assert {path for path in files if "__pycache__" not in path} - names == set()
    share = {name.partition("/share/rt_vla_ros/")[2] for name in names}
    for folder in ("msg", "srv", "action", "launch", "config"):
        assert {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.*")} <= share
    assert "package.xml" in share
    assert {"launch/policy.launch.py", "msg/ActionChunk.msg"} <= share


def test_an_installed_wheel_launches_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    checked(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    # This environment's libraries, pip among them, but not the paths that it adds, one of which is the source tree.
    libraries = Path(checked(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    checked(python, "-m", "pip", "install", "--no-deps", "--no-index", "--ignore-installed", wheel)
    program = tmp_path / "venv" / "bin" / "rt-vla"
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    where = checked(python, "-c", "import rt_vla_ros; print(rt_vla_ros.__file__)", cwd=tmp_path, env=clean)
    assert Path(where.strip()).is_relative_to(tmp_path)
    shown = checked(program, "launch", "policy.launch.py", "--show-args", cwd=tmp_path, env=clean)
    assert {"'arm':", "'policy':", "'cameras':", "'use_sim_time':"} <= set(shown.split())
    reference = tmp_path / "models"
    reference.mkdir()
    (reference / "rt1.py").touch()
    refused = subprocess.run(
        [program, "bench", "rt1", "--reference", tmp_path], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "is part of a checkout, not of an installation" in refused.stderr
