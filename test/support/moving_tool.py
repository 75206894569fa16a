"""Datasets of a tool that moves as a hand would lead it, with a camera that sees it; clean, or damaged on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.data.check.measured_motion import rotation_matrices, rotation_vectors
from rt_vla_ros.data.check.pictures import picture_changes
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot_writer import LeRobotWriter

RATE, SIDE = 10, 48
WORDS = ("pick up the red cube", "put the cube into the drawer", "close the drawer")
Damage = Callable[[int, Episode], Episode | None]


def moving_card(frame: str = "base", rate: float = RATE) -> ActionCard:
    move = [ActionDimension(axis, f"translation_{axis}", -0.05, 0.05, "m") for axis in "xyz"]
    turn = [ActionDimension(f"r{axis}", f"rotation_{axis}", -0.3, 0.3, "rad") for axis in "xyz"]
    state = [StateDimension(axis, "m", -2.0, 2.0, f"tip:{axis}") for axis in "xyz"]
    state += [StateDimension(f"r{axis}", "rad", -3.2, 3.2, f"tip:r{axis}") for axis in "xyz"]
    return ActionCard(
        name="moving tool",
        dimensions=(*move, *turn, ActionDimension("gripper", "gripper", 0.0, 1.0, "1")),
        bins=256,
        quantization="round",
        frame=frame,
        frame_id="base_link",
        rotation="rotation_vector",
        gripper_open=0.0,
        gripper_closed=1.0,
        control_rate=rate,
        cameras=(CameraSpec("front", SIDE, SIDE, "none", 0.0),),
        state=(*state, StateDimension("gripper", "1", 0.0, 1.0, "gripper")),
    )


@lru_cache(maxsize=128)
def moving_episode(
    seed: int, *, steps: int = 50, noise: float = 0.3, frame: str = "base", rate: float = RATE
) -> Episode:
    """noise: of the actions, as a part of their spread; the images have noise of 2 of 255."""
    rng, card = np.random.default_rng(seed), moving_card(frame, rate)
    moves = smooth(rng, steps + 1, 6) * [0.012, 0.010, 0.008]  # (n, 3) [m]
    turns = smooth(rng, steps + 1, 3) * 0.03
    position = np.array([0.5, 0.0, 0.3]) + np.concatenate([np.zeros((1, 3)), moves[:-1].cumsum(axis=0)])
    rotation = [rotation_matrices(rng.normal(0, 0.3, (1, 3)))[0]]
    for turn in turns[:-1]:
        rotation.append(rotation_matrices(turn[None])[0] @ rotation[-1])
    held = (np.arange(steps + 1) > rng.integers(steps // 3, steps // 2)).astype(float)
    if frame == "end_effector":
        moves = np.einsum("nji,nj->ni", np.stack(rotation), moves)
        turns = np.einsum("nji,nj->ni", np.stack(rotation), turns)
    actions = np.concatenate([moves, turns], axis=1)
    actions += rng.normal(0, noise, actions.shape) * actions.std(axis=0)
    states = np.column_stack(
        [position, rotation_vectors(np.stack(rotation)), np.roll(held, 2) * (np.arange(steps + 1) > 2)]
    )
    return Episode(
        card=card,
        instruction=WORDS[seed % len(WORDS)],
        values=np.column_stack([actions, held])[:steps],
        stamps=np.arange(steps) / rate,
        states=states[:steps],
        images={"front": seen(rng, position[:steps])},
        leader="expert",
        success=True,
    )


def smooth(rng: np.random.Generator, count: int, width: int) -> NDArray[np.float64]:
    """Noise (count, 3) of one axis each, smoothed over `width` steps, of standard deviation 1 about."""
    raw = rng.normal(size=(count + width, 3))
    found = np.stack([np.convolve(raw[:, i], np.hanning(width + 2)[1:-1], "same") for i in range(3)], axis=1)
    return np.asarray((found / found.std(axis=0))[:count], np.float64)


def seen(rng: np.random.Generator, position: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The tool as a bright spot over a still background, (N, SIDE, SIDE, 3)."""
    v, u = np.mgrid[:SIDE, :SIDE]
    x = SIDE / 2 * (1 + np.sin(6 * (position[:, 1] + 0.3 * (position[:, 2] - 0.3)))[:, None, None])
    y = SIDE / 2 * (1 + np.sin(6 * (position[:, 0] - 0.5))[:, None, None])
    spot = 150 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / 30)
    image = 40 + (u + 2 * v) % 31 + spot + rng.normal(0, 2, spot.shape)
    return np.repeat(image[..., None], 3, axis=3).clip(0, 255).astype(np.uint8)


def write_moving_set(
    path: Path, damage: Damage = lambda _, episode: episode, *, episodes: int = 12, seed: int = 0, **about: Any
) -> Path:
    """damage: what becomes of an episode, None: it is left out. about: of each episode."""
    first = moving_episode(seed, **about)
    writer = LeRobotWriter(path, first.card, with_scene=False)
    for number in range(episodes):
        episode = damage(number, moving_episode(seed + number, **about))
        if episode is not None:
            writer.add(episode)
    writer.commit()
    return path


def recorded(number: int, episode: Episode) -> RecordedEpisode:
    """As the check reads the episode from a dataset."""
    states = np.asarray(episode.states, np.float32)
    return RecordedEpisode(
        number=number,
        values=episode.values.astype(np.float32),
        stamps=episode.stamps,
        tasks=np.zeros(len(episode), np.int64),
        states=states,
        tool=states[:, :3].astype(np.float64),
        turn=states[:, 3:6].astype(np.float64),
        sentences=(episode.instruction,),
        success=episode.success,
        pictures={"front": picture_changes(iter(episode.images["front"]))},
    )


def moving_set(
    damage: Damage = lambda _, one: one, *, episodes: int = 12, seed: int = 0, **about: Any
) -> list[RecordedEpisode]:
    """See `write_moving_set`, without a dataset."""
    made = ((number, damage(number, moving_episode(seed + number, **about))) for number in range(episodes))
    return [recorded(number, one) for number, one in made if one is not None]


def with_values(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]], some: Callable[[int], bool] = lambda _: True
) -> Damage:
    """Changes the actions (N, 7) of some episodes."""
    return lambda number, one: replace(one, values=change(one.values.copy())) if some(number) else one


def with_images(
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], some: Callable[[int], bool] = lambda _: True
) -> Damage:
    """Changes the images (N, H, W, 3) of some episodes."""
    return lambda number, one: (
        replace(one, images={"front": change(one.images["front"].copy())}) if some(number) else one
    )


def later(rows: NDArray[Any], steps: int) -> NDArray[Any]:
    """Each row `steps` later, the first (or last) repeated."""
    where = np.clip(np.arange(len(rows)) - steps, 0, len(rows) - 1)
    return np.asarray(rows[where])
