"""A policy node on a graph, with everything around it played: policy, camera, user and smoother."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.node_bench import NEWEST, NodeBench
from support.played_smoother import PlayedSmoother
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.nodes.images import image_message
from rt_vla_ros.nodes.policy_node import PolicyNode
from rt_vla_ros.observations.observation import Observation

PERIOD_NS = 200_000_000
GREY = np.full((96, 96, 3), 128, np.uint8)


class PlayedPolicy(ConstantPolicy):
    """Steps forward, and notes what it is given; takes images of its own size only."""

    card = replace(ConstantPolicy.card, cameras=(CameraSpec("front", 96, 96, "none", 0.0),))

    def __init__(self) -> None:
        super().__init__(translation=np.array([0.01, 0.0, 0.0]), tokens=(1, 2, 3))
        self.instructions: list[str] = []
        self.seen: list[Observation] = []
        self.gate = threading.Event()
        self.gate.set()
        self.duration = 0.0  # of an inference [s]

    def reset(self, instruction: str) -> None:
        if "nonsense" in instruction:
            raise ValueError("The instruction is nonsense.")
        self.instructions.append(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation)
        self.gate.wait()
        time.sleep(self.duration)
        return replace(super().act(observation), period=self.card.period)


class Rig:
    """A policy node, with a camera, a user and a smoother that are played."""

    def __init__(self, bench: NodeBench, policy: PlayedPolicy) -> None:
        self.bench, self.policy = bench, policy
        self.actions = bench.listen(ChunkMsg, "action")
        self.smoother = PlayedSmoother(bench)
        self.node = bench.add(PolicyNode())
        self.camera = bench.publisher(Image, "image", NEWEST)
        self.user = bench.publisher(String, "instruction")
        bench.until(lambda: self.node.count_subscribers("action"))
        bench.until(lambda: "is being loaded" not in bench.diagnostics.get("/policy_node", (0, "is being loaded"))[1])
        policy.instructions.clear()
        policy.seen.clear()
        self.stamp_ns = 0

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def show(self, pixels: np.ndarray = GREY, *, age: float = 0.0, **changes: Any) -> int:
        """Publishes an image that is due and `age` [s] old; its stamp."""
        self.bench.until(lambda: self.now_ns() - round(age * 1e9) >= self.stamp_ns + PERIOD_NS)
        self.stamp_ns = self.now_ns() - round(age * 1e9)
        message = image_message(pixels, self.stamp_ns, "camera")
        for name, value in changes.items():
            setattr(message, name, value)
        self.camera.publish(message)
        return self.stamp_ns

    def show_until(self, words: str, pixels: np.ndarray = GREY, **changes: Any) -> None:
        """Shows such images until the policy node says so; one from before the request would not count."""
        found = False
        while not found:
            stamp_ns = self.show(pixels, **changes)
            self.bench.until(lambda at=stamp_ns: self.says(words) or self.now_ns() > at + PERIOD_NS)
            found = self.says(words)

    def says(self, words: str) -> bool:
        return words in self.bench.diagnostics.get("/policy_node", (0, ""))[1]

    def say(self, text: str) -> None:
        self.user.publish(String(data=text))

    def until_action(self) -> ChunkMsg:
        """Shows images until there is one more action."""
        count = len(self.actions)
        while len(self.actions) == count:
            stamp_ns = self.show()
            self.bench.until(lambda at=stamp_ns: len(self.actions) > count or self.now_ns() > at + PERIOD_NS)
        return self.actions[-1]

    def until_stop(self) -> ChunkMsg:
        self.bench.until(lambda: self.actions and self.actions[-1].terminate, "it did not stop")
        return self.actions[-1]
