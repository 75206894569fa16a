"""The action `~/execute`: a goal starts a request like the topic `instruction`; its result says how and why it
ended.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rt_vla_ros.action import ExecuteInstruction
from rt_vla_ros.nodes.conversions import NANOSECONDS, nanoseconds
from rt_vla_ros.nodes.diagnostics import Level, Report
from rt_vla_ros.nodes.smoother_watch import SmootherWatch
from rt_vla_ros.runtime.policy_runner import PolicyStep

Result: TypeAlias = ExecuteInstruction.Result
UNKNOWN = -1.0  # a distance, a confidence or an age
PERIOD = 0.05  # between two looks at the running goal [s]
FEEDBACK = 4  # looks from one message of feedback to the next
# A fault in the diagnostics may pass; a goal is aborted after this time [s], counted in polls.
LASTING = 3.0
# After this time [s] the result is sent even if the smoother does not report standstill.
STANDSTILL = 2.0
DRY_RUN = "This is a dry run (the smoother's parameter dry_run): the arm is not commanded."
FAREWELL = 0.3  # for the result of a goal that ends with its node [s]
RESULTS_KEPT = 3600  # [s]; rclpy counts from the acceptance, and an instruction may take long


@dataclass(frozen=True)
class Requests:
    """The policy node's interface for goals.

    refuse: why a request of this text cannot begin, as a sentence; None if it can. begin: begins it. end: ends the
    running one, with a sentence. break_off: ends it because of a fault. running: whether there is one. report: for the
    diagnostics. awaited: why the policy cannot act yet, as a sentence; None if it can.
    """

    refuse: Callable[[str], str | None]
    begin: Callable[[str], None]
    end: Callable[[str], None]
    break_off: Callable[[str], None]
    running: Callable[[], bool]
    report: Callable[[], Report]
    awaited: Callable[[], str | None]


class DeferredServer(ActionServer):  # type: ignore[misc]
    """Its goals are executed elsewhere: `execute` only marks a goal as executing, and `finish` sends the result.

    A coroutine that waits for the end would keep rclpy's executor turning all the time.
    """

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: object) -> None:
        """Nothing is called."""

    def finish(self, goal_handle: ServerGoalHandle, ending: Callable[[], None], result: Result) -> None:
        """ending: the handle's `succeed`, `abort` or `canceled`."""

        def execute(_handle: ServerGoalHandle) -> Result:
            ending()
            return result

        super().notify_execute(goal_handle, execute)


@dataclass
class Goal:
    """One that runs, or whose request is over and whose arm still brakes.

    limit_ns: time limit on the node's clock, 0 for none. elapsed_ns: how much of it is used. looks: how often it was
    looked at. dry: whether the smoother was seen in a dry run. ending: outcome and sentence, once the request is over.
    """

    handle: ServerGoalHandle
    limit_ns: int
    last_ns: int
    elapsed_ns: int = 0
    looks: int = 0
    faulty: int = 0  # looks in a row at which the diagnostics told an error
    braking: int = 0  # looks since the request is over
    began: dict[bool, float] = field(default_factory=dict)  # of SmootherWatch's paths [m]
    moved: dict[bool, float] = field(default_factory=lambda: {True: UNKNOWN, False: UNKNOWN})  # by a human or not [m]
    dry: bool = False
    stamp_ns: int | None = None  # of the image behind the last action
    feedback: ExecuteInstruction.Feedback = field(
        default_factory=lambda: ExecuteInstruction.Feedback(confidence=UNKNOWN)
    )
    ending: tuple[int, str] | None = None


