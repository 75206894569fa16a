from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.datasets import CARD, SIZE, make_episode, write_dataset

from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.configuration import PRESETS
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.training import learner, supervised
from rt_vla_ros.training.frame_store import Draw
from rt_vla_ros.training.replay import Batch
from rt_vla_ros.training.supervised import SupervisedRun, TrainingError
from rt_vla_ros.training.supervised_settings import Settings, usual_settings

QUICK = Settings(steps=4, windows=2, validation=0.25)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("data") / "set"
    return [LeRobotDataset(write_dataset(directory, [make_episode(seed, length=8) for seed in range(4)]))]


def start(out: Path, datasets: list[LeRobotDataset], settings: Settings = QUICK) -> SupervisedRun:
    return SupervisedRun(out, datasets, settings, lambda _: None)


def test_leaves_a_policy_a_log_and_a_picture(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    run = start(tmp_path, datasets)
    run.train(2, said.append)
    rows = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 < row["validation"] < 10 and 0 <= row["near"] <= 1 for row in rows)
    assert "<polyline" in (tmp_path / "losses.svg").read_text()
    assert "4 of 4" in said[-1]
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    assert policy.card.cameras == CARD.cameras
    policy.reset("pick up the red cube")
    action = policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0))
    assert len(action.tokens) == 6
    assert "3 episodes to learn from, 1 held back" in (tmp_path / "checkpoint/README.md").read_text()


def test_a_broken_off_run_ends_as_if_it_had_not_been(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "whole", datasets).train(2, lambda _: None)

    def die(line: str) -> None:
        if " 3 of 4" in line:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        start(tmp_path / "broken", datasets).train(2, die)
    again = start(tmp_path / "broken", datasets)
    assert again.learner.steps == 2
    again.train(2, lambda _: None)
    whole, broken = (load_file(tmp_path / n / "checkpoint/model.safetensors") for n in ("whole", "broken"))
    for name, value in whole.items():
        torch.testing.assert_close(broken[name], value, rtol=0, atol=1e-6)
    assert [row["step"] for row in again.log] == [2, 4]


def test_a_full_disk_leaves_the_last_good_checkpoint(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, datasets)

    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def at_three(line: str) -> None:
        if " 3 of 4" in line:
            monkeypatch.setattr(learner, "save_file", full)

    with pytest.raises(
        TrainingError, match=r"Step 4 could not be saved in .*: No space left.*checkpoint of step 2 in "
    ):
        run.train(2, at_three)
    assert not list(tmp_path.glob("*.part"))
    load_policy(str(tmp_path / "checkpoint"), device="cpu")
    monkeypatch.undo()
    again = start(tmp_path, datasets)
    assert again.learner.steps == 2
    again.train(2, lambda _: None)
    assert again.learner.steps == 4


def test_a_full_disk_in_the_middle_of_the_weights_leaves_the_old_ones(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, datasets)
    run.train(4, lambda _: None)
    before = (tmp_path / "checkpoint/model.safetensors").read_bytes()

    def full(directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    model = run.learner.averaged_model()
    monkeypatch.setattr(type(model), "save_pretrained", lambda self, directory: full(directory))
    with pytest.raises(TrainingError, match="could not be saved"):
        run._pause(1.0)
    assert (tmp_path / "checkpoint/model.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".checkpoint.*"))


@pytest.mark.parametrize("name", ["settings.json", "state.safetensors"])
def test_damaged_files_are_named_and_half_a_row_is_dropped(
    name: str, datasets: list[LeRobotDataset], tmp_path: Path
) -> None:
    start(tmp_path, datasets).train(2, lambda _: None)
    rows = tmp_path / "losses.jsonl"
    rows.write_text(rows.read_text()[:-20])
    assert [row["step"] for row in start(tmp_path, datasets).log] == [2]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9])
    with pytest.raises(TrainingError, match=name):
        start(tmp_path, datasets)


def test_another_run_in_the_directory_is_not_overwritten(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path, datasets)
    with pytest.raises(TrainingError, match=r"other settings \(windows 2, not 3\)\. Name another --out"):
        start(tmp_path, datasets, replace(QUICK, windows=3))


def test_another_dataset_leaves_the_frames_of_the_run(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "run", datasets)
    files = sorted((tmp_path / "run/frames").iterdir())
    before = [path.read_bytes() for path in files]
    other = LeRobotDataset(write_dataset(tmp_path / "other", [make_episode(seed, length=8) for seed in range(7, 11)]))
    with pytest.raises(TrainingError, match=r"other settings \(datasets '.*Name another --out"):
        start(tmp_path / "run", [other])
    assert len(files) == 4
    assert [path.read_bytes() for path in sorted((tmp_path / "run/frames").iterdir())] == before


