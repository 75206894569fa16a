"""What the console node hears, put on the board of the page."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from rt_vla_ros.console.board import LONGEST, ActionHeard, Board, NodeHeard, RecorderHeard, SmootherHeard
from rt_vla_ros.console.state_word import PolicyHeard
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.guarding import GuardedNode

MOST_STEPS = 64  # of a chunk that are drawn
# Of the policy node's diagnostics, those figures that the page shows.
SHOWN = ("instruction", "median_step_ms", "inference_ms", "image_age_ms", "horizon", "execute_steps", "loading")


class ConsoleListener:
    """Subscribes to what policy, smoother and recorder say."""

    def __init__(self, node: GuardedNode, board: Board, policy: str, recorder: str) -> None:
        """policy, recorder: full names of the nodes."""
        self._board, self._policy, self._recorder = board, policy, recorder
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(ControllerStatus, "controller_status", self._on_status, lasting)
        node.create_subscription(ChunkMsg, "action", self._on_action, 10)
        node.create_subscription(String, "instruction", self._on_instruction, 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_status(self, message: ControllerStatus) -> None:
        names = ("state", "reason", "commander", "awaits_resume", "dry_run", "speed_scale")
        self._board.smoother(SmootherHeard(**{name: getattr(message, name) for name in names}), time.monotonic())

    def _on_action(self, message: ChunkMsg) -> None:
        steps = message.steps[:MOST_STEPS]
        moves = [(one.translation.x, one.translation.y, one.translation.z) for one in steps]
        way = np.cumsum([(0.0, 0.0, 0.0), *moves], axis=0)
        heard = ActionHeard(
            message.confidence,
            message.legal_probability,
            convert.seconds(convert.nanoseconds(message.latency)),
            message.plan,
            message.header.frame_id,
            steps[0].gripper if steps else -1.0,
            message.terminate or bool(steps and steps[0].terminate),
            tuple((float(x), float(y), float(z)) for x, y, z in way),
        )
        self._board.action(heard, time.monotonic())

    def _on_instruction(self, message: String) -> None:
        text = " ".join(message.data[: 2 * LONGEST].split())
        if text:
            self._board.instructed(text, here=False)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        at = time.monotonic()
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self._board.node(status.name, NodeHeard(level, status.message, at))
            if status.name == self._policy:
                values = {pair.key: pair.value for pair in status.values}
                self._hear_policy(level, status.message, values, at)
            elif status.name == self._recorder:
                self._hear_recorder(status, at)

    def _hear_policy(self, level: int, message: str, values: Mapping[str, str], at: float) -> None:
        heard = PolicyHeard(level, message, values.get("policy", ""), values.get("running") == "True")
        shown = {name: values[name][:LONGEST] for name in SHOWN if name in values}
        self._board.policy(heard, shown, at)

    def _hear_recorder(self, status: DiagnosticStatus, at: float) -> None:
        values = {pair.key: pair.value for pair in status.values}
        frames = values.get("frames", "")
        count = int(frames) if frames.isdecimal() else 0
        recording = not status.message.startswith("Ready")
        self._board.recorder(RecorderHeard(recording, count, status.message), at)
