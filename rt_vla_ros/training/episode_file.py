"""One episode as a file: how collectors hand their work to the trainer."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import Episode

SUFFIX = ".npz"
FIELDS = ("instruction", "values", "stamps", "leader", "success", "suite", "seed")


def save_episode(path: Path, episode: Episode) -> None:
    """Write it, without its card, whole or not at all. Raises OSError."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(episode, name)) for name in FIELDS}
    arrays |= {} if episode.scene is None else {"scene": episode.scene}
    arrays |= {f"images.{camera}": images for camera, images in episode.images.items()}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


def load_episode(path: Path, card: ActionCard) -> Episode:
    """An episode of this card. Raises OSError, or ValueError for a file that is not whole or of another card."""
    try:
        with np.load(path) as data:
            scalars = {name: data[name].item() for name in FIELDS if data[name].ndim == 0}
            return Episode(
                card=card,
                images={camera.name: data[f"images.{camera.name}"] for camera in card.cameras},
                values=data["values"],
                stamps=data["stamps"],
                scene=data.get("scene"),
                **scalars,
            )
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f"{path} is not a whole episode: {error}") from error
