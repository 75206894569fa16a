"""Maps OpenVLA's published weights to this package's model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.checkpoint.relatives import check_surplus

DINO, SIGLIP = "vision_backbone.featurizer.", "vision_backbone.fused_featurizer."
DINO_HEAD_SIZE, SIGLIP_HEADS = 64, 16
BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
PROJECTOR = re.compile(r"projector\.fc(\d)\.(weight|bias)")
STEM = {
    "dino": {
        "cls_token": "embeddings.cls_token",
        "reg_token": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    },
    "siglip": {
        "pos_embed": "embeddings.position_embedding.weight",
        "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
        "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
    },
}
LAYER = {"dino": "encoder.layer", "siglip": "encoder.layers"}
QKV = re.compile(r"attn\.qkv\.(weight|bias)")
ATTENTION = {"dino": "attention", "siglip": "self_attn"}
RENAMED = {
    "dino": ((r"attn\.proj\.", "attention.o_proj."), (r"ls(\d)\.(?:scale_factor|gamma)", r"layer_scale\1.lambda1")),
    "siglip": ((r"attn\.proj\.", "self_attn.out_proj."), (r"norm(\d)\.", r"layer_norm\1.")),
}
"""Within a layer: prefixes of published names -> prefixes in this package's model."""

Shapes = Mapping[str, tuple[int, ...]]


def prefixes(shapes: Shapes) -> dict[str, str]:
    """The vision towers of a checkpoint and the prefixes of their weights; older checkpoints have only SigLIP."""
    if any(name.startswith(SIGLIP) for name in shapes):
        return {"dino": DINO, "siglip": SIGLIP}
    return {"siglip": DINO}


def tower_settings(shapes: Shapes) -> dict[str, dict[str, int]]:
    """Width, depth, heads and feed-forward size of each tower, inferred from the shapes of its weights.

    Raises CheckpointError if a tower is missing.
    """
    settings = {}
    for tower, prefix in prefixes(shapes).items():
        own = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        blocks = {int(found[1]) for name in own if (found := BLOCK.match(name))}
        whole = blocks == set(range(len(blocks)))  # safe for an index of a billion
        if "patch_embed.proj.weight" not in own or not whole or "blocks.0.mlp.fc1.weight" not in own:
            raise CheckpointError(f"The weights lack the vision tower {prefix!r}: this is not an OpenVLA checkpoint.")
        width = own["patch_embed.proj.weight"][0]
        settings[tower] = {
            "width": width,
            "layers": len(blocks),
            "heads": width // DINO_HEAD_SIZE if tower == "dino" else SIGLIP_HEADS,
            "feed_forward": own["blocks.0.mlp.fc1.weight"][0],
            "registers": own["reg_token"][1] if "reg_token" in own else 0,
        }
    return settings


def fill(model: nn.Module, weights: Iterable[tuple[str, Tensor]], shapes: Shapes) -> None:
    """Copies a checkpoint's weights into an empty model, in any order.

    Weights on torch's meta device are not copied; only names and shapes are compared.
    Raises CheckpointError for weights that are missing, unknown, of another shape or not finite.
    """
    parameters = dict(model.named_parameters())
    towers = prefixes(shapes)
    last = {tower: settings["layers"] - 1 for tower, settings in tower_settings(shapes).items()}
    filled, unknown = set[str](), list[str]()
    for name, tensor in weights:
        for target, part in converted(name, tensor, towers, last):
            if target not in parameters:
                unknown.append(name)
                continue
            if parameters[target].shape != part.shape:
                raise CheckpointError(
                    f"The weights: {name} gives {tuple(part.shape)}, the model's {target} is "
                    f"{tuple(parameters[target].shape)}."
                )
            if not part.is_meta and not bool(torch.isfinite(part).all()):
                raise CheckpointError(f"The weights are damaged: {name} contains numbers that are not finite.")
            with torch.no_grad():
                parameters[target].copy_(part)
            filled.add(target)
    check_surplus(unknown)
    # No patch is masked at inference; the published weights have no mask token.
    for target in [name for name in parameters if name.endswith("mask_token")]:
        nn.init.zeros_(parameters[target])
        filled.add(target)
    missing = sorted(parameters.keys() - filled)
    if missing:
        raise CheckpointError(f"The weights lack {some(missing)} (names as in this package's model).")


def converted(
    name: str, tensor: Tensor, towers: Mapping[str, str], last: Mapping[str, int]
) -> Iterator[tuple[str, Tensor]]:
    """Yields targets and values of a published weight; nothing for weights after the second-to-last layer."""
    if name.startswith("language_model."):
        bare = name.removeprefix("language_model.")
        if not bare.endswith("rotary_emb.inv_freq"):
            yield bare if bare.startswith("lm_head") else f"model.language_model.{bare.removeprefix('model.')}", tensor
        return
    if found := PROJECTOR.fullmatch(name):
        yield f"model.projector.layers.{int(found[1]) - 1}.{found[2]}", tensor
        return
    for tower, prefix in sorted(towers.items(), key=lambda item: -len(item[1])):
        if name.startswith(prefix):
            for target, part in _tower(tower, name.removeprefix(prefix), tensor, last[tower]):
                yield f"model.towers.{tower}.{target}", part
            return
    yield name, tensor


def _tower(tower: str, name: str, tensor: Tensor, last: int) -> Iterator[tuple[str, Tensor]]:
    if name.startswith(("norm.", "attn_pool.")):
        return  # after the last used layer
    if name == "pos_embed":
        # DINOv2's class token has no position embedding here: a row of zeros replaces it.
        rows = tensor[0] if tower == "siglip" else torch.cat([torch.zeros_like(tensor[:, :1]), tensor], dim=1)
        yield STEM[tower][name], rows
    elif found := BLOCK.fullmatch(name):
        if int(found[1]) != last:
            yield from _block(tower, f"{LAYER[tower]}.{found[1]}", found[2], tensor)
    else:
        yield STEM[tower].get(name, name), tensor


def _block(tower: str, layer: str, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if found := QKV.fullmatch(name):
        for part, rows in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{layer}.{ATTENTION[tower]}.{part}_proj.{found[1]}", rows
        return
    for old, new in RENAMED[tower]:
        name = re.sub(f"^{old}", new, name)
    yield f"{layer}.{name}", tensor
