"""Auxiliary losses of `rt2-mini`. They are not part of the checkpoint.

With cross-entropy alone, a model of this size does not learn to ground words in image positions in the available time.
As the scene is known, attention is supervised with the position of the named object, and linear readouts with the
content of each image position and the positions of target and tool.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.objects import COLOURS, SHAPES
from rt_vla_ros.training.rt2.mini.network import BINS, SIDE

FINE = 2 * SIDE  # cells of the readout on a side
ATTENDING_LAYER, NAMED_HEAD, TOOL_HEAD = 1, 0, 1
CELLS_WEIGHT, NAMED_WEIGHT, TOOL_WEIGHT, STATE_WEIGHT = 0.3, 0.5, 0.25, 1.0
UNKNOWN = -100
KINDS = (len(COLOURS), len(SHAPES), len(SYMBOLS))
"""Numbers of colors, shapes and symbols. Without supervision of the symbols' positions, the model does not learn to
read them: a card is only a few pixels of the image."""
STATE = 11
"""Elements of the state readout at the end of a robot prompt: target, tool and their difference, scaled; gripper
closure; whether it holds the target."""


def number_loss(logits: Tensor, labels: Tensor, first: int, sigma: Tensor) -> Tensor:
    """Cross-entropy of each label, (A,). Neighbouring numbers count as well, with a weight that falls with distance.

    logits: (A, V). first: token of the number 0. sigma: of the Gaussian around each label [bins], 0: only the label
    itself, (A,).
    """
    log = logits.float().log_softmax(-1)
    hard = -log.gather(1, labels[:, None])[:, 0]
    soft = sigma > 0
    distances = torch.arange(BINS, device=labels.device)[None] - (labels[soft, None] - first)
    weights = torch.exp(-0.5 * (distances / sigma[soft, None]) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    return hard.masked_scatter(soft, -(weights * log[soft, first : first + BINS]).sum(1))


@dataclass(frozen=True)
class Cells:
    """Ground truth of B images, in FINE x FINE cells.

    kinds: number of the color, the shape and the card's symbol, UNKNOWN if there is none, (B, FINE^2, 3). offset:
    of an object's center from the cell's, in cells, (B, FINE^2, 2).
    """

    kinds: Tensor
    offset: Tensor


class Readouts(nn.Module):
    """Linear readouts of the image tokens and of the state after a robot prompt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Linear(width, (FINE // SIDE) ** 2 * (1 + sum(KINDS) + 2))
        self.state = nn.Linear(width, STATE)

    def cells_loss(self, features: Tensor, cells: Cells) -> Tensor:
        """features: of the image tokens, (B, IMAGE_TOKENS, width)."""
        count, ratio = features.shape[0], FINE // SIDE
        read = self.cells(features.float()).view(count, SIDE, SIDE, ratio, ratio, -1)
        read = read.permute(0, 1, 3, 2, 4, 5).reshape(count, FINE * FINE, -1)
        there = cells.kinds[..., 0] >= 0
        presence = functional.binary_cross_entropy_with_logits(
            read[..., 0], there.float(), pos_weight=read.new_tensor(8.0)
        )
        if not there.any():
            return 2 * presence
        *logits, offset = read[there][:, 1:].split([*KINDS, 2], dim=1)
        loss: Tensor = 2 * presence + 2 * (offset - cells.offset[there]).abs().mean()
        for one, kinds in zip(logits, cells.kinds[there].unbind(-1), strict=True):
            if (kinds != UNKNOWN).any():
                loss = loss + functional.cross_entropy(one, kinds, ignore_index=UNKNOWN)
        return loss

    def state_loss(self, hidden: Tensor, state: Tensor) -> Tensor:
        """hidden: after robot prompts, (P, width). state: (P, STATE)."""
        weights = state.new_tensor([1.0] * 9 + [3.0, 3.0])
        loss: Tensor = ((self.state(hidden.float()) - state).abs().mean(0) * weights).mean()
        return loss


def attention_loss(weights: Tensor, row: Tensor, at: Tensor, head: int, cell: Tensor) -> Tensor:
    """Attention loss: negative log of a head's attention to its target cells.

    weights: of a layer, (B, heads, L, L). row, at, cell: of P prompts: row in the batch, position in the row, image
    token.
    """
    looked = weights[row, head, at].float().gather(1, cell[:, None])
    return -(looked + 1e-3).log().mean()
