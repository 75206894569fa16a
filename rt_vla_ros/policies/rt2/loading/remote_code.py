"""Python code that comes with a checkpoint: not run unless asked for, and then only files beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import inside
from rt_vla_ros.policies.checkpoint.errors import CheckpointError

FLAG = "trust_remote_code"
MODEL_CLASSES = ("AutoModelForImageTextToText", "AutoModelForCausalLM", "AutoModel")
"""Under which a checkpoint's code may offer its model, the best first."""
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def refusal(what: str, files: list[str]) -> str:
    """The sentence that says no and names the flag."""
    return (
        f"{what} needs Python code that came with it ({', '.join(files)}). That is not run unless you ask for it: read "
        f"it, then say {FLAG}:=true (in Python {FLAG}=True; the default is no)."
    )


def check_code(directory: Path, auto_map: Mapping[str, Any]) -> str:
    """Under which of MODEL_CLASSES the code of a checkpoint that may run it offers its model.

    auto_map: of its config.json. Raises CheckpointError for code that is not in the directory, and where there is
    no model in it.
    """
    check_files(directory, code_files(auto_map))
    found = next((name for name in MODEL_CLASSES if name in auto_map), None)
    if found is None:
        raise CheckpointError(
            f"The code of {directory} offers {', '.join(auto_map)}; expected one of {', '.join(MODEL_CLASSES)}."
        )
    return found


def check_files(directory: Path, files: list[str]) -> None:
    """Raises CheckpointError for code that is not in the directory."""
    for file in files:
        if "--" in file or not inside(directory, file, CheckpointError).is_file():
            raise CheckpointError(
                f"{directory} names the code {file!r}, which is not beside its weights. Code is never "
                "downloaded: put the whole model into a directory of yours, read its code, and name that directory."
            )


def code_files(auto_map: Mapping[str, Any]) -> list[str]:
    """The files that an auto_map names, each once; such as modeling_mine.py, or other/model--modeling_mine.py."""
    entries = [e for entry in auto_map.values() for e in (entry if isinstance(entry, list) else [entry]) if e]
    return sorted({f"{str(entry).rpartition('.')[0]}.py" for entry in entries})


def processor_code(directory: Path) -> list[str]:
    """The code that a directory's processor and tokenizer name."""
    files: set[str] = set()
    for name in PROCESSOR_FILES:
        try:
            found = read_object(directory / name, CheckpointError).get("auto_map")
        except CheckpointError:
            continue
        files |= set(code_files(found)) if isinstance(found, dict) else set()
    return sorted(files)
