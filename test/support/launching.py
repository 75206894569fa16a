"""Runs launch descriptions in this process, and launch files in another one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros

REPOSITORY = Path(__file__).resolve().parents[2]


def child_environment() -> dict[str, str]:
    """This process's environment, for a child that imports this project from wherever it is started."""
    path = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONUNBUFFERED": "1"}


def probe_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prefix of a package `probe`, whose program `tell` writes its arguments and parameter files to told.json.

    It is found as a sourced package is, from now to the end of the test.
    """
    prefix = folder / "prefix"
    for part in ("share/ament_index/resource_index/packages", "share/probe", "lib/probe"):
        (prefix / part).mkdir(parents=True)
    (prefix / "share/ament_index/resource_index/packages/probe").touch()
    program = prefix / "lib/probe/tell"
    program.write_text(
        f"#!{sys.executable} -IS\n"
        "import json, sys\n"
        "files = [open(after).read() for word, after in zip(sys.argv, sys.argv[1:]) if word == '--params-file']\n"
        f"json.dump([sys.argv[1:], files], open({str(folder / 'told.json')!r}, 'w'))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    others = os.environ.get("AMENT_PREFIX_PATH", "")
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, [str(prefix), others])))
    return prefix


def launch_entities(*entities: Any) -> int:
    """Visits the entities until all has ended; the return code."""
    ros.ensure()
    from launch import LaunchDescription, LaunchService

    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription(list(entities)))
    return int(service.run())


def python(code: str, *arguments: str) -> list[str]:
    """A command that runs the code, with its output unbuffered and no site-packages to wait for."""
    return [sys.executable, "-u", "-I", "-S", "-c", code, *arguments]


@contextmanager
def launched(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`rt-vla launch PATH ARGUMENT...` in a process of its own, whose output can be read; killed at the end."""
    command = [sys.executable, "-u", "-m", "rt_vla_ros.cli", "launch", str(path), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=child_environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines up to the one that holds the text.

    Raises:
        AssertionError: the output ended before.
    """
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    raise AssertionError(f"{text!r} did not come; the output was:\n" + "\n".join(lines))
