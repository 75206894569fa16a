"""The log as ROS prints it."""

from __future__ import annotations

import logging

import pytest

from zenoh_ros.wire.console import Console, ConsoleHandler, ConsoleRecord, Severity, format_record, severity_from_string

LINE = ConsoleRecord(Severity.WARN, "arm.node", "a {name} in braces", 1_732_180_118_000_000_042, "run", "file.py", 7)


def test_the_default_line() -> None:
    assert format_record(LINE) == "[WARN] [1732180118.000000042] [arm.node]: a {name} in braces"
    assert format_record(LINE, colored=True).startswith("\033[33m[WARN]")


def test_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCUTILS_CONSOLE_OUTPUT_FORMAT", "{file_name}:{line_number} {function_name} {message}")
    assert format_record(LINE) == "file.py:7 run a {name} in braces"


def test_levels_come_from_above(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    assert console.effective_level("arm.node") == Severity.INFO
    console.configure([("", "error"), ("arm", "debug")], {})
    assert console.effective_level("arm.node") == Severity.DEBUG
    assert console.effective_level("other") == Severity.ERROR
    console.set_level("arm", Severity.UNSET)
    assert console.effective_level("arm.node") == Severity.ERROR
    with pytest.raises(ValueError, match="loud"):
        console.configure([("", "loud")], {})
    assert severity_from_string("Warning") == Severity.WARN
    assert capsys.readouterr().err == ""


def test_lines_reach_the_nearest_sink(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    heard: list[str] = []

    def sink(record: ConsoleRecord) -> None:
        heard.append(record.message)

    console.add_sink("arm.node", sink)
    for name in ("arm.node", "arm.node.part", "arm", "arm.node2"):
        console.log(Severity.INFO, name, name, "f", "file", 1)
    assert heard == ["arm.node", "arm.node.part"]
    console.remove_sink("arm.node", sink)
    console.configure([], {"stdout": False})
    console.log(Severity.INFO, "arm.node", "silent", "f", "file", 1)
    assert heard == ["arm.node", "arm.node.part"]
    assert "arm.node2" in capsys.readouterr().err


def test_python_loggers_speak_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ConsoleHandler(Console())
    for level, text in ((logging.WARNING, "heard"), (logging.DEBUG, "not heard")):
        handler.emit(logging.LogRecord("zenoh_ros.wire", level, "file.py", 3, "%s", (text,), None, "function"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("[WARN]")
    assert lines[0].endswith("[zenoh_ros.wire]: heard")
