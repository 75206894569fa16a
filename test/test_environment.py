"""Variables of the environment that have no effect are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.environment import VARIABLES, without_effect

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("RT_VLA_ROUTER", "Did you mean RT_VLA_ROS_ROUTER?"),
        ("RT_VLA_ROS_ROUTR", "Did you mean RT_VLA_ROS_ROUTER?"),
        ("RT_VLA_ROS_ARM", "Did you mean RT_VLA_ROS_ARM_MJCF?"),
        ("RT_VLA_SOMETHING_ELSE", "There is RT_VLA_PYTHON, "),
    ],
)
def test_a_misspelt_variable_is_named(name: str, hint: str) -> None:
    (sentence,) = without_effect(["HOME", "RT_VLA_VENV", name])
    assert sentence.startswith(f"The variable {name} has no effect. {hint}")


def test_those_that_there_are_have_an_effect() -> None:
    assert without_effect([*VARIABLES, "ROS_DOMAIN_ID"]) == []


def test_every_variable_that_is_read_is_known() -> None:
    folders = [ROOT / name for name in ("rt_vla_ros", "zenoh_ros", "scripts")]
    sources = [ROOT / "rt-vla", *(path for folder in folders for path in folder.rglob("*.py"))]
    read = {word for path in sources for word in re.findall(r"\bRT_VLA_[A-Z_]*[A-Z]\b", path.read_text())}
    assert read == set(VARIABLES)


def test_a_command_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RT_VLA_ROUTER", "tcp/localhost:1")
    assert main(["--version"]) == 0
    assert capsys.readouterr().err.startswith("rt-vla: The variable RT_VLA_ROUTER has no effect. Did you mean ")
