"""RT-1 as three graphs, run once per instruction, per image and per decision, each a module to export.

Between them, a policy keeps the FiLM factors of its instruction and the embedded tokens of the steps in its window.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.films import Films
from rt_vla_ros.policies.rt1.layers import Layer, attention_mask
from rt_vla_ros.policies.rt1.modeling import RT1Model

NO_SENTENCE = torch.empty(0)
"""An unused argument for layers whose factors are fixed."""


class InstructionGraph(nn.Module):
    """An instruction -> the FiLM factors, see Films."""

    def __init__(self, model: RT1Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, instruction: Tensor) -> tuple[Tensor, Tensor]:
        """Instruction features of the model, (1, ...) -> factors (1, W), and the factors of an all-zero sentence."""
        films = Films(self.model)
        silence = torch.zeros(1, self.model.config.language_size)
        return films.factors(self.model.sentence(instruction)), films.factors(silence)


class FrameGraph(nn.Module):
    """Images and state of a step -> its embedded tokens, which are cached."""

    def __init__(self, model: RT1Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, factors: Tensor, state: Tensor | None = None) -> Tensor:
        """uint8 RGB (B, K, H, W, 3), factors (B, W), state (B, S) -> (B, num_observation_tokens, d_model)."""
        cameras = images.shape[1]
        each = factors[:, None].expand(-1, cameras, -1).flatten(0, 1)
        with Films(self.model).fixed(each):
            tokens = self.model.image_tokens(images.flatten(0, 1), NO_SENTENCE)
        tokens = tokens.reshape(-1, cameras, *tokens.shape[1:])
        return self.model.transformer.embed(self.model.observation_tokens(tokens, state))


class WindowGraph(nn.Module):
    """The transformer over a window of fixed length: missing steps are placed after the newest one.

    This keeps all shapes static, as graph compilers prefer, and no row that is read attends to missing steps. Only the
    necessary rows are computed, as in fast.last_step.
    """

    seen: Tensor

    def __init__(self, model: RT1Model) -> None:
        super().__init__()
        self.model, config = model, model.config
        self.steps, self.observations = config.time_sequence_length, config.num_observation_tokens
        self.actions = config.num_action_tokens
        self.attends_actions = config.image_attends_past_actions
        rows = self.observations + (self.actions if self.attends_actions else 0)
        mask = attention_mask(self.steps, self.observations, rows - self.observations, True)
        self.register_buffer("seen", mask, persistent=False)  # (R, R), R: rows of all steps

    def forward(self, tokens: Tensor, steps: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Logits of the newest step, (B, D, V).

        tokens: of the steps, oldest first, then any finite padding, (B, T, num_observation_tokens, d_model). steps:
        number of steps, int64 (B,). chosen: the steps' action tokens, int64 (B, T, D), for networks that take them as
        input.
        """
        rows = self._with_actions(tokens, chosen) if self.attends_actions else self._placed(tokens)
        first = (steps - 1) * (rows.shape[1] // self.steps) + self.observations - 1  # predicts the newest step's first
        if self.attends_actions:
            for layer in self._layers[:-1]:
                rows = _layer(layer, rows, rows, self.seen)
            wanted = first[:, None] + torch.arange(self.actions)  # (B, A)
            newest = _layer(self._layers[-1], _taken(rows, wanted), rows, self.seen[wanted][:, None])
        else:
            actions = self._newest_actions(steps)
            there = (torch.arange(rows.shape[1]) <= first[:, None])[:, None, None]  # (B, 1, 1, R)
            for layer in self._layers[:-1]:
                actions, rows = _layer(layer, actions, rows, there), _layer(layer, rows, rows, self.seen)
            wanted_rows = torch.cat([_taken(rows, first[:, None]), actions], dim=1)
            newest = _layer(self._layers[-1], wanted_rows, rows, there)
        return self.model.transformer.head(newest)

    @property
    def _layers(self) -> list[Layer]:
        return [layer for layer in self.model.transformer.layers if isinstance(layer, Layer)]

    @property
    def _places(self) -> Tensor:
        """Position embeddings, (T, num_observation_tokens + num_action_tokens, d_model)."""
        transformer = self.model.transformer
        return transformer.position_table.reshape(self.steps, -1, transformer.config.d_model)

    def _placed(self, tokens: Tensor) -> Tensor:
        return (tokens + self._places[:, : self.observations]).flatten(1, 2)

    def _newest_actions(self, steps: Tensor) -> Tensor:
        """The newest step's action rows without the last, which predicts nothing."""
        places = self._places[:, self.observations : self.observations + self.actions - 1]
        return places[steps - 1] + self.model.transformer.embed.bias

    def _with_actions(self, tokens: Tensor, chosen: Tensor | None) -> Tensor:
        transformer = self.model.transformer
        if chosen is None:
            actions = transformer.embed.bias.expand(tokens.shape[0], self.steps, self.actions, -1)
        else:
            table: Tensor = self.model.action_embedding.weight.T  # (V, C)
            actions = transformer.embed(table[chosen] + self.model.action_embedding.bias)
        return (torch.cat([tokens, actions], dim=2) + self._places).flatten(1, 2)


def _layer(layer: Layer, wanted: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """wanted (B, W, d) attend to rows (B, R, d) where the mask, (W, R) or (B, 1, W, R), is true."""
    wanted = wanted + layer.attention(layer.norm1(wanted), layer.norm1(rows), mask)
    return wanted + layer.feed_forward(layer.norm2(wanted))


def _taken(rows: Tensor, places: Tensor) -> Tensor:
    """rows (B, R, d), places (B, W) -> (B, W, d)."""
    return rows.gather(1, places[:, :, None].expand(-1, -1, rows.shape[-1]))
