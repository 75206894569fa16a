from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.datasets import TABLES, VIDEOS, make_episode, write_dataset

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS, resolve
from rt_vla_ros.policies.rt1.checkpoint import load_checkpoint
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
SENTENCE = r"\. It is a pointer of Git LFS, without the content: run 'git lfs pull' where it was cloned\.$"


@pytest.mark.parametrize("name", [TABLES[0], VIDEOS[0]])
def test_a_clone_of_a_dataset_without_large_files_says_so(tmp_path: Path, name: str) -> None:
    dataset = write_dataset(tmp_path / "set", [make_episode(0, length=5)])
    (dataset / name).write_text(POINTER)
    with pytest.raises(ValueError, match=SENTENCE):
        LeRobotDataset(dataset).labels(0)


def test_a_clone_of_a_checkpoint_without_large_files_says_so(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CHECKPOINTS / "rt1-mini", tmp_path / "copy"))
    (copy / "model.safetensors").write_text(POINTER)
    with pytest.raises(ValueError, match=SENTENCE):
        load_checkpoint(resolve(copy))
    with pytest.raises(ValueError, match=SENTENCE):
        WeightFiles.find(copy)
