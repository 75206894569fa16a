"""Weights of PyTorch and safetensors, which are not converted: whose they are is told without unpickling them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rt_vla_ros.policies.checkpoint.errors import CheckpointError

PORTS = {
    "maruya24/pytorch_robotics_transformer or one that was made from it": (b"_image_tokenizer", b"_action_token_emb"),
    "lucidrains/robotic-transformer-pytorch": (b"token_learner", b"conditioner", b"to_logits"),
}
"""Ports of RT-1 to PyTorch, by parts of their weights' names."""
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
LOOKED_AT = 1 << 22
"""Bytes of a file that are searched for names."""


def check_no_pytorch(path: Path) -> None:
    """path: of a file. Raises CheckpointError for one of PyTorch or safetensors."""
    names = _names(path)
    if names is None:
        return
    port = next((port for port, parts in PORTS.items() if all(part in names for part in parts)), "")
    what = f"a network of {port}, a port of RT-1 to PyTorch" if port else "weights of PyTorch or safetensors"
    raise CheckpointError(
        f"{path} holds {what}. The published weights of RT-1 and RT-1-X can be converted (Flax, Orbax, TensorFlow);"
        " the networks of ports differ from them, so run yours with its own code. A checkpoint of this program is not "
        "converted: name its directory as the policy."
    )


def _names(path: Path) -> bytes | None:
    """Bytes in which the names of the weights are; None for a file of another kind."""
    with path.open("rb") as file:
        beginning = file.read(LOOKED_AT)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return archive.open(pickles[0]).read(LOOKED_AT) if pickles else None
    is_pickle = beginning[:1] == b"\x80" and beginning[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return beginning if is_pickle or beginning[8:9] == b"{" else None