def test_a_checkpoint_that_failed_at_the_last_step_is_made_good(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(supervised, "save_checkpoint", full)
        with pytest.raises(TrainingError, match="Step 4 could not be saved"):
            start(tmp_path, datasets).train(4, lambda _: None)
    for _ in range(2):
        again = start(tmp_path, datasets)
        assert again.learner.steps == 4
        again.train(4, lambda _: None)
        assert [row["step"] for row in again.log] == [4]
        assert [json.loads(row) for row in (tmp_path / "losses.jsonl").read_text().splitlines()] == again.log
        assert 0 < again.log[-1]["training"] < 10
        load_policy(str(tmp_path / "checkpoint"), device="cpu")
        shutil.rmtree(tmp_path / "checkpoint")  # is missed the second time


def test_episodes_without_a_scene_teach_too(tmp_path: Path) -> None:
    episodes = [make_episode(seed, length=8, scene=None) for seed in range(3)]
    run = start(tmp_path / "run", [LeRobotDataset(write_dataset(tmp_path / "set", episodes))])
    assert (run.recipe.heatmap_weight, run.recipe.position_weight) == (0.0, 0.0)
    run.train(4, lambda _: None)
    assert run.learner.steps == 4
    card = (tmp_path / "run/checkpoint/README.md").read_text()
    assert "heatmap_weight 0.0, position_weight 0.0" in card
    assert "at_once 2" in card
    assert "warmup 0" in card, "a tenth of all steps at most"
    assert "Its weights began at random." in card


@pytest.mark.parametrize(
    ("settings", "scene", "why"),
    [
        (
            replace(QUICK, position_weight=0.2),
            False,
            r"position_weight is 0\.2, but .* nothing from .*without the column",
        ),
        (
            usual_settings("rt1-jax", heatmap_weight=0.1),
            True,
            r"heatmap_weight is 0\.1, but .* begin with black images",
        ),
    ],
)
def test_auxiliary_losses_without_anything_to_learn_from_are_refused(
    settings: Settings, scene: bool, why: str, tmp_path: Path
) -> None:
    changes: dict[str, object] = {} if scene else {"scene": None}
    data = write_dataset(tmp_path / "set", [make_episode(seed, length=8, **changes) for seed in range(3)])
    with pytest.raises(TrainingError, match=why):
        start(tmp_path / "run", [LeRobotDataset(data)], settings)
    assert not (tmp_path / "run").exists()


def test_the_papers_network_learns_by_the_same_code(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = {"image_size": 64, "width_coefficient": 0.2, "depth_coefficient": 0.2, "num_layers": 1, "d_model": 32}
    monkeypatch.setitem(PRESETS, "narrow", {**PRESETS["rt1"], **narrow, "num_heads": 2, "layer_size": 16})
    run = start(tmp_path, datasets, replace(QUICK, preset="narrow", steps=2))
    run.train(2, lambda _: None)
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    policy.reset("pick up the red cube")
    assert len(policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0)).tokens) == 6


TINY = {
    "image_size": 64,
    "width_coefficient": 0.5,
    "depth_coefficient": 0.2,
    "token_embedding_size": 64,
    "num_layers": 2,
    "num_heads": 4,
    "layer_size": 16,
    "time_sequence_length": 3,
    "dropout_rate": 0.0,
    "drop_connect_rate": 0.0,
    "language_size": 32,
    "word_buckets": 512,
}
"""The paper's network and width of its transformer, otherwise small."""


def two_histories() -> list[Episode]:
    """Two episodes as long as the history, of frames that differ, with random actions."""
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        frames = np.kron(rng.integers(0, 2, (3, 4, 4, 3)) * 255, np.ones((1, SIZE // 4, SIZE // 4, 1)))
        found.append(make_episode(seed, length=3, images={"front": frames.astype(np.uint8)}, scene=None))
    return found


def test_twenty_steps_learn_two_histories_by_heart(tmp_path: Path) -> None:
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_histories()))]
    settings = usual_settings("rt1", network=TINY, learning_rate=1e-3, windows=2, validation=0.0, precision="float32")
    run = start(tmp_path / "run", datasets, settings)
    losses = [run.learner.step(both_of(run), 0.0).action for _ in range(20)]
    assert 4.0 < losses[0] < 6.0, "about the logarithm of the number of bins at first"
    assert losses[-1] < losses[0] / 8
    assert right(run) > 0.8
    losses += [run.learner.step(both_of(run), 0.0).action for _ in range(30)]
    assert losses[-1] < losses[0] / 50
    assert right(run) == 1.0


def both_of(run: SupervisedRun) -> Batch:
    return run.store.batch(Draw([(span, 0) for span in run.training], np.zeros((2, 2), np.int64)), 3, run._encoder)


