"""The cameras that the policy node has: their topics, and whether they are those of the policy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.recording.topic_map import COMPRESSED


def camera_topics(names: Sequence[str]) -> dict[str, str]:
    """The topic of each camera. names: the parameter `cameras`. Raises StartError."""
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise StartError(
            f"The parameter 'cameras' is {list(names)}, expected one or more unique names of letters, digits and _."
        )
    return {name: "image" if i == 0 else f"{name}_image" for i, name in enumerate(names)}


def camera_info_topic(image_topic: str) -> str:
    """The topic of a camera's calibration: next to its images, as camera drivers have it.

    `image`, `image_raw` and `image_rect` have `camera_info`; `NAME_image` has `NAME_camera_info`.
    """
    folder, slash, name = image_topic.removesuffix(COMPRESSED).rpartition("/")
    prefix = name.removesuffix("image") if name.endswith("_image") else ""
    return f"{folder}{slash}{prefix}camera_info"


def missing_camera(card: ActionCard, names: Collection[str]) -> str | None:
    """Which camera of the policy the node does not have, as a sentence; None if it has all."""
    missing = [camera.name for camera in card.cameras if camera.name not in names]
    return f"It needs the camera {missing[0]!r}; the parameter 'cameras' has {', '.join(names)}." if missing else None
