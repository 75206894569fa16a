from __future__ import annotations

import pytest

from rt_vla_ros.sim.arm import ARM_MJCF_VARIABLE, ArmDescription, find_arm
from rt_vla_ros.sim.tabletop_model import build_model


def test_an_mjcf_that_does_not_fit_its_description_is_refused(tmp_path):
    file = tmp_path / "arm.xml"
    file.write_text('<mujoco><worldbody><body><joint name="elbow"/><geom size=".1"/></body></worldbody></mujoco>')
    with pytest.raises(ValueError, match=r"has no joint joint1, .*; it has elbow"):
        build_model(ArmDescription(file), 1)


def test_the_same_file_by_path_is_the_same_arm(monkeypatch, sim):
    monkeypatch.setenv(ARM_MJCF_VARIABLE, str(sim.arm.mjcf))
    assert build_model(find_arm(), 3).nq == sim.model.nq
