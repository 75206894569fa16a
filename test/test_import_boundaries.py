"""Which package may import which, and which of them load without ROS, without zenoh_ros and without torch."""

from __future__ import annotations

import ast
import importlib.util
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
    (
        "environment.py",
        "git_lfs.py",
        "host_memory.py",
        "json_file.py",
        "json_lines.py",
        "loopback.py",
        "malloc_threshold.py",
        "network_size.py",
        "os_error.py",
        "out_claim.py",
        "out_file.py",
        "parent_process.py",
        "progress.py",
        "protocol_buffers.py",
        "style",
        "svg.py",
    ),
    ("token_file.py",),
    ("process_end.py", "servo_robots.py"),
    ("model_folder.py",),
    ("action_space",),
    ("observations",),
    ("arms", "language", "control", "data"),
    ("sim", "recording"),
    ("ros.py", "policies"),
    ("runtime",),
    ("environments",),
    ("console", "evaluation"),
    ("training", "nodes", "serving"),
    ("benchmarks",),
    ("live", "selftest"),
    ("cli",),
)
ROW = {name: number for number, names in enumerate(ROWS) for name in names}
WITH_ROS = {"nodes", "live", "cli"}
WITH_ZENOH_ROS = {"ros.py", "live", "cli"}
WITHOUT_TORCH = {*ROWS[0], *ROWS[1], "action_space", "arms", "observations", "control", "recording", "console"} - {
    "network_size.py"
}
ROS_MODULES = {path.name for path in (ZENOH_ROS / "stand_ins").iterdir() if path.is_dir()} | {
    *("rclpy", "launch", "launch_ros", "std_msgs", "sensor_msgs", "geometry_msgs", "diagnostic_msgs", "rcl_interfaces"),
    *("builtin_interfaces", "std_srvs", "rosgraph_msgs", "tf2_msgs", "tf2_ros", "rosidl_runtime_py", "ros2cli"),
    *("moveit_msgs", "control_msgs", "shape_msgs", "action_msgs", "lifecycle_msgs", "nav_msgs"),
}
ON_RAY = ("ray_replica", "ray_replicas", "ray_router")  # of rt_vla_ros/serving/cluster; 500 MB that only --ray needs
OWN_MESSAGES = {"rt_vla_ros.msg", "rt_vla_ros.srv", "rt_vla_ros.action"}


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if package_of(path) != "__init__.py")


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


def own_packages(path: Path) -> set[str]:
    """The packages (or single modules) of rt_vla_ros that a file imports from."""
    names = {name.split(".")[1] for name in imported(path) if name.startswith("rt_vla_ros.")}
    packages = {name if (PACKAGE / name).is_dir() else f"{name}.py" for name in names}
    return packages - {"msg.py", "srv.py", "action.py", "__version__.py"}


def imports_ros(path: Path) -> set[str]:
    """The ROS packages that a file imports."""
    roots = {name.split(".")[0] for name in imported(path)} & ROS_MODULES
    return roots | {name for name in imported(path) if ".".join(name.split(".")[:2]) in OWN_MESSAGES}


def test_every_package_has_its_row() -> None:
    packages = {package_of(path) for path in sources()}
    assert len(packages) > 10
    assert packages == set(ROW)


def test_imports_point_only_to_rows_above() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {package}"
        for path in sources()
        for package in sorted(own_packages(path))
        if package != package_of(path) and ROW[package] >= ROW[package_of(path)]
    ]
    assert wrong == []


def test_zenoh_ros_imports_nothing_of_this_package() -> None:
    own = {name for path in ZENOH_ROS.rglob("*.py") for name in imported(path) if name.startswith("rt_vla_ros")}
    assert own == set()


def test_zenoh_ros_is_imported_where_ros_is_missing_or_driven() -> None:
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in sources()
        if package_of(path) not in WITH_ZENOH_ROS and any(name.startswith("zenoh_ros") for name in imported(path))
    ]
    assert wrong == []


def test_ros_is_imported_by_nodes_and_commands_alone() -> None:
    wrong = {
        str(path.relative_to(PACKAGE)): imports_ros(path) for path in sources() if package_of(path) not in WITH_ROS
    }
    assert {path: names for path, names in wrong.items() if names} == {}
    assert any(imports_ros(path) for path in (PACKAGE / "nodes").glob("*.py"))


def test_the_web_server_is_imported_by_the_console_and_the_policy_server_alone() -> None:
    web = {"starlette", "uvicorn"}
    users = {package_of(path) for path in sources() if {name.split(".")[0] for name in imported(path)} & web}
    assert users == {"console", "serving"}


def test_ray_is_imported_at_the_top_of_its_own_modules_alone() -> None:
    tops = {path.stem for path in sources() for node in ast.parse(path.read_text()).body if _is_ray(node)}
    assert tops <= {*ON_RAY}


def _is_ray(node: ast.stmt) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
    return any(name.split(".")[0] == "ray" for name in names)


def modules(package: str) -> list[str]:
    """The module names of a package, without `__main__` and, where Ray is not installed, those that are on Ray."""
    paths = [PACKAGE / package] if package.endswith(".py") else sorted((PACKAGE / package).rglob("*.py"))
    without = ("__main__",) if importlib.util.find_spec("ray") else ("__main__", *ON_RAY)
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in paths if path.stem not in without]
    return [".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts]


REFUSE = """
import importlib, json, sys
names, forbidden = json.loads(sys.argv[1])
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in forbidden or name in forbidden:
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Refuse())
"""
# Stands for a real ROS 2 where none is: every ROS module is there, and holds whatever is looked for.
SOME_ROS_2 = """
import importlib.machinery, unittest.mock
class Kind(type):  # nodes are derived from several of these, which MagicMocks cannot be
    def __getattr__(cls, name):
        return unittest.mock.MagicMock()
class Ros2:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ros_modules or name in ros_modules:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        made = lambda self, *args, **kwargs: None
        module.__getattr__ = lambda name: (
            Kind(name, (), {"__init__": made}) if name[:1].isupper() else unittest.mock.MagicMock()
        )
sys.meta_path.insert(0, Ros2())
"""
LOAD = """
for name in names:
    importlib.import_module(name)
print(sum(name in sys.modules for name in names))
"""


def load(names: list[str], forbidden: set[str], prologue: str = "") -> None:
    """Imports the modules in a process that refuses the forbidden ones."""
    loaded = subprocess.run(
        [sys.executable, "-c", REFUSE + prologue + LOAD, json.dumps([names, sorted(forbidden)])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert int(loaded.stdout) == len(names)


@pytest.mark.parametrize("package", sorted(set(ROW) - WITH_ROS))
def test_the_package_loads_without_ros_and_zenoh_ros(package: str) -> None:
    forbidden = ROS_MODULES | OWN_MESSAGES | {"zenoh_ros"}
    load(modules(package), forbidden | ({"torch", "transformers"} if package in WITHOUT_TORCH else set()))


def test_the_nodes_load_on_a_ros_2_without_zenoh_ros() -> None:
    sourced = importlib.util.find_spec("rclpy") is not None and "zenoh_ros" not in sys.modules
    ros_modules = sorted(ROS_MODULES | OWN_MESSAGES)
    load(modules("nodes"), {"zenoh_ros"}, "" if sourced else f"ros_modules = {ros_modules!r}\n{SOME_ROS_2}")
