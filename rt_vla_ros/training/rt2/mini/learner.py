"""The trained parts of `rt2-mini`: the model, its training-only readouts, and the average of its weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rt_vla_ros.training.rt2.mini.batches import MiniBatch
from rt_vla_ros.training.rt2.mini.losses import Readouts

SOON = 20
"""The average starts as a plain mean over about this many steps."""


class Average(nn.Module):
    """The exponential moving average of a model's weights, as buffers: saved, but not trained."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._names = list(model.state_dict())
        for number, value in enumerate(model.state_dict().values()):
            self.register_buffer(f"weight{number}", value.detach().clone())

    @torch.no_grad()
    def update(self, model: PreTrainedModel, decay: float) -> None:
        """Update the average. decay: weight of the old average, 0 ... 1."""
        steps: Any = self.steps
        steps += 1
        kept = min(decay, float(steps) / (float(steps) + SOON))
        pairs = list(zip(self.state_dict_of_model().values(), model.state_dict().values(), strict=True))
        means, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        torch._foreach_lerp_(means, values, 1 - kept)  # on a GPU one call, not one for each weight
        for mean, value in pairs:
            if not mean.is_floating_point():
                mean.copy_(value)

    def state_dict_of_model(self) -> dict[str, Tensor]:
        """The averaged weights by the model's parameter names, not copied."""
        return {name: getattr(self, f"weight{number}") for number, name in enumerate(self._names)}


class MiniLearner(nn.Module):
    """model: a FastVLM of `network.make_model`. readouts: see losses. average: of the model's weights."""

    def __init__(self, model: PreTrainedModel, readouts: Readouts) -> None:
        super().__init__()
        self.model, self.readouts, self.average = model, readouts, Average(model)
        inner: Any = model.model
        # Eager attention returns its weights for a loss, and is faster at this size on a CPU.
        inner.language_model.set_attn_implementation("eager")

    def forward(self, batch: MiniBatch) -> tuple[Tensor, Any]:
        """Logits of the answer tokens (A, V), and the model's outputs."""
        inner: Any = self.model
        rows = batch.rows
        found = inner.model(
            input_ids=rows.input_ids,
            pixel_values=batch.pixels,
            attention_mask=rows.mask,
            position_ids=rows.position_ids,
            output_attentions=True,
            use_cache=False,
        )
        return inner.lm_head(found.last_hidden_state.flatten(0, 1)[rows.at]), found

    def averaged(self) -> PreTrainedModel:
        """A copy of the model with the averaged weights, for evaluation."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average.state_dict_of_model())
        model.eval()
        return model
