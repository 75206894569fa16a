"""Training throughput of rt2-mini: packed questions compared with a plain `transformers.Trainer`, in one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from rt_vla_ros.policies.rt2.inputs.processor import token_id
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.precision import BFLOAT16, FLOAT32, in_bfloat16
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.mini.batches import BatchMaker, MiniBatch, mini_config
from rt_vla_ros.training.rt2.mini.embodiments import EMBODIMENTS
from rt_vla_ros.training.rt2.mini.frames import Frames, joined, observe
from rt_vla_ros.training.rt2.mini.learner import MiniLearner
from rt_vla_ros.training.rt2.mini.losses import Readouts
from rt_vla_ros.training.rt2.mini.network import IMAGE, IMAGE_SIZE, make_model, make_processor, make_tokenizer
from rt_vla_ros.training.rt2.mini.objective import MiniObjective
from rt_vla_ros.training.rt2.mini.questions import vocabulary
from rt_vla_ros.training.rt2.mini.table_layouts import random_table_layout
from rt_vla_ros.training.rt2.vlm_trainer import VLMTrainer, training_arguments

FRAMES, BATCH = 96, 24
ROBOT = 17  # of the frames in a batch, as the recipe has it
IGNORED = -100
WARM = 2  # steps that are not timed


def measure(seconds: float, rounds: int = 3) -> dict[str, Any]:
    """Median samples (questions and instructions) per second of both, alternating, each for this time per round."""
    tokenizer = make_tokenizer(vocabulary())
    web, robot = _frames(web=True), _frames(web=False)
    ways: dict[str, list[dict[str, float]]] = {"plain": [], "packed": []}
    for _ in range(rounds):
        ways["plain"].append(_plain(tokenizer, web, robot, seconds))
        ways["packed"].append(_packed(tokenizer, web, robot, seconds))
    rates = {name: statistics.median(one["samples_per_second"] for one in found) for name, found in ways.items()}
    return {
        "threads": torch.get_num_threads(),
        "precision": BFLOAT16 if in_bfloat16(_settings().precision, torch.device("cpu")) else FLOAT32,
        **{f"{name}_samples_per_second": round(rate, 1) for name, rate in rates.items()},
        "ratio": round(rates["packed"] / rates["plain"], 2),
        "packed_loader_share": round(statistics.median(one["loader_share"] for one in ways["packed"]), 4),
        "packed_padding": round(statistics.median(one["padding"] for one in ways["packed"]), 4),
    }


def table(found: Mapping[str, Any]) -> str:
    """The results as text."""
    return "\n".join(
        [
            f"rt2-mini, batches of {BATCH}, {found['threads']} threads, {found['precision']}",
            f"  transformers.Trainer, one question a row   {found['plain_samples_per_second']:8.1f} samples/s",
            f"  rt-vla train rt2, questions packed       {found['packed_samples_per_second']:8.1f} samples/s"
            f"   {found['ratio']:.1f} times",
            f"  its time share of data loading           {found['packed_loader_share']:8.1%}",
        ]
    )


def _frames(web: bool) -> Frames:
    sim, rng = TabletopSim(size=(IMAGE_SIZE, IMAGE_SIZE)), np.random.default_rng(0)
    made = list[Frames]()
    for _ in range(FRAMES):
        sim.reset(random_table_layout(rng, web))
        made.append(observe(sim, None if web else EMBODIMENTS["front"], target=0))
    sim.close()
    return joined(made)


class _Source:
    """Implements StepSource, without an end."""

    micro_batches = 1

    def __init__(self, maker: BatchMaker, web: Frames, robot: Frames) -> None:
        self._maker, self._web, self._robot = maker, web, robot

    def batches(self, first_step: int) -> Iterator[Sequence[MiniBatch]]:
        rng = np.random.default_rng(first_step)
        while True:
            yield [self._maker.draw(self._web, self._robot, (BATCH - ROBOT, ROBOT), rng)]


class _Timed:
    """Implements TrainingHooks: stops after a time. figures: of the trainer, after the first steps."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._begun = seconds, 0.0
        self.figures: dict[str, float] = {}

    def begin(self, trainer: VLMTrainer) -> None: ...

    def after_step(self, trainer: VLMTrainer) -> None:
        if trainer.steps == WARM:
            trainer.take_figures()
            self._begun = time.perf_counter()
        if trainer.steps > WARM and time.perf_counter() - self._begun > self._seconds:
            self.figures = trainer.take_figures()
            trainer.control.should_training_stop = True

    def save(self, trainer: VLMTrainer) -> Mapping[str, Any]:
        return {}

    def should_stop(self) -> bool:
        return True


