"""`rt-vla data`: a table of subcommands, each of which keeps the convention of commands."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support.launching import child_environment

from rt_vla_ros.cli import data
from rt_vla_ros.cli.data import SUBCOMMANDS
from rt_vla_ros.cli.main import main


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--help"]) == 0
    out = capsys.readouterr().out
    for name, path in SUBCOMMANDS.items():
        assert f"    {name} " in out
        assert callable(importlib.import_module(path).run)


def test_the_subcommand_that_is_asked_for_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--number", type=int)

    fake = SimpleNamespace(__doc__="A fake.", add_arguments=add_arguments, run=lambda args: args.number)
    monkeypatch.setitem(sys.modules, "rt_vla_ros.cli.data.fake", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(data, "SUBCOMMANDS", {"fake": "rt_vla_ros.cli.data.fake"})
    assert main(["data", "fake", "--number", "3"]) == 3


def test_without_a_subcommand_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert "SUBCOMMAND" in capsys.readouterr().err


def test_help_loads_neither_torch_nor_ros() -> None:
    code = (
        "import sys\n"
        "from rt_vla_ros.cli.main import main\n"
        "assert main(['data', '--help']) == 0\n"
        "print([name for name in ('torch', 'transformers', 'rclpy', 'zenoh') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=child_environment())
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
