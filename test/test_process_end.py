"""A process that ends ends the launch, unless the launch is ending."""

from __future__ import annotations

import pytest
from support.launching import launch_entities, python

from rt_vla_ros import ros
from rt_vla_ros.process_end import ends_the_launch

ros.ensure()

from launch.actions import EmitEvent, ExecuteProcess, TimerAction  # noqa: E402
from launch.events import Shutdown  # noqa: E402

WAITING = python("import time; time.sleep(60)")
SENTENCE = "The smoother has ended."


@pytest.mark.parametrize("code", [0, 3])
def test_its_end_is_the_end_of_all_and_an_error(code: int, capfd: pytest.CaptureFixture[str]) -> None:
    ending = ExecuteProcess(cmd=python(f"import sys; sys.exit({code})"), on_exit=ends_the_launch(SENTENCE))
    assert launch_entities(ExecuteProcess(cmd=WAITING), ending) == 1
    said = "".join(capfd.readouterr())
    assert f"{SENTENCE} (exit code {code})" in said


def test_the_end_of_the_launch_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    waiting = ExecuteProcess(cmd=WAITING, on_exit=ends_the_launch(SENTENCE))
    stop = TimerAction(period=0.3, actions=[EmitEvent(event=Shutdown(reason="test"))])
    assert launch_entities(waiting, stop) == 0
    assert SENTENCE not in "".join(capfd.readouterr())
