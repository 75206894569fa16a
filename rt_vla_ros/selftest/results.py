"""The results file: what each part came to, with what it was measured; written after every part."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from rt_vla_ros import __version__
from rt_vla_ros.data.lerobot_layout import write_text
from rt_vla_ros.json_file import read_object
from rt_vla_ros.selftest.part import Machine

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
PARTS = "parts"
IDENTITY = ("device", "torch", "rt_vla_ros")
"""What must be the same for an earlier result to stand."""


class ResultsFileError(ValueError):
    """The file does not hold results; the message says what it holds."""


@dataclass(frozen=True)
class Result:
    """status: passed, failed or skipped. seconds: that the part took. sentence: what was found, or why not.

    versions: of `versions`. unix_time: when it ended [s]. out_of_memory: whether the GPU had too little.
    """

    status: str
    seconds: float
    sentence: str
    versions: Mapping[str, str]
    unix_time: int = field(default_factory=lambda: round(time.time()))
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    traceback: str = ""
    out_of_memory: bool = False


def versions(machine: Machine) -> dict[str, str]:
    """The device's name and the versions that results depend on."""
    return {
        "device": machine.name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "transformers": metadata.version("transformers"),
        "rt_vla_ros": __version__,
    }


class ResultsFile:
    """Results by the names of their parts; with a path, on disk too, whole at any time."""

    def __init__(self, path: Path | None, *, overwrite: bool = False) -> None:
        """overwrite: begins anew whatever is there. Raises ResultsFileError for a file of something else."""
        self.path = path
        self.results: dict[str, Result] = {}
        if path is not None and not overwrite:
            self.read()

    def read(self) -> None:
        """Takes over what is on disk, if anything is. Raises ResultsFileError."""
        if self.path is None or not self.path.exists():
            return
        document = read_object(self.path, ResultsFileError)
        try:
            self.results = {name: _result(row) for name, row in document[PARTS].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ResultsFileError(f"{self.path} does not hold results of a selftest ({error!r}).") from error

    def standing(self, name: str, now: Mapping[str, str]) -> Result | None:
        """The result of a part that has passed with the same device, torch and version of this package."""
        result = self.results.get(name)
        if result is None or result.status != PASSED:
            return None
        return result if all(result.versions.get(key) == now[key] for key in IDENTITY) else None

    def add(self, name: str, result: Result) -> None:
        """Takes a result in and writes the file. Raises OSError."""
        self.results[name] = result
        if self.path is not None:
            document = {PARTS: {name: asdict(result) for name, result in self.results.items()}}
            write_text(self.path, json.dumps(document, indent=2) + "\n")


def _result(row: Mapping[str, Any]) -> Result:
    """Raises KeyError, TypeError, AttributeError for what is none."""
    result = Result(**{one.name: row[one.name] for one in fields(Result)})
    if result.status not in (PASSED, FAILED, SKIPPED) or not isinstance(result.versions, dict):
        raise TypeError(f"status {result.status!r}")
    return result
