"""The topics of cameras, and cameras that a policy looks through and the node does not have."""

from __future__ import annotations

import pytest
from support.cards import card

from rt_vla_ros.nodes.camera_topics import camera_info_topic, camera_topics, missing_camera
from rt_vla_ros.nodes.start_error import StartError


def test_the_first_camera_is_on_image_and_others_have_their_names() -> None:
    assert camera_topics(["front", "wrist"]) == {"front": "image", "wrist": "wrist_image"}


@pytest.mark.parametrize(
    ("images", "info"),
    [
        ("image", "camera_info"),
        ("/cell/color/image_raw/compressed", "/cell/color/camera_info"),
        ("/cell/image_rect", "/cell/camera_info"),
        ("/cell/wrist_image", "/cell/wrist_camera_info"),
    ],
)
def test_the_calibration_is_beside_the_images(images: str, info: str) -> None:
    assert camera_info_topic(images) == info


@pytest.mark.parametrize("names", [[], ["front", "front"], ["a/b"], [""], ["1st"]])
def test_names_that_make_no_topics(names: list[str]) -> None:
    with pytest.raises(StartError, match="expected one or more unique names of letters, digits and _"):
        camera_topics(names)


def test_a_camera_that_the_node_does_not_have() -> None:
    assert missing_camera(card(), ["wrist", "front"]) is None
    assert missing_camera(card(), ["wrist"]) == "It needs the camera 'front'; the parameter 'cameras' has wrist."
