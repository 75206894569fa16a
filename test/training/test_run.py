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
from rt_vla_ros.training import learner
from rt_vla_ros.training import run as run_module
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.dataset_source import DatasetSource
from rt_vla_ros.training.run import TrainingRun
from rt_vla_ros.training.settings import TrainingSettings, default_settings
from rt_vla_ros.training.windows import WindowIndices

QUICK = TrainingSettings(steps=4, batch_size=2, validation=0.25)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("data") / "set"
    return [LeRobotDataset(write_dataset(directory, [make_episode(seed, length=8) for seed in range(4)]))]


class DatasetRun(TrainingRun):
    """Keeps its source at hand."""

    source: DatasetSource


def start(
    out: Path, datasets: list[LeRobotDataset], settings: TrainingSettings = QUICK, **options: bool | int
) -> DatasetRun:
    return DatasetRun(out, DatasetSource(datasets, settings, **options), settings, lambda _: None)  # type: ignore[arg-type]


def test_leaves_a_policy_a_log_and_a_picture(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    made = start(tmp_path, datasets)
    made.train(2, said.append)
    rows = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 < row["validation"] < 10 and 0 <= row["token_accuracy"] <= 1 for row in rows)
    assert "<polyline" in (tmp_path / "losses.svg").read_text()
    assert "4 of 4" in said[-1]
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    assert policy.card.cameras == CARD.cameras
    policy.reset("pick up the red cube")
    action = policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0))
    assert len(action.tokens) == 6
    assert "3 episodes for training, 1 held out" in (tmp_path / "checkpoint/README.md").read_text()


