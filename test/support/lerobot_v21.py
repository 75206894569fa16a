"""Small datasets that lerobot 0.3.3 wrote: 3 episodes of 6, 7 and 8 steps, 10 a second; and a card for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/lerobot_v21"
OPEN, CLOSE = "open the drawer", "close the drawer"


def copy_v21(kind: str, directory: Path) -> Path:
    """kind: "video", or "image" for pictures in the tables."""
    return Path(shutil.copytree(FIXTURES / kind, directory))


def fill_in(path: Path) -> dict[str, Any]:
    """What somebody who knows the robot makes of the card that the command writes."""
    data: dict[str, Any] = json.loads(path.read_text())
    for dimension in data["dimensions"]:
        dimension |= {"role": dimension["role"].rstrip("?"), "unit": dimension["unit"].rstrip("?")}
    for state, source, unit in zip(data["state"], ("joint:j1", "gripper"), ("rad", "1"), strict=True):
        state |= {"source": source, "unit": unit}
    data |= {"frame": "base", "frame_id": "base_link", "rotation": "rpy", "gripper_open": 0.0, "gripper_closed": 0.01}
    path.write_text(json.dumps(data))
    return data


def change_line(path: Path, number: int, change: Callable[[dict[str, Any]], object]) -> None:
    """Of a file with one JSON object in each line."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows[number])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
