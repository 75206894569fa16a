"""The shipped RT-2 acts by what it sees and is told, answers, plans, and knows names that its robot data never had."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.evaluation.baselines import BLACK_IMAGES, AblatedPolicy
from rt_vla_ros.evaluation.rollout import rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.tabletop_sim import TabletopSim

DIRECTORY: Path = CHECKPOINTS / "rt2-mini"
CAMERA = "front"
COUNTS = ("zero", "one", "two", "three", "four", "five")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("rt2-mini", device="cpu")


def successes(policy: Policy, sim: TabletopSim, suite: str, episodes: int) -> int:
    scenes = [make_scene(suite, 710_000 + number) for number in range(episodes)]
    return sum(rollout(policy, scene, sim, Controller()).success for scene in scenes)


def test_it_usually_succeeds(policy: Policy, sim: TabletopSim) -> None:
    assert successes(policy, sim, "pick-any", 8) >= 6


def test_it_knows_names_of_shapes_that_robot_data_never_has(policy: Policy, sim: TabletopSim) -> None:
    assert successes(policy, sim, "synonyms", 8) >= 6


def test_it_picks_things_that_only_questions_name(policy: Policy, sim: TabletopSim) -> None:
    assert successes(policy, sim, "reasoning", 8) >= 6


def test_black_images_make_it_fail(policy: Policy, sim: TabletopSim) -> None:
    assert successes(AblatedPolicy(policy, BLACK_IMAGES), sim, "pick-any", 3) == 0


def test_it_answers_by_what_it_sees(policy: Policy, sim: TabletopSim) -> None:
    right = 0
    for seed in range(10):
        scene = make_scene("pick-colours", 820_000 + seed)
        sim.reset(scene.layout)
        images = {CAMERA: sim.render(CAMERA)}
        for placed in scene.layout.objects:
            right += policy.ask(images, f"what shape is the {placed.kind.colour} object?") == placed.kind.shape
    assert right >= 25, f"{right} of 30"


def test_it_counts(policy: Policy, sim: TabletopSim) -> None:
    scene = make_scene("distractors", 840_000)
    right = 0
    for count in range(1, 6):
        sim.reset(replace(scene.layout, objects=scene.layout.objects[:count]))
        right += policy.ask({CAMERA: sim.render(CAMERA)}, "how many objects are there?") == COUNTS[count]
    assert right >= 4, f"{right} of 5"


def test_it_says_what_it_will_do(sim: TabletopSim) -> None:
    policy, right = load_policy("rt2-mini", device="cpu", plan=True), 0
    for seed in range(6):
        scene = make_scene("pick-colours", 830_000 + seed)
        sim.reset(scene.layout)
        policy.reset(scene.task.instruction)
        chunk = policy.act(Observation({CAMERA: sim.render(CAMERA)}, 0.0))
        name = scene.layout.objects[scene.task.target].kind.name
        right += chunk.plan.startswith(f"pick {name} at ")
    assert right >= 5, f"{right} of 6"


def test_it_loads_in_transformers_alone() -> None:
    """No code of the checkpoint, none of this project."""
    code = (
        "from transformers import AutoModelForImageTextToText as Model;"
        f"print(Model.from_pretrained({str(DIRECTORY)!r}, trust_remote_code=False).num_parameters())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1e6 < int(found.stdout.split()[-1]) < 2e6


def test_checkpoint_is_small_and_described() -> None:
    assert sum(path.stat().st_size for path in DIRECTORY.iterdir()) < 30e6
    text = (DIRECTORY / "README.md").read_text()
    assert "rt-vla evaluate --policy rt2-mini" in text
    assert all(suite in text for suite in ("pick-colours", "distractors", "symbols", "wrong object"))
    assert (DIRECTORY / "DATA_CARD.md").is_file()
