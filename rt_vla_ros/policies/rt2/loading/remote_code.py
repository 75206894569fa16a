"""Python code in a checkpoint: run only if requested, and then only files in the checkpoint's directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import inside
from rt_vla_ros.policies.checkpoint.errors import CheckpointError

FLAG = "trust_remote_code"
MODEL_CLASSES = ("AutoModelForImageTextToText", "AutoModelForCausalLM", "AutoModel")
"""Auto classes of a model in a checkpoint's code, preferred first."""
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def refusal(what: str, files: list[str]) -> str:
    """The message that refuses to run code and names the flag."""
    return (
        f"{what} needs the Python code in its directory ({', '.join(files)}), which is not run by default: read "
        f"it, then set {FLAG}:=true (in Python {FLAG}=True)."
    )


def check_code(directory: Path, auto_map: Mapping[str, Any]) -> str:
    """Which of MODEL_CLASSES the code of a trusted checkpoint defines.

    auto_map: of its config.json. Raises CheckpointError for code that is not in the directory or does not define
    a model.
    """
    check_files(directory, code_files(auto_map))
    found = next((name for name in MODEL_CLASSES if name in auto_map), None)
    if found is None:
        raise CheckpointError(
            f"The code of {directory} defines {', '.join(auto_map)}; expected one of {', '.join(MODEL_CLASSES)}."
        )
    return found


def check_files(directory: Path, files: list[str]) -> None:
    """Raises CheckpointError for code that is not in the directory."""
    for file in files:
        if "--" in file or not inside(directory, file, CheckpointError).is_file():
            raise CheckpointError(
                f"{directory} refers to the code {file!r}, which is not in that directory. Code is never "
                "downloaded: put the whole model into a local directory, read its code, and use that directory."
            )


def code_files(auto_map: Mapping[str, Any]) -> list[str]:
    """The files named in an auto_map, each once; such as modeling_mine.py, or other/model--modeling_mine.py."""
    entries = [e for entry in auto_map.values() for e in (entry if isinstance(entry, list) else [entry]) if e]
    return sorted({f"{str(entry).rpartition('.')[0]}.py" for entry in entries})


def processor_code(directory: Path) -> list[str]:
    """The code files named by a directory's processor and tokenizer."""
    files: set[str] = set()
    for name in PROCESSOR_FILES:
        try:
            found = read_object(directory / name, CheckpointError).get("auto_map")
        except CheckpointError:
            continue
        files |= set(code_files(found)) if isinstance(found, dict) else set()
    return sorted(files)
