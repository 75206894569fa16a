"""EfficientNet with FiLM after every block (arXiv 1905.11946; RT-1, section 5.1): B3 at width 1.2 and depth 1.4."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.fast.onednn import PackedConvolution
from rt_vla_ros.policies.rt1.layers import FiLM

BN_EPSILON, BN_MOMENTUM = 1e-3, 0.01


@dataclass(frozen=True)
class TrunkStage:
    """The blocks of one resolution in B0, before scaling. stride: of the first block."""

    channels: int
    kernel: int
    stride: int
    repeats: int
    expansion: int


STAGES = (
    TrunkStage(16, 3, 1, 1, 1),
    TrunkStage(24, 3, 2, 2, 6),
    TrunkStage(40, 5, 2, 2, 6),
    TrunkStage(80, 3, 2, 3, 6),
    TrunkStage(112, 5, 1, 3, 6),
    TrunkStage(192, 5, 2, 4, 6),
    TrunkStage(320, 3, 1, 1, 6),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


def block_expansions(depth: float) -> list[int]:
    """The expansion factor of every block."""
    return [stage.expansion for stage in STAGES for _ in range(math.ceil(stage.repeats * depth))]


def scaled_channels(channels: int, width: float) -> int:
    """Channels times width, rounded to the nearest multiple of 8 that is at most 10% smaller."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SameConv(nn.Conv2d):
    """A convolution without bias, padded by one of two TensorFlow rules.

    "same": as needed for an output size of ceil(size / stride); the odd pixel is added at the right and the bottom.
    "keras": with stride 2, one pixel less before than after for every size (`correct_pad` of Keras' EfficientNet).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, stride_padding: str = "same"
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.stride_padding = stride_padding
        # As in Keras: variance 2 / fan-out; the fan-out of a depthwise convolution is its kernel size.
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (outputs * kernel**2)))
        self._packed: PackedConvolution | None = None

    def pack(self) -> None:
        """Replaces the weight by one packed for CPU inference: see onednn."""
        self._packed = PackedConvolution(self)
        del self.weight

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h', w'); h' is ceil(h / stride), with "keras" floor(h / stride)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1 and self.stride_padding == "keras":
            (top, bottom), (left, right) = ((kernel // 2 - 1, kernel // 2),) * 2
        else:
            (top, bottom), (left, right) = (_same_padding(size, kernel, stride) for size in x.shape[-2:])
        if (top, left) == (bottom, right):
            return self._convolved(x, (top, left))
        # Pad by one more stride on every side and crop the output, which avoids a padded copy of the map.
        height, width = (
            (size + before + after - kernel) // stride + 1
            for size, before, after in ((x.shape[-2], top, bottom), (x.shape[-1], left, right))
        )
        wider = self._convolved(x, (top + stride, left + stride))
        return wider[:, :, 1 : 1 + height, 1 : 1 + width]

    def _convolved(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        if self._packed is not None:
            return self._packed(x, padding)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class ConvNorm(nn.Module):
    """Convolution, batch normalization and, optionally, swish."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        swish: bool = True,
        stride_padding: str = "same",
    ) -> None:
        super().__init__()
        self.conv = SameConv(inputs, outputs, kernel, stride, groups, stride_padding)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=BN_EPSILON, momentum=BN_MOMENTUM)
        self.activation = nn.SiLU() if swish else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h', w')."""
        return self.activation(self.norm(self.conv(x)))


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation: scales channels by factors computed from their global means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(functional.silu(self.reduce(mean))))


class MBConv(nn.Module):
    """Expansion, depthwise convolution, squeeze-excite, projection; a shortcut if shapes match; FiLM at the end."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        expansion: int,
        language_size: int,
        drop: float,
        stride_padding: str = "same",
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvNorm(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride, groups=hidden, stride_padding=stride_padding)
        self.squeeze_excite = SqueezeExcite(hidden, max(1, int(0.25 * inputs)))
        self.project = ConvNorm(hidden, outputs, 1, swish=False)
        self.film = FiLM(language_size, outputs)
        self.has_shortcut = inputs == outputs and stride == 1
        self.drop = drop

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:
        """x (N, inputs, h, w), sentence (N, language_size) -> (N, outputs, h / stride, w / stride)."""
        hidden = self.project(self.squeeze_excite(self.depthwise(self.expand(x))))
        if self.has_shortcut:
            hidden = x + self._drop_connect(hidden)
        return self.film(hidden, sentence)

    def _drop_connect(self, x: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return x
        keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.drop
        return x * keep / (1 - self.drop)


class FiLMEfficientNet(nn.Module):
    """Stem, 26 blocks (at depth 1.4) with FiLM, and the 1x1 head."""

    def __init__(
        self, width: float, depth: float, drop_connect_rate: float, language_size: int, stride_padding: str = "same"
    ) -> None:
        super().__init__()
        inputs = scaled_channels(STEM_CHANNELS, width)
        self.stem = ConvNorm(3, inputs, 3, 2, stride_padding=stride_padding)
        self.blocks = nn.ModuleList()
        repeats = [math.ceil(stage.repeats * depth) for stage in STAGES]
        for stage, count in zip(STAGES, repeats, strict=True):
            outputs = scaled_channels(stage.channels, width)
            for block in range(count):
                stride = stage.stride if block == 0 else 1
                drop = drop_connect_rate * len(self.blocks) / sum(repeats)
                self.blocks.append(
                    MBConv(inputs, outputs, stage.kernel, stride, stage.expansion, language_size, drop, stride_padding)
                )
                inputs = outputs
        self.channels = scaled_channels(HEAD_CHANNELS, width)
        self.head = ConvNorm(inputs, self.channels, 1)
        self.reduction = 32

    def forward(self, images: Tensor, sentence: Tensor) -> Tensor:
        """Normalized images (N, 3, H, W), sentence (N, language_size) -> (N, channels, H / 32, W / 32)."""
        features = self.stem(images)
        for block in self.blocks:
            features = block(features, sentence)
        return self.head(features)
