"""An RT-1 learns a teacher's actions: on datasets, and on its own episodes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from support.datasets import make_episode, write_dataset
from support.recorded import made_up

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.frame_weights import FrameWeighting
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.collect import EPISODES, save_episode
from rt_vla_ros.training.dagger_source import DaggerSource
from rt_vla_ros.training.dataset_source import TEACHER, DatasetSource
from rt_vla_ros.training.run import TrainingRun
from rt_vla_ros.training.settings import DaggerSettings, TrainingSettings
from rt_vla_ros.training.settings_file import check_settings
from rt_vla_ros.training.windows import WindowIndices

CARD = tabletop_card("table")
SMALL = {"image_size": 32, "resnet_widths": [4, 8], "num_layers": 1, "d_model": 32, "token_embedding_size": 16}
SETTINGS = TrainingSettings(
    steps=4, batch_size=2, validation=0.25, heatmap_weight=0.0, position_weight=0.0, network=SMALL, teacher="rt1-mini"
)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    """In one episode, a human takes over from a policy."""
    commanders = ("policy",) * 3 + ("human",) * 3
    by = [make_episode(seed, 6, CARD, commanders=commanders, interventions=np.arange(6) > 2) for seed in range(4)]
    return [LeRobotDataset(write_dataset(tmp_path_factory.mktemp("data") / "set", by, CARD))]


class TaughtRun(TrainingRun):
    """Keeps its source at hand."""

    source: DatasetSource


def start(
    out: Path,
    datasets: list[LeRobotDataset],
    settings: TrainingSettings = SETTINGS,
    weighting: FrameWeighting = FrameWeighting(),  # noqa: B008
) -> TaughtRun:
    return TaughtRun(
        out, DatasetSource(datasets, settings, weighting=weighting, device="cpu"), settings, lambda _: None
    )


def test_a_student_learns_the_teachers_tokens_and_its_card_says_so(
    datasets: list[LeRobotDataset], tmp_path: Path
) -> None:
    run = start(tmp_path, datasets)
    run.train(2, lambda _: None)
    (files,) = (tmp_path / TEACHER).iterdir()
    labels = [np.load(files / f"{episode:06d}.npy") for episode in range(4)]
    windows = run.source.windows
    batch = windows.batch(WindowIndices([(windows.episodes[2], 1)], np.zeros((1, 1, 2), np.int64)))
    np.testing.assert_array_equal(batch.tokens[0], ActionTokenizer(CARD).encode(labels[2][1:4, 0]))
    recorded = ActionTokenizer(CARD).encode(datasets[0].labels(2).values[1:4])
    assert (batch.targets[0] != recorded).any()
    card = " ".join((tmp_path / "checkpoint/README.md").read_text().split())
    assert "The teacher is `rt1-mini` (weights of SHA-256 `" in card
    assert "24 frames are labeled by the teacher rt1-mini. The recorded actions differ in translation_x by " in card
    assert "`rt-vla train rt1 --data ... --teacher rt1-mini --out DIR`" in card
    assert "how well the teacher's actions are predicted" in card
    load_policy(str(tmp_path / "checkpoint"), device="cpu").reset("pick up the red cube")


def test_an_interrupted_distillation_ends_as_if_it_had_not_been(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "whole", datasets).train(2, lambda _: None)

    def die(line: str) -> None:
        if line.startswith("8 of 24 frames") or " 3 of 4" in line:
            raise KeyboardInterrupt

    source = DatasetSource(datasets, SETTINGS, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        TaughtRun(tmp_path / "broken", source, SETTINGS, die)
    assert len(list((tmp_path / "broken").rglob("*.npy"))) == 1
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "broken", datasets).train(2, die)
    again = start(tmp_path / "broken", datasets)
    assert again.learner.steps == 2
    again.train(2, lambda _: None)
    one, other = (load_file(tmp_path / name / "checkpoint/model.safetensors") for name in ("whole", "broken"))
    assert all((one[name] == other[name]).all() for name in one)


def test_whole_chunks_are_learned_whoever_commanded(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    settings = replace(SETTINGS, teacher="rt1-mini-h4", network={**SMALL, "horizon": 3})
    run = start(tmp_path, datasets, settings)
    windows = run.source.windows
    batch = windows.batch(WindowIndices([(windows.episodes[0], 3)], np.zeros((1, 1, 2), np.int64)))
    labels = np.load(next(tmp_path.rglob("000000.npy")))
    assert labels.shape == (6, 4, 6)
    np.testing.assert_array_equal(batch.targets[0], ActionTokenizer(CARD).encode(labels[3:6, :3]).reshape(3, 18))


def test_what_contradicts_a_teacher_is_refused_before_anything_is_written(
    datasets: list[LeRobotDataset], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"its horizon is 1, shorter than network\.horizon, 2"):
        start(out, datasets, replace(SETTINGS, network={**SMALL, "horizon": 2}))
    with pytest.raises(TrainingError, match="cannot be selected or weighted by who commanded them"):
        start(out, datasets, weighting=FrameWeighting(intervention=2.0))
    with pytest.raises(ValueError, match=r"There is no policy 'rt2-minni'.*Did you mean 'rt2-mini'"):
        start(out, datasets, replace(SETTINGS, teacher="rt2-minni"))
    assert not out.exists()


def test_a_changed_teacher_is_noticed(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(CHECKPOINTS / "rt1-mini", teacher)
    settings = replace(SETTINGS, teacher=str(teacher))
    start(tmp_path / "run", datasets, settings)
    with (teacher / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(
        TrainingError, match=r"different settings \(datasets '.*, teacher teacher \w+', not '.*\. Choose"
    ):
        start(tmp_path / "run", datasets, settings)


def test_labels_may_be_used_again_in_another_run(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "first", datasets)
    shutil.copytree(tmp_path / "first" / TEACHER, tmp_path / "second" / TEACHER)
    said, settings = list[str](), replace(SETTINGS, seed=1)
    TaughtRun(tmp_path / "second", DatasetSource(datasets, settings), settings, said.append)
    assert not said


def test_a_run_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    settings = TrainingSettings()
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(TrainingError) as refusal:
        check_settings(tmp_path, settings)
    assert "teacher" not in str(refusal.value)


DAGGER = DaggerSettings(first_frames=20, learner_after=0, publish_images=0, reuse=1e9)


def test_a_student_learns_on_episodes_labeled_by_a_teacher(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=2, batch_size=2, validation=0.0, dagger=DAGGER, teacher="rt2-mini")
    (tmp_path / EPISODES).mkdir()
    for number in range(5):
        save_episode(tmp_path / EPISODES / f"00_{number:08d}.npz", made_up(number))
    run = TrainingRun(tmp_path, DaggerSource(settings, "rt1-mini"), settings, lambda _: None)
    run.train(500, lambda _: None)
    card = (tmp_path / "checkpoint/README.md").read_text()
    assert "instead of a scripted expert, the teacher `rt2-mini` (weights of SHA-256 `" in card
    assert "--set teacher=rt2-mini" in card
    assert "| the teacher `rt2-mini` | 5 | 30 | 100.0% |" in (tmp_path / "checkpoint/DATA_CARD.md").read_text()
    other = replace(settings, teacher="rt1-mini")
    with pytest.raises(TrainingError, match="teacher 'rt2-mini', not 'rt1-mini'"):
        TrainingRun(tmp_path, DaggerSource(other, "rt1-mini"), other, lambda _: None)


def test_a_teacher_that_sees_other_images_is_refused(tmp_path: Path) -> None:
    settings = TrainingSettings(validation=0.0, dagger=DAGGER, teacher="rt2-mini", network={"image_size": 64})
    with pytest.raises(
        TrainingError, match="does not fit the simulated arm with this network: the width of its camera"
    ):
        TrainingRun(tmp_path / "run", DaggerSource(settings, "rt1-mini"), settings, lambda _: None)
    assert not (tmp_path / "run").exists()
