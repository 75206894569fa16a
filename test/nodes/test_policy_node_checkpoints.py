"""The policy node with checkpoints as they lie on disk: cameras, plans, weights, sentences, code, what it refuses."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.srv import Ask
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.node_bench import NEWEST, NodeBench
from support.rt1 import tiny_card, tiny_model
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.policy import RT2Policy

ERROR, PERIOD_NS = 2, 334_000_000
Make = Callable[..., NodeBench]


def start(make_bench: Make, policy: Path, **parameters: object) -> tuple[NodeBench, PolicyNode]:
    given = {"policy": str(policy), "device": "cpu", "max_image_age": 60.0, **parameters}
    words = [word for name, value in given.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
    bench = make_bench(*words)
    return bench, bench.add(PolicyNode())


def until_ready(bench: NodeBench, node: PolicyNode) -> RT2Policy:
    policy = bench.until(lambda: node._policy)
    assert isinstance(policy, RT2Policy)
    return policy


def first_action(bench: NodeBench, node: PolicyNode, *cameras: str) -> Any:
    """Shows every camera a picture, again and again, until an action of the instruction comes."""
    actions = bench.listen(ChunkMsg, "action")
    publishers = [bench.publisher(Image, topic, NEWEST) for topic in cameras]
    bench.publisher(String, "instruction").publish(String(data="pick up the red cube"))
    now = node.get_clock().now
    while not actions:
        stamp_ns = now().nanoseconds
        for i, publisher in enumerate(publishers):
            publisher.publish(image_message(random_image(i), stamp_ns, "camera"))
        bench.until(lambda due=stamp_ns + PERIOD_NS: actions or now().nanoseconds > due)
    return actions[0]


def test_two_cameras_and_a_plan_in_the_action_message(make_bench: Make, tmp_path: Path) -> None:
    card = rt2_card("front", "wrist")
    save_vlm(tmp_path, "smolvlm", card=card, prompt=PLAN_PROMPT, plan_tokens=5)
    bench, node = start(make_bench, tmp_path, cameras=["front", "wrist"])
    policy = until_ready(bench, node)
    action = first_action(bench, node, "image", "wrist_image")
    assert len(action.tokens) == 8
    assert 0 < action.confidence <= 1
    assert action.plan == policy._grammar.plan(policy.previous) != ""
    answer = bench.call(Ask, "policy_node/ask", question="what do you see?")
    assert (answer.success, answer.message) == (True, "")
    assert answer.answer == policy.ask({"front": random_image(0), "wrist": random_image(1)}, "what do you see?")
    assert answer.seconds > 0


def test_a_plan_on_request_is_in_the_action_message(make_bench: Make, tmp_path: Path) -> None:
    bench, node = start(make_bench, save_vlm(tmp_path, "qwen2_vl", plan_on_request=5), plan=True)
    policy = until_ready(bench, node)
    action = first_action(bench, node, "image")
    assert action.plan == policy._grammar.plan(policy.previous) != ""
    assert len(action.tokens) == 8


def test_a_plan_of_a_policy_that_was_not_taught_is_told(make_bench: Make) -> None:
    bench, _ = start(make_bench, Path("rt1-untrained"), plan=True)
    bench.until_diagnostics("policy_node", ERROR, "'rt1-untrained' was not trained to write a plan before it acts")


def test_an_unsure_action_is_held_and_said(make_bench: Make, tmp_path: Path) -> None:
    bench, node = start(make_bench, save_vlm(tmp_path, "paligemma"), min_confidence=0.9)
    until_ready(bench, node)
    action = first_action(bench, node, "image")
    assert 0 < action.confidence < 0.9
    assert any(token not in (0, 127, 128) for token in action.tokens[1:4])  # it wanted to move
    assert tuple(getattr(action.steps[0].translation, axis) for axis in "xyz") == (0, 0, 0)
    assert not action.terminate
    assert "confidence is below min_confidence (0.9): the arm holds still" in action.plan
    bench.until_diagnostics("policy_node", ERROR, "confidence is below min_confidence (0.9)")


def test_a_camera_that_the_node_has_not_is_told(make_bench: Make, tmp_path: Path) -> None:
    bench, _ = start(make_bench, save_vlm(tmp_path, "qwen2_vl", card=rt2_card("front", "wrist")))
    bench.until_diagnostics("policy_node", ERROR, "It needs the camera 'wrist'; the parameter 'cameras' has front")


def test_cuda_graphs_are_for_gpus(make_bench: Make, tmp_path: Path) -> None:
    bench, node = start(make_bench, save_vlm(tmp_path, "qwen2_vl"))
    policy = until_ready(bench, node)
    assert node.get_parameter("cuda_graphs").value is node.get_parameter("device_images").value is True
    assert policy.recorded_prompt_lengths == 0
    assert not policy._device_images
    assert len(first_action(bench, node, "image").tokens) == 8


def test_weights_are_a_parameter(make_bench: Make, tmp_path: Path) -> None:
    importlib.import_module("torchao")  # where it is missing the test says so
    bench, node = start(make_bench, save_vlm(tmp_path, "qwen2_vl"), weights="int8")
    policy = until_ready(bench, node)
    kinds = {type(parameter.data).__name__ for parameter in policy.parts.model.parameters()}
    assert kinds == {"Tensor", "Int8Tensor"}


def test_a_table_of_sentences_is_a_parameter(make_bench: Make, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "rt1", tiny_model(language="embedding"), tiny_card(), "")
    InstructionTable({"pick up the red cube": np.ones(8)}).save(tmp_path / "mine.safetensors")
    bench, node = start(make_bench, tmp_path / "rt1", language=str(tmp_path / "mine.safetensors"))
    assert len(first_action(bench, node, "image").tokens) == 6


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("remote code", "trust_remote_code:=true (in Python trust_remote_code=True)"),
        (
            "no processor",
            "has no image processor (preprocessor_config.json, or image_processor in processor_config.json)",
        ),
        ("no such directory", "There is no policy"),
    ],
)
def test_what_cannot_be_loaded_is_told(name: str, sentence: str, make_bench: Make, tmp_path: Path) -> None:
    directory = save_vlm(tmp_path / "mine", "paligemma")
    if name == "remote code":
        config = json.loads((directory / "config.json").read_text())
        config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
        (directory / "config.json").write_text(json.dumps(config))
    elif name == "no processor":
        (directory / "preprocessor_config.json").unlink()
    else:
        directory = tmp_path / "elsewhere"
    bench, node = start(make_bench, directory)
    bench.until_diagnostics("policy_node", ERROR, sentence)
    assert node.failure is not None


def test_trust_is_off_unless_given() -> None:
    (parameter,) = (parameter for parameter in POLICY_PARAMETERS if parameter.name == "trust_remote_code")
    assert parameter.default is False


def test_not_ready_before_it_is_warm(make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm, real = threading.Event(), RT2Policy.act

    def act(self: RT2Policy, *args: Any) -> Any:
        assert warm.wait(60)
        return real(self, *args)

    monkeypatch.setattr(RT2Policy, "act", act)
    bench, node = start(make_bench, save_vlm(tmp_path, "qwen2_vl"))
    bench.until(lambda: node._health._loading == "warming up")
    bench.until_diagnostics("policy_node", 1, "The policy is being loaded.")
    assert node._policy is None
    warm.set()
    until_ready(bench, node)
