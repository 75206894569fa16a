"""A robot in simulated time that says what topics would, to RobotStreams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionDimension
from rt_vla_ros.control.track import multiply, rotation
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.recording.resampling import Moment, Resampler
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.topic_map import TopicMap

SECOND = 1_000_000_000
START = 1_000 * SECOND
STEP = SECOND // 100
CARD = replace(tabletop_card("robot", image_size=16, state=TABLETOP_STATE[:2]), frame_id="base")
MAP = TopicMap(tip_frame="tool", base_frame="base")


def six_card(frame: str = "base", rotation_form: str = "rotation_vector", **changes: Any) -> ActionCard:
    """All six dimensions of motion."""
    moves = [ActionDimension(f"t{a}", f"translation_{a}", -0.5, 0.5, "m") for a in "xyz"]
    moves += [ActionDimension(f"r{a}", f"rotation_{a}", -2.0, 2.0, "rad") for a in "xyz"]
    card = replace(CARD, dimensions=(CARD.dimensions[0], *moves, CARD.dimensions[-1]), rotation=rotation_form)
    return replace(card, frame=frame, frame_id="base" if frame == "base" else "tool", **changes)


class RecordedRobot:
    """Says everything at 100 Hz, images at `camera_rate`, and is 50 ms late with images.

    silent: what says nothing more. An image is all of one level, which is its number.
    """

    def __init__(self, card: ActionCard = CARD, topics: TopicMap = MAP, camera_rate: float = 30.0) -> None:
        self.streams = RobotStreams(card, topics)
        self.now_ns, self.images, self.silent = START, 0, set[str]()
        self.velocity, self.turn = np.array([0.1, 0.0, 0.0]), np.zeros(3)  # in the base's axes
        self.position, self.quaternion = np.array([0.3, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0])
        self.image_period = round(SECOND / camera_rate)
        self.image_stamp_ns, self.image_offset_ns = START, 0
        self.image_stamps: list[int] = []
        self.joints = {f"panda_joint{i}": 0.1 * i for i in range(1, 8)}

    def step(self) -> None:
        """10 ms."""
        if "tf" not in self.silent:
            self.streams.put_transform("tool", "base", self.now_ns, self.position, self.quaternion, self.now_ns)
        if "joints" not in self.silent:
            self.streams.put_joints(self.now_ns, self.joints, self.now_ns)
        while self.now_ns >= self.image_stamp_ns + SECOND // 20:
            if "camera" not in self.silent:
                stamp_ns = self.image_stamp_ns + self.image_offset_ns
                for camera in self.streams.pictures:
                    self.streams.put_picture(camera, stamp_ns, self.images, self.now_ns)
                self.image_stamps.append(stamp_ns)
            self.images += 1
            self.image_stamp_ns += self.image_period
        self.now_ns += STEP
        self.position = self.position + self.velocity / 100
        self.quaternion = multiply(rotation(self.turn / 100), self.quaternion)

    def stand_still(self, seconds: float) -> None:
        """The computer does nothing, and the arm moves on; an image that was due meanwhile comes after that."""
        self.now_ns += round(seconds * SECOND)
        self.position = self.position + self.velocity * seconds
        self.image_stamp_ns = max(self.image_stamp_ns, self.now_ns)

    def run(self, seconds: float, resampler: Resampler | None = None) -> Iterator[Moment]:
        """The moments that are decided meanwhile."""
        for _ in range(round(seconds * 100)):
            self.step()
            if resampler is not None:
                yield from resampler.due(self.now_ns)

    def record(self, seconds: float) -> tuple[Resampler, list[Moment]]:
        """Half a second of nothing, then an episode of so long."""
        list(self.run(0.5))
        self.streams.put_instruction("lift the cube", self.now_ns)
        resampler = Resampler(self.streams, self.now_ns)
        return resampler, list(self.run(seconds, resampler))


def decode(camera: str, number: int) -> NDArray[np.uint8]:
    """The image of that number."""
    return np.full((16, 16, 3), number % 256, np.uint8)
