"""What the stand-in of launch does in its own way with descriptions: sentences, and no foreign code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities

from rt_vla_ros import ros

ros.ensure()

from launch import LaunchContext, LaunchDescription  # noqa: E402
from launch.actions import (  # noqa: E402
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    SetLaunchConfiguration,
    TimerAction,
)
from launch.conditions import (  # noqa: E402
    IfCondition,
)
from launch.launch_description_sources import (  # noqa: E402
    get_launch_description_from_any_launch_file,
)
from launch.substitutions import (  # noqa: E402
    LaunchConfiguration,
    PythonExpression,
    SubstitutionFailure,
)


def performed(substitution: Any, **configurations: str) -> str:
    context = LaunchContext()
    context.launch_configurations.update(configurations)
    return str(context.perform_substitution(substitution))


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "().__class__",
        "open('/etc/passwd')",
        "[x for x in [1]]",
        "lambda: 1",
        "'a'.format(1)",
        "sim == 'sim'",
        "1 / 0",
        "2 **",
    ],
)
def test_python_expressions_run_no_other_code(expression: str) -> None:
    with pytest.raises(SubstitutionFailure, match="Python expression"):
        performed(PythonExpression(expression))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "does not exist"),
        ("x = 1\n", "generate_launch_description"),
        ("def generate_launch_description(): return 1\n", "must return a LaunchDescription"),
        ("def broken(:\n", "invalid syntax"),
    ],
)
def test_files_that_are_no_launch_files(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "some.launch.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises((RuntimeError, OSError), match=sentence):
        get_launch_description_from_any_launch_file(str(path))


def test_mistakes_in_python_are_sentences() -> None:
    with pytest.raises(
        TypeError, match=r"LaunchConfig\('arm'\) has no text before the launch runs: instead of an f-string"
    ):
        f"/{LaunchConfiguration('arm')}"
    for make in (LaunchDescription, GroupAction, lambda actions: TimerAction(period=1.0, actions=actions)):
        with pytest.raises(TypeError, match=r"an include ...\), got <function performed>$"):
            make([performed])
    with pytest.raises(TypeError, match=r"must be pairs \(name, value\): write \{...\}.items\(\)"):
        IncludeLaunchDescription("x.launch.py", launch_arguments={"arm": "sim"})


def test_refusals_say_what_was_expected(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch_entities(DeclareLaunchArgument("arm", description="which one")) == 1
    assert "launch argument 'arm' (which one) is required: give arm:=VALUE" in capfd.readouterr().out
    wrong = DeclareLaunchArgument("arm", choices=["sim", "none"])
    assert launch_entities(SetLaunchConfiguration("arm", "real"), wrong) == 1
    assert "Valid options are: ['sim', 'none']" in capfd.readouterr().out
    assert launch_entities(LogInfo(msg="never", condition=IfCondition("perhaps"))) == 1
    assert "condition 'perhaps' is 'perhaps', expected one of: true, 1, false, 0" in capfd.readouterr().out


def test_after_an_include_the_outer_file_is_the_place_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inner, outer = tmp_path / "inner.launch.py", tmp_path / "above" / "outer.launch.py"
    outer.parent.mkdir()
    head = (
        "from launch import LaunchDescription\n"
        "from launch.actions import IncludeLaunchDescription, LogInfo\n"
        "from launch.substitutions import ThisLaunchFileDir\n"
        "def generate_launch_description():\n"
    )
    inner.write_text(head + "    return LaunchDescription([LogInfo(msg=['in ', ThisLaunchFileDir()])])\n")
    outer.write_text(
        head + f"    inner = IncludeLaunchDescription({str(inner)!r})\n"
        "    return LaunchDescription([inner, LogInfo(msg=['back in ', ThisLaunchFileDir()])])\n"
    )
    assert launch_entities(IncludeLaunchDescription(str(outer))) == 0
    out = capfd.readouterr().out
    assert f": in {tmp_path}\n" in out
    assert f": back in {outer.parent}\n" in out