def _settings() -> FineTuneSettings:
    return FineTuneSettings(steps=1_000_000, learning_rate=1e-4)


def _packed(tokenizer: PreTrainedTokenizerFast, web: Frames, robot: Frames, seconds: float) -> dict[str, float]:
    learner = MiniLearner(make_model(tokenizer, 0), Readouts(128))
    source, hooks = _Source(BatchMaker(tokenizer, mini_config()), web, robot), _Timed(seconds)
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(_settings(), Path(folder), device=torch.device("cpu"), accumulation=1)
        objective = MiniObjective(token_id(tokenizer, "0"))
        trainer = VLMTrainer(learner, arguments, source, objective, hooks, Path(folder), save_interval=1 << 60)
        trainer.train()
    return hooks.figures


class _Questions(Dataset[dict[str, Any]]):
    """One question or instruction about one frame at a time, as in a typical dataset."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, web: Frames, robot: Frames) -> None:
        maker, self._tokenizer, rng = BatchMaker(tokenizer, mini_config()), tokenizer, np.random.default_rng(0)
        self._samples = list[tuple[Image.Image, list[int], list[int]]]()
        for frames, is_robot in ((web, False), (robot, True)):
            for index in range(FRAMES):
                segment = maker.instruction(frames, index, rng) if is_robot else maker.question(frames, index, rng)
                image = Image.fromarray(frames["images"][index])
                self._samples.append((image, list(segment.prompt), list(segment.answer)))
        self._processor = make_processor(tokenizer)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image, prompt, answer = self._samples[index]
        text = IMAGE + str(self._tokenizer.decode(prompt + answer))
        inputs = self._processor(images=image, text=text, return_tensors="pt")
        ids = inputs["input_ids"][0]
        labels = ids.clone()
        labels[: -len(answer)] = IGNORED
        return {"input_ids": ids, "labels": labels, "pixel_values": inputs["pixel_values"][0]}

    def collate(self, samples: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Padded to the longest."""

        def padded(key: str, filler: int) -> Tensor:
            return nn.utils.rnn.pad_sequence([one[key] for one in samples], batch_first=True, padding_value=filler)

        ids, padding = padded("input_ids", int(self._tokenizer.pad_token_id)), int(self._tokenizer.pad_token_id)
        return {
            "input_ids": ids,
            "attention_mask": (ids != padding).long(),
            "labels": padded("labels", IGNORED),
            "pixel_values": torch.stack([one["pixel_values"] for one in samples]),
        }


class _StopAfter(TrainerCallback):
    """rate: samples per second, after the first steps."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._begun, self.rate = seconds, 0.0, 0.0

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        if state.global_step == WARM:
            self._begun = now
        if state.global_step > WARM and now - self._begun > self._seconds:
            self.rate = (state.global_step - WARM) * BATCH / (now - self._begun)
            control.should_training_stop = True


def _plain(tokenizer: PreTrainedTokenizerFast, web: Frames, robot: Frames, seconds: float) -> dict[str, float]:
    questions, stop = _Questions(tokenizer, web, robot), _StopAfter(seconds)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=1_000_000,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            bf16=True,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        model = make_model(tokenizer, 0)
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=questions,
            data_collator=questions.collate,
            callbacks=[stop],
        )
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        trainer.train()
    return {"samples_per_second": stop.rate}
