"""From distributions over action tokens to one action: most likely bin or mean over the bins, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.postprocessing import after_processing
from rt_vla_ros.action_space.tokenizer import ActionTokenizer

DECODINGS = ("argmax", "expected_value")
NEAR = 1 / 32
"""Share of the range: mass of bins this near to the chosen value counts as given to it."""


@dataclass(frozen=True)
class Decoded:
    """values, tokens: shape (D,). confidence: 0 ... 1."""

    values: NDArray[np.float64]
    tokens: NDArray[np.int64]
    confidence: float


class ActionDecoder:
    """Reads an action out of the probabilities of its tokens.

    argmax: the most likely bin (RT-1). expected_value: the mean over the bins, which lies between them and does not
    stick where the most likely bin of small motions is "none".
    Terminate is chosen only with more than half of the probability; otherwise the most likely other mode.
    The confidence is the geometric mean over the dimensions of the probability of what was chosen: of the mode, or of
    all bins within 1/32 of the range around the chosen value.
    """

    def __init__(self, card: ActionCard, decoding: str) -> None:
        """Raises ValueError for an unknown decoding."""
        if decoding not in DECODINGS:
            raise ValueError(f"There is no decoding {decoding!r}; there are {', '.join(DECODINGS)}.")
        self.decoding = decoding
        self.tokenizer = ActionTokenizer(card)
        self._after = after_processing(card.after_processing, tuple(d.role for d in card.dimensions))
        self._terminate = card.index("terminate")
        if self._terminate is not None:
            self._terminate_mode = card.dimensions[self._terminate].modes.index("terminate")
        self._near = card.bins * NEAR

    def reset(self) -> None:
        """A new request begins."""
        self._after.reset()

    def action(self, probabilities: NDArray[np.float64]) -> EndEffectorAction:
        """Probabilities (D, bins), zero for illegal tokens -> the action.

        Raises ValueError where they are not finite.
        """
        decoded = self.decode(probabilities)
        tokens = tuple(int(token) for token in decoded.tokens)
        return self.tokenizer.to_action(self._after(decoded.values), confidence=decoded.confidence, tokens=tokens)

    def decode(self, probabilities: NDArray[np.float64]) -> Decoded:
        """The same as numbers: values and tokens in the card's order."""
        p = np.asarray(probabilities, dtype=np.float64)
        if not np.isfinite(p).all():
            raise ValueError("The network's output is not finite; its weights or its input are damaged.")
        if self.decoding == "argmax":
            tokens = p.argmax(axis=-1)
            values = self.tokenizer.decode(tokens)
        else:
            values = self.tokenizer.decode_expected(p)
            tokens = self.tokenizer.encode(values)
        if self._terminate is not None:
            values[self._terminate] = tokens[self._terminate] = self._mode(p[self._terminate])
        return Decoded(values, tokens, self._confidence(p, tokens))

    def _mode(self, p: NDArray[np.float64]) -> int:
        if p[self._terminate_mode] > 0.5:
            return self._terminate_mode
        others = p.copy()
        others[self._terminate_mode] = -1.0
        return int(others.argmax())

    def _confidence(self, p: NDArray[np.float64], tokens: NDArray[np.int64]) -> float:
        bins = np.arange(p.shape[-1])
        reach = np.full(len(tokens), self._near)
        if self._terminate is not None:
            reach[self._terminate] = 0.0
        near = np.abs(bins[None, :] - tokens[:, None]) <= reach[:, None]  # (D, bins)
        mass = np.clip((p * near).sum(axis=-1), 1e-12, 1.0)
        return float(np.exp(np.log(mass).mean()))
