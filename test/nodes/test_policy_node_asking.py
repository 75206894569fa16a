"""The policy node on a graph: it answers questions beside its control, and holds still while it is not sure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.srv import Ask
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.node_bench import NEWEST, NodeBench
from support.played_smoother import PlayedSmoother
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode

ERROR = 2
PERIOD_NS = 200_000_000
PATIENCE = 60.0  # [s]


class TalkingPolicy(ConstantPolicy):
    """Answers with the mean grey of what it sees, when it is allowed to."""

    def __init__(self, **changes: object) -> None:
        super().__init__(**changes)
        self.allowed = threading.Event()

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        assert self.allowed.wait(PATIENCE)
        return f"{question} {images['front'].mean():.0f}"


class Rig:
    def __init__(self, bench: NodeBench, monkeypatch: pytest.MonkeyPatch, policy: ConstantPolicy) -> None:
        monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: policy)
        self.bench = bench
        self.actions = bench.listen(ChunkMsg, "action")
        PlayedSmoother(bench)
        self.node = bench.add(PolicyNode())
        self.camera = bench.publisher(Image, "image", NEWEST)
        self.user = bench.publisher(String, "instruction")
        bench.until(lambda: self.node._policy is not None)
        self.stamp_ns = 0

    def show(self, grey: int) -> None:
        now = self.node.get_clock().now
        self.bench.until(lambda: now().nanoseconds >= self.stamp_ns + PERIOD_NS)
        self.stamp_ns = now().nanoseconds
        self.camera.publish(image_message(np.full((96, 96, 3), grey, np.uint8), self.stamp_ns, "camera"))

    def until_action(self) -> Any:
        count, now = len(self.actions), self.node.get_clock().now
        while len(self.actions) == count:
            self.show(128)
            due = self.stamp_ns + PERIOD_NS
            self.bench.until(lambda due=due: len(self.actions) > count or now().nanoseconds > due)
        return self.actions[-1]


def test_an_answer_comes_while_control_goes_on(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = TalkingPolicy(translation=np.array([0.01, 0.0, 0.0]))
    rig = Rig(bench, monkeypatch, policy)
    refused = bench.call(Ask, "policy_node/ask", question=" ")
    assert (refused.success, refused.message[:21]) == (False, "The question is empty")
    rig.user.publish(String(data="pick up the red cube"))
    rig.until_action()
    client = bench.world.create_client(Ask, "policy_node/ask")
    bench.until(client.service_is_ready)
    future = client.call_async(Ask.Request(question="how bright?"))
    bench.until(lambda: rig.node._questions._busy)
    for _ in range(3):
        assert rig.until_action().steps[0].translation.x == 0.01
    assert not future.done()
    policy.allowed.set()
    bench.until(future.done)
    answer = future.result()
    assert (answer.success, answer.message, answer.answer) == (True, "", "how bright? 128")
    assert answer.seconds > 0


def test_a_policy_without_words_says_so(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    Rig(bench, monkeypatch, ConstantPolicy())
    answer = bench.call(Ask, "policy_node/ask", question="what do you see?")
    assert not answer.success
    assert answer.message == "The policy 'constant' does not generate text; RT-2 policies answer questions."


def test_below_min_confidence_the_arm_holds_and_is_told_why(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench("-p", "policy_node:min_confidence:=0.5")
    policy = ConstantPolicy(translation=np.array([0.01, 0.0, 0.0]), confidence=0.2)
    rig = Rig(bench, monkeypatch, policy)
    rig.user.publish(String(data="pick up the red cube"))
    action = rig.until_action()
    assert (action.steps[0].translation.x, action.steps[0].gripper) == (0, -1)
    assert "confidence is below min_confidence (0.5)" in action.plan
    assert not action.terminate
    bench.until_diagnostics("policy_node", ERROR, "confidence is below min_confidence (0.5): the arm holds still")


def test_a_model_that_hardly_writes_actions_is_warned_of_and_holds_below_min_legal_probability(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = make_bench("-p", "policy_node:min_legal_probability:=0.5")
    policy = ConstantPolicy(translation=np.array([0.01, 0.0, 0.0]), legal_probability=0.0002)
    rig = Rig(bench, monkeypatch, policy)
    rig.user.publish(String(data="pick up the red cube"))
    action = rig.until_action()
    assert (action.steps[0].translation.x, action.steps[0].gripper) == (0, -1)
    assert (action.confidence, action.legal_probability) == (1.0, 0.0002)
    bench.until_diagnostics("policy_node", ERROR, "is below min_legal_probability (0.5): the arm holds")
    assert rig.node._report().values["legal_probability"] == "0.0002"
    said = capfd.readouterr()
    assert "unconstrained, the model would write an action with a probability of only 0.0002" in said.out + said.err
