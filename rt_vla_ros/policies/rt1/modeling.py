"""The RT-1 network: images and a sentence in, logits of action tokens out (arXiv 2212.06817, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.film import FiLM
from rt_vla_ros.policies.rt1.film_efficientnet import FiLMEfficientNet
from rt_vla_ros.policies.rt1.film_resnet import FiLMResNet
from rt_vla_ros.policies.rt1.instruction_encoder import WordBag
from rt_vla_ros.policies.rt1.loss import action_loss, legal_tokens, soft_targets
from rt_vla_ros.policies.rt1.spatial_positions import SpatialPositions
from rt_vla_ros.policies.rt1.token_learner import TokenLearner
from rt_vla_ros.policies.rt1.transformer import CausalTransformer


@dataclass
class RT1Output(ModelOutput):
    """logits: (B, T, D, V). loss: mean cross-entropy, a scalar; None without labels."""

    loss: Tensor | None = None
    logits: Tensor | None = None


class RT1Model(PreTrainedModel):  # type: ignore[misc]
    """Trunk with FiLM, TokenLearner, causal Transformer.

    B: batch, T: steps, N: images, D: dimensions of an action, V: bins.
    instruction: (B, L) int64 bucket numbers for the language "hashed_words", (B, language_size) float for "embedding".
    """

    config_class = RT1Config
    main_input_name = "images"

    def __init__(self, config: RT1Config) -> None:
        super().__init__(config)
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
        self.transformer = CausalTransformer(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Every module initialises itself when it is made."""

    def forward(self, images: Tensor, instruction: Tensor, labels: Tensor | None = None) -> RT1Output:
        """images: uint8 RGB (B, T, H, W, 3), oldest first. labels: tokens (B, T, D), -100 where there is none.

        Every step's logits see the images up to that step only.
        """
        sentence = self.sentence(instruction)  # (B, language_size)
        tokens = self.image_tokens(images.flatten(0, 1), sentence.repeat_interleave(images.shape[1], dim=0))
        logits = self.transformer(tokens.unflatten(0, images.shape[:2]))
        if labels is None:
            return RT1Output(logits=logits)
        config = self.config
        targets = soft_targets(config.tokens_per_dimension, config.vocab_size, config.target_smoothing).to(logits.device)
        return RT1Output(loss=action_loss(logits, labels, self.legal, targets).mean(), logits=logits)

    @property
    def legal(self) -> Tensor:
        """Which tokens each dimension has, bool, shape (D, V)."""
        return legal_tokens(self.config.tokens_per_dimension, self.config.vocab_size).to(self.device)

    def sentence(self, instruction: Tensor) -> Tensor:
        """Instructions (B, ...) -> sentence vectors (B, language_size); once per instruction is enough."""
        return self.language(instruction)

    def image_features(self, images: Tensor, sentence: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) and sentences (N, language_size) -> feature maps (N, token_embedding_size, h, w)."""
        features = self.projection(self.trunk(self._normalised(images), sentence))
        return self.places(self.film(features, sentence))

    def image_tokens(self, images: Tensor, sentence: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) and sentences (N, language_size) -> tokens (N, num_image_tokens, token_embedding_size)."""
        return self.token_learner(self.image_features(images, sentence))

    def _normalised(self, images: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) -> (N, 3, H, W) in the network's type; the memory keeps its order (channels last)."""
        std = torch.tensor(self.config.image_std, dtype=self.dtype, device=images.device)
        mean = torch.tensor(self.config.image_mean, dtype=self.dtype, device=images.device)
        return (images.to(self.dtype) * (1 / (255 * std)) - mean / std).permute(0, 3, 1, 2)


def _trunk(config: RT1Config) -> FiLMResNet | FiLMEfficientNet:
    if config.trunk == "film_resnet":
        return FiLMResNet(config.resnet_widths, config.resnet_blocks, config.language_size)
    return FiLMEfficientNet(
        config.width_coefficient, config.depth_coefficient, config.drop_connect_rate, config.language_size
    )
