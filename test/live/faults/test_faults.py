"""`rt-vla bench faults`: how standstill is told, what is done to messages, and some faults for real."""

from __future__ import annotations

import importlib.util
import math
import os
import random
from pathlib import Path

import pytest

from rt_vla_ros import ros
from rt_vla_ros.benchmarks.memory_growth import SOAK_HEAD, resident, summary
from rt_vla_ros.cli.main import main
from rt_vla_ros.live.faults.motion import STILL_FOR, ArmMotion
from rt_vla_ros.live.faults.run import HEAD, installed, line, measure, table

ros.ensure()

from rt_vla_ros.live.faults.graph import FaultGraph, damaged  # noqa: E402
from rt_vla_ros.live.faults.kinds import FAULTS  # noqa: E402
from rt_vla_ros.live.faults.processes import MODULES, NODES, SET_UPS, command  # noqa: E402

TICK = 20_000_000  # [ns]


def motion(*speeds: float) -> ArmMotion:
    made = ArmMotion()
    for index, speed in enumerate(speeds):
        made.add(index * TICK, speed)
    return made


def test_an_arm_stands_still_from_the_first_sample_of_a_standstill_that_lasts() -> None:
    needed = round(STILL_FOR * 1e9 / TICK) + 1
    assert motion(*[0.1] * 5, *[0.0] * (needed - 1), 0.1).still_since(0) is None  # a turning point
    assert motion(*[0.1] * 5, *[0.0] * (needed + 1)).still_since(0) == 5 * TICK
    assert motion(0.1, 0.0, 0.1, *[0.0] * (needed + 1)).still_since(0) == 3 * TICK


def test_what_was_before_the_fault_does_not_count() -> None:
    assert motion(*[0.0] * 30).still_since(10 * TICK) == 10 * TICK
    assert motion(*[0.0] * 10, *[0.1] * 30).still_since(10 * TICK) is None


def test_a_damaged_message_is_another_one_and_keeps_its_header() -> None:
    whole, source = bytes(range(4)) + bytes(60), random.Random(0)
    made = [damaged(whole, source) for _ in range(200)]
    assert all(one[:4] == whole[:4] for one in made)
    assert len(set(made)) > 150


def test_the_table_has_a_column_for_each_figure() -> None:
    figures = {"fault": "stop", "trials": 1, "median": 0.1, "largest": 0.1, "bound": 0.25, "within": 1, "told": 1}
    result = {**figures, "moved_again": 0, "orphans": 0}
    assert table([result]).splitlines()[:2] == HEAD.splitlines()
    assert line(result).count("|") == HEAD.splitlines()[0].count("|")


def test_the_faults_have_names_of_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_fault_has_a_set_up_with_its_processes() -> None:
    assert {fault.set_up for fault in FAULTS} == set(SET_UPS)
    assert {name for setup in SET_UPS.values() for name in (*NODES, *setup.added)} == set(MODULES)
    smoother = command("smoother", "Servo", "/lab")
    assert "delta_twist_cmds:=servo_node/delta_twist_cmds" in smoother
    assert not any("delta_twist_cmds" in word for word in command("smoother", "", "/lab"))


def test_the_page_has_a_row_for_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text()
    _, _, section = page.partition("## Fault injection")
    rows = [row.split("|")[1].strip() for row in section.partition("\n## ")[0].splitlines() if row.startswith("| ")]
    assert sorted(row for row in rows if row != "fault") == sorted(fault.name for fault in FAULTS)


def test_a_fault_whose_messages_are_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    told = list[str]()
    chosen = installed([fault for fault in FAULTS if fault.set_up in ("", "Servo")], told.append)
    assert [fault for fault in chosen if fault.set_up] == []
    assert told == ["The faults that need moveit_msgs are left out: it is not installed."]


def test_a_fault_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "faults", "--only", "earthquake"]) == 2
    assert "there is no fault 'earthquake', expected one of 'stop'" in capsys.readouterr().err


def test_a_soak_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for minutes in ("nan", "-1", "1e9"):
        assert main(["bench", "faults", "--soak", minutes]) == 2
        assert "expected up to 1440 minutes" in capsys.readouterr().err


def test_memory_that_grows_after_the_first_part_is_not_flat() -> None:
    times = [float(second) for second in range(0, 600, 5)]
    warm = [100 + 50 * min(1.0, second / 120) for second in times]
    leak = [size + second / 60 for size, second in zip(warm, times, strict=True)]
    found = summary(times, {"warm": warm, "leak": leak, "gone": [*leak[:10], *[float("nan")] * 110]})
    assert [row["flat"] for row in found] == [True, False, False]
    assert found[1]["growth"] == pytest.approx(1.0, abs=0.01)
    assert (found[0]["begin"], found[0]["end"]) == (100, 150)
    assert line(found[0]).count("|") == SOAK_HEAD.splitlines()[0].count("|")
    assert resident(os.getpid()) > 10
    assert math.isnan(resident(2**22 + 1))


@pytest.mark.slow
@pytest.mark.serial
def test_a_stop_and_a_terminate_bring_the_arm_to_rest_and_it_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    back, to_start = list[bool](), FaultGraph.to_start
    monkeypatch.setattr(FaultGraph, "to_start", lambda graph: back.append(to_start(graph)))
    results = measure(1, ["stop", "terminate"], seed=1, tell=lambda _line: None)
    assert len(back) == 2
    assert back[-1], "the second trial begins in the pose of the first"
    for result in results:
        assert (result["told"], result["moved_again"]) == (1, 0)
        assert result["largest"] < 2.0  # not a measurement: the machine may be busy


@pytest.mark.slow
@pytest.mark.serial
def test_a_lost_gripper_and_a_halted_servo_are_told_and_the_gripper_comes_back() -> None:
    names = ["kill -9 of the gripper's server", "restart of the gripper's server", "halt of Servo"]
    results = measure(1, names, seed=1, tell=lambda _line: None)
    assert [result["fault"] for result in results] == names
    for result in results:
        assert (result["told"], result["moved_again"]) == (1, 0)
        assert result["largest"] < 2.0
