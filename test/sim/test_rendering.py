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


def _only(working: set[str], tried: list[str]):
    def load(name: str):
        tried.append(name)
        if name not in working:
            raise ImportError(f"no library for {name}")
        return _Context

    return load


@pytest.mark.parametrize(
    ("chosen", "working", "tried"),
    [
        ("", {"egl", "osmesa"}, ["egl"]),
        ("", {"osmesa"}, ["egl", "osmesa"]),
        ("osmesa", {"egl", "osmesa"}, ["osmesa"]),
        ("EGL ", {"egl"}, ["egl"]),
    ],
)
def test_the_users_choice_then_egl_then_osmesa(monkeypatch, chosen, working, tried):
    seen: list[str] = []
    monkeypatch.setattr(rendering, "_forget", lambda name: None)
    monkeypatch.setattr(rendering, "_import_context", _only(working, seen))
    monkeypatch.setenv("MUJOCO_GL", chosen)
    assert rendering.open_context(8, 8).current
    assert seen == tried


def test_without_any_library_a_sentence_names_the_packages(monkeypatch):
    monkeypatch.setattr(rendering, "_forget", lambda name: None)
    monkeypatch.setattr(rendering, "_import_context", _only(set(), []))
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(RuntimeError, match=r"egl: no library.*libosmesa6.*libegl1 libegl-mesa0 libgl1-mesa-dri"):
        rendering.open_context(8, 8)
