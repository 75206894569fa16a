"""A recorded run is drawn as it was."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.evaluation.record import Trajectory
from rt_vla_ros.evaluation.replay import (
    GRIP,
    MAX_FRAMES,
    SIZE,
    draw_run,
    frame_times,
    key_frames,
    newest,
    step_at,
    write_clip,
)
from rt_vla_ros.sim import TabletopSim, make_scene

SCENE = make_scene("pick-colours", 0, "pick up the red cube")


def test_frames_are_evenly_spaced_and_not_too_many() -> None:
    assert frame_times(0.3) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert len(frame_times(1000.0)) == MAX_FRAMES + 1
    assert frame_times(0.0) == [0.0, 0.0]


def test_newest_event_is_never_from_the_future() -> None:
    events = [(0.0, "a"), (1.0, "b"), (1.0, "c")]
    assert [newest(events, time) for time in (-0.1, 0.0, 0.9, 1.0, 5.0)] == [None, "a", "a", "c", "c"]


def test_the_step_that_is_done_counts_from_the_image() -> None:
    chunk = ActionChunk((EndEffectorStep.still(),) * 4, 0.2)
    ages = (0.0, 0.19, 0.2, 0.1 + 0.2 + 0.3, 0.79, 5.0, -0.1)
    assert [step_at(chunk, age) for age in ages] == [0, 0, 1, 3, 3, 3, 0]
    assert step_at(ActionChunk((), 0.2), 0.5) == 0


def test_a_run_is_drawn_with_its_verdict_at_the_end() -> None:
    sim = TabletopSim()
    sim.reset(SCENE.layout)
    states = [(0.0, sim.data.qpos.copy())]
    sim.command(np.array([0.0, 0.0, -0.2]), np.zeros(3))
    sim.step(0.2)
    states.append((0.2, sim.data.qpos.copy()))
    sim.close()
    frames = list(draw_run(Trajectory(states), SCENE, "done", success=True))
    assert [frame.shape for frame in frames] == [(SIZE[1], SIZE[0], 3)] * 3
    assert np.array_equal(frames[0][50:340, :480], frames[1][50:340, :480])  # the state of 0.2 s is not known at 0.1 s
    assert not np.array_equal(frames[1][50:340, :480], frames[2][50:340, :480])
    verdict = [(frame == GRIP).all(axis=2).sum() for frame in frames]
    assert verdict[0] == verdict[1] == 0 < verdict[2]


def test_nothing_recorded_draws_nothing() -> None:
    assert list(draw_run(Trajectory(), SCENE, "", success=False)) == []


def test_a_state_of_another_simulator_is_refused() -> None:
    with pytest.raises(ValueError, match="elements, not 3"):
        next(draw_run(Trajectory([(0.0, np.zeros(3))]), SCENE, "", success=False))


def test_key_frames_begin_and_end_with_the_run() -> None:
    frames = [np.full((2, 2, 3), shade, np.uint8) for shade in range(20)]
    assert [int(frame[0, 0, 0]) for frame in key_frames(frames)] == [0, 4, 8, 11, 15, 19]
    assert len(key_frames(frames[:2])) == 2


def test_frames_come_back_in_order_and_in_colour(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [np.full((404, 640, 3), colour, np.uint8) for colour in colours for _ in range(4)]
    assert write_clip(tmp_path / "clip.mp4", frames, Fraction(25, 2)) == 12
    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", Fraction(25, 2))
        read = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(read) == 12
    for frame, expected in zip(read, frames, strict=True):
        assert np.abs(frame.mean(axis=(0, 1)) - expected[0, 0]).max() < 12


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_clip(tmp_path / "clip.mp4", [], Fraction(10))
