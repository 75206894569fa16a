"""`rt-vla`: finds its commands, refuses in sentences, and loads nothing before it is asked to."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.launching import child_environment
from support.processes import ROOT

from rt_vla_ros import __version__
from rt_vla_ros.cli import main as program
from rt_vla_ros.cli.main import COMMANDS, CommandEntry, as_options, main
from rt_vla_ros.os_error import MEANING
from zenoh_ros.commands.errors import CliError, did_you_mean


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help_names_every_command(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument]) == 0
    out = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in out
        assert command.summary in out


def test_no_command_is_answered_with_the_help_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: rt-vla COMMAND" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rt-vla {__version__}\n"


def test_an_unknown_command_is_answered_with_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topik"]) == 2
    assert capsys.readouterr().err == "rt-vla: unknown command 'topik'. Did you mean 'topic'?\n"
    assert main(["xyzzy"]) == 2
    assert "Available: action, bag, bench, " in capsys.readouterr().err


def test_words_that_are_no_text_are_refused_before_anything_begins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--instruction", "pick \udce9 up"]) == 2
    assert capsys.readouterr().err == (
        "rt-vla demo: 'pick \\udce9 up' is not text in UTF-8: does the terminal use another encoding?\n"
    )


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "test"])  # whose options are all pytest's
def test_every_command_keeps_the_convention(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    module = importlib.import_module(COMMANDS[name].module)
    assert out.startswith(f"usage: rt-vla {name} ")
    assert str(module.__doc__).strip().splitlines()[0] in out
    assert callable(module.run)


def test_the_help_of_a_subcommand_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "node", "--help"]) == 0
    assert "\n\nLatency image -> policy node" in capsys.readouterr().out


def test_help_loads_neither_torch_nor_ros_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from rt_vla_ros.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        "print([name for name in ('torch', 'numpy', 'rclpy', 'zenoh', 'yaml', 'launch') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=child_environment())
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_module_runs_as_a_program() -> None:
    line = [sys.executable, "-m", "rt_vla_ros.cli", "topik"]
    done = subprocess.run(line, capture_output=True, text=True, env=child_environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'topic'?" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (CliError("nothing came of it"), 2, "rt-vla fake: nothing came of it\n"),
        (FileExistsError(17, "File exists", "run"), 2, f"rt-vla fake: run: {MEANING[errno.EEXIST]}.\n"),
        (OSError("a sentence."), 2, "rt-vla fake: a sentence.\n"),
        (OSError(errno.EFBIG, "x", "data"), 2, f"rt-vla fake: data: {MEANING[errno.EFBIG]}.\n"),
        (OSError(errno.EMFILE, "x", "data"), 2, f"rt-vla fake: data: {MEANING[errno.EMFILE]}.\n"),
        (RecursionError("x"), 2, "rt-vla fake: the input is nested too deeply.\n"),
        (MemoryError(), 2, "rt-vla fake: out of memory; close other programs on this machine.\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(5), 5, ""),
        (SystemExit(), 0, ""),
        (SystemExit("no robot\x1b[31m"), 1, "rt-vla fake: no robot\\x1b[31m\n"),
    ],
)
def test_how_a_command_ends_is_the_exit_code(
    error: BaseException, code: int, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        raise error

    fake = SimpleNamespace(__doc__="A fake.", add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "rt_vla_ros.cli.fake", fake)  # type: ignore[arg-type]
    monkeypatch.setitem(COMMANDS, "fake", CommandEntry("rt_vla_ros.cli.fake", "a fake"))
    assert main(["fake"]) == code
    assert capsys.readouterr().err == printed


def test_an_os_error_that_a_command_hands_on_is_put_into_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "data/frames")
        except OSError as error:
            raise CliError(str(error)) from error

    fake = SimpleNamespace(__doc__="A fake.", add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "rt_vla_ros.cli.fake", fake)  # type: ignore[arg-type]
    monkeypatch.setitem(COMMANDS, "fake", CommandEntry("rt_vla_ros.cli.fake", "a fake"))
    assert main(["fake"]) == 2
    assert capsys.readouterr().err == (
        "rt-vla fake: data/frames: no space left on the disk; free some space or choose another path.\n"
    )


def test_a_ros_that_cannot_be_imported_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure() -> str:
        raise ImportError("rclpy is for another Python")

    monkeypatch.setattr(program.ros, "ensure", ensure)
    assert main(["topic", "list"]) == 2
    assert capsys.readouterr().err == "rt-vla topic: rclpy is for another Python\n"


def test_a_closed_pipe_is_no_error() -> None:
    line = [sys.executable, "-m", "rt_vla_ros.cli", "--help"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, text=True, env=child_environment())
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


FULL, CLOSED = 'exec "$0" -m rt_vla_ros.cli {} >/dev/full', 'exec "$0" -m rt_vla_ros.cli {} >&-'


@pytest.mark.parametrize(
    ("shell", "code", "message"),
    [
        (FULL.format("--help"), 2, "rt-vla: No space left on the disk; free some space or choose another path.\n"),
        (FULL.format("--help") + " 2>/dev/full", 2, ""),
        (CLOSED.format("--help"), 0, ""),
        (CLOSED.format("nosuch") + " 2>&- <&-", 2, ""),
    ],
)
def test_where_nothing_can_be_written_there_is_no_traceback(shell: str, code: int, message: str) -> None:
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable], stderr=subprocess.PIPE, text=True, env=child_environment()
    )
    assert (done.returncode, done.stderr) == (code, message)


def test_streams_that_are_closed_are_open_for_a_command() -> None:
    code = "import sys; from rt_vla_ros.cli.main import main; main(['--version'])\n"
    code += "from rt_vla_ros.progress import Progress; Progress().line('x')\n"
    code += "sys.exit([stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)] != [0, 1, 2])"
    shell = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(shell, env=child_environment()).returncode == 0


def test_near_names_are_offered_and_else_what_there_is() -> None:
    assert did_you_mean("polcy", ["policy", "smoother"]) == "Did you mean 'policy'?"
    assert did_you_mean("ab", ["ax", "bx", "abc", "abd"]) == "Did you mean 'abc' or 'abd'?"
    assert did_you_mean("q", ["b", "a"]) == "Available: a, b."
    assert did_you_mean("q", [f"n{i:02}" for i in range(20)], most=2) == "Available: n00, n01 and 18 more."
    assert did_you_mean("q", []) == "There are none."


def test_a_policy_that_there_is_not_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    commands = [["demo"], ["bench", "node"], ["evaluate"], ["collect", "--out", str(tmp_path / "data")]]
    code = (
        "import sys; from rt_vla_ros.cli.main import main\n"
        f"statuses = [main([*command, '--policy', 'rt1-mni']) for command in {commands}]\n"
        "print(statuses, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[2, 2, 2, 2] False\n", done.stderr
    assert done.stderr.count("Did you mean 'rt1-mini'?") == len(commands)


def test_an_advice_names_the_options_of_the_command() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights")
    parser.add_argument("--trust-remote-code", action="store_true")
    said = "Say weights:=int8 or int4, or trust_remote_code:=true, or device:=cpu."
    assert as_options(said, parser) == "Say --weights int8 or int4, or --trust-remote-code, or device:=cpu."


def test_an_installation_without_commands_says_where_they_are() -> None:
    as_by_colcon = "import runpy, sys; sys.modules['zenoh_ros'] = None; runpy.run_module('rt_vla_ros.cli')"
    done = subprocess.run(
        [sys.executable, "-c", as_by_colcon], cwd=ROOT, env=child_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "rt-vla: A colcon installation has the nodes and launch files only (ros2 run, ros2 launch). "
        "For the commands, run ./rt-vla in the checkout.\n"
    )
