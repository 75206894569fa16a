"""The table of zenoh_ros/README.md is true: what it lists is there, what it says to be missing is missing."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zenoh_ros

found = importlib.util.find_spec("rclpy")
if found is not None and not str(found.origin).startswith(str(zenoh_ros.STAND_INS)):
    pytest.skip("a real ROS 2 is sourced", allow_module_level=True)
zenoh_ros.install()

README = (zenoh_ros.STAND_INS.parent / "README.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(\w+)`")
ROW = re.compile(r"^\| `([a-z2_]+[\w.]*)` \|(.*)\|(.*)\|$", re.MULTILINE)
ROWS = [(where, NAME.findall(there), NAME.findall(missing)) for where, there, missing in ROW.findall(README)]
OWN_HELPERS = {"rclpy.qos": {"from_wire", "to_wire"}, "rclpy.wait_for_message": {"MsgT"}}  # not upstream's


def resolve(where: str) -> Any:
    """The module, or the class within a module."""
    module, _, name = where.rpartition(".")
    return getattr(importlib.import_module(module), name) if name[:1].isupper() else importlib.import_module(where)


def public_names(where: str) -> set[str]:
    thing = resolve(where)
    if not isinstance(thing, ModuleType):
        return {name for name in dir(thing) if not name.startswith("_")}
    made_here = {name for name, value in vars(thing).items() if getattr(value, "__module__", None) == where}
    names = set(getattr(thing, "__all__", made_here))
    return {name for name in names if not name.startswith("_")} - OWN_HELPERS.get(where, set())


def is_there(where: str, name: str) -> bool:
    thing = resolve(where)
    if hasattr(thing, name):
        return True
    return hasattr(thing, "__path__") and importlib.util.find_spec(f"{where}.{name}") is not None


def test_every_stand_in_has_a_row() -> None:
    folders = {path.name for path in Path(zenoh_ros.STAND_INS).iterdir() if path.is_dir() and path.name[0] != "_"}
    assert {where.partition(".")[0] for where, _, _ in ROWS} == folders


@pytest.mark.parametrize(("where", "there", "missing"), ROWS, ids=[row[0] for row in ROWS])
def test_the_row_is_true(where: str, there: list[str], missing: list[str]) -> None:
    assert [name for name in there if not is_there(where, name)] == []
    assert [name for name in missing if is_there(where, name)] == []
    assert public_names(where) == set(there)
