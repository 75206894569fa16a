"""With follow_time: an arm that does not do what it is told is stopped, and does not creep on."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import MagicMock

import pytest
from geometry_msgs.msg import TransformStamped
from rt_vla_ros.msg import ArmStatus
from std_srvs.srv import Trigger
from support.actions import action
from support.node_bench import NodeBench
from support.smoother_rig import Rig, velocity
from tf2_msgs.msg import TFMessage

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import chunk_message
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

WATCHED = ("follow_time:=0.4", "tip_frame:=tip", "workspace_frame:=panda_link0")


def given(*parameters: str) -> tuple[str, ...]:
    return tuple(word for one in parameters for word in ("-p", f"smoother_node:{one}"))


class Arm:
    """Moves at `share` of what it is told, by its own clock, and tells TF where it is, 50 times a second."""

    def __init__(self, rig: Rig, share: float) -> None:
        self.rig, self.share, self.x, self.request = rig, share, 0.4, 1
        self._publisher = rig.bench.publisher(TFMessage, "/tf", 100)
        self._last = self._now()
        self._timer = rig.bench.world.create_timer(0.02, self.tell)
        rig.bench.until(lambda: rig.node._conditions.denied() is None)

    def _now(self) -> float:
        return float(self.rig.node.get_clock().now().nanoseconds) / 1e9

    def tell(self) -> None:
        now = self._now()
        self.x += self.share * (velocity(self.rig.twists[-1])[0] if self.rig.twists else 0.0) * (now - self._last)
        self._last = now
        tip = TransformStamped(child_frame_id="tip")
        tip.header.frame_id, tip.header.stamp = "panda_link0", self.rig.node.get_clock().now().to_msg()
        tip.transform.translation.x, tip.transform.rotation.w = self.x, 1.0
        self._publisher.publish(TFMessage(transforms=[tip]))

    def act_until(self, done: Callable[[], bool]) -> None:
        """Actions of one request, 20 a second."""

        def acted() -> bool:
            self.rig.act(translation=(0.03, 0, 0), publisher="/policy#1", request=self.request)
            self.rig.bench.spin_for(0.05)
            return done()

        self.rig.bench.until(acted)


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> Rig:
    return Rig(make_bench(*given(*WATCHED)))


def test_an_arm_that_does_not_follow_ends_the_request_and_the_next_time_it_is_latched(rig: Rig) -> None:
    arm = Arm(rig, share=0.0)
    arm.act_until(lambda: rig.statuses[-1].state == State.FAULT)
    reason = rig.statuses[-1].reason
    assert reason.startswith("The arm does not follow: commanded ")
    assert "went 0 mm" in reason
    assert reason.endswith("The request is over: give another instruction, or call the policy's ~/restart.")
    rig.until_still()
    for _ in range(10):  # it does not creep on with the actions that follow
        rig.act(publisher="/policy#1", request=1)
        rig.bench.spin_for(0.05)
    assert rig.statuses[-1].state == State.FAULT
    assert not velocity(rig.twists[-1]).any()
    arm.request = 2
    arm.act_until(lambda: rig.statuses[-1].state == State.STOPPED)
    assert rig.statuses[-1].reason.endswith("This is a repeated failure.")
    rig.bench.call(Trigger, "smoother_node/release")
    arm.request = 3
    arm.act_until(lambda: rig.statuses[-1].state == State.FAULT)  # who released it has one more attempt
    assert "The arm does not follow" in rig.statuses[-1].reason
    arm.share, arm.request = 1.0, 4
    arm.act_until(lambda: rig.statuses[-1].state == State.MOVING and arm.x > 0.5)


def test_an_arm_that_follows_goes_on(rig: Rig) -> None:
    arm = Arm(rig, share=1.0)
    arm.act_until(lambda: arm.x > 0.6)
    assert all(status.state != State.FAULT for status in rig.statuses)


def test_an_arm_that_its_bridge_says_is_slowed_down_is_stopped_for_that_reason(
    make_bench: Callable[..., NodeBench],
) -> None:
    rig = Rig(make_bench(*given(*WATCHED, "require_arm_status:=true")))
    why = "Servo slows the arm down near a singularity (status 1): it moves less than commanded."
    bridge = rig.bench.publisher(ArmStatus, "arm_status")
    told = rig.bench.world.create_timer(0.05, lambda: bridge.publish(ArmStatus(ready=True, reason=why)))
    arm = Arm(rig, share=0.4)
    arm.act_until(lambda: rig.statuses[-1].state == State.FAULT)
    assert f"(follow_time, follow_tolerance). {why} The request is over" in rig.statuses[-1].reason
    told.cancel()


def test_where_nobody_can_know_whether_it_follows_nothing_moves(rig: Rig) -> None:
    rig.act()
    assert rig.until_state(State.FAULT).reason.startswith("Whether the arm follows cannot be checked (follow_time): ")
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_within_walls_too_a_request_is_over_once_nobody_knows_where_the_tip_is(
    make_bench: Callable[..., NodeBench],
) -> None:
    rig = Rig(make_bench(*given(*WATCHED, "workspace_low:=[-10.0, -10.0, -10.0]")))
    arm = Arm(rig, share=1.0)
    arm.act_until(lambda: arm.x > 0.42)
    arm._timer.cancel()
    arm.act_until(lambda: rig.statuses[-1].state == State.FAULT)
    arm._timer.reset()
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    for _ in range(5):
        rig.act(publisher="/policy#1", request=1)
        rig.bench.spin_for(0.05)
    assert rig.statuses[-1].state == State.FAULT
    arm.request = 2
    arm.act_until(lambda: rig.statuses[-1].state == State.MOVING)


def test_an_action_that_waits_for_the_clock_is_none_of_a_request_that_is_over(bench: NodeBench) -> None:
    rig = Rig(bench)
    rig.act(period=1.0)
    rig.until_state(State.MOVING)
    now_ns = rig.node.get_clock().now().nanoseconds
    rig.node._early = chunk_message(action(), now_ns, "panda_link0", 0)
    watched = {"denied.return_value": None, "does_not_follow.return_value": "It does not.", "is_repeated": False}
    rig.node._conditions = MagicMock(**watched)
    rig.node._on_tick()
    assert rig.node._controller.state is State.FAULT


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (("follow_time:=0.4",), "With follow_time the parameters 'tip_frame' and 'workspace_frame' must name"),
        (("follow_time:=0.4", "tip_frame:=a", "workspace_frame:=/a"), "they are 'a' and 'a'"),
        ((*WATCHED[1:], "follow_time:=0.1"), "expected 0 .off. or 0.2 to 2 s"),
    ],
)
def test_watching_needs_its_frames(make_bench: Callable[..., NodeBench], parameters: tuple[str], words: str) -> None:
    make_bench(*given(*parameters))
    with pytest.raises(StartError, match=words):
        SmootherNode()
