"""Pixels as the trunk takes them: resized where they must be, and normalised."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.configuration import RT1Config


class StoredNormalisation(nn.Module):
    """The release's Keras layer: mean, variance and how many samples they were made of belong to the checkpoint.

    Keras computes (x - mean) / sqrt(variance) and then divides by sqrt(std) once more: with the variance that the
    release stores, (.229, .224, .225), that is (x - mean) / std.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("variance", torch.tensor(std))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


class Normalisation:
    """x * scale - shift for x on the scale 0 ... 255."""

    def __init__(self, config: RT1Config, stored: StoredNormalisation | None, dtype: torch.dtype, device: torch.device):
        std = torch.tensor(config.image_std, dtype=dtype, device=device)
        mean = torch.tensor(config.image_mean, dtype=dtype, device=device)
        if stored is not None:
            wide = stored.variance.double() * torch.tensor(config.image_std, dtype=torch.float64, device=device)
            mean, std = stored.mean.to(dtype), wide.sqrt().to(dtype)
        self.scale, self.shift, self.size = 1 / (255 * std), mean / std, config.image_size

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) -> (N, 3, image_size, image_size); the memory keeps its order (channels last).

        The resize is bilinear with half-pixel centres and without antialiasing, like TensorFlow's.
        """
        if images.shape[1:3] != (self.size, self.size):
            wide = images.permute(0, 3, 1, 2).float()
            resized = functional.interpolate(wide, (self.size, self.size), mode="bilinear", align_corners=False)
            images = resized.permute(0, 2, 3, 1)
        return (images.to(self.scale.dtype) * self.scale - self.shift).permute(0, 3, 1, 2)
