"""Whether a policy keeps up with its arm, in sentences whose numbers stay the same."""

from __future__ import annotations

import json

import pytest
from support.chunks import ChunkPolicy, chunk_card

from rt_vla_ros.nodes.diagnostics import MOST_LISTED, Level, Report
from rt_vla_ros.nodes.policy_health import ENOUGH_STEPS, PolicyHealth, longest_decision


def report(horizon: int, execute_steps: int, took: float) -> Report:
    """With steps of 0.2 s, after some decisions that took so long [s]."""
    health = PolicyHealth(0.5, {"front": "image"})
    health.ready(ChunkPolicy(chunk_card(horizon=horizon, execute_steps=execute_steps)), 0)
    for _ in range(ENOUGH_STEPS):
        health.acted(0, round(took * 1e9), 1.0)
    return health.report(None, running=True, text="")


@pytest.mark.parametrize(
    ("horizon", "execute_steps", "periods"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 1.5), (4, 1, 2), (4, 2, 2), (4, 3, 1), (4, 4, 1), (8, 6, 2), (1000, 1, 500)],
)
def test_a_decision_may_take_as_long_as_the_steps_before_it_last(
    horizon: int, execute_steps: int, periods: float
) -> None:
    longest = longest_decision(chunk_card(horizon=horizon, execute_steps=execute_steps))
    assert longest == pytest.approx(0.2 * periods)
    if 1 < horizon != execute_steps:  # the image of the next decision, and that decision, are there in time
        assert max(execute_steps * 0.2, longest) + longest == pytest.approx(horizon * 0.2)
    assert report(horizon, execute_steps, longest).level is Level.OK
    assert report(horizon, execute_steps, longest + 0.001).level is Level.WARN


def test_it_is_said_whether_the_arm_pauses() -> None:
    quick, late, slow = (report(4, 1, took) for took in (0.2, 0.39, 0.41))
    assert quick.message == "Executing the instruction."
    assert late.message == (
        "Executing the instruction. Most decisions take longer than the decision period of 0.2 s, but the steps of a "
        "chunk last until the next one."
    )
    assert slow.message == report(4, 1, 5.0).message
    assert slow.message.startswith("Most decisions take longer than 0.4 s: the steps of a chunk, 0.8 s from its image")
    assert "execute_steps" not in slow.message
    assert "Or reduce execute_steps" in report(4, 4, 0.5).message
    assert {key: slow.values[key] for key in ("horizon", "execute_steps", "chunk_s")} == {
        "horizon": 4,
        "execute_steps": 1,
        "chunk_s": 0.8,
    }


class TablePolicy(ChunkPolicy):
    """Knows certain instructions only."""

    instructions = tuple(f"pick {number}" for number in range(2 * MOST_LISTED))


def test_instructions_that_a_policy_knows_are_told_to_pages() -> None:
    health = PolicyHealth(0.5, {"front": "image"})
    health.ready(TablePolicy(chunk_card(horizon=1, execute_steps=1)), 0)
    listed = health.report(None, running=False, text="").values["instructions"]
    assert json.loads(str(listed)) == list(TablePolicy.instructions[:MOST_LISTED])
    assert "instructions" not in report(1, 1, 0.1).values
