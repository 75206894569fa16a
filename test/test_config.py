"""The parameter files name parameters that there are, with values that they may have."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.documented_commands import PARAMETERS, fits

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
