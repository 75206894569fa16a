from __future__ import annotations

from typing import Any

import pytest

from rt_vla_ros.benchmarks.node_path import PathTimes
from rt_vla_ros.benchmarks.recording_cost import ReadBackEpisode, RecordingRound, summary, table

MS = 1_000_000


def path_times(milliseconds: int, images: int = 5) -> PathTimes:
    """Of images every 100 ms, each of whose commands arrives so much later; 1 ms of it is inference, 1 ms the wait."""
    times = PathTimes()
    for number in range(images):
        stamp = (1 + number) * 100 * MS
        times.inference[stamp] = MS
        times.accepted[stamp] = stamp + (milliseconds - 2) * MS
        times.arrivals[stamp + (milliseconds - 1) * MS] = stamp + milliseconds * MS
    return times


def counted(messages: int, **more: int) -> dict[str, Any]:
    audit = {"messages": messages, "missing": 0, "disordered": 0, "unusable": 0, "other_clock": 0}
    return {**audit, "longest_gap": 0.05, "rate": 30.0, **more}


def recorded(repeat: int, milliseconds: int, unlike: int | None = 0, **audit: Any) -> RecordingRound:
    episode = ReadBackEpisode(audit or {"camera": counted(60)}, 60, unlike, 0.5 + repeat, 0.4)
    return RecordingRound(repeat, path_times(milliseconds), episode, 1.0)


def alone(repeat: int, milliseconds: int) -> RecordingRound:
    return RecordingRound(repeat, path_times(milliseconds), None, 1.0)


def test_a_recorder_is_compared_with_the_round_without_it_in_the_same_repeat() -> None:
    figures = summary([alone(0, 10), recorded(0, 11), recorded(1, 22), alone(1, 20)])
    assert figures["recording"]["ratios"] == [1.1, 1.1]
    assert figures["without"]["ratios"] == [1.0, 1.0]
    assert figures["recording"]["more"] == pytest.approx(16.5 - 15.0)
    assert figures["recording"]["path"]["median"] == pytest.approx(14.5)
    assert (figures["frames"], figures["writing"], figures["processor"]) == (120, 1.5, 0.4)


def test_what_was_not_used_is_told_apart_from_what_did_not_come() -> None:
    audit = {"camera": counted(60, missing=3, disordered=2), "clock": counted(10, other_clock=10)}
    figures = summary([alone(0, 10), recorded(0, 10, **audit), recorded(1, 10, **audit), alone(1, 10)])
    assert figures["topics"]["camera"] == {
        "messages": 120, "missing": 6, "unused": 4, "longest_gap": 0.05, "rate": 30.0
    }  # fmt: skip
    assert figures["topics"]["clock"]["unused"] == 20
    assert "camera: 120 messages at 30.0 Hz, about 6 missing, 4 not used, longest gap 50 ms" in table(figures)


def test_joints_of_one_message_are_one_row() -> None:
    audit = {f"the joint 'j{number}' in 'joint_states'": counted(100) for number in range(7)}
    assert list(summary([alone(0, 10), recorded(0, 10, **audit)])["topics"]) == ["the topic 'joint_states'"]


def test_frames_unlike_what_was_published_are_counted_where_pixels_are_kept() -> None:
    figures = summary([alone(0, 10), recorded(0, 10, unlike=2)])
    assert "60 frames, 2 of them differ from the published ones, 0.40 of a core" in table(figures)
    lossy = summary([alone(0, 10), recorded(0, 10, unlike=None)])
    assert lossy["frames_unlike"] is None
    assert "unlike" not in table(lossy)


def test_a_round_without_commands_is_refused() -> None:
    with pytest.raises(ValueError, match="Only 1 commands arrived in a round; measure for longer"):
        summary([RecordingRound(0, path_times(10, images=1), None, 1.0), recorded(0, 10)])
