"""Two processes on the CPU that share a model's weights (FSDP2), as `accelerate launch` starts them on GPUs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.launching import REPOSITORY

from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.load import load_policy

FSDP = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
use_cpu: true
mixed_precision: 'no'
num_machines: 1
num_processes: 2
machine_rank: 0
main_process_port: 0
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_state_dict_type: FULL_STATE_DICT
  fsdp_reshard_after_forward: true
"""
OPTIONS = ["--steps", "4", "--batch-size", "4", "--save-interval", "2", "--device", "cpu", "--threads", "1"]
OPTIONS += ["--set", "validation=0.25", "--set", "warmup=0", "--set", "precision=float32"]
# With so large an epsilon a step is as long as its gradient, so that one of another size leads to other weights.
OPTIONS += ["--learning-rate", "3", "--set", "epsilon=10.0", "--set", "max_grad_norm=0.0"]


@pytest.mark.slow
def test_two_processes_share_a_model(robot: Path, tmp_path: Path) -> None:
    """It is trained, resumed, and published whole; the loss falls as in one process."""
    (tmp_path / "fsdp.yaml").write_text(FSDP)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), *OPTIONS]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml")]
    out = tmp_path / "two"
    weights = []
    for _ in range(2):  # the second time from the state in the middle
        shutil.rmtree(out / "state/00000004", ignore_errors=True)
        found = subprocess.run(
            [*launcher, "-m", "rt_vla_ros.cli", *command, "--out", str(out)],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert found.returncode == 0, found.stderr[-3000:]
        weights.append(load_file(out / "checkpoint/model.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert "Resuming after step 2." in found.stdout
    assert "2 processes, which share its weights (FSDP)" in found.stdout
    assert "Policy: " in found.stdout
    assert found.stdout.count("Policy: ") == 1
    alone = tmp_path / "one"
    assert main([*command, "--out", str(alone)]) == 0
    one, two = (load_file(place / "checkpoint/model.safetensors") for place in (alone, out))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in two.items()}
    assert all(bool(torch.isfinite(value).all()) for value in two.values())
    base = load_file(alone / "base/model.safetensors")
    moved = {name: float((one[name] - base[name]).abs().max()) for name in one}
    assert max(moved.values()) > 1e-3, "the steps are long enough to be compared"
    for name, value in moved.items():
        assert float((one[name] - two[name]).abs().max()) <= 0.01 * value + 1e-5, name
    rows = [[json.loads(line) for line in (place / "losses.jsonl").read_text().splitlines()] for place in (alone, out)]
    assert [row["step"] for row in rows[1]] == [0, 2, 4]
    assert rows[0][0]["validation"] == pytest.approx(rows[1][0]["validation"], rel=1e-4)  # the same model
    for alone_row, row in zip(*rows, strict=True):  # and the same samples
        assert row.get("training", 0.0) == pytest.approx(alone_row.get("training", 0.0), rel=1e-3)
        assert row["validation"] == pytest.approx(alone_row["validation"], rel=1e-3)
    load_policy(str(out / "checkpoint"), device="cpu").reset("go")
