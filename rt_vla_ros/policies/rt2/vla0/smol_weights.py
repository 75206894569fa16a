"""Selects and renames the vision-language model's weights in a published VLA-0-Smol."""

from __future__ import annotations

from collections.abc import Iterator

from safetensors import safe_open
from torch import Tensor

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.relatives import check_surplus
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles

MODEL = "model.vlm."
HEADS = ("model.eagle_model.", "model.mtp_model.")
"""Prefix of the multi-token prediction heads, which are not used here."""
EMBEDDINGS = "model.text_model.embed_tokens.weight"


def smol_names(files: WeightFiles) -> dict[str, str]:
    """The model's names -> the names in the file.

    The file contains shared tensors once, under the first name; its metadata has the other names.
    Raises CheckpointError for a file of another model.
    """
    aliases: dict[str, str] = {}
    for path in files.paths:
        with safe_open(path, "pt") as file:
            aliases |= {name: kept for name, kept in (file.metadata() or {}).items() if kept in files.shapes}
    stored = {name: name for name in files.shapes} | aliases
    names = {name.removeprefix(MODEL): kept for name, kept in stored.items() if name.startswith(MODEL)}
    check_surplus(name for name in files.shapes if not name.startswith((MODEL, *HEADS)))
    if EMBEDDINGS not in names:
        raise CheckpointError(f"The weights lack {MODEL}{EMBEDDINGS}: this is not a VLA-0-Smol checkpoint.")
    return names


def smol_tensors(files: WeightFiles) -> Iterator[tuple[str, Tensor]]:
    """The model's tensors by the model's own names, on the CPU. Raises CheckpointError, see smol_names."""
    names: dict[str, list[str]] = {}
    for name, kept in smol_names(files).items():
        names.setdefault(kept, []).append(name)
    for kept, tensor in files.tensors():
        for name in names.get(kept, ()):
            yield name, tensor


def vocabulary_size(files: WeightFiles) -> int:
    """Rows of the embedding table: the base model's, and one for <MASK_ACT>, which is used only in training."""
    return files.shapes[smol_names(files)[EMBEDDINGS]][0]
