"""Collects what the console node receives for the page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from rt_vla_ros.console.board import LONGEST, ActionHeard, Board, NodeHeard, RecorderHeard, SmootherHeard
from rt_vla_ros.console.state_word import PolicyHeard
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.console_path import ConsolePath
from rt_vla_ros.nodes.guarding import GuardedNode

MOST_STEPS = 64  # of a chunk that are drawn
KNOWN = "instructions"  # of any node's diagnostics: a JSON list of those that it knows
# Of the policy node's diagnostics, those figures that the page shows.
SHOWN = ("instruction", "median_step_ms", "inference_ms", "image_age_ms", "horizon", "execute_steps", "loading")


class ConsoleListener:
    """Subscribes to the status of policy, smoother and recorder."""

    def __init__(
        self,
        node: GuardedNode,
        board: Board,
        path: ConsolePath,
        names: Mapping[str, str],
        restarted: Callable[[], None],
    ) -> None:
        """path: is told of actions and of the tool. names: full names of the nodes `smoother`, `policy`, `recorder`.

        restarted: is called where another smoother speaks than before, or the same one was started again.
        """
        self._board, self._path, self._restarted = board, path, restarted
        self._session = 0  # of the smoother; 0: nobody has said one
        self._smoother, self._policy, self._recorder = names["smoother"], names["policy"], names["recorder"]
        for name in (self._policy, self._smoother):  # whoever speaks first: the policy's tool counts
            path.tip(name, "")
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(ControllerStatus, "controller_status", self._on_status, lasting)
        node.create_subscription(ChunkMsg, "action", self._on_action, 10)
        node.create_subscription(String, "instruction", self._on_instruction, 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_status(self, message: ControllerStatus) -> None:
        if message.session and self._session and message.session != self._session:
            self._restarted()
        self._session = message.session or self._session
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
            tuple(one.gripper for one in steps),
            message.terminate or bool(steps and steps[0].terminate),
            message.terminate or any(one.terminate for one in steps),
            tuple((float(x), float(y), float(z)) for x, y, z in way),
        )
        self._board.action(heard, time.monotonic())
        if heard.latency > 0:
            self._path.chunk(heard)

    def _on_instruction(self, message: String) -> None:
        text = " ".join(message.data[: 2 * LONGEST].split())
        if text:
            self._board.instructed(text, here=False)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        at = time.monotonic()
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self._board.node(status.name, NodeHeard(level, status.message, at))
            values = {pair.key: pair.value for pair in status.values}
            if KNOWN in values:
                self._board.known(status.name, _texts(values[KNOWN]))
            if status.name in (self._policy, self._smoother):
                self._path.tip(status.name, values.get("tip_frame", ""))
            if status.name == self._policy:
                self._hear_policy(level, status.message, values, at)
            elif status.name == self._recorder:
                self._hear_recorder(status.message, values, at)

    def _hear_policy(self, level: int, message: str, values: Mapping[str, str], at: float) -> None:
        heard = PolicyHeard(level, message, values.get("policy", ""), values.get("running") == "True")
        shown = {name: values[name][:LONGEST] for name in SHOWN if name in values}
        self._board.policy(heard, shown, at)

    def _hear_recorder(self, message: str, values: Mapping[str, str], at: float) -> None:
        frames = values.get("frames", "")
        count = int(frames) if frames.isdecimal() else 0
        recording = not message.startswith("Ready")
        self._board.recorder(RecorderHeard(recording, count, message), at)


def _texts(listed: str) -> list[str]:
    """Of a JSON list; nothing of what is none."""
    try:
        found = json.loads(listed)
    except (ValueError, RecursionError):
        return []
    return [text for text in found if isinstance(text, str) and text] if isinstance(found, list) else []