def test_an_interrupted_run_ends_as_if_it_had_not_been(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
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
    assert [row["step"] for row in again.log.rows] == [2, 4]


def test_a_run_goes_on_with_the_episodes_that_it_held_out(tmp_path: Path) -> None:
    """Also where another rule had drawn them."""
    places = [
        write_dataset(tmp_path / name, [make_episode(seed + k, length=8) for k in range(3)])
        for name, seed in (("a", 0), ("b", 9))
    ]
    sets = [LeRobotDataset(place) for place in places]
    start(tmp_path / "run", sets).train(2, lambda _: None)
    path = tmp_path / "run/checkpoint/held_out_episodes.json"
    found = json.loads(path.read_text())
    for one in found["datasets"]:
        one["training"], one["held_out"] = ([2], [0, 1]) if one["name"] == "b" else ([1, 2], [])  # 0 is in neither
    path.write_text(json.dumps(found))
    again = start(tmp_path / "run", sets)
    assert [(span.dataset, span.recorded) for span in again.source.training] == [(0, 1), (0, 2), (1, 2)]
    assert [(span.dataset, span.recorded) for span in again.source.validation] == [(1, 0), (1, 1)]
    new = start(tmp_path / "new", sets).source
    assert [sum(span.dataset == k for span in new.training) for k in range(2)] == [2, 2]


def test_a_full_disk_leaves_the_last_good_checkpoint(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(tmp_path, datasets)

    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def at_three(line: str) -> None:
        if " 3 of 4" in line:
            monkeypatch.setattr(learner, "save_file", full)

    with pytest.raises(
        TrainingError, match=r"Step 4 could not be saved in .*: No space left.*checkpoint of step 2 in "
    ):
        made.train(2, at_three)
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
    made = start(tmp_path, datasets)
    made.train(4, lambda _: None)
    before = (tmp_path / "checkpoint/model.safetensors").read_bytes()

    def full(directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    model = made.learner.ema_model()
    monkeypatch.setattr(type(model), "save_pretrained", lambda self, directory: full(directory))
    with pytest.raises(TrainingError, match="could not be saved"):
        made._save(1.0)
    assert (tmp_path / "checkpoint/model.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".checkpoint.*"))


@pytest.mark.parametrize("name", ["settings.json", "state.safetensors"])
def test_damaged_files_are_named_and_half_a_row_is_dropped(
    name: str, datasets: list[LeRobotDataset], tmp_path: Path
) -> None:
    start(tmp_path, datasets).train(2, lambda _: None)
    rows = tmp_path / "losses.jsonl"
    rows.write_text(rows.read_text()[:-20])
    assert [row["step"] for row in start(tmp_path, datasets).log.rows] == [2]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9])
    with pytest.raises(TrainingError, match=name):
        start(tmp_path, datasets)


def test_another_run_in_the_directory_is_not_overwritten(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path, datasets)
    with pytest.raises(TrainingError, match=r"different settings \(batch_size 2, not 3\)\. Choose another --out"):
        start(tmp_path, datasets, replace(QUICK, batch_size=3))


def test_another_dataset_leaves_the_cached_frames_of_the_run(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "run", datasets, cache_frames=True)
    files = sorted((tmp_path / "run/frames").iterdir())
    before = [path.read_bytes() for path in files]
    other = LeRobotDataset(write_dataset(tmp_path / "other", [make_episode(seed, length=8) for seed in range(7, 11)]))
    with pytest.raises(TrainingError, match=r"different settings \(datasets '.*Choose another --out"):
        start(tmp_path / "run", [other], cache_frames=True)
    assert len(files) == 2
    assert [path.read_bytes() for path in sorted((tmp_path / "run/frames").iterdir())] == before


def test_a_checkpoint_that_failed_at_the_last_step_is_written_again(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_checkpoint", full)
        with pytest.raises(TrainingError, match="Step 4 could not be saved"):
            start(tmp_path, datasets).train(4, lambda _: None)
    for _ in range(2):
        again = start(tmp_path, datasets)
        assert again.learner.steps == 4
        again.train(4, lambda _: None)
        assert [row["step"] for row in again.log.rows] == [4]
        assert [json.loads(row) for row in (tmp_path / "losses.jsonl").read_text().splitlines()] == again.log.rows
        assert 0 < again.log.rows[-1]["training"] < 10
        load_policy(str(tmp_path / "checkpoint"), device="cpu")
        shutil.rmtree(tmp_path / "checkpoint")  # is missed the second time


def test_episodes_without_a_scene_can_be_trained_on(tmp_path: Path) -> None:
    episodes = [make_episode(seed, length=8, scene=None) for seed in range(3)]
    made = start(tmp_path / "run", [LeRobotDataset(write_dataset(tmp_path / "set", episodes))])
    assert (made.settings.heatmap_weight, made.settings.position_weight) == (0.0, 0.0)
    made.train(4, lambda _: None)
    assert made.learner.steps == 4
    card = (tmp_path / "run/checkpoint/README.md").read_text()
    assert "heatmap_weight 0.0, position_weight 0.0" in card
    assert "micro_batch_size 2" in card
    assert "warmup 0" in card, "a tenth of all steps at most"
    assert "Its weights were initialized randomly." in card


@pytest.mark.parametrize(
    ("settings", "scene", "why"),
    [
        (
            replace(QUICK, position_weight=0.2),
            False,
            r"position_weight is 0\.2, but .* no targets in .*without the column",
        ),
        (
            default_settings("rt1-jax", heatmap_weight=0.1),
            True,
            r"heatmap_weight is 0\.1, but .* start with black images",
        ),
    ],
)
def test_auxiliary_losses_without_anything_to_learn_from_are_refused(
    settings: TrainingSettings, scene: bool, why: str, tmp_path: Path
) -> None:
    changes: dict[str, object] = {} if scene else {"scene": None}
    data = write_dataset(tmp_path / "set", [make_episode(seed, length=8, **changes) for seed in range(3)])
    with pytest.raises(TrainingError, match=why):
        start(tmp_path / "run", [LeRobotDataset(data)], settings)
    assert not (tmp_path / "run").exists()


def test_the_papers_network_trains_by_the_same_code(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = {"image_size": 64, "width_coefficient": 0.2, "depth_coefficient": 0.2, "num_layers": 1, "d_model": 32}
    monkeypatch.setitem(PRESETS, "narrow", {**PRESETS["rt1"], **narrow, "num_heads": 2, "layer_size": 16})
    made = start(tmp_path, datasets, replace(QUICK, preset="narrow", steps=2))
    made.train(2, lambda _: None)
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


def two_episodes() -> list[Episode]:
    """Two episodes as long as a window, of frames that differ, with random actions."""
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        frames = np.kron(rng.integers(0, 2, (3, 4, 4, 3)) * 255, np.ones((1, SIZE // 4, SIZE // 4, 1)))
        found.append(make_episode(seed, length=3, images={"front": frames.astype(np.uint8)}, scene=None))
    return found


def test_twenty_steps_overfit_two_windows(tmp_path: Path) -> None:
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_episodes()))]
    settings = default_settings(
        "rt1", network=TINY, learning_rate=1e-3, batch_size=2, validation=0.0, precision="float32"
    )
    made = start(tmp_path / "run", datasets, settings)
    losses = [made.learner.step([both_of(made)]).action for _ in range(20)]
    assert 4.0 < losses[0] < 6.0, "about the logarithm of the number of bins at first"
    assert losses[-1] < losses[0] / 8
    assert right(made) > 0.8
    losses += [made.learner.step([both_of(made)]).action for _ in range(30)]
    assert losses[-1] < losses[0] / 50
    assert right(made) == 1.0


def both_of(made: DatasetRun) -> Batch:
    source = made.source
    return source.windows.batch(WindowIndices([(span, 0) for span in source.training], np.zeros((2, 2), np.int64)))


def right(made: DatasetRun) -> float:
    """Share of the tokens of all training windows that are the most likely ones.

    With the batch's own statistics: in as few steps the running ones, which keep 99% of the old at each, have not come.
    """
    batch = both_of(made)
    made.learner.model.train()
    _, chosen = made.learner.evaluate(made.learner.model, batch)
    return float((chosen.numpy() == batch.tokens).mean())


def test_micro_batches_train_as_the_whole_batch_does(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    """Where nothing depends on which windows go through together: batch normalisation does."""
    runs = [
        start(
            tmp_path / str(micro_batch_size),
            datasets,
            replace(
                QUICK, batch_size=4, micro_batch_size=micro_batch_size, precision="float32", epsilon=1e-3, jitter=0.0
            ),
        )
        for micro_batch_size in (4, 2)
    ]
    for made in runs:
        for module in made.learner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train = lambda mode=True, module=module: module  # type: ignore[assignment, misc]
                module.training = False
        made.train(4, lambda _: None)
    whole, parts = (made.learner.model.state_dict() for made in runs)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_too_little_memory_on_a_gpu_is_said(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(tmp_path, datasets)

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made.learner, "step", full)
    with pytest.raises(
        TrainingError, match=r"too little memory for micro-batches of 2 samples of 3 images; .* micro_batch_size=1"
    ):
        made.train(2, lambda _: None)


def test_steps_before_an_episode_are_black_and_have_no_sentence(tmp_path: Path) -> None:
    """As RT-1-X was trained and begins a request."""
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_episodes()))]
    settings = default_settings("rt1-jax", network={**TINY, "time_sequence_length": 5}, steps=2, batch_size=4)
    made = start(tmp_path / "run", datasets, replace(settings, validation=0.5))
    assert (len(made.source.training), len(made.source.validation)) == (1, 1), (
        "three frames are enough, four black ones may be before"
    )
    made.train(2, lambda _: None)
    assert "validation" in made.log.rows[-1]
    model = made.learner.ema_model()
    span = made.source.training[0]
    batch = made.source.windows.batch(WindowIndices([(span, -4)], np.zeros((1, 1, 2), np.int64)))
    policy = RT1Policy(model, CARD)
    policy.reset(span.instruction)
    chosen = policy.probabilities(Observation({"front": batch.images[0, -1, 0]}, 0.0)).argmax(-1)
    made.learner.settings = replace(made.settings, precision="float32")
    np.testing.assert_array_equal(made.learner.evaluate(model, batch)[1][0, -1].numpy(), chosen)


def test_starts_from_the_weights_of_a_checkpoint(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    settings = default_settings("rt1", network=TINY, steps=1, batch_size=2, validation=0.0)
    first = start(tmp_path / "first", datasets, settings)
    first.train(1, lambda _: None)
    checkpoint = str(tmp_path / "first/checkpoint")
    second = start(tmp_path / "second", datasets, replace(settings, init_from=checkpoint, seed=1, network={**TINY}))
    count = len(first.learner.model.state_dict())
    assert second.initialised == f"Initialized from {count} of {count} tensors of {checkpoint}."
    for name, value in first.learner.ema.values.items():
        torch.testing.assert_close(second.learner.model.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(second.learner.ema.values[name], value, rtol=0, atol=0)
    second.train(1, lambda _: None)
    assert f"initialized from the weights of `{checkpoint}`" in (tmp_path / "second/checkpoint/README.md").read_text()
    longer = start(
        tmp_path / "longer",
        datasets,
        replace(settings, init_from=checkpoint, network={**TINY, "time_sequence_length": 4, "word_buckets": 99}),
    )
    assert longer.initialised.endswith("; randomly initialized: 2 of language, transformer.")
    with pytest.raises(ValueError, match=r"a different architecture \(stride_padding 'keras', not 'same'\)"):
        start(
            tmp_path / "other",
            datasets,
            replace(settings, init_from=checkpoint, network={**TINY, "stride_padding": "same"}),
        )
    with pytest.raises(ValueError, match="is not a checkpoint"):
        start(tmp_path / "none", datasets, replace(settings, init_from=str(tmp_path)))


def test_a_long_step_reports_its_progress(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    start(tmp_path, datasets, replace(QUICK, steps=1, batch_size=6, micro_batch_size=2)).train(1, said.append)
    assert said[:2] == ["step 1: 2 of 6 windows", "step 1: 4 of 6 windows"]
    assert "1 of 1" in said[2]


def test_sentence_vectors_from_a_table(tmp_path: Path) -> None:
    datasets = [LeRobotDataset(write_dataset(tmp_path / "set", two_episodes()))]
    table = tmp_path / "table.safetensors"
    vectors = {e.instruction: np.full(32, i, np.float32) for i, e in enumerate(two_episodes())}
    InstructionTable(vectors).save(table)
    made = start(
        tmp_path / "run", datasets, default_settings("rt1", network=TINY, language=str(table), steps=1, batch_size=2)
    )
    made.train(1, lambda _: None)
    policy = load_policy(str(tmp_path / "run/checkpoint"), device="cpu")
    policy.reset("pick up the blue cube")
    assert len(policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0)).tokens) == 6


@pytest.mark.parametrize("options", [{"cache_frames": True}, {"num_workers": 3}])
def test_batches_are_the_same_bit_for_bit_however_images_are_read(
    options: dict[str, int], datasets: list[LeRobotDataset], tmp_path: Path
) -> None:
    settings = default_settings("rt1-jax", network=TINY, batch_size=6, micro_batch_size=3, validation=0.25, steps=4)
    runs = [start(tmp_path / "a", datasets, settings), start(tmp_path / "b", datasets, settings, **options)]
    steps = [[list(step) for step in made.source.batches(0, lambda _: None)] for made in runs]
    assert [len(step) for step in steps[0]] == [2] * 4
    assert any(batch.padding is not None for step in steps[0] for batch in step)
    for one, other in zip(*steps, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            for name in ("images", "instruction", "tokens", "scene", "padding"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), strict=True)


def test_a_run_resumes_with_and_without_cached_frames(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path, datasets, cache_frames=True)
    assert (tmp_path / "frames").is_dir()
    start(tmp_path, datasets).train(4, lambda _: None)
