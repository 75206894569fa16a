"""OpenVLA (Kim et al. 2024, arXiv:2406.09246) built from transformers' DINOv2, SigLIP and Llama, with a projector.

The last layer of each vision tower is not used, so it is omitted. An image's patches follow the prompt's first token;
`image_token_id` is their placeholder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    GenerationMixin,
    LlamaConfig,
    LlamaModel,
    PretrainedConfig,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from rt_vla_ros.policies.rt2.cache_argument import CACHE
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import OPENVLA_TAIL

PATCH_SIZE = 14


class OpenVLAConfig(PretrainedConfig):
    """text_config: of Llama. towers: settings of each vision tower, DINOv2 before SigLIP; see `tower_settings`."""

    model_type = "openvla"
    sub_configs = {"text_config": LlamaConfig}  # noqa: RUF012 (transformers' own form)

    def __init__(
        self,
        text_config: LlamaConfig | Mapping[str, Any] | None = None,
        towers: Mapping[str, Mapping[str, int]] | None = None,
        image_size: int = 224,
        image_token_id: int = 32000,
        pad_to_multiple_of: int = OPENVLA_TAIL,
        **kwargs: Any,
    ) -> None:
        if not isinstance(text_config, LlamaConfig):
            given = {k: v for k, v in (text_config or {}).items() if k not in ("model_type", "torch_dtype", "dtype")}
            text_config = LlamaConfig(**given)  # its defaults are the values that OpenVLA omits
        self.text_config = text_config
        self.towers = {name: dict(settings) for name, settings in (towers or {}).items()}
        self.image_size, self.image_token_id = image_size, image_token_id
        self.pad_to_multiple_of = pad_to_multiple_of
        super().__init__(**{**kwargs, "tie_word_embeddings": False})

    @property
    def image_tokens(self) -> int:
        """Number of patches of an image."""
        return (self.image_size // PATCH_SIZE) ** 2


class DinoTower(nn.Module):
    """DINOv2 with registers without its last layer; images (B, 3, S, S) -> patches (B, P, width)."""

    def __init__(self, settings: Mapping[str, int], image_size: int) -> None:
        super().__init__()
        width, self._registers = settings["width"], settings["registers"]
        whole = Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(
                hidden_size=width,
                num_hidden_layers=settings["layers"] - 1,
                num_attention_heads=settings["heads"],
                mlp_ratio=settings["feed_forward"] // width,
                num_register_tokens=self._registers,
                image_size=image_size,
                patch_size=PATCH_SIZE,
            )
        )
        self.embeddings, self.encoder = whole.embeddings, whole.encoder

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.encoder(self.embeddings(pixels)).last_hidden_state
        return hidden[:, 1 + self._registers :]


class SiglipTower(nn.Module):
    """SigLIP without its last layer; images (B, 3, S, S) -> patches (B, P, width)."""

    def __init__(self, settings: Mapping[str, int], image_size: int) -> None:
        super().__init__()
        whole = SiglipVisionModel(
            SiglipVisionConfig(
                hidden_size=settings["width"],
                num_hidden_layers=settings["layers"] - 1,
                num_attention_heads=settings["heads"],
                intermediate_size=settings["feed_forward"],
                hidden_act="gelu",
                image_size=image_size,
                patch_size=PATCH_SIZE,
                vision_use_head=False,
            )
        )
        self.embeddings, self.encoder = whole.embeddings, whole.encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return self.encoder(inputs_embeds=self.embeddings(pixels)).last_hidden_state


class Projector(nn.Module):
    """Concatenated features of the towers -> word embeddings: three layers for two towers, two for SigLIP alone."""

    def __init__(self, width: int, text_width: int, towers: int) -> None:
        super().__init__()
        sizes = [width, 4 * width, text_width, text_width] if towers == 2 else [width, text_width, text_width]
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1))

    def forward(self, patches: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            patches = layer(patches if i == 0 else nn.functional.gelu(patches))
        return patches


class OpenVLAPreTrainedModel(PreTrainedModel):
    """The common base class of the classes below, for transformers."""

    config_class = OpenVLAConfig
    config: OpenVLAConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _supports_sdpa = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["LlamaDecoderLayer"]  # noqa: RUF012 (transformers' own form)
    _supports_attention_backend = True


class OpenVLAModel(OpenVLAPreTrainedModel):
    """OpenVLA without its output head."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__(config)
        kinds = {"dino": DinoTower, "siglip": SiglipTower}
        self.towers = nn.ModuleDict({n: kinds[n](s, config.image_size) for n, s in config.towers.items()})
        width = sum(settings["width"] for settings in config.towers.values())
        self.projector = Projector(width, config.text_config.hidden_size, len(config.towers))
        self.language_model = LlamaModel(config.text_config)
        self.post_init()  # type: ignore[no-untyped-call]

    def image_features(self, pixel_values: Tensor) -> list[Tensor]:
        """Images (B, 3 x towers, S, S) -> patches of each tower (B, P, width)."""
        parts = torch.split(pixel_values, 3, dim=1)
        return [tower(part) for tower, part in zip(self.towers.values(), parts, strict=True)]

    def embed(self, input_ids: Tensor, pixel_values: Tensor | None) -> Tensor:
        """Word embeddings (B, N, width), with image patches inserted at their placeholders."""
        words: Tensor = self.language_model.embed_tokens(input_ids)
        if pixel_values is None:
            return words
        patches = self.projector(torch.cat(self.image_features(pixel_values), dim=-1)).to(words.dtype)
        places = (input_ids == self.config.image_token_id)[..., None].expand_as(words)
        return words.masked_scatter(places, patches)

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Positions are 0 ... N-1 regardless of the mask, as in the reference implementation."""
        kwargs.pop("position_ids", None)
        output: BaseModelOutputWithPast = self.language_model(
            inputs_embeds=self.embed(input_ids, pixel_values),
            attention_mask=attention_mask,
            **kwargs,
        )
        return output


class OpenVLAForActionPrediction(OpenVLAPreTrainedModel, GenerationMixin):
    """OpenVLA with its output head; supports `generate`."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__(config)
        self.model = OpenVLAModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, pixel_values: Tensor | None = None, logits_to_keep: int | Tensor = 0, **kwargs: Any
    ) -> CausalLMOutputWithPast:
        """Logits of the last `logits_to_keep` tokens; 0: of all; a tensor: of the tokens at these positions."""
        output = self.model(input_ids, pixel_values, **kwargs)
        kept = logits_to_keep if isinstance(logits_to_keep, Tensor) else slice(-logits_to_keep, None)
        logits = self.lm_head(output.last_hidden_state[:, kept])
        return CausalLMOutputWithPast(logits=logits, **{CACHE: getattr(output, CACHE)})


def empty_model(config: OpenVLAConfig, device: torch.device, dtype: torch.dtype) -> OpenVLAForActionPrediction:
    """A model with uninitialized weights; computed buffers are initialized, rotary embeddings in float32."""
    with torch.device("meta"):
        model = OpenVLAForActionPrediction(config)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.to_empty(device=device)
    model.model.language_model.rotary_emb = LlamaRotaryEmbedding(config=config.text_config).to(device)
    if "siglip" in config.towers:
        positions = torch.arange(config.image_tokens, device=device)[None]
        model.model.towers["siglip"].embeddings.position_ids = positions
    model.train(False)
    return model
