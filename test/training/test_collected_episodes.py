from __future__ import annotations

from pathlib import Path

import pytest
from support.recorded import made_up

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.data_card import COUNTS, CollectedEpisodes


def test_each_episode_counts_once_over_all_starts(tmp_path: Path) -> None:
    first = CollectedEpisodes(tmp_path)
    first.add(Path("00_00000000.npz"), made_up(0))
    first.add(Path("01_00000000.npz"), made_up(0))
    first.save()
    first.add(Path("00_00000001.npz"), made_up(1))
    second = CollectedEpisodes(tmp_path)
    assert second.frames == 12
    second.add(Path("00_00000000.npz"), made_up(0))
    second.add(Path("00_00000001.npz"), made_up(1))
    assert second.frames == 18
    assert second.counts.kinds == {"red cube": 3}


@pytest.mark.parametrize("text", ['{"counts": {', '{"counts": 3}'])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / COUNTS).write_text(text)
    with pytest.raises(TrainingError, match=r"collected_episodes\.json"):
        CollectedEpisodes(tmp_path)
