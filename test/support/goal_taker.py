"""A server of an action for the tests of commands; what it does with a goal, the instruction says. Run as a program."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PLAN = "first\nthis\x1b[31m"


@contextmanager
def goal_taker(*names: str) -> Iterator[subprocess.Popen[str]]:
    """A process with nodes of these names, on a graph of its own that this process's commands are on too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RT_VLA_ROS_ROUTER", f"tcp/localhost:{port}")
        patch.setenv("ROS_DOMAIN_ID", str(120 + os.getpid() % 80))
        root = Path(__file__).resolve().parents[2]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, __file__, *names]
        with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                yield process
            finally:
                process.kill()


def main(*names: str) -> None:
    """Until it is killed."""
    from rt_vla_ros import ros

    ros.ensure()
    import rclpy
    from rclpy.action import ActionServer, CancelResponse, GoalResponse
    from rclpy.executors import MultiThreadedExecutor
    from rclpy.node import Node
    from rt_vla_ros.action import ExecuteInstruction

    class GoalTaker(Node):
        def __init__(self, name: str) -> None:
            super().__init__(name, namespace="demo")
            self._server = ActionServer(
                self,
                ExecuteInstruction,
                "~/execute",
                self._execute,
                goal_callback=self._decide,
                cancel_callback=lambda _handle: CancelResponse.ACCEPT,
            )

        def _decide(self, goal: Any) -> Any:
            if goal.instruction == "hang":
                time.sleep(3600)
            if goal.instruction != "refuse":
                return GoalResponse.ACCEPT
            self.get_logger().warning("The goal is refused: not today.")
            return GoalResponse.REJECT

        def _execute(self, handle: Any) -> Any:
            result = ExecuteInstruction.Result(sentence=f"{handle.request.instruction}.", distance=0.25)
            result.outcome = result.SUCCEEDED
            result.duration.sec = 2
            feedback = ExecuteInstruction.Feedback(step=3, plan=PLAN, confidence=0.5, distance=0.125, image_age=0.04)
            while handle.request.instruction == "wait" and not handle.is_cancel_requested:
                handle.publish_feedback(feedback)
                time.sleep(0.05)
            if handle.request.instruction == "load first":
                for progress in ("", ": weights, 3 of 9", ": warming up"):
                    handle.publish_feedback(
                        ExecuteInstruction.Feedback(
                            waits_for=f"The policy is being loaded{progress}.", confidence=-1.0, distance=-1.0
                        )
                    )
                    time.sleep(2.2)  # a line of progress is shown every two seconds
                handle.publish_feedback(ExecuteInstruction.Feedback(confidence=-1.0, distance=-1.0))
            if handle.request.instruction == "give way":
                feedback.waits_for = "A human is in control."
                handle.publish_feedback(feedback)
                time.sleep(0.05)  # feedback and result come by different ways
                feedback.waits_for = ""
            for _ in range(3):
                handle.publish_feedback(feedback)
                time.sleep(0.05)
            if handle.request.instruction == "die":
                os._exit(1)
            if handle.request.instruction == "crash":
                raise RuntimeError("oh")
            if handle.is_cancel_requested:
                result.outcome = result.CANCELED
                handle.canceled()
            elif handle.request.instruction == "fail":
                result.outcome = result.FAULT
                handle.abort()
            else:
                handle.succeed()
            return result

    rclpy.init()
    executor = MultiThreadedExecutor(4)
    nodes = [GoalTaker(name) for name in names]
    for node in nodes:
        executor.add_node(node)
    print("ready", flush=True)
    executor.spin()


if __name__ == "__main__":
    main(*sys.argv[1:])