class InstructionAction:
    """Offers the action. `over` and `step` may be called from any thread, all else from the node's.

    smoother: provides the arm's motion and whether it stands still.
    """

    def __init__(self, node: Node, smoother: SmootherWatch, requests: Requests) -> None:
        self._node, self._smoother, self._requests = node, smoother, requests
        self._goal: Goal | None = None
        self._lock = threading.Lock()
        self._server = DeferredServer(
            node,
            ExecuteInstruction,
            "~/execute",
            lambda _handle: Result(),
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            result_timeout=RESULTS_KEPT,
        )
        self._timer = node.create_timer(PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()

    def over(self, outcome: int, sentence: str) -> None:
        """The request is over; of what is said of it, the first counts."""
        with self._lock:
            if self._goal is not None and self._goal.ending is None:
                self._goal.ending = outcome, sentence

    def refused(self, outcome: int, sentence: str) -> None:
        """The smoother does not follow the request: also where the policy says already that it is carried out."""
        with self._lock:
            if self._goal is not None and (self._goal.ending is None or self._goal.ending[0] == Result.SUCCEEDED):
                self._goal.ending = outcome, sentence

    def step(self, step: PolicyStep) -> None:
        """The policy has decided something."""
        chunk = step.decision.chunk
        with self._lock:
            if self._goal is None:
                return
            feedback = self._goal.feedback
            feedback.step += step.decision.whole
            feedback.plan, feedback.confidence = chunk.plan, float(chunk.confidence)
            self._goal.stamp_ns = step.stamp_ns

    def close(self) -> None:
        """Tells the result of a goal that ends with the node, while its executor is still there."""
        self.over(Result.STOPPED, "The policy node was shut down.")
        goal, executor = self._goal, self._node.executor
        if goal is None or executor is None:
            return
        self._finish(goal)
        end = time.monotonic() + FAREWELL
        while time.monotonic() < end:
            with contextlib.suppress(Exception):  # of whatever callback
                executor.spin_once(timeout_sec=0.02)

    def _on_goal(self, goal: ExecuteInstruction.Goal) -> GoalResponse:
        refusal = self._refuse(goal)
        if refusal is None:
            return GoalResponse.ACCEPT
        self._node.get_logger().warning(f"The goal is refused: {refusal}")
        return GoalResponse.REJECT

    def _refuse(self, goal: ExecuteInstruction.Goal) -> str | None:
        limit_ns = nanoseconds(goal.time_limit)
        if limit_ns < 0:
            return f"Its time limit is {limit_ns / NANOSECONDS:g} s, expected 0 (none) or more."
        return self._requests.refuse(goal.instruction)

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        instruction = handle.request.instruction
        self.over(Result.REPLACED, f"Preempted by another goal: {instruction!r}.")
        if self._goal is not None:
            self._finish(self._goal)
        goal = Goal(handle, nanoseconds(handle.request.time_limit), self._now_ns())
        self._measure_paths(goal)
        handle.execute()
        with self._lock:
            self._goal = goal
        self._timer.reset()
        refusal = self._refuse(handle.request)
        if refusal is not None:
            self.over(Result.REFUSED, refusal)
        else:
            self._node.get_logger().info(f"New goal: {instruction!r}.")
            self._requests.begin(instruction)

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        """The arm is told to stop at once; the result comes when it stands still."""
        goal = self._goal
        if goal is None or goal.handle != handle or goal.ending is not None:
            return CancelResponse.REJECT
        sentence = "The goal was canceled."
        self._node.get_logger().info(sentence)
        self.over(Result.CANCELED, sentence)
        self._requests.end(sentence)
        return CancelResponse.ACCEPT

    def _look(self) -> None:
        goal = self._goal
        if goal is None:
            self._timer.cancel()
            return
        self._measure(goal)
        if goal.ending is None:
            self._judge(goal)
        if goal.looks % FEEDBACK == 0:
            self._tell(goal)
        goal.looks += 1
        if goal.ending is not None:
            goal.braking += 1
            others = goal.ending[0] in (Result.REPLACED, Result.REFUSED)  # they may go on moving the arm
            if others or self._smoother.stands_still or goal.braking * PERIOD > STANDSTILL:
                self._finish(goal)

    def _measure(self, goal: Goal) -> None:
        """A clock that restarts counts on."""
        now_ns = self._now_ns()
        if goal.ending is None and self._smoother.waits_for is None:
            goal.elapsed_ns += max(0, now_ns - goal.last_ns)
        goal.last_ns = now_ns
        goal.dry |= self._smoother.dry_run
        self._measure_paths(goal)

    def _measure_paths(self, goal: Goal) -> None:
        for human in goal.moved:
            path = self._smoother.path(human=human)
            if path is not None:
                goal.moved[human] = path - goal.began.setdefault(human, path)

    def _judge(self, goal: Goal) -> None:
        if goal.limit_ns and goal.elapsed_ns >= goal.limit_ns:
            sentence = f"The time limit of {goal.limit_ns / NANOSECONDS:g} s is reached."
            if (awaited := self._requests.awaited()) is not None:
                sentence += f" {awaited}"
            self.over(Result.TIMED_OUT, sentence)
            self._requests.end(sentence)
            return
        fault = self._fault(goal)
        goal.faulty = goal.faulty + 1 if fault is not None else 0
        if not self._requests.running():
            self.over(Result.STOPPED, "The request has ended.")
        elif fault is not None and goal.faulty * PERIOD >= LASTING:
            self._requests.break_off(fault)

    def _fault(self, goal: Goal) -> str | None:
        """What blocks the goal now, as a sentence of the policy node's or the smoother's diagnostics.

        Nothing does while a human has taken over; and a fault of the smoother from before the goal's first action is
        none of its own.
        """
        if self._smoother.waits_for is not None:
            return None
        report = self._requests.report()
        if report.level is Level.ERROR:
            return report.message
        return None if goal.stamp_ns is None else self._smoother.fault

    def _tell(self, goal: Goal) -> None:
        with self._lock:
            feedback = goal.feedback
            feedback.distance = goal.moved[False]
            if goal.ending is None:  # after that the policy does not act again
                dry = DRY_RUN if self._smoother.dry_run else ""
                feedback.waits_for = self._smoother.waits_for or self._requests.awaited() or dry
            feedback.image_age = UNKNOWN if goal.stamp_ns is None else (goal.last_ns - goal.stamp_ns) / NANOSECONDS
            goal.handle.publish_feedback(feedback)

    def _finish(self, goal: Goal) -> None:
        assert goal.ending is not None
        outcome, sentence = goal.ending
        if goal.dry:
            sentence = f"{sentence} {DRY_RUN}"
        self._tell(goal)
        with self._lock:
            self._goal = None
        result = Result(outcome=outcome, sentence=sentence, distance=goal.moved[False], human_distance=goal.moved[True])
        result.duration.sec, result.duration.nanosec = divmod(goal.elapsed_ns, NANOSECONDS)
        handle = goal.handle
        ending = {Result.SUCCEEDED: handle.succeed, Result.CANCELED: handle.canceled}.get(outcome, handle.abort)
        self._server.finish(handle, ending, result)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
