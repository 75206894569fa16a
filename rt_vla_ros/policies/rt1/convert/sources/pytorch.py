"""Detects PyTorch and safetensors weights, which are not converted, without unpickling them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rt_vla_ros.policies.checkpoint.errors import CheckpointError

PORTS = {
    "maruya24/pytorch_robotics_transformer or a derivative": (b"_image_tokenizer", b"_action_token_emb"),
    "lucidrains/robotic-transformer-pytorch": (b"token_learner", b"conditioner", b"to_logits"),
}
"""Ports of RT-1 to PyTorch, by parts of the names of their weights."""
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
LOOKED_AT = 1 << 22
"""Number of bytes of a file that are searched for names."""


def check_no_pytorch(path: Path) -> None:
    """Raises CheckpointError for a PyTorch or safetensors file."""
    names = _names(path)
    if names is None:
        return
    port = next((port for port, parts in PORTS.items() if all(part in names for part in parts)), "")
    what = f"a network of {port}, a port of RT-1 to PyTorch" if port else "weights of PyTorch or safetensors"
    raise CheckpointError(
        f"{path} contains {what}. The published weights of RT-1 and RT-1-X can be converted (Flax, Orbax, TensorFlow); "
        "the networks of ports differ from them, so run yours with its own code. A checkpoint of this program needs no "
        "conversion: use its directory as the policy."
    )


def _names(path: Path) -> bytes | None:
    """The bytes that contain the names of the weights; None for another format."""
    with path.open("rb") as file:
        beginning = file.read(LOOKED_AT)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return archive.open(pickles[0]).read(LOOKED_AT) if pickles else None
    is_pickle = beginning[:1] == b"\x80" and beginning[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return beginning if is_pickle or beginning[8:9] == b"{" else None
