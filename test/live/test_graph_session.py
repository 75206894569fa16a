"""What a session makes of the messages that it hears."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rt_vla_ros.msg import ControllerStatus  # noqa: E402

from rt_vla_ros.live import graph_session  # noqa: E402
from rt_vla_ros.live.graph_session import GraphSession, RunFailed  # noqa: E402
from rt_vla_ros.nodes.conversions import time_message  # noqa: E402
from rt_vla_ros.progress import Progress  # noqa: E402


@pytest.fixture
def session(ros_graph: Any) -> Iterator[GraphSession]:
    with subprocess.Popen(["sleep", "60"]) as process, GraphSession("/recorded", process, Progress()) as session:
        yield session
        process.kill()


def test_only_the_fault_of_a_refused_action_is_a_refusal(session: GraphSession) -> None:
    def hear(state: int, reason: str, *, accepted: int, refused: int) -> str:
        stamps = {"action_stamp": time_message(accepted), "refused_stamp": time_message(refused)}
        session._on_status(ControllerStatus(state=state, reason=reason, **stamps))
        return session.refusal

    assert hear(ControllerStatus.FAULT, "silent", accepted=5, refused=0) == ""
    assert hear(ControllerStatus.FAULT, "too far", accepted=5, refused=7) == "too far"
    assert hear(ControllerStatus.MOVING, "following", accepted=9, refused=7) == "too far"
    assert hear(ControllerStatus.FAULT, "silent", accepted=9, refused=7) == "too far"


def test_a_run_that_stands_still_says_why_the_policy_does_not_act(
    session: GraphSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_session, "STALL", -1.0)
    for level, words in ((DiagnosticStatus.ERROR, "the joint is missing"), (DiagnosticStatus.OK, "smoother is silent")):
        status = DiagnosticStatus(level=level, name="/recorded/policy_node", message="the joint is missing")
        session._on_diagnostics(DiagnosticArray(status=[status]))
        with pytest.raises(RunFailed, match=words):
            session.watch(1.0, 0.0, lambda: False)
