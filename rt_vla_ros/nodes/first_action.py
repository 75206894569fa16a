"""The first action after a smoother's start waits for TF, which may arrive later if all nodes start together."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.nodes.conversions import moves

# How long TF is waited for, on the host's monotonic clock [s]: less than an action may be old.
PATIENCE = 0.8
LOOK_AGAIN = 0.02  # [s]


class FirstAction:
    """Keeps actions in a frame that TF does not know yet, the newest one, for PATIENCE after the first of them."""

    def __init__(self, node: Node, refuse_frame: Callable[[str], str | None], take: Callable[[ChunkMsg], None]) -> None:
        """refuse_frame: why a frame cannot be used, None if it can. take: carries an action out, or refuses it."""
        self._node, self._refuse_frame, self._take = node, refuse_frame, take
        self._deadline: float | None = None
        self._over = False
        self._kept: ChunkMsg | None = None

    def keep(self, message: ChunkMsg) -> bool:
        """Whether the action is kept; `take` is called with it then, sooner or later."""
        if not message.steps and not message.terminate:
            self._kept = None
            return False
        if self._over or not moves(message) or self._refuse_frame(message.header.frame_id) is None:
            self.drop()
            return False
        if self._deadline is None:
            self._deadline = time.monotonic() + PATIENCE
            # Simulated time may stand still until the action is answered.
            self._timer = self._node.create_timer(LOOK_AGAIN, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._kept = message
        return True

    def drop(self) -> None:
        """Forgets what is kept; from now on actions are taken as they come."""
        self._over, self._kept = True, None

    def _look(self) -> None:
        kept, late = self._kept, self._deadline is not None and time.monotonic() > self._deadline
        if kept is None or late or self._refuse_frame(kept.header.frame_id) is None:
            self.drop()
            self._timer.cancel()
            if kept is not None:
                self._take(kept)
