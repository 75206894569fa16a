"""Tells an RT-2 checkpoint from an RT-1 one without loading anything of either."""

from __future__ import annotations

import json
from pathlib import Path

from rt_vla_ros.policies.rt2.configuration import CONFIG_FILE

ADAPTER_CONFIG = "adapter_config.json"


def is_rt2(directory: Path) -> bool:
    """Whether a directory holds a checkpoint for RT2Policy: a model of another type than RT-1, or a LoRA adapter.

    A config.json that names no type is one if rt2_config.json says so.
    """
    if (directory / ADAPTER_CONFIG).is_file():
        return True
    try:
        data = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(data, dict):
        return False
    kind = data.get("model_type")
    return kind != "rt1" and (kind is not None or (directory / CONFIG_FILE).is_file())
