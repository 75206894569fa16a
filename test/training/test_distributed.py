"""Two processes on the CPU, as `torchrun` and `accelerate launch` start them, against one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from conftest import free_port
from safetensors.torch import load_file
from support.datasets import make_episode, write_dataset
from support.launching import REPOSITORY

from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.training import distributed
from rt_vla_ros.training.distributed import (
    SINGLE_PROCESS,
    CPUSyncBatchNorm,
    DistributedError,
    ProcessGroup,
    is_launched,
    process_group,
    sync_batch_norms,
)

# The paper's network, small; its batch normalisations go through both processes. A large epsilon makes Adam's steps as
# smooth as its gradients, otherwise a gradient of 1e-9 and one of -1e-9 would lead to weights that differ visibly.
NETWORK = {
    "image_size": 64,
    "width_coefficient": 0.2,
    "depth_coefficient": 0.2,
    "token_embedding_size": 64,
    "num_layers": 1,
    "num_heads": 2,
    "layer_size": 16,
    "d_model": 32,
    "time_sequence_length": 3,
    "dropout_rate": 0.0,
    "drop_connect_rate": 0.0,
    "language_size": 32,
    "word_buckets": 512,
}
CHANGES = {"precision": "float32", "epsilon": 0.001, "micro_batch_size": 4, "jitter": 0.1}
CHANGES |= {f"network.{key}": value for key, value in NETWORK.items()}
STEPS, EVERY = 10, 2
# Trains until a file is there, and is then killed by itself: who did it from outside might be too late.
KILLED = """
import os, signal, sys, threading, time
from rt_vla_ros.cli.main import main

