from __future__ import annotations

import pytest

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER
from rt_vla_ros.evaluation.phases import phases

K = KEEP_GRIPPER


@pytest.mark.parametrize(
    ("gripper", "wanted"),
    [
        ([0, 0, 0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 1, 2, 3, 3]),
        ([K, K, 0, K, 1, K, K, K, K, 0], [0, 0, 1, 1, 1, 1, 1, 2, 2, 3]),
        ([0, 0, 0], [0, 0, 0]),
        ([1, 1, 1, 1], [1, 1, 1, 2]),
        ([0, 1, 0, 1], [1, 1, 3, 3]),
        ([1], [1]),
    ],
)
def test_the_gripper_tells_the_phases(gripper: list[float], wanted: list[int]) -> None:
    assert phases(gripper, 4.0).tolist() == wanted
