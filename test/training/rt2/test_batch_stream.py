from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.fine_tuning import action_turn, example_of, parts_of
from support.vlms import rt2_card, save_vlm

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import Example, ExampleSource, Turn
from rt_vla_ros.data.mixture import Mixture
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.batch_stream import BatchStream
from rt_vla_ros.training.rt2.collator import PaddedCollator
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.training_row import IGNORED


class Frames:
    """Implements ExampleSource: actions of random images."""

    name, is_robot = "frames", True

    def __init__(self, rows: RowMaker) -> None:
        self._parts = rows.parts

    def __len__(self) -> int:
        return 5

    def example(self, index: int, rng: np.random.Generator) -> Example:
        return example_of(self._parts, action_turn(self._parts, index), seed=index)


class Words:
    """Implements ExampleSource: text alone, of several lengths."""

    name, is_robot = "words", False

    def __len__(self) -> int:
        return 7

    def example(self, index: int, rng: np.random.Generator) -> Example:
        return Example((), (Turn("what is " + "red and " * index + "blue", "yes"), Turn("why", "no")))


@pytest.fixture
def rows(tmp_path: Path) -> RowMaker:
    return RowMaker(parts_of(save_vlm(tmp_path, "qwen2_vl", card=replace(rt2_card(), horizon=2))))


def stream(rows: RowMaker, shares: list[float], **changes: object) -> BatchStream:
    usual: dict[str, object] = {"batch_size": 6, "micro_batch_size": 2, "steps": 4}
    sources = [Frames(rows), Words()]
    draws = Mixture(sources, dict(zip(("frames", "words"), shares, strict=True)), seed=0)
    return BatchStream(draws, sources, rows, PaddedCollator(0), **{**usual, **changes})  # type: ignore[arg-type]


def test_a_step_is_the_same_wherever_the_run_begins(rows: RowMaker) -> None:
    whole = list(stream(rows, [0.5, 0.5]).batches(0))
    late = list(stream(rows, [0.5, 0.5], workers=3).batches(2))
    assert [len(step) for step in whole] == [3] * 4
    assert len(late) == 2
    for one, other in zip(whole[2:], late, strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a.inputs["input_ids"], b.inputs["input_ids"])
            assert torch.equal(a.labels, b.labels)


def test_rows_of_like_length_are_together(rows: RowMaker) -> None:
    sorted_, mixed = stream(rows, [0.3, 0.7]), stream(rows, [0.3, 0.7], micro_batch_size=6)
    padding = [np.mean([b.padding for step in one.batches(0) for b in step]) for one in (sorted_, mixed)]
    assert padding[0] < 0.5 * padding[1]
    assert sorted_.drawn(4) == {"frames": 7, "words": 17}


def test_processes_that_share_weights_always_see_an_image(rows: RowMaker) -> None:
    for step in stream(rows, [0.0, 1.0], with_images=True).batches(0):
        for batch in step:
            assert "pixel_values" in batch.inputs
            assert batch.samples == 2
            assert batch.actions == 0
            assert int((batch.labels != IGNORED).any(dim=1).sum()) == 2
    assert all("pixel_values" not in b.inputs for step in stream(rows, [0.0, 1.0]).batches(0) for b in step)


def test_batches_that_do_not_divide_are_refused(rows: RowMaker) -> None:
    with pytest.raises(TrainingError, match="A batch of 6 samples cannot be divided into micro-batches of 4"):
        stream(rows, [1.0, 0.0], micro_batch_size=4)


class Broken(Words):
    """Some samples have no answer, one has no image."""

    def __init__(self, broken: range) -> None:
        self._broken = broken

    def example(self, index: int, rng: np.random.Generator) -> Example:
        if index in self._broken:
            if index % 2:
                raise DatasetError(f"words: the image {index}.png is damaged.")
            return Example((), (Turn("why", " "),))
        return super().example(index, rng)


def broken_stream(rows: RowMaker, source: ExampleSource) -> BatchStream:
    draws = Mixture([source], {"words": 1.0}, seed=0)
    return BatchStream(draws, [source], rows, PaddedCollator(0), batch_size=7, micro_batch_size=7, steps=2)


def test_other_samples_come_in_place_of_web_data_that_cannot_be_learned(rows: RowMaker) -> None:
    one, other = (broken_stream(rows, Broken(range(3))) for _ in range(2))
    for a, b in zip(one.batches(0), other.batches(0), strict=True):
        assert torch.equal(a[0].inputs["input_ids"], b[0].inputs["input_ids"])
        assert a[0].samples == 7
    assert one.left_out == other.left_out
    assert len(one.left_out) >= 6
    assert "words: the image 1.png is damaged." in one.left_out
    assert any(said.startswith("words, sample 2: The answer is empty") for said in one.left_out)


def test_what_cannot_be_learned_is_named(rows: RowMaker) -> None:
    with pytest.raises((TrainingError, DatasetError), match=r"words, sample \d: The answer is empty|is damaged"):
        list(broken_stream(rows, Broken(range(7))).batches(0))

    class Robot(Broken):
        is_robot = True

    with pytest.raises((TrainingError, DatasetError), match=r"words, sample 2: The answer is empty"):
        list(broken_stream(rows, Robot(range(2, 3))).batches(0))
