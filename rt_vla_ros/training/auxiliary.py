"""Auxiliary heads: where target and tool are. They make the network ground words in the image early."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.configuration import RT1Config

CENTRE, SCALE = (0.5, 0.0, 0.1), 0.1  # of positions [m]
SPREAD = 0.7  # of the heatmap's target [cells of the feature map]


@dataclass(frozen=True)
class AuxiliaryLosses:
    """heatmap: cross-entropy of the cells of target and tool. position: of both in space. error: of the target [m]."""

    heatmap: Tensor
    position: Tensor
    error: Tensor


class AuxiliaryHeads(nn.Module):
    """For training only; they are not part of a checkpoint."""

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        size = config.token_embedding_size
        self.heatmap = nn.Conv2d(size, 2, 1)
        self.position = nn.Sequential(nn.Linear(config.num_image_tokens * size, 128), nn.GELU(), nn.Linear(128, 6))

    def forward(self, features: Tensor, tokens: Tensor, scene: Tensor) -> AuxiliaryLosses:
        """features (N, C, h, w), tokens (N, n, C), scene (N, 10) as in data.episode."""
        height, width = features.shape[-2:]
        maps = self.heatmap(features).float().flatten(2).log_softmax(dim=-1)  # (N, 2, h * w)
        wanted = _heatmaps(scene[:, 6:].reshape(-1, 2, 2), height, width)
        heatmap = -(wanted * maps).sum(dim=-1).mean()
        positions = self.position(tokens.flatten(1)).float()  # (N, 6)
        target = (scene[:, :6] - scene.new_tensor(CENTRE * 2)) / SCALE
        error = (positions[:, :3] - target[:, :3]).detach().norm(dim=-1).mean() * SCALE
        return AuxiliaryLosses(heatmap, functional.smooth_l1_loss(positions, target, beta=0.3), error)


def _heatmaps(positions: Tensor, height: int, width: int) -> Tensor:
    """Image positions (N, K, 2) in 0 ... 1 -> distributions (N, K, h * w), each a Gaussian around its position."""
    x = torch.arange(width, device=positions.device) + 0.5
    y = torch.arange(height, device=positions.device) + 0.5
    u, v = positions[..., 0, None].clamp(0, 1) * width, positions[..., 1, None].clamp(0, 1) * height  # (N, K, 1)
    log_x, log_y = -0.5 * ((x - u) / SPREAD) ** 2, -0.5 * ((y - v) / SPREAD) ** 2
    return (log_y[..., :, None] + log_x[..., None, :]).flatten(2).softmax(dim=-1)
