"""Policy and smoother together: what is stopped stays stopped, through pauses and restarts, until it is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped, TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient
from rt_vla_ros.action import ExecuteInstruction
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.actions import changed
from support.node_bench import NEWEST, NodeBench
from support.scripted_policy import ConstantPolicy
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.action_space.card import ActionDimension
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.observations.observation import Observation

WARN, ERROR = 1, 2
PAUSE = 0.3  # after which the same instruction is a new request [s]
PICK = "pick up the red cube"


class Rig:
    """Both nodes, with a camera, a user and an arm that are played."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.twists = bench.listen(TwistStamped, "delta_twist_cmds")
        self.actions = bench.listen(ChunkMsg, "action")
        self.statuses = bench.listen(ControllerStatus, "controller_status")
        self.camera = bench.world.create_publisher(Image, "image", NEWEST)
        self.pixels, self.frozen = np.zeros((96, 96, 3), np.uint8), False
        bench.world.create_timer(0.05, self._show)
        tree = TransformStamped(child_frame_id="panda_link0")
        tree.header.frame_id, tree.transform.rotation.w = "base_link", 1.0
        StaticTransformBroadcaster(bench.world).sendTransform(tree)
        self.smoother = bench.add(SmootherNode())
        self.policy = bench.add(PolicyNode())
        self.user = bench.publisher(String, "instruction")
        self.settle()

    def settle(self) -> None:
        """Until the nodes have found each other."""
        self.bench.until(lambda: self.policy._policy is not None)
        self.bench.until(lambda: self.policy._smoother.session == self.smoother._session, "it hears another smoother")
        self.bench.until(lambda: self.smoother.get_publishers_info_by_topic("action"))
        self.bench.until(lambda: self.smoother.transforms.refuse("panda_link0") is None)

    def _show(self) -> None:
        self.pixels[0, 0, 0] ^= not self.frozen
        self.camera.publish(image_message(self.pixels, self.bench.world.get_clock().now().nanoseconds, "camera"))

    def say(self, text: str) -> None:
        self.user.publish(String(data=text))

    def say_with_pauses(self) -> None:
        """As `ros2 topic pub` does whose period is longer than the pause."""
        for _ in range(2):
            self.say(PICK)
            self.bench.spin_for(PAUSE + 0.1)

    def until_state(self, state: State) -> ControllerStatus:
        self.bench.until(lambda: self.statuses and self.statuses[-1].state == state, f"never {state.name}")
        return self.statuses[-1]

    def until_still(self) -> None:
        """The arm was told to stand still; what it is told from now on is counted anew."""
        self.bench.until(lambda: not self.twists[-1].twist.linear.x, "it still moves")
        self.bench.until(lambda: not self.statuses[-1].commanding, "it still commands")
        self.twists.clear()
        self.actions.clear()

    def moved(self) -> int:
        return sum(message.twist.linear.x != 0 for message in self.twists)

    def respawn_policy(self) -> None:
        self.bench.kill(self.policy)
        self.policy = self.bench.add(PolicyNode())
        self.bench.until(lambda: self.user.get_subscription_count() > 0)
        self.settle()

    def respawn_smoother(self) -> None:
        self.bench.kill(self.smoother)
        self.statuses.clear()
        self.smoother = self.bench.add(SmootherNode())
        self.settle()
        self.bench.until(lambda: self.statuses and self.statuses[-1].session == self.smoother._session)
        self.statuses[:] = [status for status in self.statuses if status.session == self.smoother._session]


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(
        policy_node, "load_policy", lambda name, **_options: ConstantPolicy(translation=np.array([0.01, 0.0, 0.0]))
    )
    return Rig(make_bench("-p", f"policy_node:instruction_pause:={PAUSE}"))


class MobilePolicy(ConstantPolicy):
    """Drives a base forward."""

    card = replace(
        ConstantPolicy.card,
        dimensions=(*ConstantPolicy.card.dimensions, ActionDimension("wheels", "base_x", -0.2, 0.2, "m")),
    )

    def act(self, observation: Observation) -> ActionChunk:
        return changed(super().act(observation), 0, base=np.array([0.04, 0.0, 0.0]))


