"""Which episodes a run has seen, also those whose files are gone: counted for its cards, over all its sittings."""

from __future__ import annotations

import json
from pathlib import Path

from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.training.data_card import EpisodeCounts
from rt_vla_ros.training.episode_file import RecordedEpisode

FILE = "played.json"


class PlayedEpisodes:
    """Counts each episode once; what was counted after the last `save` is counted anew by the next sitting."""

    def __init__(self, directory: Path) -> None:
        """directory: of the run."""
        self._path = directory / FILE
        self.counts, self._last = EpisodeCounts(), dict[str, int]()
        if self._path.is_file():
            data = json.loads(self._path.read_text(encoding="utf-8"))
            self.counts, self._last = EpisodeCounts.from_dict(data["counts"]), data["last"]

    @property
    def frames(self) -> int:
        """In all of them."""
        return self.counts.frames.total()

    def add(self, path: Path, episode: RecordedEpisode) -> None:
        """path: COLLECTOR_NUMBER.npz; a collector's numbers rise, and so must the calls."""
        collector, _, number = path.stem.partition("_")
        if int(number) > self._last.get(collector, -1):
            self._last[collector] = int(number)
            self.counts.add(episode.instruction, episode.leader, len(episode.images), episode.success)

    def save(self) -> None:
        """Write it into the run's directory."""
        write_json(self._path, {"counts": self.counts.to_dict(), "last": self._last})
