"""The pages for users: their links lead somewhere, their commands exist, their launch file loads."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from test_import_boundaries import ROWS, WITH_ROS, WITHOUT_TORCH

from rt_vla_ros import ros
from rt_vla_ros.cli.main import COMMANDS

ros.ensure()

from launch.actions import GroupAction  # noqa: E402
from launch.launch_description_sources import get_launch_description_from_python_launch_file  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
CALL = re.compile(r"\./rt-vla (?:--yes )?([a-z]+)")
LAUNCH_FILE = re.compile(r"```python\n(.*?generate_launch_description.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    assert set(CALL.findall(page.read_text())) <= set(COMMANDS)


def test_the_first_screen_has_the_clip_and_the_two_commands() -> None:
    top = (ROOT / "README.md").read_text().split("\n## ")[0]
    assert "![" in top
    assert "./rt-vla demo" in top
    assert "./rt-vla test" in top


def test_the_launch_file_of_the_page_loads(tmp_path: Path) -> None:
    (source,) = LAUNCH_FILE.findall((ROOT / "docs" / "ros2.md").read_text())
    path = tmp_path / "own_arm.launch.py"
    path.write_text(source)
    (group,) = get_launch_description_from_python_launch_file(str(path)).entities
    assert isinstance(group, GroupAction)


@pytest.mark.parametrize("name", ["chunks", "data_path", "packages"])
def test_the_figure_is_what_its_script_draws(name: str) -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "images" / f"{name}.py"))["figure"]()
    kept = (ROOT / "docs" / "images" / f"{name}.svg").read_text()
    number = re.compile(r"\d+\.\d+")
    assert number.sub("", drawn) == number.sub("", kept)
    assert [float(one) for one in number.findall(drawn)] == pytest.approx(
        [float(one) for one in number.findall(kept)], abs=0.11
    ), f"draw it anew with docs/images/{name}.py"


def test_the_figure_of_the_packages_has_the_order_of_their_imports() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "images" / "packages.py"))
    layers = [{name for name, _, _ in layer} for layer in drawn["LAYERS"]]
    rows = [{name for name in row if not name.endswith(".py")} - {"style"} for row in ROWS]
    assert layers == [row for row in reversed(rows) if row]
    colours = {name: colour for layer in drawn["LAYERS"] for name, _, colour in layer}
    assert {name for name, colour in colours.items() if colour == drawn["ROS"]} == WITH_ROS
    assert {name for name, colour in colours.items() if colour == drawn["LIGHT"]} == WITHOUT_TORCH & set(colours)
