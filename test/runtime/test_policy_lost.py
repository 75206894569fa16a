"""A policy that a server decides for, and that is lost or late: what the runner does with the request."""

from __future__ import annotations

import pytest
from support.runner_desk import MS, PATIENCE, Desk

from rt_vla_ros.policies.policy import PolicyLateError, PolicyLostError
from rt_vla_ros.runtime import policy_runner
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_runner import PolicyStep


def lose(desk: Desk) -> None:
    """Begins a request, and loses the policy at its first image."""
    desk.start()
    desk.runner.request("first")
    desk.policy.error = PolicyLostError("The server is gone.")
    desk.show(1000)
    desk.listener.wait("lost")


def test_a_policy_that_is_lost_goes_on_from_a_frame_that_is_taken_after_that(desk: Desk) -> None:
    desk.start()
    desk.runner.request("first")
    desk.show(1000)
    desk.listener.wait("step")
    desk.policy.error = PolicyLostError("The server is gone.")
    desk.show(1200)
    assert desk.listener.wait("lost") == ["The server is gone."]
    assert desk.runner.running
    desk.policy.error = None
    desk.now_ms = 1300.0
    desk.runner.offer("front", Frame("", 1190 * MS, 5))  # taken before it was lost
    desk.show(1400)
    _, step = desk.listener.wait("step", 2)
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1400 * MS
    assert desk.policy.instructions[-2:] == ["first", "first"]


def test_a_policy_that_is_lost_when_a_request_begins_is_asked_again(desk: Desk) -> None:
    desk.start()
    begin, lost = desk.policy.reset, [True, True]

    def reset(instruction: str) -> None:
        if lost and lost.pop():
            raise PolicyLostError("The server is gone.")
        begin(instruction)

    desk.policy.reset = reset  # type: ignore[method-assign]
    desk.runner.request("first")
    for stamp_ms, count in ((1000, 1), (1200, 2)):
        desk.show(stamp_ms)
        desk.listener.wait("lost", count)
    desk.show(1400)
    (step,) = desk.listener.wait("step")
    assert isinstance(step, PolicyStep)
    assert step.stamp_ns == 1400 * MS
    assert desk.listener.all("failed") == []


@pytest.mark.parametrize("error", [PolicyLostError("The server is gone."), PolicyLateError("The server is late.")])
def test_a_policy_that_stays_away_ends_the_request_though_no_image_comes(
    desk: Desk, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_runner, "LONGEST_LOSS", 0.1)
    desk.start()
    desk.runner.request("first")
    desk.policy.error = error
    desk.show(1000)
    (why,) = desk.listener.wait("failed")
    assert str(why).startswith("The policy could not decide for more than 0.1 s")
    assert str(why).endswith(str(error))
    assert not desk.runner.running
    desk.policy.error = None
    desk.runner.request("second")
    desk.show(1400)
    desk.listener.wait("step")


def test_a_decision_that_takes_longer_than_a_policy_may_be_lost_is_not_acted_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(desk)
    desk.policy.error = None
    desk.policy.inside.clear()
    desk.policy.gate.clear()
    desk.show(1200)
    assert desk.policy.inside.wait(PATIENCE)
    monkeypatch.setattr(policy_runner, "LONGEST_LOSS", 0.0)
    desk.policy.gate.set()
    desk.listener.wait("failed")
    assert desk.listener.all("step") == []


def test_a_policy_that_is_back_soon_has_the_whole_time_again_at_the_next_loss(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(desk)
    desk.policy.error = None
    desk.show(1200)
    desk.listener.wait("step")
    monkeypatch.setattr(policy_runner, "LONGEST_LOSS", 0.0)
    desk.show(1400)
    desk.listener.wait("step", 2)
    assert desk.listener.all("failed") == []
