"""What an action card or a topic map needs to know of a robot's graph. Without ROS: see `graph_survey`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rt_vla_ros.recording.topic_map import COMPRESSED, find_topic
from rt_vla_ros.recording.transform_streams import TransformStreams

IMAGE_KINDS = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
JOINTS_KIND, TWIST_KIND = "sensor_msgs/msg/JointState", "geometry_msgs/msg/TwistStamped"
STRING_KIND, DESCRIPTION = "std_msgs/msg/String", "/robot_description"


@dataclass(frozen=True)
class CameraSeen:
    """An image topic.

    width, height: of an image [pixel]; 0 if none came. encoding: in words. rate: images per second [Hz]; 0 for too
    few. age: how old they are when they come [s]; negative from the future. vertical_fov: by its camera_info [rad]; 0
    where that is not there. problem: why its images cannot be used, in a sentence; empty where they can.
    """

    width: int = 0
    height: int = 0
    encoding: str = ""
    rate: float = 0.0
    age: float = 0.0
    vertical_fov: float = 0.0
    problem: str = ""

    @property
    def usable(self) -> bool:
        return self.width > 0 and not self.problem


@dataclass(frozen=True)
class JointsSeen:
    """A joint state topic. rate [Hz]; positions: by joint name [rad] or [m]."""

    rate: float
    positions: Mapping[str, float]


@dataclass(frozen=True)
class Survey:
    """The observed graph.

    topics: types by full name, of what is published or listened to. published: of these, what has a publisher.
    cameras, joints: by topic. parents: the frame in which TF places each. moving: the frames that are placed anew all
    the time. ages: of their last transforms [s]. transforms: all of them as they were last. description: the robot's
    URDF; empty where nobody publishes it.
    """

    topics: Mapping[str, str]
    published: frozenset[str]
    cameras: Mapping[str, CameraSeen] = field(default_factory=dict)
    joints: Mapping[str, JointsSeen] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()
    ages: Mapping[str, float] = field(default_factory=dict)
    transforms: TransformStreams = field(default_factory=lambda: TransformStreams(1.0))
    description: str = ""

    def find(self, topic: str) -> str | None:
        """The topic with this name, or the only one with it in another namespace."""
        return find_topic(topic, self.topics)

    def of_kind(self, kind: str, *words: str) -> str | None:
        """The shortest topic of a type, with one of the words in its name, if any are given."""
        names = [name for name, one in self.topics.items() if one == kind and (not words or _has(name, words))]
        return min(names, key=lambda name: (len(name), name), default=None)

    def above(self, frame: str) -> list[str]:
        """The ancestors of a frame in TF, nearest first."""
        chain: list[str] = []
        while frame in self.parents and self.parents[frame] not in chain:
            frame = self.parents[frame]
            chain.append(frame)
        return chain


def _has(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name for word in words)


def camera_base(topic: str) -> str:
    """A camera's topic without its transport."""
    return topic.removesuffix(COMPRESSED)