def test_a_policy_that_is_not_active_drives_no_base(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deactivating stops it as it stops the arm, and activating does not take the request up again."""
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: MobilePolicy())
    bench = make_bench("-p", "smoother_node:drive_base:=true")
    bases = bench.listen(TwistStamped, "base_twist_cmds")
    rig = Rig(bench)

    def change(label: str) -> None:
        assert bench.call(ChangeState, "policy_node/change_state", transition=Transition(label=label)).success

    for text in (PICK, "pick up the blue ball"):
        rig.say(text)
        bench.until(lambda: bases and bases[-1].twist.linear.x > 0.1, "the base does not drive")
        change("deactivate")
        assert rig.until_state(State.TERMINATED).reason == "The policy was disabled."
        bench.until(lambda: not bases[-1].twist.linear.x and not rig.statuses[-1].commanding)
        bases.clear()
        change("activate")
        bench.spin_for(0.3)
        assert not bases


def test_a_stop_of_the_policy_holds_through_pauses_and_respawns_until_it_is_released(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    answer = rig.bench.call(Trigger, "policy_node/stop")
    assert (answer.success, answer.message.partition(";")[0]) == (
        True,
        "the request has ended, and the smoother is stopped until /smoother_node/release is called",
    )
    assert rig.until_state(State.STOPPED).reason == "The stop service of the policy was called."
    rig.until_still()
    rig.say_with_pauses()
    rig.bench.until_diagnostics("policy_node", WARN, "The smoother is stopped: The stop service of the policy was")
    rig.respawn_policy()
    rig.say_with_pauses()
    rig.respawn_smoother()
    assert rig.statuses[0].state == State.STOPPED
    rig.say_with_pauses()
    refused = rig.bench.call(Trigger, "policy_node/restart")
    assert (refused.success, refused.message[:24]) == (False, "The smoother is stopped:")
    assert rig.bench.call(Trigger, "smoother_node/release").success
    rig.until_state(State.IDLE)
    rig.say_with_pauses()
    rig.respawn_smoother()
    assert (rig.moved(), [a for a in rig.actions if not a.terminate]) == (0, [])
    assert rig.statuses[0].state == State.IDLE
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.bench.until(rig.moved, "a restart after the release does not move it")


def test_a_stop_of_the_smoother_ends_the_request_and_another_text_begins_the_next(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    assert rig.bench.call(Trigger, "smoother_node/stop").message == "stopped until /smoother_node/release is called"
    rig.bench.until(lambda: rig.actions[-1].terminate and "The smoother was stopped: " in rig.actions[-1].plan)
    rig.until_still()
    assert rig.bench.call(Trigger, "smoother_node/release").success
    rig.say_with_pauses()
    assert (rig.moved(), rig.actions) == (0, [])
    rig.say("pick up the blue ball")
    rig.bench.until(rig.moved)


def test_an_empty_instruction_does_not_latch_and_its_request_does_not_come_back(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    rig.say("")
    rig.until_state(State.TERMINATED)
    rig.until_still()
    rig.say_with_pauses()
    assert (rig.moved(), rig.actions) == (0, [])
    rig.say("pick up the blue ball")
    rig.bench.until(rig.moved)


def test_a_frozen_camera_ends_the_request_and_is_named(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    rig.frozen = True
    said = "Camera 'front' repeats the same image"
    rig.bench.until_diagnostics("policy_node", ERROR, said)
    assert rig.until_state(State.TERMINATED).reason.startswith(said)
    rig.until_still()
    rig.say_with_pauses()
    assert rig.moved() == 0
    rig.frozen = False
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.bench.until(rig.moved)


def test_a_policy_whose_smoother_is_gone_says_so_and_ends_its_request(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    rig.bench.kill(rig.smoother)
    rig.bench.until_diagnostics("policy_node", ERROR, "The smoother is gone")
    said = "The request was aborted: the smoother that followed its actions is gone."
    rig.bench.until(lambda: rig.actions[-1].plan == said)
    refused = rig.bench.call(Trigger, "policy_node/restart")
    assert (refused.success, refused.message[:23]) == (False, "The smoother is gone: n")
    rig.twists.clear()
    rig.smoother = rig.bench.add(SmootherNode())
    rig.settle()
    rig.bench.until_diagnostics("policy_node", ERROR, "The request was aborted: the smoother")
    rig.say_with_pauses()
    assert rig.moved() == 0
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.bench.until(rig.moved)


def test_a_smoother_that_was_started_again_at_once_does_not_take_the_request_up(rig: Rig) -> None:
    rig.say(PICK)
    rig.bench.until(rig.moved)
    rig.bench.kill(rig.smoother)
    killed_ns = rig.bench.world.get_clock().now().nanoseconds
    rig.smoother = rig.bench.add(SmootherNode())  # before anybody missed it
    said = "The request was aborted: the smoother that followed its actions is gone."
    rig.bench.until_diagnostics("policy_node", ERROR, said)
    rig.settle()
    rig.say_with_pauses()
    # Not what the killed one had sent: it comes after its end.
    rig.twists[:] = [message for message in rig.twists if nanoseconds(message.header.stamp) > killed_ns]
    assert rig.moved() == 0
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.bench.until(rig.moved)


def test_the_result_of_a_canceled_goal_comes_when_the_arm_stands_still(rig: Rig) -> None:
    client = ActionClient(rig.bench.world, ExecuteInstruction, "policy_node/execute")
    rig.bench.until(client.server_is_ready)
    sent = client.send_goal_async(ExecuteInstruction.Goal(instruction=PICK))
    rig.bench.until(sent.done)
    result = sent.result().get_result_async()
    rig.bench.until(lambda: rig.moved() > 5)
    rig.statuses.clear()
    sent.result().cancel_goal_async()
    rig.bench.until(result.done)
    assert result.result().result.outcome == ExecuteInstruction.Result.CANCELED
    assert any(status.commanding and status.state == State.TERMINATED for status in rig.statuses), "it did not brake"
    assert not rig.statuses[-1].commanding
    assert not rig.twists[-1].twist.linear.x
    told = result.result().result.distance
    assert told == pytest.approx(rig.statuses[-1].commanded_distance, abs=1e-6)
