"""Distributed training in several processes, started by `torchrun` or `accelerate launch`."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import FrameType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from rt_vla_ros.policies.load import find_device

RANK, SIZE, LOCAL_RANK = "RANK", "WORLD_SIZE", "LOCAL_RANK"
LAUNCHED = (RANK, SIZE, "MASTER_ADDR", "MASTER_PORT")
"""Environment variables set by both launchers."""
TIMEOUT = timedelta(hours=12)
"""Timeout of waiting for other processes: with --cache-frames the main one decodes all videos first."""

T = TypeVar("T")


class DistributedError(ValueError):
    """The processes cannot continue together; the message says why, and what was saved."""


@dataclass(frozen=True)
class ProcessGroup:
    """rank: of this process, 0 ... size - 1; the main one, 0, writes and prints. device: of this process."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def shard(self, count: int) -> slice:
        """This process's share of `count` samples; all shares are equal. Raises DistributedError."""
        if count % self.size:
            raise DistributedError(
                f"{count} samples cannot be divided equally among {self.size} processes; choose a multiple "
                "(--batch-size, --set micro_batch_size=...)."
            )
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all processes, in place. Raises DistributedError if another process has ended."""
        if self.size > 1:
            try:
                dist.all_reduce(values)
            except RuntimeError as error:
                raise self._process_lost(error) from error
        return values

    def mean(self, values: Tensor) -> Tensor:
        """Of all processes' values, in place. Raises DistributedError."""
        return self.sum(values).div_(self.size)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Average the gradients over all processes. Raises DistributedError."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def main_process_first(self, make: Callable[[], T]) -> T:
        """Result of `make`, called first in the main process, so that the others find its files on disk."""
        made = make() if self.is_main else None
        float(self.sum(torch.zeros(1, device=self.device)))  # a barrier; on a GPU only reading the result waits
        return make() if made is None else made

    def check_same(self, what: str, value: float) -> None:
        """Raises DistributedError if the processes start with different values."""
        table = torch.zeros(self.size, dtype=torch.float64, device=self.device)
        table[self.rank] = value
        values = self.sum(table).tolist()
        if not all(math.isclose(other, values[0], rel_tol=1e-9) for other in values[1:]):
            raise DistributedError(
                f"The processes start with different {what}: {', '.join(f'{other:.12g}' for other in values)}. All of "
                "them must see the same --data and --out, on several machines in a shared file system."
            )

    def _process_lost(self, error: RuntimeError) -> DistributedError:
        reason = str(error).strip().splitlines()[0].split(". ")[0]
        return DistributedError(
            f"Process {self.rank} of {self.size} ends because another one has ended; see the message of that one "
            f"({reason}). Saved state is kept; run the same command again to resume."
        )


SINGLE_PROCESS = ProcessGroup()


def is_launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return all(os.environ.get(name) for name in LAUNCHED) and os.environ[SIZE] != "1"


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """The process group of this process, or a group of one.

    device: as in `find_device`; "auto" and "cuda" are the GPU with this process's local rank.
    Raises ValueError for a missing device, DistributedError if the others do not join.
    """
    if not is_launched():
        yield replace(SINGLE_PROCESS, device=_tuned(find_device(device)))
        return
    rank, size = int(os.environ[RANK]), int(os.environ[SIZE])
    where = _tuned(_own_device(device, int(os.environ.get(LOCAL_RANK, "0"))))
    try:
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        text = f"Process {rank} of {size} could not join the others: {str(error).strip().splitlines()[0]}"
        raise DistributedError(text) from error
    group = ProcessGroup(rank, size, where)
    with _sigterm_raises(rank, size):
        try:
            yield group
        except dist.DistError as error:  # a GPU tells later, when its results are asked for
            raise group._process_lost(error) from error
    dist.destroy_process_group()  # not after an error: it would wait for processes that are gone


@contextmanager
def _sigterm_raises(rank: int, size: int) -> Iterator[None]:
    """SIGTERM, which a launcher sends after another process has failed, becomes a DistributedError."""

    def end(number: int, frame: FrameType | None) -> None:
        raise DistributedError(
            f"Process {rank} of {size} was terminated, as a launcher does when another one has failed; see the "
            "message of that one. Saved state is kept; run the same command again to resume."
        )

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_device(device: str, local_rank: int) -> torch.device:
    found = find_device(device)
    return find_device(f"cuda:{local_rank}") if found.type == "cuda" and found.index is None else found


def _tuned(device: torch.device) -> torch.device:
    """Select a GPU for this process. float32 uses TF32; shapes are constant, so cuDNN may benchmark."""
    if device.type == "cuda":
        if device.index is not None:  # without one it is the first GPU already, and torch refuses to select it
            torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    return device


class CPUSyncBatchNorm(nn.BatchNorm2d):
    """torch.nn.BatchNorm2d with statistics synchronized over all processes."""

    def __init__(self, like: nn.BatchNorm2d, group: ProcessGroup) -> None:
        """like: its parameters and statistics are taken over."""
        super().__init__(like.num_features, like.eps, like.momentum)
        self._parameters, self._buffers = like._parameters, like._buffers
        self._group = group

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape; N is this process's shard of the batch."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        own_variance, own_mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
        table: Tensor = _Gathered.apply(torch.stack([own_mean, own_variance]), self._group)  # type: ignore[no-untyped-call]
        means, variances = table.unbind(1)  # (size, C)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean) ** 2).mean(dim=0)
        count = self._group.size * x.numel() // x.shape[1]  # values that each channel's statistics are of
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.detach(), self.momentum)
        self.running_var.lerp_(variance.detach() * (count / max(1, count - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        normal: Tensor = wide * scale[:, None, None] + shift[:, None, None]
        return normal.to(x.dtype)


class _Gathered(torch.autograd.Function):
    """Values (...) of every process -> (size, ...)."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        table = own.new_zeros(group.size, *own.shape)
        table[group.rank] = own
        return group.sum(table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.group.sum(gradients[0].clone())[ctx.group.rank], None


def sync_batch_norms(model: nn.Module, group: ProcessGroup) -> None:
    """Convert the network's batch normalization to synchronized ones; its parameters stay the same objects."""
    if group.size == 1:
        return
    if group.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, CPUSyncBatchNorm(child, group))
