"""Images against motion: lag, frozen, repeated and blank ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.moving_tool import Damage, later, moving_card, moving_set, with_images

from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.pictures import picture_changes, picture_findings

Images = NDArray[np.uint8]


def found(damage: Damage = lambda _, one: one, *, seen: bool = True, **about: float) -> list[DataFinding]:
    """seen: whether the state says where the tool was."""
    episodes = moving_set(damage, **about)
    for one in episodes if not seen else ():
        one.tool = None
    return [*picture_findings(moving_card(), 10.0, episodes)]


@pytest.mark.parametrize("seed", [0, 100, 200])
def test_clean_images_are_left_alone(seed: int) -> None:
    assert found(seed=seed) == []
    assert found(seed=seed, seen=False) == []


@pytest.mark.parametrize("steps", [1, 2, 3, -1, -2])
def test_a_lag_is_measured(steps: int) -> None:
    lags = [one for one in found(with_images(lambda images: later(images, steps))) if one.code == "camera-lag"]
    assert len(lags) == 1
    assert f"{abs(steps)} time step" in lags[0].sentence
    assert ("later" if steps > 0 else "earlier") in lags[0].sentence


def test_without_measured_motion_an_arm_may_be_late() -> None:
    for steps, said in ((1, False), (2, False), (4, True), (-1, True)):
        codes = {one.code for one in found(with_images(lambda images, n=steps: later(images, n)), seen=False)}
        assert ("camera-lag" in codes) == said, steps


def test_a_frozen_camera() -> None:
    def freeze(images: Images) -> Images:
        images[20:28] = images[20]
        return images

    (finding,) = found(with_images(freeze, lambda number: number == 4))
    assert (finding.code, finding.episodes) == ("frozen", (4,))
    assert finding.at is not None
    assert 2.0 <= finding.at <= 2.5


def test_repeated_images() -> None:
    def repeat(images: Images) -> Images:
        images[5::6] = images[4:-1:6][: len(images[5::6])]
        return images

    assert [one.code for one in found(with_images(repeat))] == ["repeated"]


def test_blank_images() -> None:
    (finding,) = found(with_images(lambda images: images * 0, lambda number: number == 2))
    assert (finding.code, finding.episodes, finding.frames) == ("blank", (2,), 50)


def test_an_image_in_red_alone_is_not_blank() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:40, 20:40, 0] = 200
    assert picture_changes(iter([image, image // 100])).contrast.tolist() == [200, 2]


def test_a_camera_that_stands_still_with_the_arm_is_no_finding() -> None:
    def still(_: int, one: object) -> object:
        images = {"front": np.repeat(one.images["front"][:1], len(one), axis=0)}  # type: ignore[attr-defined]
        return replace(one, images=images, states=np.repeat(one.states[:1], len(one), axis=0))  # type: ignore[attr-defined,type-var]

    assert found(still) == []  # type: ignore[arg-type]


def test_changes_are_of_the_whole_image_where_the_sample_shows_none() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    other = image.copy()
    other[1, 1] = 255
    changes = picture_changes(iter([image, image, other, other]))
    assert changes.change[0] == changes.change[2] == 0 < changes.change[1]
    assert len(picture_changes(iter([image])).change) == 0
