from __future__ import annotations

from pathlib import Path

from support.recorded import made_up

from rt_vla_ros.training.played_episodes import PlayedEpisodes


def test_each_episode_counts_once_over_all_sittings(tmp_path: Path) -> None:
    first = PlayedEpisodes(tmp_path)
    first.add(Path("00_00000000.npz"), made_up(0))
    first.add(Path("01_00000000.npz"), made_up(0))
    first.save()
    first.add(Path("00_00000001.npz"), made_up(1))
    second = PlayedEpisodes(tmp_path)
    assert second.frames == 12
    second.add(Path("00_00000000.npz"), made_up(0))
    second.add(Path("00_00000001.npz"), made_up(1))
    assert second.frames == 18
    assert second.counts.kinds == {"red cube": 3}
