"""The arm's MJCF is found without importing its package, and a wrong one is refused in a sentence."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from rt_vla_ros.sim.arm import ARM_MJCF_VARIABLE, find_arm


def test_gym_hil_is_found_and_not_imported(sim):
    assert find_arm().mjcf.is_file()
    assert sim.arm.mjcf == find_arm().mjcf
    assert "gym_hil" not in sys.modules


def test_without_gym_hil_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.delenv(ARM_MJCF_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps gym-hil.*RT_VLA_ROS_ARM_MJCF"):
        find_arm()


def test_another_mjcf_by_environment(monkeypatch, tmp_path):
    file = tmp_path / "other.xml"
    monkeypatch.setenv(ARM_MJCF_VARIABLE, str(file))
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        find_arm()
    file.write_text("<mujoco/>")
    assert find_arm().mjcf == file
