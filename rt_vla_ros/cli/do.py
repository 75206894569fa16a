"""Send an instruction to a running policy node, show progress, and report the result.

    rt-vla do "pick up the red cube"
    rt-vla do "pick up the red cube" --time-limit 30

Uses the action ~/execute of the policy node. Ctrl-C or SIGTERM cancels: the arm brakes, and the command exits once it
has stopped. The exit code is 0 only if the policy reports success.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rcl_interfaces.msg import Log
from rclpy.action import ActionClient, get_action_names_and_types
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from rt_vla_ros.action import ExecuteInstruction
from rt_vla_ros.progress import Progress
from rt_vla_ros.runtime.instruction_gate import as_one_line
from zenoh_ros.commands import graph
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.graph import absolute, graph_node, settle, spin_until, wait_until
from zenoh_ros.commands.interrupts import noted_interrupts
from zenoh_ros.commands.numbers import positive_float
from zenoh_ros.wire.printable import printable

TYPE = "rt_vla_ros/action/ExecuteInstruction"
REFUSED = "The goal is refused: "  # how the node's log begins the reason
REASON = 1.0  # how long that is waited for [s]
GONE = 2.0  # without a server: the node has ended [s]
SILENT = 2.0  # without feedback: worth a word [s]
SOON = 1.0  # without a policy node: worth a word [s]
LONGEST = 2**31 - 1  # that a time limit can be [s]
BRAKING = 10.0  # how long the result of a canceled goal is waited for [s]
STOP = "stop the arm: rt-vla service call /smoother_node/stop std_srvs/srv/Trigger"
_LONGEST_PLAN = 60  # of what is shown [characters]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instruction", nargs="+", help="the instruction, e.g. pick up the red cube")
    parser.add_argument(
        "--time-limit", type=positive_float, metavar="S", help="stop the arm after this time; default: none"
    )
    parser.add_argument(
        "--action", metavar="NAME", help="action to use if several policy nodes run, e.g. /policy_node/execute"
    )


def run(args: argparse.Namespace) -> int:
    goal = ExecuteInstruction.Goal(instruction=" ".join(args.instruction))
    limit = args.time_limit or 0.0
    if limit >= LONGEST:
        raise CliError(f"--time-limit {limit:g}: expected less than {LONGEST} s")
    goal.time_limit.sec, goal.time_limit.nanosec = divmod(round(limit * 1e9), 1_000_000_000)
    with graph_node() as node:
        name = _find(node, args.action, max(limit, graph.PATIENCE))
        errand = Errand(node, name)
        with noted_interrupts(most=2) as interrupts:
            return errand.run(goal, interrupts)


def _find(node: Node, wanted: str | None, patience: float) -> str:
    """The full name of the action. patience: timeout of the discovery of a policy node [s]. Raises CliError."""

    def offered() -> list[str]:
        names = [name for name, types in get_action_names_and_types(node) if TYPE in types]
        return sorted(name for name in names if node.count_publishers(f"{name}/_action/feedback"))

    def comes(condition: Callable[[], bool]) -> bool:
        if not wait_until(condition, min(SOON, patience)) and patience > SOON:
            print(f"Waiting up to {patience:g} s for a policy node; Ctrl-C to quit.", flush=True)
        return wait_until(condition, max(0.0, patience - SOON))

    if wanted is not None:
        name = absolute(wanted)
        if not comes(lambda: name in offered()):
            raise CliError(f"no policy node offers the action {name!r}. {did_you_mean(name, offered())}")
        return name
    if not comes(lambda: bool(offered())):
        raise CliError(
            f"no policy node on the graph: there is no action server of type {TYPE}. Start one, e.g. "
            "`rt-vla launch policy.launch.py arm:=sim`, and check `rt-vla node list`"
        )
    settle(node)
    found = offered()
    if len(found) != 1:
        raise CliError(f"{len(found)} policy nodes are running; choose one: --action {' or --action '.join(found)}")
    return found[0]


class Errand:
    """One goal, from sending it to its result."""

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._progress = Progress()
        self._client = ActionClient(node, ExecuteInstruction, name)
        self._reason = ""  # why the goal was refused
        lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(Log, "/rosout", self._on_log, lasting)
        self._begun = self._heard = self._seen = time.monotonic()
        self._silence_told = False
        self._waits_for = ""

    def run(self, goal: Any, interrupts: list[int]) -> int:
        """The exit code. interrupts: the signals received so far."""
        if not spin_until(self._node, lambda: self._client.server_is_ready() or bool(interrupts), graph.PATIENCE):
            raise CliError(f"the action {self._name!r} is on the graph but cannot be reached")
        if interrupts:
            return 128 + interrupts[0]  # nothing was sent
        self._begun = self._heard = self._seen = time.monotonic()
        sent = self._client.send_goal_async(goal, feedback_callback=self._on_feedback)
        limit = goal.time_limit.sec + goal.time_limit.nanosec / 1e9
        spin_until(self._node, lambda: sent.done() or len(interrupts) > 1 or self._is_gone() or self._is_late(limit))
        if not sent.done():
            within = f" within {limit:g} s" if self._is_late(limit) else ""
            raise CliError(f"{self._name} did not answer{within}; it may or may not have accepted the goal; {STOP}")
        handle = sent.result()
        if not handle.accepted:
            spin_until(self._node, lambda: bool(self._reason), REASON)
            self._progress.line(printable(f"Refused: {self._reason or 'see the log of the policy node.'}"))
            return 1
        ended = handle.get_result_async()
        late = limit and limit + BRAKING
        spin_until(self._node, lambda: ended.done() or bool(interrupts) or self._is_gone() or self._is_late(late))
        if interrupts and not ended.done():
            self._progress.line("Canceling: the arm brakes.")
            handle.cancel_goal_async()
            spin_until(self._node, lambda: ended.done() or len(interrupts) > 1 or self._is_gone(), BRAKING)
        if not ended.done() and len(interrupts) > 1:
            raise CliError(f"exited before the result arrived: the arm may still be moving; {STOP}")
        if not ended.done():
            raise CliError(f"{self._name} did not return a result: its node hangs or has exited; {STOP}")
        answer = ended.result()
        succeeded = answer.status == GoalStatus.STATUS_SUCCEEDED
        if answer.result.outcome == answer.result.UNKNOWN:
            raise CliError(f"{self._name} does not know the goal, or failed to return the result; {STOP}")
        self._tell(answer.result)
        if succeeded:
            return 0
        return 128 + interrupts[0] if interrupts else 1

    def _is_gone(self) -> bool:
        """Whether the action server is gone; prints a line if it is there but silent."""
        now = time.monotonic()
        if self._client.server_is_ready():
            self._seen = now
        if now - self._heard > SILENT and not self._silence_told:
            self._silence_told = True
            self._progress.line(
                f"No feedback from the policy node for {SILENT:g} s: it is loading or hangs; Ctrl-C cancels."
            )
        return now - self._seen > GONE

    def _is_late(self, limit: float) -> bool:
        """Whether nothing was received for this time [s]; 0: never."""
        return 0 < limit < time.monotonic() - self._heard

    def _on_log(self, message: Log) -> None:
        """The node's log message of a rejection after the goal was sent."""
        node = self._name.rpartition("/")[0].strip("/").replace("/", ".")
        stamp = message.stamp.sec + message.stamp.nanosec / 1e9
        recent = time.time() - stamp < time.monotonic() - self._begun + REASON
        if message.name == node and recent and message.msg.startswith(REFUSED):
            self._reason = message.msg.removeprefix(REFUSED)

    def _on_feedback(self, message: Any) -> None:
        self._heard, self._silence_told = time.monotonic(), False
        feedback = message.feedback
        before, self._waits_for = self._waits_for, feedback.waits_for
        if before.partition(":")[0] != self._waits_for.partition(":")[0]:  # behind that stands how far it is
            goes_on = "The policy is acting again." if feedback.step else "The policy starts acting."
            self._progress.line(printable(self._waits_for or goes_on))
        parts = [f"{self._heard - self._begun:5.1f} s", f"step {feedback.step}"]
        if feedback.distance >= 0:
            parts.append(f"{feedback.distance * 100:.1f} cm")
        if feedback.step:
            parts += [f"confidence {feedback.confidence:.2f}", f"image {feedback.image_age * 1000:.0f} ms old"]
        elif self._waits_for:
            parts.append(as_one_line(self._waits_for))
        if feedback.plan:
            plan = as_one_line(feedback.plan)
            parts.append(plan if len(plan) <= _LONGEST_PLAN else f"{plan[:_LONGEST_PLAN]}...")
        self._progress.update(printable("  ".join(parts)))

    def _tell(self, result: Any) -> None:
        words = {
            result.SUCCEEDED: "Done",
            result.CANCELED: "Canceled",
            result.TIMED_OUT: "Out of time",
            result.STOPPED: "Stopped",
            result.FAULT: "Fault",
            result.REFUSED: "Refused",
            result.REPLACED: "Replaced",
        }
        took = result.duration.sec + result.duration.nanosec / 1e9
        way = f", {result.distance * 100:.1f} cm" if result.distance >= 0 else ""
        word = words.get(result.outcome, "Over")
        self._progress.line(printable(f"{word} after {took:.1f} s{way}: {result.sentence}"))
