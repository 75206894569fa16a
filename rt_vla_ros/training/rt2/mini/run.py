"""Trains `rt2-mini` from scratch, on images and episodes rendered during training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.policies.checkpoint.files import Tell
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder, tidy_folder
from rt_vla_ros.policies.rt2.inputs.processor import CombinedProcessor, token_id
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_model
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.forgetting import ForgettingTest, HeldOutQuestion
from rt_vla_ros.training.rt2.mini.batches import mini_config
from rt_vla_ros.training.rt2.mini.card import mini_card
from rt_vla_ros.training.rt2.mini.cards import data_card_text, model_card_text
from rt_vla_ros.training.rt2.mini.collector import FRAMES, WEIGHTS
from rt_vla_ros.training.rt2.mini.frames import table_in
from rt_vla_ros.training.rt2.mini.learner import MiniLearner
from rt_vla_ros.training.rt2.mini.losses import Readouts
from rt_vla_ros.training.rt2.mini.network import make_model, make_processor, make_tokenizer
from rt_vla_ros.training.rt2.mini.objective import MiniObjective
from rt_vla_ros.training.rt2.mini.questions import TRIES, Table, draw_question, vocabulary
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.mini.source import FrameSource, batch_maker, lost_workers_in_words, renderers
from rt_vla_ros.training.rt2.publishing import DATA_CARD, MODEL_CARD
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.run_state import load_state
from rt_vla_ros.training.rt2.vlm_trainer import VLMTrainer, training_arguments
from rt_vla_ros.training.run_log import RunLog
from rt_vla_ros.training.settings import saving

CHECKPOINT = "checkpoint"
ASKED = ("which", "colour", "shape", "exists", "count", "symbol", "side")
"""Kinds of questions with an answer of one or two words, used to measure forgetting."""
QUESTIONS = 210
CPU = torch.device("cpu")


class MiniRun:
    """Implements TrainingHooks.

    DIR/checkpoint: the policy, with the card of the first embodiment; DIR/checkpoint-NAME: of a further one.
    DIR/losses.jsonl, DIR/losses.svg: loss curves. DIR/state, DIR/frames, DIR/settings.json: to resume.
    """

    def __init__(
        self,
        directory: Path,
        settings: MiniSettings,
        *,
        save_interval: int,
        say: Tell,
        update: Tell,
        device: torch.device = CPU,
        collectors: int = 1,
        num_workers: int = 0,
    ) -> None:
        """say: prints permanent lines; update: lines that are overwritten by the next one. device: for training.

        collectors: rendering processes. num_workers: data loading processes, 0: a thread.

        Raises TrainingError for a directory with a run of other settings.
        """
        self.directory, self.settings = directory, settings
        self._device, self._collectors, self._num_workers = device, collectors, num_workers
        self._save_interval, self._say, self._update = save_interval, say, update
        settings.check_run(directory)
        settings.of_frames(directory)
        self.tokenizer = make_tokenizer(vocabulary())
        model = make_model(self.tokenizer, settings.seed, width=settings.width, layers=settings.layers)
        state = load_state(directory)
        if settings.init_from and state is None:
            _take_weights(model, settings.init_from)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.learner = MiniLearner(model, Readouts(settings.width))
        kept = {} if state is None else state.rest["run"]
        self.done, self._seconds_before = 0 if state is None else state.step, float(kept.get("seconds", 0.0))
        self.log, self._begun = RunLog(directory, self.done), time.monotonic()
        self.objective = MiniObjective(token_id(self.tokenizer, "0"))
        self._check: Callable[[], None] = lambda: None

    def train(self) -> None:
        """Run to the last step. Raises TrainingError if it cannot continue; saved state is kept."""
        if self.done >= self.settings.steps and self._is_published():
            self._say(f"All {self.done:,} steps are done.")
            return
        if self.done:
            self._say(f"Resuming after step {self.done:,}.")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.settings.save(self.directory)
        for folder in self._folders():
            tidy_folder(folder)
        frames_from = self.settings.frames_from
        rendering = renderers(self.directory, self._collectors)
        with nullcontext(_nothing_comes(frames_from)) if frames_from else rendering as self._check:
            maker = batch_maker(self.tokenizer, self.settings)
            workers = self._num_workers
            source = FrameSource(self.directory, self.settings, maker, self._wait, num_workers=workers)
            self._forgetting = self._make_test(source)
            arguments = training_arguments(
                _as_fine_tuning(self.settings), self.directory, device=self._device, accumulation=1
            )
            trainer = VLMTrainer(
                self.learner, arguments, source, self.objective, self, self.directory, save_interval=self._save_interval
            )
            self._begun = time.monotonic()
            with lost_workers_in_words(self.directory):
                trainer.resume_and_train()
        if not self._is_published():
            self._publish(trainer)

    def begin(self, trainer: VLMTrainer) -> None:
        """See TrainingHooks."""
        if not self.log.rows:
            self._measure(trainer, {})

    def after_step(self, trainer: VLMTrainer) -> None:
        """See TrainingHooks: the average of the weights, and a new version of the policy for episodes.

        Raises ValueError if no process renders any more: training would continue on old frames only.
        """
        settings, steps = self.settings, trainer.steps
        if not settings.frames_from:
            self._check()
        self.learner.average.update(self.learner.model, settings.ema)
        acts = not settings.frames_from and steps >= settings.learner_after
        if acts and steps % settings.publish_steps == 0:
            self._hand_over()
        self._update(trainer.progress)

    def save(self, trainer: VLMTrainer) -> Mapping[str, Any]:
        """See TrainingHooks: evaluate, write rows, plot and policy."""
        self._measure(trainer, {**trainer.take_figures(), **self.objective.take()})
        self._publish(trainer)
        return {"seconds": self._seconds()}

    def should_stop(self) -> bool:
        """See TrainingHooks."""
        return False

    def _measure(self, trainer: VLMTrainer, figures: Mapping[str, float]) -> None:
        found = self._forgetting(self.learner.averaged())
        self._say(f"Step {trainer.steps:,}: {found}.")
        self.log.add(trainer.steps, self._seconds(), **figures, **found.row(), vqa_questions=found.questions)
        if figures:
            with saving("The run log", self.directory, self._stands()):
                self.log.save("rt2-mini: training loss, wrong answers to held-out questions")

    def _publish(self, trainer: VLMTrainer) -> None:
        model = self.learner.averaged()
        texts = {
            MODEL_CARD: model_card_text(self.settings, self.log.rows, model, collectors=self._collectors),
            DATA_CARD: data_card_text(self.settings, self.directory),
        }

        def write(card: ActionCard, new: Path) -> None:
            model.save_pretrained(new)
            make_processor(self.tokenizer).save_pretrained(new)
            mini_config(plans=self.settings.acts and self.settings.plan_share > 0).save(new)
            card.save(new)
            for name, text in texts.items():
                (new / name).write_text(text, encoding="utf-8")

        with saving(f"Step {trainer.steps}", self.directory, self._stands()):
            for folder, robot in zip(self._folders(), self.settings.robots, strict=True):
                replace_folder(folder, partial(write, robot.card))

    def _folders(self) -> list[Path]:
        """Checkpoints of the policy, one for each robot."""
        others = [f"{CHECKPOINT}-{robot.name}" for robot in self.settings.robots[1:]]
        return [self.directory / name for name in (CHECKPOINT, *others)]

    def _is_published(self) -> bool:
        return all(folder.is_dir() for folder in self._folders())

    def _hand_over(self) -> None:
        """Publish the newest policy for the rendering processes."""
        weights = {name: value.contiguous() for name, value in self.learner.average.state_dict_of_model().items()}
        with saving("The newest policy", self.directory, self._stands()):
            path = self.directory / WEIGHTS
            save_file(weights, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)

    def _make_test(self, source: FrameSource) -> ForgettingTest:
        """Questions about the held-out web images."""
        frames, rng = source.held_out, np.random.default_rng([self.settings.seed, 2])
        questions = list[HeldOutQuestion]()
        for index in range(len(frames["count"])):
            turn = turn_in_words(table_in(frames, index), rng, ASKED[index % len(ASKED)])
            if turn is not None:
                example = Example((frames["images"][index],), (turn,))
                questions.append(HeldOutQuestion(example, turn, (turn.answer,)))
        model = self.learner.model
        parts = RT2Parts(model, CombinedProcessor(make_processor(self.tokenizer)), mini_config(), mini_card())
        return ForgettingTest(questions[:QUESTIONS], RowMaker(parts))

    def _wait(self, why: str) -> None:
        self._check()
        self._update(why)

    def _stands(self) -> str:
        done = [row["step"] for row in self.log.rows if row["step"] > 0]
        return f"the checkpoint of step {done[-1]} in {self.directory / CHECKPOINT}" if done else "nothing yet"

    def _seconds(self) -> float:
        return round(self._seconds_before + time.monotonic() - self._begun, 1)


def turn_in_words(table: Table, rng: np.random.Generator, kind: str) -> Turn | None:
    """A question of this kind with an answer in words: a numeric position would be wrong if off by one bin.

    None if there is none for this table.
    """
    for _ in range(TRIES):
        try:
            turn = draw_question(table, rng, kind).turn
        except ValueError:
            return None
        if not turn.answer[0].isdigit():
            return turn
    return None


def _as_fine_tuning(settings: MiniSettings) -> FineTuneSettings:
    """Arguments of transformers' Trainer."""
    return FineTuneSettings(
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        beta2=settings.beta2,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
    )


def _nothing_comes(frames_from: str) -> Callable[[], None]:
    def refuse() -> None:
        where = Path(frames_from) / FRAMES
        raise TrainingError(f"{where} has too few frames of a kind, and is not rendering any.")

    return refuse


def _take_weights(model: Any, checkpoint: str) -> None:
    """Raises ValueErrors with a sentence for a checkpoint that is not an rt2-mini of this size."""
    directory = resolve(checkpoint).model_directory
    weights = load_model(directory, device=torch.device("cpu"), weights="float32").state_dict()
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    if shapes != {name: value.shape for name, value in weights.items()}:
        raise TrainingError(
            f"init_from is {checkpoint}, which is not an rt2-mini with this width, depth and vocabulary."
        )
    model.load_state_dict(weights)
