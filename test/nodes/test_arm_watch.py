"""With require_arm_status nothing moves unless the arm's bridge says that it is ready."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rclpy.node import Node
from rt_vla_ros.msg import ArmStatus
from support.node_bench import NodeBench
from support.smoother_rig import Rig, SimulatedTimeRig, velocity

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes import smoother_node

ERROR = 2
REQUIRED = ("-p", "smoother_node:require_arm_status:=true")


class Bridge:
    """An arm's bridge that is played."""

    def __init__(self, bench: NodeBench, name: str = "bridge") -> None:
        self.node = bench.add(Node(name))
        self._publisher = self.node.create_publisher(ArmStatus, "arm_status", 10)
        self.ready, self.reason = True, ""
        bench.until(lambda: self._publisher.get_subscription_count() > 0)
        self._timer = self.node.create_timer(0.05, self._publish)
        self._publish()

    def _publish(self) -> None:
        self._publisher.publish(ArmStatus(ready=self.ready, reason=self.reason))


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> Rig:
    return Rig(make_bench(*REQUIRED))


@pytest.fixture
def bridge(rig: Rig) -> Bridge:
    bridge = Bridge(rig.bench)
    rig.bench.until(lambda: rig.node._conditions._arm.problem is None)
    return bridge


def keep_acting(rig: Rig, state: State) -> None:
    """Publishes actions until the smoother is in a state."""

    def acted() -> bool:
        rig.act()
        rig.bench.spin_for(0.05)
        return bool(rig.statuses[-1].state == state)

    rig.bench.until(acted)


def test_nothing_moves_without_an_arm_status(rig: Rig) -> None:
    sentence = "No arm status received on '/arm_status' (require_arm_status): is the arm's bridge running?"
    rig.bench.until_diagnostics("smoother_node", ERROR, sentence)
    rig.act()
    assert rig.until_state(State.FAULT).reason == sentence
    assert not any(velocity(twist).any() for twist in rig.twists)
    Bridge(rig.bench)
    keep_acting(rig, State.MOVING)


def test_an_arm_that_is_not_ready_any_more_ends_the_motion_with_its_reason(rig: Rig, bridge: Bridge) -> None:
    keep_acting(rig, State.MOVING)
    bridge.ready, bridge.reason = False, "Servo halts for a collision. Move the arm away."
    status = rig.until_state(State.FAULT)
    assert status.reason.startswith("The arm is not ready: Servo halts for a collision. Move the arm away. The request")
    rig.until_still()
    rig.act()
    rig.bench.spin_for(0.2)
    assert rig.statuses[-1].state == State.FAULT
    rig.bench.until_diagnostics("smoother_node", ERROR, "The arm is not ready: Servo halts for a collision.")
    bridge.ready = True
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    rig.act()
    rig.bench.spin_for(0.2)
    assert rig.statuses[-1].state == State.FAULT  # what goes on does not go on by itself
    rig.act(request=1)
    rig.until_state(State.MOVING)
    bridge.ready = False
    bridge.reason = ""
    rig.bench.until(lambda: rig.node._conditions._arm.problem == "The arm is not ready: its bridge gives no reason.")


def test_an_arm_whose_bridge_falls_silent_is_a_fault(rig: Rig, bridge: Bridge) -> None:
    keep_acting(rig, State.MOVING)
    rig.act(period=1.0)
    bridge._timer.cancel()
    assert "for more than 0.25 s: the arm's bridge is silent." in rig.until_state(State.FAULT).reason
    rig.until_still()


def test_in_simulated_time_too_the_silence_is_that_of_the_steady_clock(make_bench: Callable[..., NodeBench]) -> None:
    rig = SimulatedTimeRig(make_bench(*REQUIRED, "-p", "smoother_node:use_sim_time:=true"))
    bridge = Bridge(rig.bench)
    rig.bench.until(lambda: rig.node._conditions._arm.problem is None)
    bridge._timer.cancel()
    rig.bench.until(
        lambda: rig.node._conditions._arm.problem is not None and "silent" in rig.node._conditions._arm.problem
    )


def test_two_bridges_are_named_and_nothing_moves(rig: Rig, bridge: Bridge) -> None:
    keep_acting(rig, State.MOVING)
    other = Bridge(rig.bench, "another_bridge")
    rig.act()
    reason = rig.until_state(State.FAULT).reason
    assert reason.startswith("arm_status has 2 publishers, /another_bridge and /bridge: nothing moves")
    rig.bench.kill(other.node)
    rig.bench.until(lambda: rig.node._conditions._arm.problem is None)


def test_without_the_parameter_nobody_asks(make_bench: Callable[..., NodeBench]) -> None:
    assert Rig(make_bench()).node._conditions._arm is None


def test_a_request_that_waits_for_its_arm_too_long_does_not_begin_when_it_is_ready(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoother_node, "LONGEST_WAIT", 0.3)
    bridge = Bridge(rig.bench)
    bridge.ready, bridge.reason = False, "The emergency stop is pressed."
    rig.act(publisher="/world#1", request=1)
    rig.bench.until(lambda: rig.statuses[-1].refused, "the request is not over")
    assert rig.statuses[-1].refused[0].reason.startswith("The arm is not ready: The emergency stop is pressed. The req")
    bridge.ready = True
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    for request, state in ((1, State.FAULT), (2, State.MOVING)):
        rig.act(publisher="/world#1", request=request)
        rig.bench.spin_for(0.15)
        assert rig.statuses[-1].state == state
