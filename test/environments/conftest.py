from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.policies.tabletop_card import tabletop_card

SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.fixture
def point_card(tmp_path: Path) -> Path:
    """Of the point world's actions at 10 Hz, which the policies of the tabletop, at 5 Hz, may use."""
    card = tabletop_card("point world", image_size=64)
    dimensions = [replace(one, low=one.low, high=one.high) for one in card.dimensions if one.role != "terminate"]
    path = tmp_path / "point_card.json"
    path.write_text(json.dumps(replace(card, dimensions=tuple(dimensions), control_rate=10.0).to_dict()))
    return path


@pytest.fixture
def point_world(point_card: Path, monkeypatch: pytest.MonkeyPatch) -> EnvironmentChoice:
    """Runs in this Python, in a process that finds the module in its folder."""
    monkeypatch.chdir(SUPPORT)
    return EnvironmentChoice("gymnasium:point_world:Point-v0", Path(sys.executable), point_card, answer_time=20.0)
