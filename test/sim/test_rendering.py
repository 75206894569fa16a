"""The choice of the OpenGL library."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from support.launching import child_environment
from support.processes import ROOT

from rt_vla_ros.sim import rendering


class _Context:
    def __init__(self, width: int, height: int) -> None:
        self.current = False

    def make_current(self) -> None:
        self.current = True

    def free(self) -> None:
        self.current = False


def _only(working: set[str]):
    def load(name: str):
        if name not in working:
            raise ImportError(f"no library for {name}")
        return _Context

    return load


@pytest.mark.parametrize(
    ("chosen", "egl", "used"),
    [("", True, "egl"), ("", False, "osmesa"), ("osmesa", True, "osmesa"), ("EGL ", False, "egl"), ("on", True, "egl")],
)
def test_the_users_opengl_choice_then_egl_then_osmesa(monkeypatch, chosen, egl, used):
    monkeypatch.setattr(rendering, "egl_works", lambda: egl)
    monkeypatch.setattr(rendering, "_import_context", _only({used}))
    monkeypatch.setenv("MUJOCO_GL", chosen)
    assert rendering.choose_library() == used
    assert rendering.open_context(8, 8).current


def test_without_any_library_a_sentence_names_the_packages(monkeypatch):
    monkeypatch.setattr(rendering, "egl_works", lambda: False)
    monkeypatch.setattr(rendering, "_import_context", _only(set()))
    monkeypatch.setenv("MUJOCO_GL", "")
    with pytest.raises(RuntimeError, match=r"osmesa: no library.*libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0"):
        rendering.open_context(8, 8)


def test_egl_without_a_device_does_not_work(monkeypatch):
    monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "31")
    assert not rendering.egl_works()


def test_without_the_shared_libraries_egl_does_not_work(monkeypatch):
    def absent(name: str):
        raise OSError(name)

    monkeypatch.setattr(rendering.ctypes, "CDLL", absent)
    assert not rendering.egl_works()


RENDER = """
from rt_vla_ros.sim import TabletopSim, make_scene
sim = TabletopSim()
sim.reset(make_scene("pick-any", seed=3).layout)
sim.render("front")
sim.close()
"""


def run_python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    environment = child_environment()
    environment["PYTHONPATH"] = ":".join([*map(str, paths), str(ROOT)])
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_the_library_of_triton_is_loaded_before_that_of_mesa(tmp_path: Path) -> None:
    directory = tmp_path / "triton" / "_C"
    directory.mkdir(parents=True)
    (directory.parent / "__init__.py").write_text("raise AssertionError('only its library is loaded')")
    code = "import ctypes, os, rt_vla_ros.sim.rendering as rendering; order, load = [], ctypes.CDLL\n"
    code += "os.environ.pop('MUJOCO_GL', None)\n"  # where it is set, no library of OpenGL is tried
    code += "ctypes.CDLL = lambda name: (order.append(str(name)), load(name))[1]; rendering.choose_library()\n"
    code += "print(*order, sep='\\n')"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert loaded[0] == str(directory / "libtriton.so")
    assert len(loaded) > 1


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_triton_without_a_usable_library_does_not_prevent_rendering(content: bytes | None, tmp_path: Path) -> None:
    directory = tmp_path / "triton" / "_C"
    directory.mkdir(parents=True)
    if content is not None:
        (directory / "libtriton.so").write_bytes(content)
    done = run_python("from rt_vla_ros.sim.rendering import choose_library; print(choose_library())", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_triton_can_be_imported_after_rendering() -> None:
    done = run_python(RENDER + "import triton")
    assert done.returncode == 0, done.stderr
