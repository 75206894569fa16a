"""What the recorder makes of the messages that it hears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from rt_vla_ros.msg import ControllerStatus  # noqa: E402

from rt_vla_ros.live.recorder import Recorder, join, leave  # noqa: E402
from rt_vla_ros.nodes.conversions import time_message  # noqa: E402


@pytest.fixture
def recorder(ros_graph: Any) -> Iterator[Recorder]:
    recorder = join("/recorded")
    yield recorder
    leave(recorder)


def test_only_the_fault_of_a_refused_action_is_a_refusal(recorder: Recorder) -> None:
    def hear(state: int, reason: str, *, accepted: int, refused: int) -> str:
        stamps = {"action_stamp": time_message(accepted), "refused_stamp": time_message(refused)}
        recorder._on_status(ControllerStatus(state=state, reason=reason, **stamps))
        return recorder.refusal

    assert hear(ControllerStatus.FAULT, "silent", accepted=5, refused=0) == ""
    assert hear(ControllerStatus.FAULT, "too far", accepted=5, refused=7) == "too far"
    assert hear(ControllerStatus.MOVING, "following", accepted=9, refused=7) == "too far"
    assert hear(ControllerStatus.FAULT, "silent", accepted=9, refused=7) == "too far"
