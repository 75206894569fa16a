"""The layers of RT-1: FiLM and its small residual trunk, TokenLearner, the word bag, and the causal transformer.

FiLM: feature-wise linear modulation, a sentence scales and shifts the channels of a feature map (arXiv 1709.07871).
TokenLearner v1.1: a few weighted means of a feature map, with learned weights (arXiv 2106.11297).
The transformer's sequence is the history: for each step the image tokens of every camera and the state token, if any
("observation rows"), then one empty row per action token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.language.hashed_words import PADDING
from rt_vla_ros.policies.rt1.configuration import RT1Config


class FiLM(nn.Module):
    """(1 + scale) * x + shift, both linear in the sentence, initially zero: a pretrained trunk is unchanged."""

    def __init__(self, language_size: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(language_size, channels)
        self.shift = nn.Linear(language_size, channels)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.channels = channels
        self.fixed: tuple[Tensor, Tensor] | None = None
        """Scales and shifts (N, C, 1, 1) used instead of the sentence's; see Films."""

    def factors(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """Sentences (N, language_size) -> scales and shifts of the features, (N, C) each."""
        return 1 + self.scale(sentence), self.shift(sentence)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """features (N, C, h, w), sentence (N, language_size) -> (N, C, h, w)."""
        if self.fixed is not None:
            return torch.addcmul(self.fixed[1], features, self.fixed[0])
        scale, shift = self.factors(sentence)
        return scale[:, :, None, None] * features + shift[:, :, None, None]


class FiLMBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization, FiLM, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, language_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.film = FiLM(language_size, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """features (N, inputs, h, w), sentence (N, language_size) -> (N, outputs, h / stride, w / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(features)))
        hidden = self.film(self.norm2(self.conv2(hidden)), sentence)
        return functional.relu(hidden + self.shortcut(features))


class FiLMResNet(nn.Module):
    """A stem that halves the resolution, then stages of blocks; each stage except the first halves it again."""

    def __init__(self, widths: Sequence[int], blocks: int, language_size: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList()
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                self.blocks.append(FiLMBlock(inputs, width, stride, language_size))
                inputs = width
        self.channels = inputs
        self.reduction = 2 ** len(widths)

    def forward(self, images: Tensor, sentence: Tensor) -> Tensor:
        """Images (N, 3, H, W), sentence (N, language_size) -> (N, channels, H / reduction, W / reduction)."""
        features = functional.relu(self.norm(self.stem(images)))
        for block in self.blocks:
            features = block(features, sentence)
        return features


class WordBag(nn.Module):
    """Averages learned vectors of hashed words, followed by a two-layer network."""

    def __init__(self, buckets: int, size: int) -> None:
        super().__init__()
        self.words = nn.Embedding(buckets + 1, size, padding_idx=PADDING)
        nn.init.normal_(self.words.weight, std=1.0)
        with torch.no_grad():
            self.words.weight[PADDING].zero_()
        self.mix = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))

    def forward(self, instruction: Tensor) -> Tensor:
        """Bucket numbers (B, L), int64 -> sentences (B, size)."""
        vectors = self.words(instruction)  # (B, L, size)
        # Padding and words that were never trained have zero vectors, so neither counts.
        count = vectors.any(dim=2).sum(dim=1, keepdim=True).clamp(min=1)
        bag = vectors.sum(dim=1) / count.sqrt()
        return bag + self.mix(bag)


class SpatialPositions(nn.Module):
    """Adds a learned vector per position to the features; initialized to smooth waves along both axes."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.5 * _waves(channels, side))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, side, side) -> the same shape."""
        return features + self.table.to(features.dtype)


def _waves(channels: int, side: int) -> Tensor:
    """Cosines of both coordinates with low frequencies, shape (channels, side, side): their mean encodes a position."""
    at = (torch.arange(side) + 0.5) / side  # (side,) 0 ... 1
    order = torch.arange(channels) // 2 % 8 + 1
    phase = torch.cos(math.pi * order[:, None] * at[None, :])  # (C, side)
    along_x = (torch.arange(channels) % 2 == 0)[:, None, None]
    return torch.where(along_x, phase[:, None, :].expand(-1, side, -1), phase[:, :, None].expand(-1, -1, side))


class TokenLearner(nn.Module):
    """LayerNorm, Dense, tanh-GELU, Dense, softmax over positions; these weight the features before the LayerNorm."""

    def __init__(self, channels: int, tokens: int, bottleneck: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.hidden = nn.Linear(channels, bottleneck)
        self.activation = nn.GELU(approximate="tanh")
        self.weights = nn.Linear(bottleneck, tokens)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) -> tokens (N, tokens, C)."""
        places = features.flatten(2).transpose(1, 2)  # (N, h * w, C)
        weights = self.weights(self.activation(self.hidden(self.norm(places)))).softmax(dim=1)  # (N, h * w, tokens)
        return weights.transpose(1, 2) @ places


def attention_mask(steps: int, observation_rows: int, action_rows: int, image_attends_past_actions: bool) -> Tensor:
    """Which row (first axis) may attend to which (second axis), bool, shape (R, R); R: all rows of `steps` steps.

    A row does not attend to later rows; an action row does not attend to action rows, including itself; an observation
    row attends to action rows of earlier steps only if this is set.
    """
    rows = torch.arange(steps * (observation_rows + action_rows))
    is_action = rows % (observation_rows + action_rows) >= observation_rows
    allowed = rows[:, None] >= rows[None, :]
    to_action = is_action[None, :].expand(len(rows), -1)
    blocked = to_action & is_action[:, None] if image_attends_past_actions else to_action
    return allowed & ~blocked


class SelfAttention(nn.Module):
    """Multi-head attention with biases; the head size is independent of the model size."""

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.dropout = nn.Dropout(config.dropout_rate)
        inner = config.num_heads * config.layer_size
        self.query, self.key, self.value = (nn.Linear(config.d_model, inner) for _ in range(3))
        self.out = nn.Linear(inner, config.d_model)

    def forward(self, rows: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """rows (B, R, d) attend to keys (B, K, d) where mask (R, K) is true -> (B, R, d)."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, rows), (self.key, keys), (self.value, keys))
        )
        # Written out: for so few rows, torch's fused attention is several times slower on a CPU in bf16.
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (B, heads, R, K)
        weights = self.dropout(scores.masked_fill(~mask, -torch.inf).softmax(dim=-1))
        return self.out((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """The feed-forward layer of RT-1-X: gated, without biases."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, hidden, bias=False)
        self.up = nn.Linear(size, hidden, bias=False)
        self.down = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) -> (..., size)."""
        return self.down(functional.silu(self.gate(x)) * self.up(x))


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
        """rows (B, R, d); key_rows (K,): indices of the rows to attend to; mask (R, K)."""
        normed = self.norm1(rows)
        rows = rows + self.attention(normed, normed[:, key_rows], mask)
        return rows + self.dropout(self.feed_forward(self.norm2(rows)))


class CausalTransformer(nn.Module):
    """Observation tokens of up to `time_sequence_length` steps -> logits of each step's action tokens.

    Action tokens are not fed back within a step (both public codes use zeros), so one pass predicts all tokens of a
    step.
    """

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        self.config = config
        rows = config.num_observation_tokens + config.num_action_tokens
        self.embed = nn.Linear(config.token_embedding_size, config.d_model)
        self.positions = nn.Parameter(torch.empty(config.time_sequence_length * rows, config.d_model).normal_(std=0.05))
        if config.position_bias:
            self.position_bias = nn.Parameter(torch.zeros(config.d_model))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.head = nn.Linear(config.d_model, config.vocab_size)

    def forward(self, tokens: Tensor, actions: Tensor | None = None) -> Tensor:
        """Logits of every step, (B, T, num_action_tokens, vocab_size).

        tokens: of images and state, (B, T, num_observation_tokens, token_embedding_size). actions: input of the action
        rows, (B, T, num_action_tokens, token_embedding_size); None: zeros.
        Raises ValueError for more steps than the position table has.
        """
        first = self.config.num_observation_tokens - 1  # the row before a token predicts it
        rows = self.all_rows(tokens, actions)
        steps = rows.reshape(rows.shape[0], tokens.shape[1], -1, rows.shape[-1])
        return self.head(steps[:, :, first : first + self.config.num_action_tokens])

    def all_rows(self, tokens: Tensor, actions: Tensor | None = None) -> Tensor:
        """The output before the head, (B, T * (observation + action tokens), d_model); arguments as in `forward`."""
        config = self.config
        steps = tokens.shape[1]
        rows = self.embedded(tokens, actions)
        mask = attention_mask(
            steps, config.num_observation_tokens, config.num_action_tokens, config.image_attends_past_actions
        ).to(rows.device)
        key_rows = mask.any(dim=0).nonzero()[:, 0]
        for layer in self.layers:
            rows = layer(rows, key_rows, mask[:, key_rows])
        return rows

    def embedded(self, tokens: Tensor, actions: Tensor | None) -> Tensor:
        """Input of the first layer: embedded tokens and actions plus positions, (B, R, d_model)."""
        config = self.config
        batch, steps = tokens.shape[:2]
        if steps > config.time_sequence_length:
            raise ValueError(f"got {steps} steps, this network's window has {config.time_sequence_length}")
        observed = self.embed(tokens)
        if actions is None:
            action = observed.new_zeros(()) + self.embed.bias
            action = action.expand(batch, steps, config.num_action_tokens, config.d_model).to(observed.dtype)
        else:
            action = self.embed(actions)
        rows = torch.cat([observed, action], dim=2).flatten(1, 2)  # (B, R, d)
        return rows + self.position_table[: rows.shape[1]].to(rows.dtype)

    @property
    def position_table(self) -> Tensor:
        """One row per position in a full window, (T * (num_observation_tokens + num_action_tokens), d_model)."""
        return self.positions + self.position_bias if self.config.position_bias else self.positions
