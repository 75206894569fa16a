"""Identifies datasets without reading all their data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import INFO, STATISTICS


def fingerprint(datasets: Sequence[LeRobotDataset]) -> str:
    """Hexadecimal digest of the datasets' cards, counts and statistics."""
    digest = hashlib.sha256()
    for dataset in datasets:
        digest.update(json.dumps(dataset.card.to_dict(), sort_keys=True).encode())
        for name in (INFO, STATISTICS):
            path = dataset.directory / name
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()
