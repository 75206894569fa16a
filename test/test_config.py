"""The parameter files name parameters that there are, with values that they may have."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.documented_commands import PARAMETERS, fits

from rt_vla_ros.arms.controller_check import TYPES

FILES = sorted((Path(__file__).resolve().parents[1] / "config").glob("*.yaml"))


def test_there_are_parameter_files() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_fits_its_declaration(path: Path) -> None:
    for node, section in yaml.safe_load(path.read_text()).items():
        table = PARAMETERS[node.rpartition("/")[2]]
        for name, value in section["ros__parameters"].items():
            assert name in table, f"{node} has no parameter {name}"
            assert fits(value, table[name]), f"{node}.{name}: {value}"


@pytest.mark.parametrize("path", sorted(FILES[0].parent.glob("ros2_control/*.yaml")), ids=lambda path: path.stem)
def test_what_goes_with_ros2_control_fits_itself(path: Path) -> None:
    sections = {
        name.rpartition("/")[2]: one["ros__parameters"] for name, one in yaml.safe_load(path.read_text()).items()
    }
    bridge = sections["ros2_control_bridge_node"]
    for node in ("ros2_control_bridge_node", "smoother_node"):
        assert all(fits(value, PARAMETERS[node][name]) for name, value in sections[node].items())
    for name in set(sections) & {bridge["controller"]}:
        assert sections[name]["joints"] == bridge["joints"]
        assert sections["controller_manager"][name]["type"] == TYPES[bridge["command_interface"]][0]
