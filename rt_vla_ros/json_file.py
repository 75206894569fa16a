"""Reads a file that has to hold one JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_object(path: Path, failure: type[Exception]) -> dict[str, Any]:
    """The object in a file. Raises `failure`, with a sentence, for one that is unreadable or holds something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise failure(f"{path} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise failure(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise failure(f"{path} holds a {type(data).__name__}, expected a JSON object.")
    return data
