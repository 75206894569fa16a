"""The policy node on a graph, with a policy that is played: images and instructions in, actions out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from support.node_bench import NEWEST, NodeBench
from support.policy_rig import GREY, PERIOD_NS, PlayedPolicy, Rig
from support.processes import ROOT

from rt_vla_ros.nodes import policy_health
from rt_vla_ros.nodes.conversions import nanoseconds, time_message
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.nodes.start_error import StartError

OK, WARN, ERROR = 0, 1, 2


def test_without_an_instruction_it_does_nothing(rig: Rig) -> None:
    for _ in range(3):
        rig.show()
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")
    rig.bench.spin_for(0.3)
    assert rig.actions == []
    assert rig.policy.seen == []


def test_it_acts_on_the_image_and_says_which(rig: Rig) -> None:
    rig.say("pick up the red cube")
    action = rig.until_action()
    assert nanoseconds(action.header.stamp) == rig.stamp_ns
    assert action.header.frame_id == "panda_link0"
    assert (action.steps[0].translation.x, list(action.tokens), action.terminate) == (0.01, [1, 2, 3], False)
    assert nanoseconds(action.period) == PERIOD_NS
    assert 0 < nanoseconds(action.latency) < 5e9
    np.testing.assert_array_equal(rig.policy.seen[-1].images["front"], GREY)
    assert rig.policy.instructions == ["pick up the red cube"]
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_an_image_before_its_time_is_not_acted_on(rig: Rig) -> None:
    rig.say("pick up the red cube")
    first = rig.until_action()
    early = image_message(GREY, nanoseconds(first.header.stamp) + PERIOD_NS // 2, "camera")
    rig.camera.publish(early)
    again = image_message(GREY, nanoseconds(first.header.stamp), "camera")
    rig.camera.publish(again)
    rig.bench.spin_for(0.3)
    assert len(rig.actions) == 1


def test_a_repeated_instruction_is_one_request_and_another_takes_over(rig: Rig) -> None:
    for _ in range(3):
        rig.say("pick up the red cube")
        rig.until_action()
    rig.say("pick up the blue ball")
    rig.until_action()
    rig.until_action()
    assert rig.policy.instructions == ["pick up the red cube", "pick up the blue ball"]


def test_the_same_instruction_after_a_stop_begins_nothing_and_that_is_logged(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.say("")
    rig.until_stop()
    rig.say("pick up the red cube")
    said = [""]

    def heard() -> bool:
        said[0] += "".join(capfd.readouterr())
        return "was ended: it is ignored. Send another instruction, or call /policy_node/restart." in said[0]

    rig.bench.until(heard, "it was not logged")


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("  ", "The instruction is empty: stop."),
        ("x" * 10_000, "The instruction has 10000 characters, expected at most"),
    ],
)
def test_an_empty_or_overlong_instruction_stops_at_once(rig: Rig, text: str, plan: str) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.say(text)
    assert plan in rig.until_stop().plan
    count = len(rig.actions)
    rig.show()
    rig.show()
    rig.bench.spin_for(0.3)
    assert len(rig.actions) == count
    if text.strip():
        rig.bench.until_diagnostics("policy_node", ERROR, plan)
    rig.say("pick up the red ball 🤖")
    assert not rig.until_action().terminate


def test_an_instruction_that_the_policy_refuses_moves_nothing(rig: Rig) -> None:
    rig.say("nonsense")
    rig.show()
    assert "The instruction is nonsense." in rig.until_stop().plan
    rig.bench.until_diagnostics("policy_node", ERROR, "The instruction is nonsense.")
    assert [a.terminate for a in rig.actions] == [True]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "32FC1"}, "Camera 'front' cannot be used: The image's encoding is '32FC1': depth"),
        ({"step": 3}, "A row of the image has 3 bytes, expected at least 288"),
    ],
)
def test_an_image_of_a_wrong_kind_moves_nothing_until_a_good_one_comes(
    rig: Rig, changes: dict[str, Any], words: str
) -> None:
    rig.say("pick up the red cube")
    rig.show_until(words, **changes)
    rig.bench.until_diagnostics("policy_node", ERROR, words)
    assert rig.actions == []
    rig.until_action()


def test_an_image_of_a_wrong_size_moves_nothing(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.show_until("is 640x480, but the policy expects 96x96", np.zeros((480, 640, 3), np.uint8))
    rig.bench.until_diagnostics("policy_node", ERROR, "is 640x480, but the policy expects 96x96")
    assert rig.actions == []
    rig.until_action()


def test_another_size_can_be_allowed(make_bench: Callable[..., NodeBench], policy: PlayedPolicy) -> None:
    rig = Rig(make_bench("-p", "policy_node:image_fit:=center", "-p", "policy_node:frame_id:=base"), policy)
    rig.say("pick up the red cube")
    rig.show(np.full((480, 640, 3), 128, np.uint8))
    rig.bench.until(lambda: rig.actions)
    np.testing.assert_array_equal(rig.policy.seen[-1].images["front"], GREY)
    assert rig.actions[0].header.frame_id == "base"


def test_a_stale_image_moves_nothing(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.show(age=2.0)
    rig.bench.until_diagnostics("policy_node", ERROR, "The newest image is older than max_image_age (0.5 s)")
    assert rig.actions == []
    rig.until_action()


def test_a_missing_camera_is_named(rig: Rig) -> None:
    rig.bench.until_diagnostics("policy_node", WARN, "No image of camera 'front' for more than 2 s on the topic")
    rig.say("pick up the red cube")
    rig.bench.until_diagnostics("policy_node", ERROR, "No image of camera 'front'")
    assert rig.actions == []


def test_a_camera_that_the_policy_does_not_look_through_is_not_missed(
    make_bench: Callable[..., NodeBench], policy: PlayedPolicy
) -> None:
    rig = Rig(make_bench("-p", "policy_node:cameras:=[front, wrist]"), policy)
    wrist = rig.bench.publisher(Image, "wrist_image", NEWEST)
    rig.say("pick up the red cube")
    rig.until_action()
    wrist.publish(image_message(GREY, rig.now_ns(), "wrist"))
    for _ in range(12):
        rig.until_action()
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_a_camera_that_is_too_slow_is_named_with_advice(rig: Rig) -> None:
    now = rig.now_ns()
    for i in range(12):
        message = image_message(GREY, now - (12 - i) * 700_000_000, "camera")
        rig.camera.publish(message)
        rig.bench.until(lambda count=i: rig.node._runner.buffer.received == count + 1)
    rig.bench.until_diagnostics(
        "policy_node", WARN, "Images of camera 'front' arrive slower than the policy acts (5 Hz)."
    )


def test_an_inference_that_hangs_is_named_until_it_ends(
    bench: NodeBench, policy: PlayedPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_health, "HUNG", 0.3)
    rig = Rig(bench, policy)
    rig.say("pick up the red cube")
    rig.until_action()
    rig.policy.gate.clear()
    rig.show()
    rig.bench.until_diagnostics("policy_node", ERROR, "An inference has been running for more than")
    assert len(rig.actions) == 1
    rig.policy.gate.set()
    rig.until_action()
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


def test_a_policy_that_is_slower_than_its_period_is_named_while_it_acts(bench: NodeBench, policy: PlayedPolicy) -> None:
    policy.card = replace(policy.card, control_rate=50.0)
    policy.duration = 0.03
    rig = Rig(bench, policy)
    rig.say("pick up the red cube")
    for _ in range(policy_health.ENOUGH_STEPS):
        rig.until_action()
    rig.bench.until_diagnostics("policy_node", WARN, "Most actions take longer than the policy's period (0.02 s)")
    rig.say("")
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")


def test_disable_and_restart(rig: Rig) -> None:
    assert not rig.bench.call(Trigger, "policy_node/restart").success
    rig.say("pick up the red cube")
    rig.until_action()
    assert rig.bench.call(SetBool, "policy_node/enable", data=False).success
    assert rig.until_stop().plan == "The policy was disabled."
    rig.say("pick up the blue ball")
    rig.bench.until_diagnostics("policy_node", ERROR, "The policy is disabled; call /policy_node/enable")
    assert not rig.bench.call(Trigger, "policy_node/restart").success
    assert rig.bench.call(SetBool, "policy_node/enable", data=True).success
    rig.bench.until_diagnostics("policy_node", OK, "Waiting for an instruction.")
    assert rig.bench.call(Trigger, "policy_node/restart").success
    rig.until_action()
    assert rig.policy.instructions == ["pick up the red cube", "pick up the blue ball"]


def test_it_stops_the_arm_when_it_is_ended(rig: Rig) -> None:
    rig.say("pick up the red cube")
    rig.until_action()
    rig.node.close()
    assert rig.until_stop().plan == "The policy node was shut down."


def test_compressed_images(make_bench: Callable[..., NodeBench], policy: PlayedPolicy) -> None:
    import io

    from PIL import Image as PillowImage

    bench = make_bench("-p", "policy_node:image_transport:=compressed")
    actions = bench.listen(ChunkMsg, "action")
    node = bench.add(PolicyNode())
    camera = bench.publisher(CompressedImage, "image/compressed", NEWEST)
    bench.publisher(String, "instruction").publish(String(data="pick up the red cube"))
    stream = io.BytesIO()
    PillowImage.fromarray(GREY).save(stream, "PNG")

    def show() -> list[ChunkMsg]:
        message = CompressedImage(format="png", data=stream.getvalue())
        message.header.stamp = time_message(node.get_clock().now().nanoseconds)
        camera.publish(message)
        bench.spin_for(0.05)
        return actions

    bench.until(show)
    np.testing.assert_array_equal(policy.seen[-1].images["front"], GREY)
    camera.publish(CompressedImage(format="png", data=b"nonsense", header=actions[0].header))


def test_a_policy_that_looks_through_another_camera_is_refused(
    make_bench: Callable[..., NodeBench], policy: PlayedPolicy
) -> None:
    bench = make_bench("-p", "policy_node:cameras:=[wrist]")
    node = bench.add(PolicyNode())
    bench.until_diagnostics("policy_node", ERROR, "It needs the camera 'front'; the parameter 'cameras' has wrist.")
    assert node.failure is not None


def test_an_unknown_policy_lists_what_there_is(make_bench: Callable[..., NodeBench]) -> None:
    bench = make_bench("-p", "policy_node:policy:=rt1-mni")
    node = bench.add(PolicyNode())
    bench.until_diagnostics("policy_node", ERROR, "There is no policy 'rt1-mni'")
    assert node.failure is not None
    assert "rt1-untrained" in node.failure


def test_an_unknown_policy_is_refused_before_torch_is_loaded() -> None:
    code = (
        "import sys\n"
        "from rt_vla_ros import ros; ros.ensure()\n"
        "from rt_vla_ros.nodes.policy_node import load_policy\n"
        "try:\n"
        "    load_policy('rt1-mni')\n"
        "except ValueError as error:\n"
        "    print(error, 'torch' in sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "Did you mean 'rt1-mini'?" in said
    assert said.endswith("False\n")


@pytest.mark.parametrize("cameras", ["[front, front]", "['no name']"])
def test_camera_names_must_be_names(make_bench: Callable[..., NodeBench], cameras: str) -> None:
    make_bench("-p", f"policy_node:cameras:={cameras}")
    with pytest.raises(StartError, match="expected one or more unique names"):
        PolicyNode()
