"""A few rendered frames, and settings of a run that takes seconds."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.rt2.mini.embodiments import EMBODIMENTS
from rt_vla_ros.training.rt2.mini.frames import Frames, joined, observe
from rt_vla_ros.training.rt2.mini.network import IMAGE_SIZE, make_tokenizer
from rt_vla_ros.training.rt2.mini.questions import vocabulary
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.mini.table_layouts import random_table_layout

COUNT = 8


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer(vocabulary())


@pytest.fixture(scope="session")
def sim():
    made = TabletopSim(size=(IMAGE_SIZE, IMAGE_SIZE))
    yield made
    made.close()


def rendered(sim: TabletopSim, web: bool) -> Frames:
    rng, frames = np.random.default_rng(4), []
    for _ in range(COUNT):
        sim.reset(random_table_layout(rng, web))
        frames.append(observe(sim, None if web else EMBODIMENTS["front"], target=0))
    return joined(frames)


@pytest.fixture(scope="session")
def web_frames(sim) -> Frames:
    return rendered(sim, web=True)


@pytest.fixture(scope="session")
def robot_frames(sim) -> Frames:
    return rendered(sim, web=False)


@pytest.fixture
def tiny_settings() -> MiniSettings:
    return MiniSettings(
        steps=6,
        web_steps=2,
        batch_size=3,
        warmup=1,
        width=32,
        layers=2,
        shard=20,
        web_frames=60,
        robot_frames=20,
        expert_frames=20,
        publish_steps=2,
        learner_after=2,
    )
