from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.datasets import CARD, make_episode

from rt_vla_ros.data.episode import EpisodeError, card_difference


def test_an_episode_knows_its_length() -> None:
    assert len(make_episode(0, length=7)) == 7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_refused_with_its_time_step(bad: float) -> None:
    values = make_episode(0).values.copy()
    values[3, 2] = bad
    with pytest.raises(EpisodeError, match="values are not finite at 1 of 6 time steps, first at number 3"):
        make_episode(0, values=values)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stamps": np.zeros(0)}, "has no time steps"),
        ({"stamps": np.array([0.0, 0.2, 0.2, 0.6, 0.8, 1.0])}, "timestamps do not increase"),
        ({"values": np.zeros((6, 5))}, r"values have the shape \(6, 5\), expected \(6, 6\)"),
        ({"instruction": "  "}, "no instruction"),
        ({"leader": "nobody"}, "leader is 'nobody', expected one of expert"),
        ({"images": {}}, "images of: none; the card's cameras are: front"),
        ({"images": {"front": np.zeros((5, 32, 32, 3), np.uint8)}}, "5 images of the camera 'front' for 6 time steps"),
        ({"images": {"front": np.zeros((6, 16, 32, 3), np.uint8)}}, "is 32x16, the policy expects 32x32"),
        ({"scene": np.zeros((6, 9), np.float32)}, "scene have the shape"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(EpisodeError, match=sentence):
        make_episode(0, **changes)


def test_cards_differ_in_what_they_mean_only() -> None:
    assert card_difference(CARD, replace(CARD, name="another", notes=("measured by nobody",))) == ""
    slower = replace(CARD, control_rate=3.0)
    assert card_difference(CARD, slower) == "control_rate 3.0 instead of 5.0"
    camera = replace(CARD.cameras[0], width=64)
    assert card_difference(CARD, replace(CARD, cameras=(camera,))) == "cameras[0].width 64 instead of 32"
    assert card_difference(CARD, replace(CARD, dimensions=CARD.dimensions[:-1])) == "dimensions: 5 instead of 6"
