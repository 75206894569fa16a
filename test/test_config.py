"""The parameter files name parameters that there are, with values that they may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rt_vla_ros import ros

ros.ensure()

from rt_vla_ros.nodes import policy_node, sim_arm_node, smoother_node  # noqa: E402
from rt_vla_ros.nodes.parameters import Parameter  # noqa: E402

FILES = sorted((Path(__file__).resolve().parents[1] / "config").glob("*.yaml"))
TABLES = {
    "policy_node": policy_node.PARAMETERS,
    "smoother_node": smoother_node.PARAMETERS,
    "sim_arm_node": sim_arm_node.PARAMETERS,
}


def fits(value: Any, parameter: Parameter) -> bool:
    if type(value) is not type(parameter.default):
        return False
    in_range = parameter.low is None or parameter.high is None or parameter.low <= value <= parameter.high
    return in_range and (not parameter.choices or value in parameter.choices)


def test_there_are_parameter_files() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_fits_its_declaration(path: Path) -> None:
    for node, section in yaml.safe_load(path.read_text()).items():
        table = {parameter.name: parameter for parameter in TABLES[node.rpartition("/")[2]]}
        for name, value in section["ros__parameters"].items():
            assert name in table, f"{node} has no parameter {name}"
            assert fits(value, table[name]), f"{node}.{name}: {value}"
