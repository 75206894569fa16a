"""What nodes say of themselves is safe to print, and never much."""

from __future__ import annotations

from typing import Any

import pytest
from support.node_bench import NodeBench

from rt_vla_ros.nodes import diagnostics
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.running import ProgramNode


def test_texts_of_others_cannot_forge_a_line(bench: NodeBench, capfd: pytest.CaptureFixture[str]) -> None:
    arrays = bench.listen(diagnostics.DiagnosticArray, "/diagnostics")
    evil = "Frame 'tool\x1b[2J\n[FATAL] [1.0] [arm]: lost\u202e' is not known: größer."
    told = Diagnostics(bench.add(ProgramNode("arm")), lambda: Report(Level.ERROR, evil, {"instruction": "a\nb"}))
    bench.until(lambda: arrays)
    (status,) = arrays[0].status
    assert status.message == "Frame 'tool\\x1b[2J\\n[FATAL] [1.0] [arm]: lost\\u202e' is not known: größer."
    assert status.values[0].value == "a\\nb"
    assert status.message in capfd.readouterr().err
    del told


def test_sentences_that_all_differ_do_not_fill_the_log(bench: NodeBench, capfd: pytest.CaptureFixture[str]) -> None:
    numbers = iter(range(10_000))
    told = Diagnostics(
        bench.add(ProgramNode("arm")), lambda: Report(Level.ERROR, f"image {next(numbers)} cannot be used")
    )
    for _ in range(500):
        told._check()
    assert capfd.readouterr().err.count("cannot be used") == 8


def test_a_sentence_that_comes_and_goes_is_logged_once(bench: NodeBench, capfd: pytest.CaptureFixture[str]) -> None:
    levels: Any = iter([Level.ERROR, Level.OK] * 10)
    told = Diagnostics(bench.add(ProgramNode("arm")), lambda: Report(next(levels), "no camera"))
    for _ in range(20):
        told._check()
    assert capfd.readouterr().err.count("no camera") == 1


def test_why_a_process_ends_is_published_and_left_to_the_last_line_of_its_log(
    bench: NodeBench, capfd: pytest.CaptureFixture[str]
) -> None:
    arrays = bench.listen(diagnostics.DiagnosticArray, "/diagnostics")
    node = bench.add(ProgramNode("arm"))
    node.failure = "The policy 'mine' cannot be loaded."
    told = Diagnostics(node, lambda: Report(Level.ERROR, node.failure or ""))
    bench.until(lambda: arrays)
    assert arrays[0].status[0].message == node.failure
    assert node.failure not in capfd.readouterr().err
    del told
