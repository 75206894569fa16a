"""How the tool moved from one time step to the next, in the frame of the actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.rotation import rotation_vector_from_rpy
from rt_vla_ros.data.check.recorded import RecordedEpisode

Floats = NDArray[np.float64]


def measured_translation(card: ActionCard, episode: RecordedEpisode) -> Floats | None:
    """(N - 1, 3) [m], None where the tool's position, or its rotation for actions in its own frame, is unknown."""
    if episode.tool is None:
        return None
    moved = np.diff(episode.tool, axis=0)
    if card.frame == "base":
        return moved
    return None if episode.turn is None else np.einsum("nji,nj->ni", rotation_matrices(episode.turn)[:-1], moved)


def measured_rotation(card: ActionCard, episode: RecordedEpisode) -> Floats | None:
    """Rotation vectors (N - 1, 3) [rad], None where the tool's rotation is unknown."""
    if episode.turn is None:
        return None
    matrices = rotation_matrices(episode.turn)
    before, after = matrices[:-1], matrices[1:]
    by_base = "nij,nkj->nik" if card.frame == "base" else "nji,njk->nik"
    first, second = (after, before) if card.frame == "base" else (before, after)
    return rotation_vectors(np.einsum(by_base, first, second))


def commanded(card: ActionCard, episode: RecordedEpisode, kind: str) -> Floats:
    """The actions' "translation" [m] or "rotation" as rotation vectors [rad], (N, 3); 0 where there is no dimension."""
    found = np.zeros((len(episode), 3))
    for axis, name in enumerate("xyz"):
        index = card.index(f"{kind}_{name}")
        if index is not None:
            found[:, axis] = episode.values[:, index]
    if kind == "rotation" and card.rotation == "rpy" and np.abs(found).max(initial=0.0) < np.pi:
        found = np.array([rotation_vector_from_rpy(row) for row in found]).reshape(-1, 3)
    return found


def rotation_matrices(vectors: Floats) -> Floats:
    """Rotation vectors [rad] (N, 3) -> matrices (N, 3, 3)."""
    angles = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angles[:, :, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)  # (N, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * cross @ cross, np.float64)


def rotation_vectors(matrices: Floats) -> Floats:
    """Matrices (N, 3, 3) of turns of less than half a revolution -> rotation vectors [rad] (N, 3)."""
    skew = np.stack(
        [
            matrices[:, 2, 1] - matrices[:, 1, 2],
            matrices[:, 0, 2] - matrices[:, 2, 0],
            matrices[:, 1, 0] - matrices[:, 0, 1],
        ],
        axis=1,
    )
    sine, cosine = np.linalg.norm(skew, axis=1) / 2, (np.trace(matrices, axis1=1, axis2=2) - 1) / 2
    angle = np.arctan2(sine, cosine)
    return np.asarray(skew / 2 * (angle / np.maximum(sine, 1e-12))[:, None], np.float64)
