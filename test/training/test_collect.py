from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.sim.robot_state import state_of
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED
from rt_vla_ros.training import collect
from rt_vla_ros.training.collect import COLLECTOR_SEEDS, EPISODES, WEIGHTS, Collector
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.settings import DaggerSettings, TrainingSettings, collected_card, network_config
from rt_vla_ros.training.settings_file import save_settings

DAGGER = DaggerSettings(learner_share=1.0, mixed_share=0.0, episode_steps=6)
SETTINGS = TrainingSettings(validation=0.0, dagger=DAGGER)


def test_the_expert_acts_until_there_is_a_policy(tmp_path: Path) -> None:
    collector = Collector(tmp_path, SETTINGS, 0)
    assert collector.collect(0).leader == "expert"
    Learner(SETTINGS, network_config(SETTINGS, collected_card(SETTINGS))).publish(tmp_path / WEIGHTS)
    assert collector.collect(0).leader == "learner"


def test_an_episode_is_a_function_of_its_number(tmp_path: Path) -> None:
    first, second = Collector(tmp_path, SETTINGS, 0), Collector(tmp_path, SETTINGS, 1)
    a, b, other = first.collect(3), first.collect(3), second.collect(3)
    np.testing.assert_array_equal(a.images["front"], b.images["front"])
    np.testing.assert_array_equal(a.values, b.values)
    assert a.instruction != other.instruction or (a.images["front"][0] != other.images["front"][0]).any()


def test_episodes_have_the_cameras_the_state_and_the_plan_that_the_network_learns(tmp_path: Path) -> None:
    settings = replace(SETTINGS, network={"image_size": 32, "num_cameras": 2, "state_size": 8, "horizon": 3})
    plain = replace(SETTINGS, network={"image_size": 32})
    collector = Collector(tmp_path, settings, 0)
    episode, usual = collector.collect(0), Collector(tmp_path, plain, 0).collect(0)
    np.testing.assert_array_equal(episode.images["front"], usual.images["front"])
    np.testing.assert_array_equal(episode.values, usual.values)
    assert episode.images["wrist"].shape == episode.images["front"].shape
    assert (episode.images["wrist"] != episode.images["front"]).any()
    assert episode.states is not None
    assert episode.chunks is not None
    assert episode.chunks.shape == (len(episode), 3, 6)
    collector._sim.reset(make_scene(episode.suite, episode.seed).layout)
    np.testing.assert_array_equal(episode.states[0], state_of(collector._sim, episode.card))
    assert np.ptp(episode.states[:, :7], axis=0).max() > 0.05
    Learner(settings, network_config(settings, collected_card(settings))).publish(tmp_path / WEIGHTS)
    assert collector.collect(0).leader == "learner"


def test_a_real_teacher_labels_what_it_sees(tmp_path: Path) -> None:
    """The labels are those of a policy that is asked about the episode's images afterwards."""
    settings = replace(SETTINGS, teacher="rt2-mini")
    teacher = load_policy("rt2-mini", device="cpu")
    collector = Collector(tmp_path, settings, 0, teacher)
    led = collector.collect(0)
    Learner(settings, network_config(settings, collected_card(settings))).publish(tmp_path / WEIGHTS)
    followed = collector.collect(0)
    assert (led.leader, followed.leader) == ("expert", "learner")
    assert (led.images["front"][-1] != followed.images["front"][-1]).any()
    for episode in (led, followed):
        teacher.reset(episode.instruction)
        tokenizer = ActionTokenizer(episode.card)
        seen = zip(episode.images["front"], episode.stamps, strict=True)
        chunks = [teacher.act(Observation({"front": image}, float(stamp))) for image, stamp in seen]
        np.testing.assert_array_equal(episode.values, [tokenizer.from_step(one.steps[0]) for one in chunks])
        assert (episode.values[:, 4] == 0).all(), "rt2-mini does not turn the gripper"


def test_written_episodes_are_numbered_on(tmp_path: Path) -> None:
    collector = Collector(tmp_path, SETTINGS, 2)
    collector.write(collector.next_index())
    assert [path.name for path in (tmp_path / EPISODES).iterdir()] == ["02_00000000.npz"]
    assert Collector(tmp_path, SETTINGS, 2).next_index() == 1
    assert Collector(tmp_path, SETTINGS, 0).next_index() == 0


def test_seeds_are_far_from_those_of_evaluations_and_of_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def remembered(suite: str, seed: int) -> Scene:
        asked.append(seed)
        return make_scene(suite, seed)

    monkeypatch.setattr(collect, "make_scene", remembered)
    for number, seed in ((0, 0), (1, 0), (0, 1)):
        Collector(tmp_path, replace(SETTINGS, seed=seed), number).collect(3)
    assert asked == [FIRST_TRAINING_SEED + 3, FIRST_TRAINING_SEED + COLLECTOR_SEEDS + 3, 2 * FIRST_TRAINING_SEED + 3]


def test_later_episodes_come_from_the_later_suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def remembered(suite: str, seed: int) -> Scene:
        asked.append(suite)
        return make_scene(suite, seed)

    monkeypatch.setattr(collect, "make_scene", remembered)
    dagger = replace(DAGGER, suites=("pick-colours", "pick-any"), later_suites=("train-clutter",), later_from=3)
    collector = Collector(tmp_path, replace(SETTINGS, dagger=dagger), 0)
    for index in range(5):
        collector.collect(index)
    assert asked == ["pick-colours", "pick-any", "pick-colours", "train-clutter", "train-clutter"]


def call_main(run: Path, parent: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["collect", "--run", str(run), "--parent", str(parent)])
    return collect.main()


def test_a_process_whose_starter_died_while_it_loaded_collects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_settings(tmp_path, SETTINGS)
    assert call_main(tmp_path, os.getpid(), monkeypatch) == 0  # that is not the process that started this one
    assert not list((tmp_path / EPISODES).iterdir())


def test_a_full_disk_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "here")

    save_settings(tmp_path, SETTINGS)
    monkeypatch.setattr(Collector, "write", full)
    assert call_main(tmp_path, os.getppid(), monkeypatch) == 1
    assert capsys.readouterr().err.startswith("Cannot continue to collect episodes: here: no space left on the disk; ")
