"""The decoder over the history: image tokens of each step, then one empty row for each action token after the first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.configuration import RT1Config


def attention_mask(steps: int, image_rows: int, action_rows: int, image_attends_past_actions: bool) -> Tensor:
    """Which row (first axis) may attend which (second axis), bool, shape (R, R), R = steps * (image + action rows).

    A row attends no later row; an action row attends no action row, not even itself; an image row attends action rows
    of earlier steps only where it is said to.
    """
    rows = torch.arange(steps * (image_rows + action_rows))
    is_action = rows % (image_rows + action_rows) >= image_rows
    allowed = rows[:, None] >= rows[None, :]
    to_action = is_action[None, :].expand(len(rows), -1)
    blocked = to_action & is_action[:, None] if image_attends_past_actions else to_action
    return allowed & ~blocked


class SelfAttention(nn.Module):
    """Multi-head attention with biases; the heads' size is independent of the model's."""

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.dropout = nn.Dropout(config.dropout_rate)
        inner = config.num_heads * config.layer_size
        self.query = nn.Linear(config.d_model, inner)
        self.key = nn.Linear(config.d_model, inner)
        self.value = nn.Linear(config.d_model, inner)
        self.out = nn.Linear(inner, config.d_model)

    def forward(self, rows: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """rows (B, R, d) attend keys (B, K, d) where mask (R, K) is true -> (B, R, d)."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, rows), (self.key, keys), (self.value, keys))
        )
        # Written out: for rows as few as these, torch's fused attention is several times slower on a CPU in bf16.
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (B, heads, R, K)
        weights = self.dropout(scores.masked_fill(~mask, -torch.inf).softmax(dim=-1))
        mixed: Tensor = self.out((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        return mixed


class SwiGLU(nn.Module):
    """The feed-forward layer of RT-1-X: gated, without biases."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, hidden, bias=False)
        self.up = nn.Linear(size, hidden, bias=False)
        self.down = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) -> (..., size)."""
        gated: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return gated


class Layer(nn.Module):
    """Pre-norm attention and feed-forward, each with a shortcut."""

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.d_model, eps=1e-6)
        self.attention = SelfAttention(config)
        self.norm2 = nn.LayerNorm(config.d_model, eps=1e-6)
        self.feed_forward = (
            SwiGLU(config.d_model, config.feed_forward_size)
            if config.feed_forward == "swiglu"
            else nn.Linear(config.d_model, config.d_model, bias=config.feed_forward_bias)
        )
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, rows: Tensor, key_rows: Tensor, mask: Tensor) -> Tensor:
        """rows (B, R, d); key_rows (K,): numbers of the rows that anybody attends; mask (R, K)."""
        normed = self.norm1(rows)
        rows = rows + self.attention(normed, normed[:, key_rows], mask)
        result: Tensor = rows + self.dropout(self.feed_forward(self.norm2(rows)))
        return result


class CausalTransformer(nn.Module):
    """Image tokens of up to `time_sequence_length` steps -> logits of each step's action tokens.

    Action tokens are not fed back within a step (both public codes put zeros in their place), so all of a step come
    from one pass.
    """

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        self.config = config
        rows = config.num_image_tokens + config.num_action_tokens
        self.embed = nn.Linear(config.token_embedding_size, config.d_model)
        self.positions = nn.Parameter(torch.empty(config.time_sequence_length * rows, config.d_model).normal_(std=0.05))
        if config.position_bias:
            self.position_bias = nn.Parameter(torch.zeros(config.d_model))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.head = nn.Linear(config.d_model, config.vocab_size)

    def forward(self, tokens: Tensor, actions: Tensor | None = None) -> Tensor:
        """Logits of every step, (B, T, num_action_tokens, vocab_size).

        tokens: of the images, (B, T, num_image_tokens, token_embedding_size). actions: what stands in the action rows,
        (B, T, num_action_tokens, token_embedding_size); None: zeros.
        Raises ValueError for more steps than the position table has.
        """
        first = self.config.num_image_tokens - 1  # the row before a token predicts it
        rows = self.all_rows(tokens, actions)
        steps = rows.reshape(rows.shape[0], tokens.shape[1], -1, rows.shape[-1])
        logits: Tensor = self.head(steps[:, :, first : first + self.config.num_action_tokens])
        return logits

    def all_rows(self, tokens: Tensor, actions: Tensor | None = None) -> Tensor:
        """The rows before the head, (B, T * (image + action tokens), d_model); arguments as in `forward`."""
        config = self.config
        steps = tokens.shape[1]
        rows = self.embedded(tokens, actions)
        mask = attention_mask(
            steps, config.num_image_tokens, config.num_action_tokens, config.image_attends_past_actions
        ).to(rows.device)
        key_rows = mask.any(dim=0).nonzero()[:, 0]
        for layer in self.layers:
            rows = layer(rows, key_rows, mask[:, key_rows])
        return rows

    def embedded(self, tokens: Tensor, actions: Tensor | None) -> Tensor:
        """Rows of the first layer: tokens and actions embedded, and their positions added; (B, R, d_model)."""
        config = self.config
        batch, steps = tokens.shape[:2]
        if steps > config.time_sequence_length:
            raise ValueError(f"got {steps} steps, this network's window has {config.time_sequence_length}")
        image = self.embed(tokens)
        if actions is None:
            action = image.new_zeros(()) + self.embed.bias
            action = action.expand(batch, steps, config.num_action_tokens, config.d_model).to(image.dtype)
        else:
            action = self.embed(actions)
        rows = torch.cat([image, action], dim=2).flatten(1, 2)  # (B, R, d)
        return rows + self.position_table[: rows.shape[1]].to(rows.dtype)

    @property
    def position_table(self) -> Tensor:
        """One row for each place in a full window, (T * (num_image_tokens + num_action_tokens), d_model)."""
        return self.positions + self.position_bias if self.config.position_bias else self.positions
