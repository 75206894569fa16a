"""What is wrong with weights that cannot be read, in a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint.errors import CheckpointError

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def find_damage(directory: Path) -> str:
    """The first file of a checkpoint's weights that is missing or damaged, and what to do; empty where all can be read.

    Raises CheckpointError for an index that is not JSON.
    """
    files = sorted(directory.glob("*.safetensors"))
    if not (directory / WHOLE).is_file():
        if not (directory / INDEX).is_file():
            return f"there is neither {WHOLE} nor {INDEX}. Copy them there, or convert what there is to safetensors."
        named = read_object(directory / INDEX, CheckpointError).get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
            return f"{INDEX} has no weight_map, which says what lies in which file. Copy or download it again."
        gone = sorted({name for name in named.values() if not (directory / name).is_file()})
        if gone:
            return f"{', '.join(gone)}, named by {INDEX}, is not there. Copy or download it."
    for path in files:
        try:
            with safe_open(path, "pt"):
                pass
        except Exception as error:  # safetensors' own, and those of reading files
            return f"{path.name} is damaged or cut off ({error}). Copy or download it again."
    return ""
