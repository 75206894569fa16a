"""What nodes say of themselves is safe to print, and never much."""

from __future__ import annotations

from typing import Any

import pytest
from support.node_bench import NodeBench

from rt_vla_ros.nodes import diagnostics
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.running import ProgramNode


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes log from the beginning."""
    monkeypatch.setattr(diagnostics, "STARTING", 0.0)


@pytest.mark.usefixtures("started")
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


@pytest.mark.usefixtures("started")
def test_sentences_that_all_differ_do_not_fill_the_log(bench: NodeBench, capfd: pytest.CaptureFixture[str]) -> None:
    numbers = iter(range(10_000))
    told = Diagnostics(
        bench.add(ProgramNode("arm")), lambda: Report(Level.ERROR, f"image {next(numbers)} cannot be used")
    )
    for _ in range(500):
        told._check()
    assert capfd.readouterr().err.count("cannot be used") == 8


@pytest.mark.usefixtures("started")
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


def test_a_problem_that_ends_while_a_node_starts_is_not_logged(
    bench: NodeBench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "STARTING", 0.3)
    problem: list[str] = ["no manager yet"]

    def report() -> Report:
        return Report(Level.ERROR, problem[0]) if problem else Report(Level.OK, "Executing velocities.")

    arrays = bench.listen(diagnostics.DiagnosticArray, "/diagnostics")
    told = Diagnostics(bench.add(ProgramNode("arm")), report)
    bench.until(lambda: arrays)
    problem.clear()
    bench.until(lambda: arrays[-1].status[0].message == "Executing velocities.")
    problem.append("no controller")
    bench.until(lambda: "no controller" in capfd.readouterr().err)
    problem.clear()
    bench.until(lambda: "Executing velocities." in "".join(capfd.readouterr()))
    problem.append("no manager yet")
    bench.until(lambda: "no manager yet" in capfd.readouterr().err, "it was logged while the node started")
    del told
