"""A small residual network with FiLM: dense convolutions, which a CPU does fast (in bf16 too), in place of B3."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.film import FiLM


class FiLMBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, FiLM, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, language_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.film = FiLM(language_size, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """features (N, inputs, h, w), sentence (N, language_size) -> (N, outputs, h / stride, w / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(features)))
        hidden = self.film(self.norm2(self.conv2(hidden)), sentence)
        return functional.relu(hidden + self.shortcut(features))


class FiLMResNet(nn.Module):
    """A stem that halves the resolution, then stages of blocks; every stage but the first halves it again."""

    def __init__(self, widths: Sequence[int], blocks: int, language_size: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList()
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                self.blocks.append(FiLMBlock(inputs, width, stride, language_size))
                inputs = width
        self.channels = inputs
        self.reduction = 2 ** len(widths)

    def forward(self, images: Tensor, sentence: Tensor) -> Tensor:
        """Images (N, 3, H, W), sentence (N, language_size) -> (N, channels, H / reduction, W / reduction)."""
        features = functional.relu(self.norm(self.stem(images)))
        for block in self.blocks:
            features = block(features, sentence)
        return features
