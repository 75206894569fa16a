"""What a policy node does where its smoother is stopped, gone or was never there, and where a camera is frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rclpy.node import Node
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from support.node_bench import NEWEST, NodeBench
from support.policy_rig import GREY, PlayedPolicy, Rig

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.runtime import frozen_camera

OK, WARN, ERROR = 0, 1, 2


def test_a_stop_without_a_smoother_says_that_nothing_latched_it(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    answer = rig.bench.call(Trigger, "policy_node/stop")
    assert not answer.success
    assert answer.message.startswith("the request has ended, but no smoother confirmed the stop: another action")
    stop = rig.until_stop()
    assert (stop.plan, stop.stop) == ("The stop service of the policy was called.", True)
    assert rig.bench.call(Trigger, "policy_node/restart").message == "restarting 'pick up the red cube'"
    assert not rig.until_action().stop


def test_while_the_smoother_is_stopped_no_request_begins(rig: Rig) -> None:
    rig.smoother.tell(state=ControllerStatus.STOPPED, reason="The stop service was called.")
    sentence = "The smoother is stopped: The stop service was called. Call /world/release, then give another"
    rig.bench.until_diagnostics("policy_node", WARN, sentence)
    rig.say("pick up the red cube")
    assert rig.bench.call(Trigger, "policy_node/stop").success  # it is stopped already
    rig.until_stop()
    assert sentence in rig.bench.call(Trigger, "policy_node/restart").message
    rig.smoother.tell(state=ControllerStatus.IDLE)
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")
    rig.say("pick up the red cube")
    rig.show()
    rig.show()
    assert rig.policy.seen == []
    rig.say("pick up the blue ball")
    rig.until_action()
    assert rig.policy.instructions == ["pick up the blue ball"]


def test_two_smoothers_are_named(rig: Rig) -> None:
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")
    rig.bench.add(Node("other")).create_publisher(ControllerStatus, "controller_status", 10)
    sentence = "2 smoothers follow the actions, /other and /world: each of them moves the arm"
    rig.bench.until_diagnostics("policy_node", WARN, sentence)


def test_a_smoother_that_falls_silent_is_gone(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.smoother.fall_silent()
    rig.bench.until_diagnostics("policy_node", ERROR, "The smoother is gone")
    assert rig.until_stop().plan == "The request was aborted: the smoother that followed its actions is gone."


def test_without_a_smoother_it_acts_for_those_who_listen_and_says_where_nobody_does(
    bench: NodeBench, policy: PlayedPolicy
) -> None:
    bench.add(PolicyNode())
    bench.until_diagnostics("policy_node", WARN, "No subscriber on '/action': start a smoother_node.")
    bench.listen(ChunkMsg, "action")
    bench.until(lambda: "No subscriber on" not in bench.diagnostics["/policy_node"][1])


def test_a_frozen_camera_of_two_is_named(make_bench: Callable[..., NodeBench], policy: PlayedPolicy) -> None:
    policy.card = replace(policy.card, cameras=(policy.card.cameras[0], CameraSpec("wrist", 96, 96, "none", 0.0)))
    rig = Rig(make_bench("-p", "policy_node:cameras:=[front, wrist]"), policy)
    wrist = rig.bench.publisher(Image, "wrist_image", NEWEST)
    rig.say("pick up the red cube")
    for i in range(200):
        rig.smoother.tell(commanded_distance=i * 0.01)
        now_ns = rig.now_ns()
        rig.camera.publish(image_message(GREY + i, now_ns, "camera"))
        wrist.publish(image_message(GREY, now_ns, "wrist"))
        rig.bench.spin_for(0.05)
        if rig.actions and rig.actions[-1].terminate:
            break
    assert rig.until_stop().plan.startswith("Camera 'wrist' repeats the same image")
    rig.bench.until_diagnostics("policy_node", ERROR, "Camera 'wrist' repeats the same image")


def test_a_camera_whose_stamp_stands_still_ends_the_request_and_is_named(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_camera, "SAME_STAMP_NS", 300_000_000)
    rig.say("pick up the red cube")
    rig.until_action()

    def named() -> bool:
        rig.camera.publish(image_message(GREY, rig.stamp_ns, "camera"))
        rig.bench.spin_for(0.05)
        return rig.actions[-1].terminate

    rig.bench.until(named)
    said = "Camera 'front' repeats the same stamp: its image is frozen."
    assert rig.actions[-1].plan == said
    rig.bench.until_diagnostics("policy_node", ERROR, said)


@pytest.mark.parametrize("way", [float("nan"), float("inf"), -1e300])
def test_a_status_with_numbers_that_cannot_be_moves_nobody_to_anything(rig: Rig, way: float) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.smoother.tell(commanded_distance=way, state=200, reason="x" * 10_000_000)
    for _ in range(2):
        rig.until_action()
    assert not rig.actions[-1].terminate


def test_of_a_reason_without_end_only_the_beginning_is_passed_on(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.STOPPED, reason="x" * 10_000_000)
    assert len(rig.until_stop().plan) < 1100


def test_a_text_that_is_repeated_while_the_smoother_is_stopped_is_answered_in_the_log_once(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.smoother.tell(state=ControllerStatus.STOPPED)
    rig.bench.until_diagnostics("policy_node", WARN, "The smoother is stopped")
    for _ in range(5):
        rig.say("pick up the red cube")
        rig.bench.spin_for(0.05)
    said = "".join(capfd.readouterr())
    assert said.count("The instruction is rejected.") == 1
    assert said.count("its request was ended: it is ignored.") == 1


def test_while_a_human_commands_the_request_waits_and_then_goes_on(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.smoother.tell(state=ControllerStatus.HUMAN, commander="human", awaits_resume=True)
    sentence = "the policy's actions have no effect until /world/resume is called."
    rig.bench.until_diagnostics("policy_node", WARN, f"A human is in control: {sentence}")
    seen, count = len(rig.policy.seen), len(rig.actions)
    rig.show()
    rig.show()
    assert (len(rig.policy.seen), len(rig.actions)) == (seen, count)
    rig.smoother.tell(commander="")
    rig.bench.until_diagnostics("policy_node", WARN, f"A human took over: {sentence}")
    rig.smoother.tell(state=ControllerStatus.IDLE, awaits_resume=False)
    action = rig.until_action()
    assert action.request == rig.actions[0].request
    assert rig.policy.instructions == ["pick up the red cube"] * 2
    assert not action.terminate


def test_an_instruction_while_a_human_commands_waits_too(rig: Rig) -> None:
    rig.smoother.tell(state=ControllerStatus.HUMAN, commander="human", awaits_resume=True)
    rig.bench.until_diagnostics("policy_node", WARN, "A human is in control")
    rig.say("pick up the red cube")
    rig.show()
    rig.show()
    assert not rig.policy.seen
    rig.smoother.tell(state=ControllerStatus.IDLE, commander="", awaits_resume=False)
    rig.until_action()
    assert rig.policy.instructions == ["pick up the red cube"]
