"""The mixture that a run draws its samples from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.training.rt2.batch_stream import Draws
from rt_vla_ros.training.rt2.fine_tune_data import FineTuneData
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings


@dataclass(frozen=True)
class RandomDraw:
    """See batch_stream.Drawn."""

    source: int
    index: int
    seed: int


class RandomDraws:
    """Implements Draws: independent draws by shares, of each process its own."""

    def __init__(self, sizes: list[int], shares: list[float], seed: int, rank: int) -> None:
        self._sizes, self._shares, self._seed, self._rank = sizes, shares, seed, rank

    def draw(self, step: int, batch_size: int) -> list[RandomDraw]:
        """See Draws."""
        rng = np.random.default_rng([self._seed, 12, self._rank, step])
        sources = rng.choice(len(self._sizes), batch_size, p=self._shares).tolist()
        return [RandomDraw(s, int(rng.integers(self._sizes[s])), int(rng.integers(1 << 63))) for s in sources]


def make_draws(data: FineTuneData, settings: FineTuneSettings, rank: int, processes: int) -> Draws:
    """Of process number `rank` of so many. Raises DatasetError for an empty mixture."""
    sizes = [len(source) for source in data.sources]
    weights = np.array(sizes, np.float64) ** (1 / settings.temperature)
    robots = np.array([source.is_robot for source in data.sources])
    for kind, share in ((robots, settings.robot_share), (~robots, 1 - settings.robot_share)):
        weights[kind] *= (share if data.web else 1.0) / max(weights[kind].sum(), 1e-12)
    if not weights.sum() > 0:
        raise DatasetError("The mixture is empty: there is nothing in the robot and web data.")
    return RandomDraws(sizes, (weights / weights.sum()).tolist(), settings.seed, rank)
