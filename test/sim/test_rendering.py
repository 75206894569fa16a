"""The choice of the OpenGL library."""

from __future__ import annotations

import pytest

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