def right(run: SupervisedRun) -> float:
    """Share of the tokens of all training histories that are the most likely ones.

    With the batch's own statistics: in as few steps the running ones, which keep 99% of the old at each, have not come.
    """
    batch = both_of(run)
    run.learner.model.train()
    _, chosen = run.learner.judge(run.learner.model, batch)
    return float((chosen.numpy() == batch.tokens).mean())


def test_a_batch_in_parts_teaches_what_a_whole_one_does(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    """Where nothing depends on which histories go through together: batch normalisation does."""
    runs = [
        start(
            tmp_path / str(at_once),
            datasets,
            replace(QUICK, windows=4, at_once=at_once, precision="float32", epsilon=1e-3, jitter=0.0),
        )
        for at_once in (4, 2)
    ]
    for run in runs:
        for module in run.learner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train = lambda mode=True, module=module: module  # type: ignore[assignment, misc]
                module.training = False
        run.train(4, lambda _: None)
    whole, parts = (run.learner.model.state_dict() for run in runs)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_too_little_memory_on_a_gpu_is_said(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, datasets)

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(run.learner, "step_in_parts", full)
    with pytest.raises(TrainingError, match=r"too little memory for 2 histories of 3 images at once; .* at_once=1"):
        run.train(2, lambda _: None)


def test_a_history_before_an_episode_is_black_and_wordless(tmp_path: Path) -> None:
    """As RT-1-X was trained and begins a request."""
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_histories()))]
    settings = usual_settings("rt1-jax", network={**TINY, "time_sequence_length": 5}, steps=2, windows=4)
    run = start(tmp_path / "run", datasets, replace(settings, validation=0.5))
    assert (len(run.training), len(run.validation)) == (1, 1), "three frames are enough, four black ones may be before"
    run.train(2, lambda _: None)
    assert "validation" in run.log[-1]
    model = run.learner.averaged_model()
    span = run.training[0]
    batch = run.store.batch(Draw([(span, -4)], np.zeros((1, 2), np.int64)), 5, run._encoder)
    policy = RT1Policy(model, CARD)
    policy.reset(span.instruction)
    chosen = policy.probabilities(Observation({"front": batch.images[0, -1]}, 0.0)).argmax(-1)
    run.learner.optimiser = replace(run.learner.optimiser, precision="float32")
    np.testing.assert_array_equal(run.learner.judge(model, batch)[1][0, -1].numpy(), chosen)


def test_begins_with_the_weights_of_a_checkpoint(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    settings = usual_settings("rt1", network=TINY, steps=1, windows=2, validation=0.0)
    first = start(tmp_path / "first", datasets, settings)
    first.train(1, lambda _: None)
    checkpoint = str(tmp_path / "first/checkpoint")
    second = start(tmp_path / "second", datasets, replace(settings, start=checkpoint, seed=1, network={**TINY}))
    count = len(first.learner.model.state_dict())
    assert second.began == f"Beginning with {count} of {count} tensors of {checkpoint}."
    for name, value in first.learner.average.values.items():
        torch.testing.assert_close(second.learner.model.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(second.learner.average.values[name], value, rtol=0, atol=0)
    second.train(1, lambda _: None)
    assert f"began with the weights of `{checkpoint}`" in (tmp_path / "second/checkpoint/README.md").read_text()
    longer = start(
        tmp_path / "longer",
        datasets,
        replace(settings, start=checkpoint, network={**TINY, "time_sequence_length": 4, "word_buckets": 99}),
    )
    assert longer.began.endswith("; at random: 2 of language, transformer.")
    with pytest.raises(ValueError, match=r"another kind of network \(stride_padding 'keras', not 'same'\)"):
        start(
            tmp_path / "other",
            datasets,
            replace(settings, start=checkpoint, network={**TINY, "stride_padding": "same"}),
        )
    with pytest.raises(ValueError, match="is no checkpoint"):
        start(tmp_path / "none", datasets, replace(settings, start=str(tmp_path)))


def test_a_long_step_tells_how_far_it_is(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    start(tmp_path, datasets, replace(QUICK, steps=1, windows=6, at_once=2)).train(1, said.append)
    assert said[:2] == ["step 1: 2 of 6 windows", "step 1: 4 of 6 windows"]
    assert "1 of 1" in said[2]


def test_sentence_vectors_from_a_table(tmp_path: Path) -> None:
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_histories()))]
    table = tmp_path / "table.safetensors"
    vectors = {e.instruction: np.full(32, i, np.float32) for i, e in enumerate(two_histories())}
    InstructionTable(vectors).save(table)
    run = start(
        tmp_path / "run", datasets, usual_settings("rt1", network=TINY, language=str(table), steps=1, windows=2)
    )
    run.train(1, lambda _: None)
    policy = load_policy(str(tmp_path / "run/checkpoint"), device="cpu")
    policy.reset("pick up the blue cube")
    assert len(policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0)).tokens) == 6
