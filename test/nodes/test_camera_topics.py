"""The topics of cameras, and cameras that a policy looks through and the node does not have."""

from __future__ import annotations

import pytest
from support.cards import card

from rt_vla_ros.nodes.camera_topics import camera_topics, missing_camera
from rt_vla_ros.nodes.start_error import StartError


def test_the_first_camera_is_on_image_and_others_have_their_names() -> None:
    assert camera_topics(["front", "wrist"]) == {"front": "image", "wrist": "wrist_image"}


@pytest.mark.parametrize("names", [[], ["front", "front"], ["a/b"], [""], ["1st"]])
def test_names_that_make_no_topics(names: list[str]) -> None:
    with pytest.raises(StartError, match="expected at least one name, each once, of letters, digits and _"):
        camera_topics(names)


def test_a_camera_that_the_node_does_not_have() -> None:
    assert missing_camera(card(), ["wrist", "front"]) is None
    assert (
        missing_camera(card(), ["wrist"]) == "It looks through the camera 'front'; the parameter 'cameras' has wrist."
    )
