"""Tells an RT-2 checkpoint from an RT-1 one without loading anything of either."""

from __future__ import annotations

import json
from pathlib import Path

ADAPTER_CONFIG = "adapter_config.json"


def is_rt2(directory: Path) -> bool:
    """Whether a directory holds a checkpoint for RT2Policy: a model of another type than RT-1, or a LoRA adapter."""
    if (directory / ADAPTER_CONFIG).is_file():
        return True
    try:
        data = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("model_type") not in (None, "rt1")
