"""What the policy node knows of the smoother: its presence, its stop, and how far it moved the arm."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future

from rt_vla_ros.control.controller import LONGEST_REASON
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.nodes.diagnostics import Level
from rt_vla_ros.nodes.sources import Sources

CHECK_PERIOD = 0.1  # [s]
# Counted in checks of one period each, so that a node that was itself delayed raises no false alarm.
GONE = 20  # without a status: the smoother is gone
ANSWERED = 10  # until a stop must have been confirmed
# A policy that is loaded sooner than this after the start waits for the smoother's status [s].
FIRST_STATUS = 0.5
# A rotation of 1 rad changes a camera's image as much as a translation of this length [m].
METRES_PER_RADIAN = 0.2
REMEMBERED = 256  # statuses
# So many statuses in a row without a command: the arm stands still. The first may be older than the last command.
STILL = 3


class SmootherWatch:
    """Listens to `controller_status`. Not thread-safe, except `wait_until_known`.

    stopped: called with the reason when the smoother is stopped. lost: called when a smoother that was there is gone,
    or was restarted too fast to be missed.
    session: of the smoother, see ControllerStatus; 0 if none is known, or several are.
    taken_over: called when a human took over, with True, and when the policy may act again, with False.
    heard: called with each status.
    """

    def __init__(
        self,
        node: Node,
        actions: Publisher,
        *,
        stopped: Callable[[str], None],
        lost: Callable[[], None],
        taken_over: Callable[[bool], None],
        heard: Callable[[ControllerStatus], None] = lambda _status: None,
    ) -> None:
        self._node, self._actions, self._on_stopped, self._on_lost = node, actions, stopped, lost
        self._on_taken_over, self._on_heard, self._taken_over = taken_over, heard, False
        self._status: ControllerStatus | None = None
        self._reason = ""
        self.session = 0
        self._lost = False
        self._silent = 0  # checks since the last status
        self._still = 0  # statuses in a row without a command
        self._waiting: list[tuple[Future[bool], int]] = []  # for a stop to be taken; and how many checks ago
        self._paths: dict[bool, float] = {True: 0.0, False: 0.0}  # by a human, by the policy [m]
        self._counted: float | None = None  # the smoother's own count, when it was last heard [m]
        self._ways: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)  # time of a tick [ns], way until then [m]
        self._known, self._started = threading.Event(), time.monotonic()
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._statuses = node.create_subscription(ControllerStatus, "controller_status", self._on_status, lasting)
        self._smoothers = Sources(node, self._statuses.topic_name)
        self._timer = node.create_timer(CHECK_PERIOD, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def refusal(self) -> str | None:
        """Why no request can begin, as a sentence; None if one can."""
        then = f"then give another instruction or call {self._node.resolve_service_name('~/restart')}."
        if self._lost:
            return f"The smoother is gone: no more messages on {self._statuses.topic_name!r}. Restart it, {then}"
        if self._is_stopped:
            return f"The smoother is stopped: {self._reason} Call {self.release}, {then}"
        return None

    @property
    def release(self) -> str:
        """The service that ends the smoother's stop, for the sentences."""
        return self._service("release")

    @property
    def waits_for(self) -> str | None:
        """Why the policy's actions move nothing although there is no fault, as a sentence; None if they do."""
        if not self._taken_over or self._status is None:
            return None
        human = "is in control" if self._status.commander == "human" else "took over"
        return f"A human {human}: the policy's actions have no effect until {self._service('resume')} is called."

    @property
    def dry_run(self) -> bool:
        """Whether the smoother computes commands without sending them to the arm."""
        return self._status is not None and not self._lost and bool(self._status.dry_run)

    def _service(self, name: str) -> str:
        smoothers = dict.fromkeys(self._smoothers.names())
        return " and ".join(f"{smoother}/{name}" for smoother in smoothers) or f"its ~/{name}"

    def trouble(self) -> tuple[Level, str] | None:
        """For the diagnostics; None if all is well."""
        refusal = self.refusal
        if refusal is not None:
            return (Level.ERROR if self._lost else Level.WARN), refusal
        if several := self._smoothers.several():
            return Level.WARN, (
                f"{len(several)} smoothers follow the actions, {' and '.join(several)}: each of them moves the arm, "
                "and stopping one does not stop the others. Stop all but one."
            )
        if self.waits_for is not None:
            return Level.WARN, self.waits_for
        if self._status is None and self._silent >= GONE and not self._actions.get_subscription_count():
            topic = self._actions.topic_name
            return Level.WARN, f"No subscriber on {topic!r}: start a smoother_node."
        return None

    def stop_taken(self) -> Future[bool]:
        """Whether the smoother is stopped, or says so within a second."""
        future: Future[bool] = Future()
        if self._is_stopped and not self._lost:
            future.set_result(True)
        else:
            self._waiting.append((future, 0))
        return future

    def way(self, time_ns: int) -> float | None:
        """How far the arm was told to go until a time of the node's clock [m], turns included; None if unknown."""
        for stamp_ns, way in reversed(self._ways):
            if stamp_ns <= time_ns:
                return way
        return None

    @property
    def fault(self) -> str | None:
        """The fault that keeps the arm still, as a sentence; None if there is none."""
        faulty = self._status is not None and not self._lost and self._status.state == ControllerStatus.FAULT
        return self._reason if faulty else None

    def path(self, *, human: bool) -> float | None:
        """How far the arm was told to go so far [m], without turns; None if unknown. It only grows.

        human: while a human had taken over, else by the policy.
        """
        known = self._status is not None and not self._lost and math.isfinite(self._status.commanded_distance)
        return self._paths[human] if known else None

    def _add_path(self, status: ControllerStatus) -> None:
        """A smoother that was started again counts again."""
        distance, before = status.commanded_distance, self._counted
        if not math.isfinite(distance):
            return
        self._counted = distance
        if self._status is not None and before is not None:
            self._paths[self._status.awaits_resume] += distance - before if distance >= before else distance

    @property
    def stands_still(self) -> bool:
        """Whether the arm stands still after the end of a request, or the policy does not move it.

        See `await_standstill`.
        """
        return self._status is None or self._lost or self._taken_over or self._still >= STILL

    def await_standstill(self) -> None:
        """The arm was commanded to stop: its state counts from now on."""
        self._still = 0

    def wait_until_known(self) -> None:
        """Waits for the smoother's first status, up to a time limit."""
        self._known.wait(max(0.0, self._started + FIRST_STATUS - time.monotonic()))

    @property
    def _is_stopped(self) -> bool:
        return self._status is not None and self._status.state == ControllerStatus.STOPPED

    def _on_status(self, status: ControllerStatus) -> None:
        self._meet(status.session)
        was_stopped, self._reason = self._is_stopped, status.reason[:LONGEST_REASON]
        self._add_path(status)
        self._status, self._lost, self._silent = status, False, 0
        follows = status.commanding or status.state in (ControllerStatus.MOVING, ControllerStatus.HOLDING)
        self._still = 0 if follows else self._still + 1
        way = status.commanded_distance + METRES_PER_RADIAN * status.commanded_angle
        if math.isfinite(way):
            self._ways.append((nanoseconds(status.header.stamp), way))
        self._known.set()
        self._hear_of_human(status.awaits_resume)
        if self._is_stopped:
            self._answer(True, after=0)
            if not was_stopped:
                self._on_stopped(self._reason)
        self._on_heard(status)

    def _meet(self, session: int) -> None:
        """A restarted smoother knows nothing of a running request or of a takeover.

        Until the request is over, its actions still name their session.
        """
        if session != self.session and self._smoothers.several():
            session = 0
        if session and self.session and session != self.session:
            self._ways.clear()
            self._on_lost()
        self.session = session

    def _check(self) -> None:
        self._silent += 1
        self._waiting = [(future, checks + 1) for future, checks in self._waiting]
        self._answer(False, after=ANSWERED)
        if self._status is None or self._lost:
            return
        # In simulated time a silent smoother may just be waiting for the clock.
        silent = self._silent >= GONE and not self._node.get_parameter("use_sim_time").value
        if silent or not self._node.count_publishers(self._statuses.topic_name):
            self._lost = True
            self._on_lost()
            self._hear_of_human(False)

    def _hear_of_human(self, taken_over: bool) -> None:
        if taken_over != self._taken_over:
            self._taken_over = taken_over
            self._on_taken_over(taken_over)

    def _answer(self, taken: bool, *, after: int) -> None:
        """Answers the requests that have waited for this many checks."""
        told = [future for future, checks in self._waiting if checks >= after]
        self._waiting = [(future, checks) for future, checks in self._waiting if checks < after]
        for future in told:
            future.set_result(taken)
