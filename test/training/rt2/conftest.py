from __future__ import annotations

from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    """Four episodes of six frames, with the tabletop's card."""
    return write_dataset(tmp_path / "robot", [make_episode(seed, length=6) for seed in range(4)])
