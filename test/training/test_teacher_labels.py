"""A teacher's labels are what it answers when it sees an episode's frames one by one; and how they are kept."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import make_episode, write_dataset
from support.policy_server import RunningServer
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.teacher import Teacher, find_teacher
from rt_vla_ros.training.teacher_labels import agreement, duration, observations, taught_actions

CARD = tabletop_card("table", cameras=("wrist", "front"), state=TABLETOP_STATE)
LENGTHS = (5, 6)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> LeRobotDataset:
    """Random images and states; the teachers see only one of the cameras."""
    episodes = [make_episode(seed, length, CARD) for seed, length in enumerate(LENGTHS)]
    return LeRobotDataset(write_dataset(tmp_path_factory.mktemp("data") / "set", episodes, CARD))


def ignore(_: str) -> None:
    pass


def values_of(policy: Policy, dataset: LeRobotDataset, episode: int, every: int = 1, first: int = 0) -> np.ndarray:
    """The chunks that a policy decides on every so many frames from `first` on, asked as at run time."""
    tokenizer, seen = ActionTokenizer(dataset.card), dataset[episode]
    policy.reset(seen.instruction)
    found = []
    for number in range(first, len(seen), every):
        image = {"front": seen.images["front"][number]}
        steps = policy.act(Observation(image, float(seen.stamps[number]))).steps
        end = next((i for i, step in enumerate(steps) if step.terminate), len(steps) - 1)
        found.append([tokenizer.from_step(steps[min(i, end)]) for i in range(len(steps))])
    return np.array(found)


@pytest.mark.parametrize("name", ["rt1-mini", "rt2-mini"])
def test_labels_are_what_the_policy_answers_frame_by_frame(dataset: LeRobotDataset, name: str, tmp_path: Path) -> None:
    teacher, said = find_teacher(name), list[str]()
    (labels,) = taught_actions(tmp_path, [dataset], teacher, "cpu", said.append)
    policy = load_policy(name, device="cpu")
    for episode in range(2):
        np.testing.assert_array_equal(labels[episode], values_of(policy, dataset, episode))
    assert labels[1].shape == (6, 1, 6)
    assert said[-1].startswith(f"11 of 11 frames labeled by {name}, ")
    assert np.ptp(labels[1], axis=0).max() > 0.001, "it looks at the images"


def test_a_teacher_on_a_server_gives_the_same_labels(dataset: LeRobotDataset, tmp_path: Path) -> None:
    with closing(RunningServer({"rt1-mini": lambda: load_policy("rt1-mini", device="cpu")})) as server:
        teacher = find_teacher(server.address, RemoteSettings(budget=60.0))
        assert teacher.name == "rt1-mini"
        (labels,) = taught_actions(tmp_path, [dataset], teacher, "cuda:7", ignore)
    policy = load_policy("rt1-mini", device="cpu")
    for episode in range(2):
        np.testing.assert_array_equal(labels[episode], values_of(policy, dataset, episode))


def every_second_step(tmp_path: Path) -> Path:
    """rt1-mini-h4, which decides when two of its four steps are done."""
    directory = tmp_path / "teacher"
    shutil.copytree(CHECKPOINTS / "rt1-mini-h4", directory)
    card = read_object(directory / "action_card.json", ValueError)
    write_json(directory / "action_card.json", {**card, "execute_steps": 2})
    return directory


def test_a_teacher_that_decides_every_second_step_has_only_those_images_in_its_history(
    dataset: LeRobotDataset, tmp_path: Path
) -> None:
    checkpoint = every_second_step(tmp_path)
    (labels,) = taught_actions(tmp_path / "labels", [dataset], find_teacher(str(checkpoint)), "cpu", ignore)
    policy = load_policy(str(checkpoint), device="cpu")
    assert labels[1].shape == (6, 4, 6)
    for first in (0, 1):
        np.testing.assert_array_equal(labels[1][first::2], values_of(policy, dataset, 1, every=2, first=first))
    everything = values_of(policy, dataset, 1)
    assert (labels[1][2:] != everything[2:]).any(), "it matters"


def test_a_history_out_of_reach_is_refused_if_it_matters() -> None:
    policy = ConstantPolicy()
    policy.card = replace(policy.card.with_horizon(4), execute_steps=2)
    with pytest.raises(
        TrainingError, match=r"decides every 2 steps\. To be asked at every step, it must be loaded here"
    ):
        AskedTeacher(policy, CARD)


def test_steps_after_a_terminate_terminate() -> None:
    policy = ConstantPolicy(terminate=True)
    asked = AskedTeacher(policy, policy.card)
    asked.reset("do it")
    seen = Observation({"front": np.zeros((96, 96, 3), np.uint8)}, 0.0)
    assert [step.terminate for step in asked.plan(seen, 3)] == [True] * 3


def test_a_model_that_only_answers_questions_is_no_teacher() -> None:
    policy = ConstantPolicy(legal_probability=1e-6)
    asked = AskedTeacher(policy, policy.card)
    with pytest.raises(
        TrainingError, match=r"'constant' is no teacher of actions\. The prompt or the checkpoint does not"
    ):
        asked.plan(Observation({"front": np.zeros((96, 96, 3), np.uint8)}, 0.0), 1)


def test_a_killed_run_loses_one_episode_at_most(dataset: LeRobotDataset, tmp_path: Path) -> None:
    teacher, said = find_teacher("rt1-mini"), list[str]()

    def die(line: str) -> None:
        if line.startswith(f"{LENGTHS[0] + 2} of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taught_actions(tmp_path, [dataset], teacher, "cpu", die)
    first = next(tmp_path.rglob("000000.npy"))
    written = first.stat().st_mtime_ns
    (labels,) = taught_actions(tmp_path, [dataset], teacher, "cpu", said.append)
    assert said[-1].startswith(f"{LENGTHS[1]} of {LENGTHS[1]} frames labeled")
    assert first.stat().st_mtime_ns == written
    again = list[str]()
    (kept,) = taught_actions(tmp_path, [dataset], teacher, "cpu", again.append)
    assert not again, "the teacher is not even loaded"
    for one, other in zip(labels, kept, strict=True):
        np.testing.assert_array_equal(one, other)
    first.write_bytes(first.read_bytes()[:200])
    with pytest.raises(TrainingError, match=r"000000\.npy is damaged .* delete it"):
        taught_actions(tmp_path, [dataset], teacher, "cpu", ignore)


class OtherTeacher(Teacher):
    """A policy of this process."""

    policy: Policy

    def open(self, device: str, say: object) -> Policy:
        return self.policy


def taught_by(policy: Policy) -> OtherTeacher:
    given = find_teacher("rt1-mini")
    teacher = OtherTeacher(given.name, given.checkpoint, policy.card, given.sha256, given.prompt, given.license)
    object.__setattr__(teacher, "policy", policy)
    return teacher


def test_actions_outside_the_datasets_ranges_are_refused(dataset: LeRobotDataset, tmp_path: Path) -> None:
    far = taught_by(ConstantPolicy(translation=(0.0, 0.06, 0.0)))
    with pytest.raises(TrainingError, match=r"Of 11 actions of the teacher 'rt1-mini'.*100\.0% of 'world_vector_y'"):
        taught_actions(tmp_path, [dataset], far, "cpu", ignore)


def test_instructions_that_the_teacher_does_not_know_are_refused_first(dataset: LeRobotDataset, tmp_path: Path) -> None:
    table = InstructionTable({"pick up the red cube": np.ones(8, np.float32)})
    small = load_policy("rt1-mini", device="cpu")
    assert isinstance(small, RT1Policy)
    config = type(small.network.config).from_dict(
        {**small.network.config.to_dict(), "language": "embedding", "language_size": 8}
    )
    policy, said = RT1Policy(RT1Model(config), small.card, name="listed", encoder=table), list[str]()
    with pytest.raises(TrainingError, match=r"'listed' accepts only 1 instructions, .*: 'pick up the blue cube'"):
        taught_actions(tmp_path, [dataset], taught_by(policy), "cpu", said.append)
    assert not said


def test_a_frame_without_an_answer_is_named(dataset: LeRobotDataset, tmp_path: Path) -> None:
    class Silent(ConstantPolicy):
        def act(self, observation: Observation) -> object:  # type: ignore[override]
            if observation.stamp > 0.5:
                raise ValueError("The server does not answer.")
            return super().act(observation)

    with pytest.raises(TrainingError, match=r"gave no label for frame 3 of episode 0 of .*set: The server does not"):
        taught_actions(tmp_path, [dataset], taught_by(Silent()), "cpu", ignore)  # type: ignore[arg-type]


def test_the_agreement_with_the_recorded_actions_is_told(dataset: LeRobotDataset) -> None:
    recorded = [dataset.labels(episode).values[:, None] for episode in range(2)]
    teacher = find_teacher("rt2-mini")
    same = agreement([dataset], [recorded], teacher)
    assert "translation_x by 0.00 mm, " in same
    assert "rotation_z by 0.00 mrad (mean absolute difference)" in same
    assert "terminate in 100.0% and the gripper command in 100.0% of the frames" in same
    assert same.endswith("The teacher does not command rotation_z: none is learned.")
    moved = [one + np.array([0.0, 0.002, 0.0, 0.0, 0.0, 0.0]) for one in recorded]
    assert "11 frames are labeled by the teacher rt2-mini. The recorded actions differ in translation_x by 2.00 mm" in (
        agreement([dataset], [moved], teacher)
    )


def test_observations_are_those_of_the_episode(dataset: LeRobotDataset) -> None:
    episode = dataset[1]
    seen = list(observations(dataset, 1))
    assert [one.stamp for one in seen] == episode.stamps.tolist()
    for name in ("wrist", "front"):
        np.testing.assert_array_equal(np.stack([one.images[name] for one in seen]), episode.images[name])
    assert episode.states is not None
    np.testing.assert_array_equal([one.state for one in seen], episode.states)


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (125.0, "2 min"), (9000.0, "2.5 h")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
