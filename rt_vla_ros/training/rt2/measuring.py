"""Evaluation at every save: the validation loss, and accuracy on held-out questions."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.policies.checkpoint.files import Tell
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.training.rt2.batch_stream import Collate, Draws
from rt_vla_ros.training.rt2.fine_tune_data import FineTuneData
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.forgetting import ForgettingTest, questions_of, short_answers
from rt_vla_ros.training.rt2.objective import AnswerLoss
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.validation import HeldOutLoss, held_out_batches


class Measurements:
    """Repeated evaluation of a model on the same samples and questions."""

    def __init__(
        self,
        parts: RT2Parts,
        data: FineTuneData,
        draws: Draws,
        settings: FineTuneSettings,
        collate: Collate,
        *,
        size: int,
    ) -> None:
        """draws: defines the shares of the held-out mixture. size: batch size."""
        rows, seed = RowMaker(parts, plan_tokens=settings.plan_tokens), settings.seed
        robot, web = (
            held_out_batches(sources, rows, collate, most=settings.held_out, size=size, seed=seed)
            for sources in (data.held_out_robot, data.held_out_web)
        )
        kinds = zip(draws.names, (source.is_robot for source in data.sources), strict=True)
        share = sum(draws.shares[name] for name, is_robot in kinds if is_robot)
        self._loss = HeldOutLoss(robot, web, AnswerLoss(), share)
        asked = questions_of(data.held_out_web, rows, settings.vqa_questions, seed) if settings.vqa_questions else []
        others = short_answers((*data.web, *data.held_out_web)) if asked else []
        self._forgetting = ForgettingTest(asked, rows, others)

    def __call__(self, model: Any, step: int, say: Tell) -> dict[str, Any]:
        """Values for a row of the run log. model: unwrapped; all processes must call it."""
        measured: dict[str, Any] = self._loss(model)
        if self._forgetting.questions:
            found = self._forgetting(model)
            measured |= {**found.row(), "vqa_questions": found.questions}
            say(f"Step {step:,}: {found}.")
        return measured
