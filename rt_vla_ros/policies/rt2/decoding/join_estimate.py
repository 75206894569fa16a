"""When new outputs should join those in progress, and when they should wait for their end."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

RECENT_PASSES, RECENT_OUTPUTS = 16, 64


class JoinEstimate:
    """Joining spares new outputs the wait for the end of the others, but their prompts' pass delays the others.

    The smaller sum of these times decides, which approximately minimizes the mean time to an action.
    """

    def __init__(self) -> None:
        self._prompts: deque[tuple[float, int]] = deque(maxlen=RECENT_PASSES)  # duration of a pass [s], and prompts
        self._passes: deque[float] = deque(maxlen=RECENT_PASSES)  # durations of a further pass [s]
        self._lengths: deque[int] = deque(maxlen=RECENT_OUTPUTS)  # passes of complete outputs

    def prompts_took(self, seconds: float, count: int) -> None:
        """Adds the duration of a pass of `count` prompts [s]."""
        self._prompts.append((seconds, count))

    def pass_took(self, seconds: float) -> None:
        """Adds the duration of a further pass [s]."""
        self._passes.append(seconds)

    def finished(self, passes: int) -> None:
        """Adds the number of passes of a complete output."""
        self._lengths.append(passes)

    def pays(self, joining: int, passes: Sequence[int]) -> bool:
        """Whether `joining` outputs should join others that have had this many passes each.

        True as long as nothing was measured.
        """
        if not (passes and self._prompts and self._passes):
            return True
        left = max(self._left(done) for done in passes)
        return joining * left * statistics.median(self._passes) > len(passes) * self._prompts_take(joining)

    def _prompts_take(self, count: int) -> float:
        """The duration of a pass of `count` prompts [s], from the passes of the nearest measured number."""
        nearest = min((measured for _, measured in self._prompts), key=lambda measured: abs(measured - count))
        return statistics.median(took for took, measured in self._prompts if measured == nearest) * count / nearest

    def _left(self, done: int) -> float:
        """Expected number of further passes: the mean over recent outputs that had more."""
        longer = [length - done for length in self._lengths if length > done]
        return statistics.fmean(longer) if longer else 1.0
