"""What is drawn: sizes, and that the drawing follows the action."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.actions import one_step

from rt_vla_ros.evaluation.replay import (
    ARROW,
    BAD,
    GRIP,
    LIFT,
    SIZE,
    FrameContent,
    draw_frame,
    draw_frame_grid,
    font,
    shortened,
)

STILL = one_step(np.zeros(3), np.zeros(3), 0.0, False, 0.5, 0.2)
CONTENT = FrameContent(1.0, np.zeros((360, 480, 3), np.uint8), np.full((96, 96, 3), 99, np.uint8), STILL, 0.012)


def places(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Row and column of all pixels of a colour, shape (n, 2)."""
    return np.argwhere((frame == colour).all(axis=2))


def moved(*translation: float, turn: float = 0.0, gripper: float = 0.0) -> np.ndarray:
    step = dataclasses.replace(
        STILL.steps[0], translation=np.array(translation), rotation=np.array([0.0, 0.0, turn]), gripper=gripper
    )
    return draw_frame(
        dataclasses.replace(CONTENT, chunk=dataclasses.replace(STILL, steps=(step,))), "pick up the red cube"
    )


def test_arrow_points_where_the_front_camera_sees_the_arm_go() -> None:
    centre = places(moved(0.0, 0.0, 0.0), ARROW).mean(axis=0)
    assert places(moved(0.03, 0.0, 0.0), ARROW).mean(axis=0)[0] > centre[0] + 5
    assert places(moved(0.0, 0.03, 0.0), ARROW).mean(axis=0)[1] > centre[1] + 5
    assert places(moved(-0.03, 0.0, 0.0), ARROW).mean(axis=0)[0] < centre[0] - 5


@pytest.mark.parametrize("latency", [0.9994, 0.9999, 99.9])
def test_the_longest_numbers_are_within_the_picture(latency: float) -> None:
    step = dataclasses.replace(STILL.steps[0], translation=np.array([-0.9999] * 3))
    chunk = dataclasses.replace(STILL, steps=(step,), confidence=1.0)
    frame = draw_frame(dataclasses.replace(CONTENT, policy_image=None, chunk=chunk, latency=latency), "lift it")
    assert np.ptp(frame[50:, -3:], axis=(0, 1)).max() == 0


def test_of_a_chunk_the_step_is_drawn_that_is_done() -> None:
    steps = tuple(dataclasses.replace(STILL.steps[0], translation=np.array([0.0, 0.0, z])) for z in (0.02, -0.02))
    chunk = dataclasses.replace(STILL, steps=steps)
    up, down = (draw_frame(dataclasses.replace(CONTENT, chunk=chunk, step=number), "lift it") for number in (0, 1))
    assert places(up, LIFT)[:, 0].max() <= places(down, LIFT)[:, 0].min() + 1


def test_bar_shows_the_rise_and_never_leaves_its_frame() -> None:
    up, down = places(moved(0, 0, 0.02), LIFT), places(moved(0, 0, -0.02), LIFT)
    assert up[:, 0].max() <= down[:, 0].min() + 1
    assert len(places(moved(0, 0, 9.0), LIFT)) == len(places(moved(0, 0, 0.04), LIFT))


def test_turn_and_gripper_are_drawn() -> None:
    assert len(places(moved(0, 0, 0, turn=0.3), ARROW)) > len(places(moved(0, 0, 0), ARROW)) + 30
    wide, narrow = (np.ptp(places(moved(0, 0, 0, gripper=value), GRIP)[:, 1]) for value in (0.0, 1.0))
    assert wide > narrow + 15


def test_frames_before_the_first_action_and_at_the_end() -> None:
    bare = draw_frame(dataclasses.replace(CONTENT, policy_image=None, chunk=None), "go")
    assert bare.shape == (SIZE[1], SIZE[0], 3)
    assert len(places(bare, ARROW)) == 0
    ended = draw_frame(dataclasses.replace(CONTENT, verdict="not done: nothing was lifted"), "go")
    assert len(places(ended, BAD)) > 100


@pytest.mark.parametrize("instruction", ["", "x" * 10_000, "take the 🟥 🧊", "拿起红色方块"])
def test_any_instruction_fits(instruction: str) -> None:
    assert draw_frame(CONTENT, instruction).shape == (SIZE[1], SIZE[0], 3)
    assert font(20).getlength(shortened(instruction, 300, font(20))) <= 300


def test_frame_grid_holds_all_frames() -> None:
    grid = draw_frame_grid([np.full((SIZE[1], SIZE[0], 3), shade, np.uint8) for shade in (10, 20, 30)])
    shades = set(np.unique(np.asarray(grid)))
    assert {10, 20, 30} <= shades
    assert grid.size[0] > 2 * SIZE[0]
