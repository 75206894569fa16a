"""What the inverse kinematics is asked and answers, as bytes."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup, IkSolution, LimitedBy

N = 7
REQUEST = IkRequest(np.arange(7.0), np.ones(7), np.arange(6.0), 0.01)
SOLUTION = IkSolution(np.arange(7.0), 0.5, np.inf, LimitedBy.SINGULARITY, -1, np.arange(7.0))


def test_every_message_comes_back_as_it_went() -> None:
    for number, sent in enumerate((IkRequest.from_bytes(REQUEST.to_bytes(), N), REQUEST)):
        np.testing.assert_array_equal(sent.positions, REQUEST.positions)
        assert (sent.twist[number], sent.period) == (number, 0.01)
    back = IkSolution.from_bytes(SOLUTION.to_bytes(), N)
    assert (back.scale, back.condition, back.limited_by, back.joint) == SOLUTION[1:5]
    setup = IkSetup("<robot/>", "tip", ["a"], [None], [1.0], [2.0], [3.0], 17.0, 30.0)
    assert IkSetup.from_bytes(setup.to_bytes()) == setup


def test_an_answer_of_another_length_or_about_no_joint_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 144"):
        IkSolution.from_bytes(SOLUTION.to_bytes()[:-8], N)
    for wrong in ({"joint": 7}, {"joint": -2}, {"joint": np.nan}, {"limited_by": 9}):
        with pytest.raises(ValueError, match=r"."):
            IkSolution.from_bytes(SOLUTION._replace(**wrong).to_bytes(), N)
