from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.sim.tabletop_sim import TabletopSim


@pytest.fixture(scope="module")
def sim() -> Iterator[TabletopSim]:
    tabletop = TabletopSim()
    yield tabletop
    tabletop.close()


@pytest.fixture
def datasets(tmp_path: Path) -> list[LeRobotDataset]:
    """Three episodes and two, each a time step longer than the one before."""
    for name, seeds in (("a", range(3)), ("b", range(3, 5))):
        write_dataset(tmp_path / name, [make_episode(seed, length=5 + seed) for seed in seeds])
    return [LeRobotDataset(tmp_path / name) for name in "ab"]
