"""`rt-vla launch`: which file, which arguments, and what it says where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from launch.actions import DeclareLaunchArgument  # noqa: E402
from support.launching import launched, read_until  # noqa: E402

from rt_vla_ros.cli.main import main  # noqa: E402
from zenoh_ros.commands.errors import CliError  # noqa: E402
from zenoh_ros.commands.launch import described, launch_arguments, launch_file  # noqa: E402


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hello.launch.py"
    path.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import DeclareLaunchArgument, ExecuteProcess\n"
        "from launch.substitutions import LaunchConfiguration\n"
        "def generate_launch_description():\n"
        "    return LaunchDescription([\n"
        "        DeclareLaunchArgument('word', default_value='world', description='whom to greet'),\n"
        "        DeclareLaunchArgument('tone', default_value='kind', choices=['kind', 'loud']),\n"
        "        ExecuteProcess(cmd=['echo', 'hello', LaunchConfiguration('word')], output='log'),\n"
        "    ])\n"
    )
    return path


@pytest.mark.parametrize("name", ["policy.launch.py", "policy", "sim_arm.launch.py"])
def test_own_files_are_found_by_name(name: str) -> None:
    expected = name if name.endswith(".launch.py") else f"{name}.launch.py"
    assert Path(launch_file([name])).name == expected
    assert launch_file(["rt_vla_ros", name]) == launch_file([name])


def test_a_path_is_taken_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch_file([str(file)]) == str(file)
    monkeypatch.chdir(file.parent)
    assert launch_file(["hello.launch.py"]) == "hello.launch.py"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["polcy.launch.py"], "Did you mean 'policy.launch.py'?"),
        (["no/such/file.launch.py"], "no launch file 'no/such/file.launch.py', neither as a path nor in "),
        (["nowhere", "x.launch.py"], "'nowhere'"),
        (["policy.launch.py", "arm=sim", "dry_run"], "expected a launch file and arguments of the form name:=value"),
        ([], "got no file"),
    ],
)
def test_what_is_no_file_is_said(words: list[str], sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        launch_file(words)
    assert sentence in str(caught.value)


def test_arguments_are_pairs_and_the_last_wins() -> None:
    assert launch_arguments(["a:=1", "b:=x:=y", "c:=", "a:=2"]) == {"a": "2", "b": "x:=y", "c": ""}
    with pytest.raises(CliError, match="expected name:=value"):
        launch_arguments([":=1"])


def test_arguments_are_described(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", str(file), "--show-args"]) == 0
    assert capsys.readouterr().out == (
        "Arguments (pass arguments as '<name>:=<value>'):\n"
        "\n"
        "    'word':\n"
        "        whom to greet\n"
        "        (default: 'world')\n"
        "\n"
        "    'tone':\n"
        "        One of: ['kind', 'loud']\n"
        "        (default: 'kind')\n"
    )


def test_conditional_arguments_have_a_star() -> None:
    argument = DeclareLaunchArgument("x")
    assert "*" not in described([argument])
    argument._conditionally_included = True
    assert "'x':*" in described([argument])
    assert described([argument]).endswith("* argument(s) which are only used if specific conditions occur")
    assert described([]).endswith("No arguments.")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("wrod:=x", "hello.launch.py has no argument 'wrod'. Did you mean 'word'?"),
        ("tone:=rude", "tone:=rude is not valid. There is: kind, loud."),
    ],
)
def test_arguments_that_do_not_fit_start_nothing(file: Path, argument: str, sentence: str, capfd: Any) -> None:
    assert main(["launch", str(file), argument]) == 2
    captured = capfd.readouterr()
    assert captured.err == f"rt-vla launch: {sentence}\n"
    assert captured.out == ""


def test_a_file_that_is_no_launch_file_is_a_sentence(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "x.launch.py").write_text("x = 1\n")
    assert main(["launch", str(tmp_path / "x.launch.py")]) == 2
    err = capfd.readouterr().err
    assert "generate_launch_description" in err
    assert "Traceback" not in err


def test_it_runs_and_shows_everything_if_asked(file: Path) -> None:
    with launched(file, "word:=robots", "-a", "sigterm_timeout:=1") as process:
        read_until(process, "hello robots")
        assert process.wait(20) == 0
    with launched(file) as process:
        assert process.stdout is not None
        assert "hello" not in process.stdout.read()
        assert process.wait(20) == 0