def watch():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=watch, daemon=True).start()
main(sys.argv[2:])
"""


def options(data: Path, out: Path) -> list[str]:
    settings = [part for key, value in CHANGES.items() for part in ("--set", f"{key}={value}")]
    usual = ["--preset", "rt1-jax", "--batch-size", "8", "--learning-rate", "0.001", "--steps", str(STEPS)]
    usual += ["--save-interval", str(EVERY)]
    place = ["--data", str(data), "--out", str(out), "--device", "cpu", "--threads", "1"]
    return ["train", "rt1", *place, *usual, *settings]


def start(command: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of two is killed in the middle and the other ends with a sentence; two new ones carry on, to the same."""
    torch.set_num_threads(1)
    data = write_dataset(tmp_path / "set", [make_episode(seed, length=6) for seed in range(4)])
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    two = options(data, tmp_path / "two")
    first = start(["-m", "rt_vla_ros.cli", *two], RANK="0", LOCAL_RANK="0", **launched)
    killed = ["-c", KILLED, str(tmp_path / "two/losses.jsonl")]
    second = start([*killed, *two], RANK="1", LOCAL_RANK="1", **launched)
    try:
        said = first.communicate(timeout=280)[1]
        assert second.wait(10) == -signal.SIGKILL
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert first.returncode == 2
    assert "rt-vla train: Process 0 of 2 ends because another one has ended; see the message of that one" in said
    assert "Traceback" not in said
    rows = (tmp_path / "two/losses.jsonl").read_text().splitlines()
    assert 1 <= len(rows) < STEPS // EVERY, "it was ended before its time"
    load_policy(str(tmp_path / "two/checkpoint"), device="cpu")

    runner = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    again = start([*runner, "-m", "rt_vla_ros.cli", *two])
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert out.count(f"Resuming after step {len(rows) * EVERY} (") == 1, "the second says nothing"
    assert "on cpu and 1 more" in out

    assert main(options(data, tmp_path / "one")) == 0
    assert "on cpu and" not in capsys.readouterr().out
    one, other = (load_file(tmp_path / name / "checkpoint/model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}")
    losses = (tmp_path / "one/losses.jsonl").read_text(), (tmp_path / "two/losses.jsonl").read_text()
    assert [len(text.splitlines()) for text in losses] == [STEPS // EVERY] * 2


def test_alone_nothing_is_different() -> None:
    values = torch.tensor([1.0, 2.0])
    assert SINGLE_PROCESS.mean(values).tolist() == [1.0, 2.0]
    assert SINGLE_PROCESS.shard(7) == slice(0, 7)
    assert SINGLE_PROCESS.main_process_first(lambda: "made") == "made"
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    sync_batch_norms(network, SINGLE_PROCESS)
    assert type(network[0]) is torch.nn.BatchNorm2d


def test_every_process_has_an_equal_part() -> None:
    assert [ProcessGroup(rank, 4).shard(8) for rank in range(4)] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    with pytest.raises(DistributedError, match="9 samples cannot be divided equally among 4 processes"):
        ProcessGroup(0, 4).shard(9)


def test_a_shared_norm_keeps_its_parameters_and_is_a_plain_one_outside_training() -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    plain, names = network[0], list(network.state_dict())
    plain.running_mean += torch.arange(3)
    image = torch.rand(2, 3, 4, 4)
    wanted = plain.eval()(image)
    sync_batch_norms(network, ProcessGroup(0, 2))
    assert isinstance(network[0], CPUSyncBatchNorm)
    assert network[0].weight is plain.weight
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network.eval()(image), wanted, rtol=0, atol=0)


def test_a_shared_norm_is_the_plain_one_over_both_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process is played: its half gives the same statistics as ours."""
    monkeypatch.setattr(
        distributed.dist, "all_reduce", lambda table: table.copy_(table.sum(0, keepdim=True) + 0 * table)
    )
    torch.manual_seed(0)
    half = torch.randn(3, 4, 5, 5) * 3 + 7
    plain, shared = (torch.nn.Sequential(torch.nn.BatchNorm2d(4, momentum=0.3)) for _ in range(2))
    sync_batch_norms(shared, ProcessGroup(1, 2))
    wanted = plain(torch.cat([half, half]))[3:]
    torch.testing.assert_close(shared(half), wanted, rtol=0, atol=1e-5)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_on_gpus_torchs_own_norm_is_taken() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    weight, names = network[1].weight, list(network.state_dict())
    sync_batch_norms(network, ProcessGroup(0, 2, torch.device("cuda:0")))
    assert isinstance(network[1], torch.nn.SyncBatchNorm)
    assert network[1].weight is weight, "the optimiser knows it by this object"
    assert list(network.state_dict()) == names


def test_every_process_has_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "find_device", lambda name: torch.device("cuda" if name == "auto" else name))
    found = [distributed._own_device(name, 3) for name in ("auto", "cuda", "cuda:1", "cpu")]
    assert found == [torch.device(name) for name in ("cuda:3", "cuda:3", "cuda:1", "cpu")]


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_a_single_process_takes_a_gpu_whether_or_not_its_number_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    selected = list[torch.device]()

    def set_device(device: torch.device) -> None:
        if device.index is None:  # what torch says
            raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")
        selected.append(device)

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    monkeypatch.setattr(distributed, "find_device", torch.device)
    monkeypatch.setattr(torch.cuda, "set_device", set_device)
    try:
        with distributed.process_group(name) as group:
            assert group.device == torch.device(name)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.benchmark = before[1]
    assert selected == [torch.device(name)] * (name != "cuda")


def test_a_launcher_is_known_by_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in distributed.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert not is_launched()
    with process_group("cpu") as group:
        assert group == SINGLE_PROCESS
    for name, value in zip(distributed.LAUNCHED, ("0", "1", "127.0.0.1", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    assert not is_launched(), "one process is none of several"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_launched()


def test_a_launcher_may_end_a_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(DistributedError, match="Process 1 of 2 was terminated"), distributed._sigterm_raises(1, 2):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_recipe_is_for_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in zip(distributed.LAUNCHED, ("0", "2", "127.0.0.1", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    assert main(["train", "rt1", "--recipe", "rt1-mini", "--out", str(tmp_path)]) == 2
    assert "a recipe trains in a single process; distributed training needs --data" in capsys.readouterr().err


def test_processes_that_begin_differently_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(table: torch.Tensor) -> None:
        table[1] = 4.0

    monkeypatch.setattr(distributed.dist, "all_reduce", other)
    ProcessGroup(0, 2).check_same("weights", 4.0)
    with pytest.raises(DistributedError, match=r"start with different numbers of steps: 200, 4\. .*shared file system"):
        ProcessGroup(0, 2).check_same("numbers of steps", 200)
