"""The shipped checkpoint depends on its images and on the instruction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.evaluation.baselines import BLACK_IMAGES, AblatedPolicy
from rt_vla_ros.evaluation.rollout import rollout
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.judge import LIFT_HEIGHT
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim

EPISODES = 10


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("rt1-mini", device="cpu")


def successes(policy: Policy, sim: TabletopSim) -> int:
    scenes = [make_scene("pick-colours", 700_000 + i) for i in range(EPISODES)]
    return sum(rollout(policy, scene, sim, Controller()).success for scene in scenes)


def test_it_usually_succeeds(policy: Policy, sim: TabletopSim) -> None:
    assert successes(policy, sim) >= 8


def test_black_images_make_it_fail(policy: Policy, sim: TabletopSim) -> None:
    assert successes(AblatedPolicy(policy, BLACK_IMAGES), sim) == 0


def test_another_colour_word_lifts_another_object(policy: Policy, sim: TabletopSim) -> None:
    """The very same table, once with the name of each of its three objects."""
    right = 0
    for seed in range(4):
        scene = make_scene("pick-colours", 800_000 + seed)
        for index, placed in enumerate(scene.layout.objects):
            task = replace(scene.task, instruction=f"pick up the {placed.kind.name}", target=index)
            rollout(policy, replace(scene, task=task), sim, Controller())
            right += np.nonzero(sim.clearances >= LIFT_HEIGHT)[0].tolist() == [index]
    assert right >= 10, f"{right} of 12"


def test_confidence_is_lower_on_black_images(policy: Policy, sim: TabletopSim) -> None:
    scene = make_scene("pick-colours", 900_000)
    confidence: dict[str, list[float]] = {"seeing": [], "blind": []}
    for name, who in (("seeing", policy), ("blind", AblatedPolicy(policy, BLACK_IMAGES))):
        rollout(
            who,
            scene,
            sim,
            Controller(),
            max_steps=5,
            on_step=lambda s, n=name: confidence[n].append(s.chunk.confidence),
        )
    assert np.median(confidence["seeing"]) > np.median(confidence["blind"])


def test_checkpoint_is_small_and_described() -> None:
    directory: Path = CHECKPOINTS / "rt1-mini"
    assert sum(path.stat().st_size for path in directory.iterdir()) < 30e6
    text = (directory / "README.md").read_text()
    assert "pick-colours" in text
    assert "rt-vla evaluate" in text
