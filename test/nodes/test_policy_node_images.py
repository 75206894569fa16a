"""The policy node looks at every image of every camera, whichever way it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.srv import Ask
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from support.node_bench import NEWEST, NodeBench
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode

OK, ERROR = 0, 2
GREY = np.full((96, 96, 3), 128, np.uint8)


class TwoCameras(ConstantPolicy):
    card = replace(
        ConstantPolicy.card, cameras=tuple(CameraSpec(name, 96, 96, "none", 0.0) for name in ("front", "wrist"))
    )

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        return ", ".join(images)


class Rig:
    """A policy node that was told what to do, and its cameras."""

    def __init__(self, bench: NodeBench, monkeypatch: pytest.MonkeyPatch, kind: type = Image, topic: str = "") -> None:
        monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: TwoCameras())
        self.bench = bench
        self.actions = bench.listen(ChunkMsg, "action")
        self.node = bench.add(PolicyNode())
        names = {"front": f"image{topic}", "wrist": f"wrist_image{topic}"}
        self.cameras = {name: bench.publisher(kind, full, NEWEST) for name, full in names.items()}
        bench.until(lambda: self.node._policy is not None)

    def begin(self) -> None:
        self.bench.publisher(String, "instruction").publish(String(data="pick up the red cube"))
        self.bench.until(lambda: self.node._runner.running)

    def show(self, **ahead: float) -> None:
        """An image of each camera that is named, stamped so far ahead [s]."""
        now_ns = self.node.get_clock().now().nanoseconds
        for camera, lead in ahead.items():
            self.cameras[camera].publish(image_message(GREY, now_ns + round(lead * 1e9), camera))
        self.bench.spin_for(0.05)


TWO = ("-p", "policy_node:cameras:=[front, wrist]")


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(make_bench(*TWO), monkeypatch)


@pytest.mark.parametrize("camera", ["front", "wrist"])
@pytest.mark.parametrize(("lead", "words"), [(3.0, "about 3 s ahead"), (-1.02, "about 1 s old")])
def test_each_camera_is_judged_by_its_own_stamps(rig: Rig, camera: str, lead: float, words: str) -> None:
    rig.begin()
    sentence = f"that of camera '{camera}' is {words}."

    def said() -> bool:
        rig.show(**{"front": 0.0, "wrist": 0.0, camera: lead})
        level, message = rig.bench.diagnostics.get("/policy_node", (OK, ""))
        return level == ERROR and sentence in message

    rig.bench.until(said, f"it did not say {sentence}")
    assert not rig.actions

    def acted() -> list[Any]:
        rig.show(front=0.0, wrist=0.0)
        return rig.actions

    rig.bench.until(acted)
    rig.bench.until_diagnostics("policy_node", OK, "Executing the instruction.")


@pytest.mark.parametrize(("lead", "words"), [(5.0, "'wrist' is about 5 s ahead"), (-5.0, "'wrist' is about 5 s old")])
def test_questions_are_answered_about_fresh_images_only(rig: Rig, lead: float, words: str) -> None:
    rig.show(front=0.0)
    assert (
        rig.bench.call(Ask, "policy_node/ask", question="?").message == "No image received from the camera 'wrist' yet."
    )
    rig.show(front=0.0, wrist=lead)
    assert words in rig.bench.call(Ask, "policy_node/ask", question="?").message
    rig.show(front=0.0, wrist=0.0)
    assert rig.bench.call(Ask, "policy_node/ask", question="?").answer == "front, wrist"


@pytest.mark.parametrize(
    ("words", "pixels", "said"),
    [
        ("16UC1; png compressed ", np.full((96, 96), 30_000, np.uint16), "The image's encoding is '16UC1': depth"),
        ("png", None, "The compressed image ('png', 8 bytes) is not a readable JPEG or PNG"),
    ],
)
def test_a_compressed_image_that_cannot_be_used_is_told_at_once(
    make_bench: Callable[..., NodeBench],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    pixels: NDArray[np.uint16] | None,
    said: str,
) -> None:
    """As a raw one is: before an instruction comes, and with its camera's name."""
    rig = Rig(
        make_bench(*TWO, "-p", "policy_node:image_transport:=compressed"), monkeypatch, CompressedImage, "/compressed"
    )
    data = b"nonsense" if pixels is None else bytes(cv2.imencode(".png", pixels)[1])
    message = CompressedImage(format=words, data=data)
    message.header.stamp = time_message(rig.node.get_clock().now().nanoseconds)
    rig.cameras["wrist"].publish(message)
    rig.bench.until_diagnostics("policy_node", ERROR, f"Camera 'wrist' cannot be used: {said}")
