"""The RT-1 network: images and a sentence in, logits of action tokens out (arXiv 2212.06817, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.film_efficientnet import FiLMEfficientNet
from rt_vla_ros.policies.rt1.layers import CausalTransformer, FiLM, FiLMResNet, SpatialPositions, TokenLearner, WordBag
from rt_vla_ros.policies.rt1.loss import action_loss, legal_tokens, soft_targets


class StoredNormalisation(nn.Module):
    """The release's Keras layer: its mean, variance and sample count are part of the checkpoint.

    Keras computes (x - mean) / sqrt(variance), and the release then divides by sqrt(std) again: with the stored
    variance of (.229, .224, .225), the result is (x - mean) / std.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("variance", torch.tensor(std))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


class Normalisation:
    """x * scale - shift for x in 0 ... 255."""

    def __init__(self, config: RT1Config, stored: StoredNormalisation | None, dtype: torch.dtype, device: torch.device):
        std = torch.tensor(config.image_std, dtype=dtype, device=device)
        mean = torch.tensor(config.image_mean, dtype=dtype, device=device)
        if stored is not None:
            wide = stored.variance.double() * torch.tensor(config.image_std, dtype=torch.float64, device=device)
            mean, std = stored.mean.to(dtype), wide.sqrt().to(dtype)
        self.scale, self.shift, self.size = 1 / (255 * std), mean / std, config.image_size

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) -> (N, 3, image_size, image_size) in channels-last memory format.

        Resizes bilinearly with half-pixel centers and without antialiasing, like TensorFlow.
        """
        if images.shape[1:3] != (self.size, self.size):
            wide = images.permute(0, 3, 1, 2).float()
            resized = functional.interpolate(wide, (self.size, self.size), mode="bilinear", align_corners=False)
            images = resized.permute(0, 2, 3, 1)
        return (images.to(self.scale.dtype) * self.scale - self.shift).permute(0, 3, 1, 2)


@dataclass
class RT1Output(ModelOutput):
    """logits: (B, T, D, V). loss: mean cross-entropy, a scalar; None without labels."""

    loss: Tensor | None = None
    logits: Tensor | None = None


class RT1Model(PreTrainedModel):
    """Trunk with FiLM, TokenLearner, causal transformer.

    B: batch, T: steps, N: images, V: bins, D: action tokens (all dimensions of the first step of the horizon, then of
    the next), K: cameras, S: dimensions of the robot state.
    instruction: (B, L) int64 bucket indices for the language "hashed_words", (B, language_size) float for "embedding";
    (B, T, language_size) for a separate sentence at every step.
    """

    config: RT1Config
    config_class = RT1Config
    main_input_name = "images"

    def __init__(self, config: RT1Config) -> None:
        super().__init__(config)
        self.normalisation = (
            StoredNormalisation(config.image_mean, config.image_std) if config.stored_normalisation else None
        )
        self.language = (
            WordBag(config.word_buckets, config.language_size) if config.language == "hashed_words" else nn.Identity()
        )
        self.trunk = _trunk(config)
        self.projection = nn.Conv2d(self.trunk.channels, config.token_embedding_size, 1, bias=False)
        self.film = FiLM(config.language_size, config.token_embedding_size)
        side = -(-config.image_size // self.trunk.reduction)
        self.places = SpatialPositions(config.token_embedding_size, side) if config.spatial_positions else nn.Identity()
        self.token_learner = TokenLearner(
            config.token_embedding_size, config.num_image_tokens, config.token_learner_bottleneck
        )
        self.state_token = _state_token(config) if config.state_size else None
        if config.action_embedding != "none":
            self.action_embedding = nn.Linear(config.vocab_size, config.token_embedding_size)
            self.action_embedding.requires_grad_(config.action_embedding == "previous")
        self.transformer = CausalTransformer(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Does nothing: every module initializes itself."""

    def forward(
        self,
        images: Tensor,
        instruction: Tensor,
        labels: Tensor | None = None,
        action_tokens: Tensor | None = None,
        state: Tensor | None = None,
    ) -> RT1Output:
        """Logits (B, T, D, V), causal over the steps.

        images: uint8 RGB (B, T, K, H, W, 3), oldest first, of any size (see `RT1Config.image_size`); (B, T, H, W, 3)
        for one camera. state: float (B, T, S), -1 ... 1 (see `RT1Config.state_size`).
        labels: tokens (B, T, D), -100 to ignore.
        action_tokens: tokens (B, T, D), int64, that were chosen at these steps; the newest step's are ignored. Only for
        the action embedding "previous"; None: zeros.
        """
        images = images.unsqueeze(2) if images.dim() == 5 else images
        sentence = self.sentence(instruction)  # (B, language_size) or (B, T, language_size)
        each = sentence.flatten(0, 1) if sentence.dim() == 3 else sentence.repeat_interleave(images.shape[1], dim=0)
        tokens = self.image_tokens(images.flatten(0, 2), each.repeat_interleave(images.shape[2], dim=0))
        tokens = self.observation_tokens(tokens.reshape(*images.shape[:3], *tokens.shape[1:]), state)
        logits = self.transformer(tokens, self.action_rows(action_tokens, tokens))
        if labels is None:
            return RT1Output(logits=logits)
        config = self.config
        targets = soft_targets(config.action_token_counts, config.vocab_size, config.target_smoothing).to(logits.device)
        return RT1Output(loss=action_loss(logits, labels, self.legal, targets).mean(), logits=logits)

    @property
    def legal(self) -> Tensor:
        """The legal tokens of each dimension, bool, shape (D, V)."""
        return legal_tokens(self.config.action_token_counts, self.config.vocab_size).to(self.device)

    def sentence(self, instruction: Tensor) -> Tensor:
        """Instructions (B, ...) -> sentence vectors (B, language_size); needed only once per instruction."""
        return self.language(instruction)

    def action_rows(self, action_tokens: Tensor | None, tokens: Tensor) -> Tensor | None:
        """Input of the action rows, (B, T, D, token_embedding_size); None for zeros.

        action_tokens: (B, T, D) int64 or None, as in `forward`. tokens: of the observations, (B, T, ...).
        """
        if self.config.action_embedding != "previous":
            return None
        chosen = torch.zeros(*tokens.shape[:2], self.config.num_action_tokens, dtype=torch.int64, device=tokens.device)
        if action_tokens is not None:
            chosen[:, :-1] = action_tokens[:, :-1]
        table: Tensor = self.action_embedding.weight.T  # (V, C); a one-hot vector selects a row of a Dense's kernel
        return table[chosen] + self.action_embedding.bias

    def image_features(self, images: Tensor, sentence: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) and sentences (N, language_size) -> feature maps (N, token_embedding_size, h, w)."""
        features = self.projection(self.trunk(self._normalised(images), sentence))
        return self.places(self.film(features, sentence))

    def image_tokens(self, images: Tensor, sentence: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3), sentences (N, language_size) -> tokens (N, num_image_tokens, C)."""
        return self.token_learner(self.image_features(images, sentence))

    def observation_tokens(self, image_tokens: Tensor, state: Tensor | None) -> Tensor:
        """Image tokens (..., K, num_image_tokens, C) and states (..., S) -> (..., num_observation_tokens, C).

        Raises ValueError for a wrong number of cameras or state dimensions.
        """
        config, cameras = self.config, image_tokens.shape[-3]
        if cameras != config.num_cameras:
            raise ValueError(f"got images of {cameras} cameras, this network takes {config.num_cameras}")
        if (size := 0 if state is None else state.shape[-1]) != config.state_size:
            raise ValueError(f"got a state of {size} numbers, this network takes {config.state_size}")
        rows = image_tokens.flatten(-3, -2)
        if self.state_token is None or state is None:
            return rows
        token: Tensor = self.state_token(state.to(self.dtype))
        return torch.cat([rows, token.unsqueeze(-2).to(rows.dtype)], dim=-2)

    def _normalised(self, images: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) -> (N, 3, image_size, image_size) in the network's dtype."""
        return Normalisation(self.config, self.normalisation, self.dtype, images.device)(images)


def _state_token(config: RT1Config) -> nn.Sequential:
    size = config.token_embedding_size
    return nn.Sequential(nn.Linear(config.state_size, size), nn.GELU(), nn.Linear(size, size))


def _trunk(config: RT1Config) -> FiLMResNet | FiLMEfficientNet:
    if config.trunk == "film_resnet":
        return FiLMResNet(config.resnet_widths, config.resnet_blocks, config.language_size)
    return FiLMEfficientNet(
        config.width_coefficient,
        config.depth_coefficient,
        config.drop_connect_rate,
        config.language_size,
        config.stride_padding,
    )
