"""The scripts in examples/ run as they stand, and print what they promise."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
NO_SCRIPT = {"reach_environment"}  # what outside_environment.py judges a policy in
# What to expect in the output, by the script and its arguments.
EXPECTED = {
    "act_on_an_image": [
        r"rt1-mini on '.*yellow cylinder.*', an image of 96x96 pixels:",
        r"translation +\[.*\] m +in the axes of panda_link0",
        r"gripper +0\.00 .*open\)",
        r"period +0\.2 s, confidence \d+%, tokens \(1(, \d+){5}\)",
    ],
    "own_card": [
        r"action_card\.json: 8 dimensions at 10 Hz",
        r"\[0\.05 +0\.0002 0\.0002\] m in base_link, open",
        r"millimeters called meters: 'dx' ranges .* 500 m/s",
        r"unknown frame: frame is 'world', expected one of base, end_effector",
        r"never closes: gripper_open and gripper_closed are both 1\.0",
    ],
    "own_vlm": [
        r"the same image again: tokens \([01](, \d+){5}\), confidence \d",
        r"bins 0 to 255 of terminate_episode, world_vector_x",
        r"without the constraint: [\d.e-]+\. Train it:",
    ],
    "record": [
        r"Episode 0 of .*: \d+ frames, success\.",
        r"1 episodes\. The last one: 'lift the hand', \d\.\d s",
        r"images \(\d+, 96, 96, 3\), commanded by \{'human'\}",
        r"world_vector_z -?0\.\d{4} m",
    ],
    "train": [
        r"2 episodes, \d+ frames in .*data\.",
        r"2 of 2  loss \d",
        r"\d of 1 succeeded\. The last one: \w",
    ],
    "serve": [
        r"server: Connect robots with policy:=remote:127\.0\.0\.1:\d+\. Only programs on this machine can reach it",
        r"(\[.*\] m, confidence \d+% \(network .* ms, queue .* ms, inference .* ms\)\n){5}",
    ],
    "outside_environment": [
        r"(seed \d: 'move to the red mark': success after \d+ actions\n){5}5 of 5 succeeded \(57% to 100%\)",
    ],
    "behavior_tree": [
        r"carry out \[\*\]\n.*\n.*are available \[\*\]\n.*cylinder up \[-\]",
        r"carry out \[✓\]\n.*\n.*\n.*cylinder up \[✓\] -- The policy reports that the instruction is done",
    ],
}
SMALL = {
    "record": ["--frames", "4"],
    "train": ["--episodes", "2", "--steps", "2", "--trials", "1"],
}
SERIAL, SLOW = {"record", "serve", "behavior_tree"}, {"train", "behavior_tree"}


def marked(name: str) -> object:
    marks = [getattr(pytest.mark, mark) for mark, names in (("serial", SERIAL), ("slow", SLOW)) if name in names]
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [marked(name) for name in EXPECTED])
def test_the_example_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *SMALL.get(name, [])],
        cwd=tmp_path,  # what it writes, it writes into runs/ of the folder that it is started in
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for pattern in EXPECTED[name]:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in\n{done.stdout}"
    assert {path.name for path in tmp_path.iterdir()} <= {"runs"}


def scripts() -> set[str]:
    return {path.stem for path in EXAMPLES.glob("*.py")} - NO_SCRIPT


def test_every_script_is_run_and_listed() -> None:
    assert scripts() == set(EXPECTED)
    page = (ROOT / "docs" / "examples.md").read_text()
    assert set(re.findall(r"\(\.\./examples/(\w+)\.py\)", page)) == scripts() | NO_SCRIPT


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_docstring_gives_the_command(name: str) -> None:
    text = ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text())) or ""
    assert text.split("\n")[0].endswith((".", ":")) or ":" in text.split("\n")[0]
    assert f"    .venv/bin/python examples/{name}.py\n" in text
