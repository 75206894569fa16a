"""The direction of the house: who may import whom, which rooms load without ROS, and which without torch."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, ZENOH_ROS = ROOT / "rt_vla_ros", ROOT / "zenoh_ros"

# A package imports from the rows above its own, and from itself.
ROWS = (
    ("json_file.py", "os_error.py"),
    ("action_space",),
    ("observations",),
    ("language", "control", "data"),
    ("sim",),
    ("ros.py", "policies"),
    ("runtime",),
    ("evaluation", "benchmarks"),
    ("training", "nodes"),
    ("live", "selftest"),
    ("cli",),
    ("bootstrap.py",),
)
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
WITH_ROS = {"nodes", "live", "cli"}
WITH_ZENOH_ROS = {"ros.py", "live", "cli"}
WITHOUT_TORCH = {"json_file.py", "os_error.py", "action_space", "observations", "control"}
ROS_MODULES = {path.name for path in (ZENOH_ROS / "stand_ins").iterdir() if path.is_dir()} | {
    *("rclpy", "launch", "launch_ros", "std_msgs", "sensor_msgs", "geometry_msgs", "diagnostic_msgs", "rcl_interfaces"),
    *("builtin_interfaces", "std_srvs", "rosgraph_msgs", "tf2_msgs", "tf2_ros", "rosidl_runtime_py", "ros2cli"),
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) != "__init__.py")


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                assert node.level < len(path.relative_to(ROOT).parts) - 1, f"{path}:{node.lineno} leaves its package"
                continue
            # `from rt_vla_ros import ros` names a module, `from rt_vla_ros.sim import X` a thing within one.
            within = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from within if node.module == "rt_vla_ros" else (str(node.module),)


def own_rooms(path: Path) -> set[str]:
    """The rooms of this house that a file imports from."""
    names = {name.split(".")[1] for name in imported(path) if name.startswith("rt_vla_ros.")}
    rooms = {name if (PACKAGE / name).is_dir() else f"{name}.py" for name in names}
    return rooms - {"msg.py", "srv.py", "__version__.py"}


def imports_ros(path: Path) -> set[str]:
    """The ROS packages that a file imports."""
    roots = {name.split(".")[0] for name in imported(path)} & ROS_MODULES
    return roots | {name for name in imported(path) if name.startswith(("rt_vla_ros.msg", "rt_vla_ros.srv"))}


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path in sources()}
    assert len(rooms) > 10
    assert rooms == set(ROW)


def test_imports_point_only_to_the_left() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {room}"
        for path in sources()
        for room in sorted(own_rooms(path))
        if room != room_of(path) and ROW[room] >= ROW[room_of(path)]
    ]
    assert wrong == []


def test_zenoh_ros_imports_nothing_of_this_package() -> None:
    own = {name for path in ZENOH_ROS.rglob("*.py") for name in imported(path) if name.startswith("rt_vla_ros")}
    assert own == set()


def test_zenoh_ros_is_imported_where_ros_is_missing_or_driven() -> None:
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in sources()
        if room_of(path) not in WITH_ZENOH_ROS and any(name.startswith("zenoh_ros") for name in imported(path))
    ]
    assert wrong == []


def test_ros_is_imported_by_nodes_and_commands_alone() -> None:
    wrong = {str(path.relative_to(PACKAGE)): imports_ros(path) for path in sources() if room_of(path) not in WITH_ROS}
    assert {path: names for path, names in wrong.items() if names} == {}
    assert any(imports_ros(path) for path in (PACKAGE / "nodes").glob("*.py"))


def modules(room: str) -> list[str]:
    """The module names of a room; those meant to be run (`__main__`) are left out."""
    paths = [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in paths if path.stem != "__main__"]
    return [".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts]


LOAD = """
import importlib, json, sys
names, forbidden = json.loads(sys.argv[1])
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in forbidden or name in ("rt_vla_ros.msg", "rt_vla_ros.srv"):
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Refuse())
for name in names:
    importlib.import_module(name)
print(sum(name in sys.modules for name in names))
"""


@pytest.mark.parametrize("room", sorted(set(ROW) - WITH_ROS))
def test_the_room_loads_without_ros(room: str) -> None:
    names = modules(room)
    forbidden = sorted(ROS_MODULES | ({"torch", "transformers"} if room in WITHOUT_TORCH else set()))
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps([names, forbidden])],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert int(loaded.stdout) == len(names)
