from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recorded import made_up

from rt_vla_ros.training.episode_file import RecordedEpisode


def test_survives_the_disk(tmp_path: Path) -> None:
    episode = made_up(3, leader="learner", success=False)
    episode.save(tmp_path / "x.npz")
    loaded = RecordedEpisode.load(tmp_path / "x.npz")
    assert (loaded.instruction, loaded.leader, loaded.success) == (episode.instruction, "learner", False)
    for key in ("images", "tokens", "scene"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(episode, key))
        assert getattr(loaded, key).dtype == getattr(episode, key).dtype
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    made_up(3).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="is not a whole episode"):
        RecordedEpisode.load(path)
