"""Which episodes a run has trained on, also those whose files are deleted: counted for its cards, over all starts."""

from __future__ import annotations

from pathlib import Path

from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.training.data_card import EpisodeCounts
from rt_vla_ros.training.saving import TrainingError

FILE = "collected_episodes.json"


class CollectedEpisodes:
    """Counts each episode once; what was counted after the last `save` is counted again after a restart."""

    def __init__(self, directory: Path) -> None:
        """directory: of the run. Raises TrainingError for a damaged file."""
        self._path = directory / FILE
        self.counts, self._last = EpisodeCounts(), dict[str, int]()
        if self._path.is_file():
            data = read_object(self._path, TrainingError)
            try:
                self.counts, self._last = EpisodeCounts.from_dict(data["counts"]), dict(data["last"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise TrainingError(f"{self._path} does not list the episodes of the run: {error!r}.") from error

    @property
    def frames(self) -> int:
        """In all of them."""
        return self.counts.frames.total()

    def add(self, path: Path, episode: Episode) -> None:
        """path: COLLECTOR_NUMBER.npz; a collector's numbers rise, and so must the calls."""
        collector, _, number = path.stem.partition("_")
        if int(number) > self._last.get(collector, -1):
            self._last[collector] = int(number)
            self.counts.add(episode.instruction, episode.leader, len(episode), episode.success)

    def save(self) -> None:
        """Write it into the run's directory."""
        write_json(self._path, {"counts": self.counts.to_dict(), "last": self._last})
