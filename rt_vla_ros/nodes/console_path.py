"""The tool path of the newest chunk, drawn into the images of calibrated cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from rt_vla_ros.console.board import ActionHeard, Board
from rt_vla_ros.console.projection import Pinhole, calibrated, refuse_shape
from rt_vla_ros.nodes.camera_topics import camera_info_topic
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.transform_tree import Placed, TransformTree, rotation_of

FAR = 8.0  # from the picture, in its sizes: a point is left out there
NO_TIP = (
    "The TF frame of the tool is unknown: set the parameter tip_frame of the policy node or the smoother to draw the "
    "path."
)


class _Way(NamedTuple):
    """points: from the tool on, in the frame `root`, which does not move with the arm [m], shape (steps + 1, 3)."""

    root: str
    points: NDArray[np.float64]


class ConsolePath:
    """Computes the predicted path in each camera's image: `path` (points, or None), `undrawn` (why there is none)."""

    def __init__(self, node: GuardedNode, board: Board, topics: Mapping[str, str], clock: Callable[[], int]) -> None:
        """topics: of the images, by camera, in full. clock: of the stamps on /tf [ns]."""
        self._node, self._board, self._clock = node, board, clock
        self._topics = {camera: _info_topic(node, camera, topic, topics) for camera, topic in topics.items()}
        self._rectified = {camera: "/image_rect" in topic for camera, topic in topics.items()}
        self._infos: dict[str, CameraInfo] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._tips: dict[str, str] = {}  # by the nodes that name one, the policy first
        self._tree: TransformTree | None = None
        self._subscriptions: list[Any] = []
        self._way: _Way | str = ""

    def begin(self) -> None:
        """A page was opened."""
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._tree = TransformTree(self._node, self._clock)
        self._subscriptions = [
            self._node.create_subscription(CameraInfo, topic, partial(self._infos.__setitem__, camera), newest)
            for camera, topic in self._topics.items()
        ]

    def end(self) -> None:
        """No page is open any more."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._tree is not None:
            self._tree.destroy()
        self._tree, self._subscriptions, self._way = None, [], ""
        self._infos.clear()
        for camera in self._topics:  # the next viewer must not see an old path
            self._board.camera(camera, path=None, undrawn="")

    def tip(self, node: str, frame: str) -> None:
        """A node reports the TF frame of the tool; empty: unknown."""
        self._tips[node] = frame.lstrip("/")

    def size(self, camera: str, width: int, height: int) -> None:
        """Size of the camera's images [px]. Thread-safe."""
        self._sizes[camera] = (width, height)

    def chunk(self, heard: ActionHeard) -> None:
        """It begins where the tool is now."""
        if self._tree is not None:
            self._way = self._place(self._tree, heard)
            for camera in self._topics:
                self.draw(camera)

    def draw(self, camera: str) -> None:
        """The path in the camera's image now."""
        if self._tree is None or not self._way:
            return
        drawn = self._way if isinstance(self._way, str) else self._drawn(self._tree, camera, self._way)
        if isinstance(drawn, str):
            self._board.camera(camera, path=None, undrawn=drawn)
        else:
            near = np.where(np.abs(drawn) < FAR, drawn, np.nan)
            path = [None if np.isnan(point).any() else point.round(4).tolist() for point in near]
            self._board.camera(camera, path=path, undrawn="")

    def _place(self, tree: TransformTree, heard: ActionHeard) -> _Way | str:
        tip = next(filter(None, self._tips.values()), "")
        if not tip:
            return NO_TIP
        root = tree.root(tip)
        tool, axes = tree.lookup(root, tip), tree.lookup(root, heard.frame)
        for placed in (tool, axes):
            if isinstance(placed, str):
                return f"The tool path is unknown from TF: {placed}."
        assert isinstance(tool, Placed)
        assert isinstance(axes, Placed)
        return _Way(root, _translation(tool) + np.array(heard.way) @ rotation_of(axes.transform).T)

    def _drawn(self, tree: TransformTree, camera: str, way: _Way) -> NDArray[np.float64] | str:
        pinhole = self._pinhole(camera)
        if isinstance(pinhole, str):
            return pinhole
        placed = tree.lookup(self._infos[camera].header.frame_id, way.root)
        if isinstance(placed, str):
            return f"The camera pose is unknown from TF: {placed}."
        return pinhole.project(way.points @ rotation_of(placed.transform).T + _translation(placed))

    def _pinhole(self, camera: str) -> Pinhole | str:
        info = self._infos.get(camera)
        if info is None:
            return f"No camera_info received on {self._topics[camera]}: the path cannot be drawn."
        region = (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
        pinhole = calibrated(
            (info.width, info.height),
            info.k,
            projection=info.p,
            distortion=info.d,
            model=info.distortion_model,
            region=region,
            rectified=self._rectified[camera],
        )
        size = self._sizes.get(camera)
        return pinhole if isinstance(pinhole, str) or size is None else refuse_shape(pinhole, *size) or pinhole


def _translation(placed: Placed) -> NDArray[np.float64]:
    at = placed.transform.translation
    return np.array([at.x, at.y, at.z])


def _info_topic(node: GuardedNode, camera: str, topic: str, topics: Mapping[str, str]) -> str:
    """Beside the camera's images, unless it is remapped."""
    own = "camera_info" if camera == next(iter(topics)) else f"{camera}_camera_info"
    given = str(node.resolve_topic_name(own))
    return given if given != str(node.resolve_topic_name(own, only_expand=True)) else camera_info_topic(topic)
