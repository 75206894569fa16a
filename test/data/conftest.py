from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset


@pytest.fixture(scope="session")
def written_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five episodes in two files; nobody changes it."""
    return write_dataset(tmp_path_factory.mktemp("data") / "set", [make_episode(s, length=5 + s) for s in range(5)])


@pytest.fixture
def dataset(written_dataset: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written_dataset, tmp_path / "set"))
