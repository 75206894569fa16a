"""The documentation site builds without warnings, needs no network, and says what the code says."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mkdocs
import pytest

from rt_vla_ros import ros
from rt_vla_ros.cli.main import COMMANDS

ros.ensure()

from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")
Words = Callable[[str], str]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `--strict` makes an error of every warning."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", mkdocs.__name__, "build", "--strict", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture
def words(site: Path) -> Words:
    """What a page says, without its tags."""

    def of_page(name: str) -> str:
        article = (site / name).read_text().partition("<article")[2].partition("</article>")[0]
        return " ".join(html.unescape(re.sub("<[^>]+>", " ", article)).split())

    return of_page


def test_the_first_page_is_the_readme(site: Path, words: Words) -> None:
    assert "no GPU, no display, no ROS 2" in words("index.html")
    for target in ("demo.html", "images/demo.webp", "CONTRIBUTING.html"):
        assert f'"{target}"' in (site / "index.html").read_text()
        assert (site / target).is_file()


def test_what_pages_link_to_outside_docs_is_shown(site: Path, words: Words) -> None:
    assert 'href="msg/ActionChunk.msg.html"' in (site / "chunks.html").read_text()
    assert "EndEffectorStep [] steps" in words("msg/ActionChunk.msg.html")


def test_no_two_pages_differ_in_case_only(site: Path) -> None:
    names = [path.relative_to(site).as_posix().lower() for path in site.rglob("*.html")]
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_parameters_are_those_of_the_code(words: Words) -> None:
    rate = next(one for one in SMOOTHER_PARAMETERS if one.name == "command_rate")
    expected = f"command_rate float {rate.default} {rate.low:g} to {rate.high:g} {rate.description}"
    assert expected in words("reference/nodes/smoother_node.html")


def test_topics_are_those_of_the_started_nodes(words: Words) -> None:
    smoother = words("reference/nodes/smoother_node.html")
    assert "delta_twist_cmds geometry_msgs/msg/TwistStamped reliable, depth 10" in smoother
    assert "base_twist_cmds geometry_msgs/msg/TwistStamped reliable, depth 10 drive_base:=true" in smoother
    assert "~/execute rt_vla_ros/action/ExecuteInstruction" in words("reference/nodes/policy_node.html")


def test_every_node_and_every_command_has_a_page(site: Path) -> None:
    nodes = {path.stem for path in (ROOT / "rt_vla_ros" / "nodes").glob("*_node.py")}
    assert {path.stem for path in (site / "reference" / "nodes").glob("*.html")} == {"index", *nodes}
    assert {path.stem for path in (site / "reference" / "commands").glob("*.html")} == {"index", *COMMANDS}


def test_options_fields_and_classes_are_there(words: Words) -> None:
    assert "--seed N 0 random seed; suite and seed define the scene" in words("reference/commands/demo.html")
    assert "arm sim" in words("reference/launch.html")
    assert "cameras[].vertical_fov float required" in words("reference/action_card_fields.html")
    assert "float64 legal_probability" in words("reference/interfaces.html")
    assert "load_policy ( name_or_path" in words("reference/python/policies.html")


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    assert {path.name: LOADED.findall(path.read_text()) for path in pages if LOADED.search(path.read_text())} == {}
