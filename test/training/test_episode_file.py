from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recorded import made_up

from rt_vla_ros.training.collect import load_episode, save_episode


def test_survives_the_disk(tmp_path: Path) -> None:
    episode = made_up(3, leader="learner", success=False)
    save_episode(tmp_path / "x.npz", episode)
    loaded = load_episode(tmp_path / "x.npz", episode.card)
    for key in ("card", "instruction", "leader", "success", "suite", "seed"):
        assert getattr(loaded, key) == getattr(episode, key)
    for one, other in (
        (loaded.values, episode.values),
        (loaded.stamps, episode.stamps),
        (loaded.scene, episode.scene),
        (loaded.images["front"], episode.images["front"]),
    ):
        np.testing.assert_array_equal(one, other)
        assert one is not None
        assert other is not None
        assert one.dtype == other.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_truncated_file_and_one_of_another_card_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save_episode(path, made_up(3))
    with pytest.raises(ValueError, match="is 96x96, the policy expects 32x32"):
        load_episode(path, made_up(3, side=32).card)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="is not a complete episode"):
        load_episode(path, made_up(3).card)
