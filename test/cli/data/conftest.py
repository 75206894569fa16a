from __future__ import annotations

from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five episodes in two files."""
    return write_dataset(tmp_path / "set", [make_episode(s, length=5 + s) for s in range(5)])
