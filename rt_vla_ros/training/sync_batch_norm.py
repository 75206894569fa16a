"""Batch normalisation over the batch of all processes, also on CPUs, for which torch.nn.SyncBatchNorm is not made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rt_vla_ros.training.distributed import ProcessGroup


class CPUSyncBatchNorm(nn.BatchNorm2d):
    """torch.nn.BatchNorm2d with statistics of all processes."""

    def __init__(self, like: nn.BatchNorm2d, group: ProcessGroup) -> None:
        """like: whose parameters and statistics become this one's."""
        super().__init__(like.num_features, like.eps, like.momentum)
        self._parameters, self._buffers = like._parameters, like._buffers
        self._group = group

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape; N is this process' shard of the batch."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        own_variance, own_mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
        table: Tensor = _Gathered.apply(torch.stack([own_mean, own_variance]), self._group)  # type: ignore[no-untyped-call]
        means, variances = table.unbind(1)  # (size, C)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean) ** 2).mean(dim=0)
        self._remember(mean.detach(), variance.detach(), self._group.size * x.numel() // x.shape[1])
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        normal: Tensor = wide * scale[:, None, None] + shift[:, None, None]
        return normal.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """count: values that each channel's statistics are of."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)


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
    """Convert the network's batch normalisations to those of the whole group; its parameters stay the same objects."""
    if group.size == 1:
        return
    if group.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, CPUSyncBatchNorm(child, group))
