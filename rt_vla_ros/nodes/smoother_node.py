"""Actions in at the policy's rate, velocities out at the arm's rate: the Controller on a ROS graph."""

from __future__ import annotations

import math
import secrets
import time
from typing import Any, NoReturn

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, Empty, Float64
from std_srvs.srv import Trigger

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.controller import ACTIVE, LONGEST_REASON, Controller
from rt_vla_ros.control.request_gate import RequestGate, RequestKey, refuse_unnamed
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.control.takeover import PRESS_AGAIN
from rt_vla_ros.control.travel import Travel
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus, RefusedRequest
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.collision_check import Way, make_collision_check
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS, make_controller
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.first_action import FirstAction
from rt_vla_ros.nodes.guards import Guards
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.running import ProgramNode, end_process, run
from rt_vla_ros.nodes.sources import Sources
from rt_vla_ros.nodes.stop_latch import StopLatch
from rt_vla_ros.nodes.takeover_memory import TakeoverMemory
from rt_vla_ros.nodes.teleop import make_teleop
from rt_vla_ros.nodes.tip_position import TipPosition, make_tip_position
from rt_vla_ros.nodes.transform_tree import TransformTree
from rt_vla_ros.nodes.velocity_topic import VelocityTopic, arm_velocity, base_velocity

ANOTHER = "give another instruction, or call the policy's ~/restart."
ANOTHER_SESSION = f"The request began before this start of the smoother: {ANOTHER}"
# How often the presence of the policy is checked [s], by the node's clock.
POLICY_CHECK_PERIOD = 0.05
RESUMED = "the policy's next action on a fresh image moves the arm"
RIVAL = 10.0  # how long a refused publisher is reported [s]
LONGEST_WAIT = 3.0  # of a request for its preconditions [s]; after that nobody expects it to start
REFUSED_TOLD = 8  # requests that are over, in controller_status


class SmootherNode(ProgramNode):
    """Ticks a Controller by the node's clock, the host's or a simulation's. transforms: which frames the arm has."""

    def __init__(self) -> None:
        super().__init__("smoother_node")
        settings: dict[str, Any] = declare(self, SMOOTHER_PARAMETERS, **tables_of_others("smoother_node"))
        self.transforms = TransformTree(self, self._now_ns)
        self._controller: Controller = make_controller(settings, self._refuse_frame)
        self._latch = StopLatch(self, self._controller)
        self._takeovers = TakeoverMemory(self, self._controller)
        self._session = 1 + secrets.randbelow(2**64 - 1)
        self._tip: TipPosition | None = make_tip_position(self.transforms, settings)
        self._gate = RequestGate(settings["action_timeout"])
        self._rival: tuple[float, str] | None = None  # when an action was last refused for its publisher, and why
        self._conditions = Guards(self, self.transforms, settings)
        human = (self._stop, self._on_human, lambda: self._resume()[1])
        self._teleop = make_teleop(self, self._controller, self.transforms, settings, *human)
        self._gripper: float | None = None
        self._terminated = False
        self._early: ChunkMsg | None = None
        self._first = FirstAction(self, self._refuse_frame, self._take)
        whether_free = (self._outlook_of, self._on_checked)
        self._collisions = make_collision_check(self, self.transforms, settings, *whether_free)
        self._kept_in: tuple[RequestKey | None, int] | None = None  # see _moment
        self._policy_seen: str | None = None  # whose actions are followed, by node name; empty: unknown
        self._sending = not self._dry_run
        self._commanding = False  # whether the last tick commanded a velocity
        self._travel = Travel()
        reliable = QoSProfile(depth=10)
        self._arm = VelocityTopic(self, "delta_twist_cmds", "arm")
        self._base = VelocityTopic(self, "base_twist_cmds", "base") if settings["drive_base"] else None
        self._base_frame: str = settings["base_twist_frame"]
        self._tip_frame: str = settings["tip_frame"]
        self._grippers = self.create_publisher(Float64, "gripper_command", reliable)
        self._terminates = self.create_publisher(Bool, "terminate", reliable)
        # A late subscriber must get the current state, not an old one from before the clock stopped.
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._statuses = self.create_publisher(ControllerStatus, "controller_status", lasting)
        actions = self.create_subscription(ChunkMsg, "action", self._on_action, reliable)
        self._sources = Sources(self, actions.topic_name)
        self.create_subscription(Empty, "stop", self._on_stop_topic, reliable)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/release", self._on_release)
        self.create_service(Trigger, "~/resume", self._on_resume)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self._diagnostics = Diagnostics(self, self._report)
        self._say_how_fast()
        self.create_timer(1 / settings["command_rate"], self._on_tick, clock=self._tick_clock())
        self.create_timer(POLICY_CHECK_PERIOD, self._look_for_policy, clock=self._tick_clock())

    def _say_how_fast(self) -> None:
        for part, limits in (("arm", self._controller.limits), ("base", self._controller.base_limits)):
            if limits is not None and (limits.speed_scale < 1 or part == "base"):
                self.get_logger().warning(
                    f"speed_scale is {limits.speed_scale:g}: the {part} goes at most {limits.max_linear_velocity:.3g} "
                    f"m/s and {limits.max_angular_velocity:.3g} rad/s, and brakes within {limits.stopping_time:.2g} "
                    "s; faster actions are slowed down and shortened."
                )

    @property
    def _simulated(self) -> bool:
        return bool(self.get_parameter("use_sim_time").value)

    @property
    def _dry_run(self) -> bool:
        return bool(self.get_parameter("dry_run").value)

    def _tick_clock(self) -> Clock:
        """A ROS timer would stop for as long as the host's clock is set back, with an arm in motion."""
        return self.get_clock() if self._simulated else Clock(clock_type=ClockType.STEADY_TIME)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _refuse_frame(self, frame_id: str) -> str | None:
        """Why actions in a frame are not executed, as a sentence: with walls, TF must know the tip in it."""
        unknown = self.transforms.refuse(frame_id) or self._denied() or self._unchecked()
        if unknown is None and self._tip is not None:
            self._tip.position(frame_id)
            return self._tip.problem
        return unknown

    def _denied(self) -> str | None:
        """Why the current commander may not move the arm, as a sentence."""
        return self._conditions.denied(human=self._controller.awaits_resume)

    def _unchecked(self) -> str | None:
        """Why collisions of an action cannot be checked, as a sentence. A human's velocities are not checked."""
        if self._collisions is None or self._controller.awaits_resume:
            return None
        return self._collisions.problem

    def _on_action(self, message: ChunkMsg) -> None:
        """In simulated time there is one clock: an action from the future has overtaken /clock and waits for a tick."""
        if message.stop:
            self._stop(message.plan[:LONGEST_REASON] or "The policy was stopped.")
            return
        if self._controller.awaits_resume:
            self._controller.refused += 1
            return
        if not self._passes(message):
            return
        lead = convert.stamp_seconds(message.header.stamp) - convert.seconds(self._now_ns())
        early = self._simulated and convert.moves(message) and lead > 0
        self._early = message if early else None
        if not early and not self._first.keep(message):
            self._take(message)

    def _passes(self, message: ChunkMsg) -> bool:
        """Whether an action belongs to the running request or begins one; if not, it is reported."""
        request, now = RequestKey(message.publisher, message.request), convert.seconds(self._now_ns())
        unnamed = None if request.publisher else refuse_unnamed(request, self._sources.several())
        if unnamed is not None:
            self._controller.refuse(unnamed, convert.stamp_seconds(message.header.stamp))
            return False
        active, moves = self._controller.state in ACTIVE, convert.moves(message)
        if moves and message.smoother_session not in (0, self._session):
            self._gate.bar(request, ANOTHER_SESSION)
        refused = self._gate.refuse(request, now, active=active, begins=not moves)
        if refused is not None:
            self._controller.refused += 1
            self._rival = (time.monotonic(), refused)
            return False
        if message.steps and not moves:
            self._gate.done()
        return True

    def _take(self, message: ChunkMsg) -> None:
        now_ns = self._now_ns()
        stamp = convert.stamp_seconds(message.header.stamp)
        try:
            chunk = convert.chunk_from_message(message)
        except ValueError as error:
            self._drop_unchecked()
            self._controller.refuse(str(error), stamp)
        else:
            if self._collisions is not None and self._is_to_check(chunk):
                if (unchecked := self._unchecked()) is None:
                    if self._kept_in != self._moment:  # what is being checked belongs to what is over
                        self._drop_unchecked()
                    self._kept_in = self._moment
                    self._collisions.keep(message, chunk)
                    return
                self._drop_unchecked()
                self._controller.refuse(unchecked, stamp)
            else:
                self._drop_unchecked()
                self._accept(chunk, stamp)
        self._publish_status(now_ns, commanding=False, gripper_commanded=False)

    def _accept(self, chunk: ActionChunk, stamp: float) -> None:
        if self._controller.accept(chunk, stamp=stamp, now=convert.seconds(self._now_ns())) is None:
            self._gate.followed = True
            if self._policy_seen is None:
                self._look_for_policy()  # it may be gone before the next look

    def _is_to_check(self, chunk: ActionChunk) -> bool:
        """Whether it would move the arm, as far as this is known without its collisions."""
        moves = bool(chunk.steps) and not chunk.terminate and self._controller.state is not State.STOPPED
        return moves and self._controller.limits.refuse(chunk) is None

    @property
    def _moment(self) -> tuple[RequestKey | None, int]:
        """The running request, and the number of faults: an action that was kept in another one moves nothing."""
        return self._gate.running, self._controller.faults

    def _outlook_of(self, message: ChunkMsg, chunk: ActionChunk) -> Way:
        stamp = convert.stamp_seconds(message.header.stamp)
        return self._controller.outlook(chunk, stamp=stamp, now=convert.seconds(self._now_ns()))

    def _on_checked(self, message: ChunkMsg, chunk: ActionChunk, refusal: str | None) -> None:
        """An action whose collisions were checked; its request may be over by now."""
        if self._controller.awaits_resume or self._kept_in != self._moment:
            self._controller.refused += 1
            return
        stamp = convert.stamp_seconds(message.header.stamp)
        if refusal is None:
            self._accept(chunk, stamp)
        else:
            self._controller.refuse(refusal, stamp)
        self._publish_status(self._now_ns(), commanding=False, gripper_commanded=False)

    def _drop_unchecked(self) -> None:
        if self._collisions is not None:
            self._collisions.drop()

    def _drop_pending(self) -> None:
        """Forgets the actions that wait for something."""
        self._early = None
        self._first.drop()
        self._drop_unchecked()

    def _on_tick(self) -> None:
        now_ns = self._now_ns()
        if self._tip is not None:
            self._watch_walls(self._tip)
        self._check_guards()
        if self._collisions is not None:
            self._collisions.tick()
        sending = not self._dry_run
        if sending != self._sending:
            self._sending = sending
            self._stand_still(now_ns)
            self._controller.reset(still=True)  # no velocity has been sent yet, or none is sent any more
        self._look_for_human()
        command = self._controller.tick(convert.seconds(now_ns))
        self._commanding = sending and command.commanding
        watching = sending and self._controller.commander != ""
        self._conditions.tick(command, convert.seconds(now_ns), commanding=self._commanding, watching=watching)
        self._travel.tick(command if self._commanding else None, convert.seconds(now_ns))
        if not self._commanding:
            self._latch.flush()
        if command.gripper is not None:
            self._gripper = command.gripper
        if sending:
            self._publish(command, now_ns)
        self._publish_status(
            now_ns,
            commanding=self._commanding,
            gripper_commanded=sending and command.gripper is not None,
        )
        early, self._early = self._early, None
        if early is not None and not self._first.keep(early):
            self._take(early)

    def _look_for_human(self) -> None:
        """Drops pending actions of the policy when a human takes over."""
        if self._teleop is not None:
            self._teleop.tick(lambda: self._conditions.denied(human=True))
        self._takeovers.keep()
        if self._controller.awaits_resume:
            self._drop_pending()
            self._gate.wait(convert.seconds(self._now_ns()))

    def _on_human(self) -> None:
        """In simulated time a command counts when it comes, as an action does: the next tick may wait for it."""
        if self._simulated:
            self._look_for_human()
            self._tell()

    def _watch_walls(self, tip: TipPosition) -> None:
        """An arm with workspace walls does not move while its position is unknown."""
        position, at = tip.position(self._controller.frame_id) or (None, None)
        self._controller.set_pose(position, at)
        if tip.problem is not None and self._controller.commander:
            self._controller.fault(tip.problem)

    def _check_guards(self) -> None:
        """Ends a request whose guards are violated; it needs a new request to move again.

        Also where another fault has stopped the arm already, as an action that was refused for it before this tick.
        """
        state, waited = self._controller.state, self._gate.waited(convert.seconds(self._now_ns()))
        faulty = state is State.FAULT and (self._gate.followed or waited > LONGEST_WAIT)
        if not self._controller.commander and not faulty:
            return
        denied, lost = self._denied(), self._conditions.does_not_follow()
        if waited > LONGEST_WAIT:
            denied = denied or self._unchecked()
        if lost is not None and self._conditions.is_repeated:
            self._stop(f"{lost} This is a repeated failure.")
        elif denied is not None or lost is not None:
            again = f" {PRESS_AGAIN}" if self._controller.awaits_resume else ""
            sentence = f"{denied or lost}{again} The request is over: {ANOTHER}"
            self._controller.fault(sentence)
            self._gate.end(sentence)
            self._early = None
            self._drop_unchecked()

    def _publish(self, command: Command, now_ns: int) -> None:
        if command.commanding:
            self._arm.publish(arm_velocity(command), now_ns)
            if self._base is not None:
                self._base.publish(base_velocity(command, self._base_frame), now_ns)
        if command.gripper is not None:
            self._grippers.publish(Float64(data=command.gripper))
        if command.terminate != self._terminated:
            self._terminated = command.terminate
            self._terminates.publish(Bool(data=command.terminate))

    def _publish_status(self, now_ns: int, *, commanding: bool, gripper_commanded: bool) -> None:
        controller = self._controller
        status = ControllerStatus(
            state=int(controller.state),
            reason=controller.reason,
            commanding=commanding,
            commander=controller.commander,
            awaits_resume=controller.awaits_resume,
            gripper_commanded=gripper_commanded,
            dry_run=self._dry_run,
            commanded_distance=self._travel.distance,
            commanded_angle=self._travel.angle,
            session=self._session,
            speed_scale=controller.limits.speed_scale,
        )
        status.header.stamp = convert.time_message(now_ns)
        status.header.frame_id = controller.frame_id
        running = self._gate.running
        if running is not None and self._gate.followed and controller.state in ACTIVE:
            status.followed_publisher, status.followed_request = running
        for request, why in self._gate.refused(REFUSED_TOLD):
            status.refused.append(RefusedRequest(publisher=request.publisher, request=request.number, reason=why))
        for name in ("action_stamp", "refused_stamp"):
            stamp = getattr(controller, name)
            if stamp is not None and math.isfinite(stamp):
                setattr(status, name, convert.time_message(round(stamp * convert.NANOSECONDS)))
        self._statuses.publish(status)

    def callback_failed(self, where: str, error: Exception) -> str:
        """Stops the arm: it must not move under a node whose callbacks fail."""
        sentence = super().callback_failed(where, error)
        self._controller.fault(sentence)
        return sentence

    def _look_for_policy(self) -> None:
        """The graph reports a dead policy before its silence does, even if others publish actions.

        For a name that the graph never had, such as over a bridge, the last publisher counts.
        """
        running = self._gate.running
        if running is None or not self._gate.followed:
            self._policy_seen = None
            return
        names, followed = self._sources.names(), running.node if running.publisher else ""
        if followed in names:
            self._policy_seen = followed
        elif names and not (followed and self._policy_seen == followed):
            self._policy_seen = ""
        elif self._policy_seen is not None and self._controller.state in ACTIVE:
            who = f"{followed} publishes no" if names else "no node publishes"
            self._controller.fault(f"The policy is gone: {who} actions any more.")
            self._policy_seen = None
            self._gate.done()
            self._drop_unchecked()

    def _stop(self, reason: str) -> str:
        """Latches a stop; returns a sentence about it."""
        self._drop_pending()
        told = self._latch.stop(reason)
        self._tell()
        return told

    def _tell(self) -> None:
        """Publishes what a service changed at once: the next tick may be far away, as simulated time waits for the
        policy.
        """
        self._publish_status(self._now_ns(), commanding=False, gripper_commanded=False)

    def _on_stop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, self._stop("The stop service was called.")
        return response

    def _on_stop_topic(self, _message: Empty) -> None:
        self._stop("A message was received on the topic stop.")

    def _on_release(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        was_stopped = self._controller.state is State.STOPPED
        response.success, response.message = True, self._latch.release()
        if was_stopped and not self._controller.awaits_resume:
            response.message = self._outlook(response.message)
        if was_stopped:  # otherwise an ended request stays ended
            self._gate.reset()
            self._conditions.released()
        self._tell()
        return response

    def _on_resume(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._resume()
        self._tell()
        return response

    def _resume(self) -> tuple[bool, str]:
        """Whether the policy may act again after a takeover, and a sentence about it."""
        taken_over, now = self._controller.awaits_resume, convert.seconds(self._now_ns())
        refusal = self._controller.resume(now) if self._teleop is None else self._teleop.resume()
        if refusal is not None:
            return False, refusal
        self._takeovers.keep()
        return True, self._outlook(RESUMED) if taken_over else "there was no takeover"

    def _outlook(self, told: str) -> str:
        """A reply, extended by what still keeps the next action from moving the arm."""
        unheard = self._arm.unheard(moves=True)
        dry = "This is a dry run: no commands are sent to the arm." if self._dry_run else None
        found = (self._denied(), self._unchecked(), self._tip and self._tip.problem, unheard and unheard[1], dry)
        reasons = list(dict.fromkeys(reason for reason in found if reason))
        return f"{told}, once this is resolved: {' '.join(reasons)}" if reasons else told

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._controller.reset()
        self._gate.reset()
        self._drop_pending()
        self._tell()
        response.success = self._controller.state is not State.STOPPED
        release = self.resolve_service_name("~/release")
        told = "reset"
        if self._controller.awaits_resume:
            told += f", except for the takeover: call {self.resolve_service_name('~/resume')} to give the arm back"
        response.message = told if response.success else f"stopped: call {release} first"
        return response

    def _report(self) -> Report:
        controller = self._controller
        level = {State.FAULT: Level.ERROR, State.STOPPED: Level.WARN}.get(controller.state, Level.OK)
        message = controller.reason
        if level is Level.OK and (denied := self._denied() or self._unchecked()) is not None:
            level, message = Level.ERROR, denied
        if level is Level.OK and self._tip is not None and self._tip.problem is not None:
            level, message = Level.ERROR, self._tip.problem
        if level is Level.OK and self._teleop is not None and self._teleop.trouble is not None:
            level, message = Level.WARN, self._teleop.trouble
        if level is Level.OK and (problem := self._latch.problem or self._takeovers.problem) is not None:
            level, message = Level.WARN, problem
        if level is Level.OK and (unheard := self._nobody_listens()) is not None:
            level, message = unheard
        if level is Level.OK and (several := self._sources.several()):
            level = Level.WARN
            message = (
                f"Actions have {len(several)} publishers, {' and '.join(several)}: the one whose request runs is "
                f"followed, the others are refused. Stop all but one.{self._refused_lately()}"
            )
        values = {
            "state": controller.state.name,
            "commander": controller.commander,
            "awaits_resume": controller.awaits_resume,
            "actions_accepted": controller.accepted,
            "actions_refused": controller.refused,
            "gripper": "" if self._gripper is None else self._gripper,
            "action_publishers": len(self._sources.names()),
            "dry_run": self._dry_run,
            "speed_scale": controller.limits.speed_scale,
            "tip_frame": self._tip_frame,
        }
        return Report(level, message, values)

    def _refused_lately(self) -> str:
        """Whose actions were refused last, and why, with a leading space; empty if none were."""
        if self._rival is None or time.monotonic() - self._rival[0] > RIVAL:
            return ""
        return f" {self._rival[1]}"

    def _nobody_listens(self) -> tuple[Level, str] | None:
        """Reports a missing driver while the arm or the base is commanded to move."""
        moves = not self._dry_run and bool(self._controller.commander)
        found = self._arm.unheard(moves=moves)
        return self._base.unheard(moves=moves) if found is None and self._base is not None else found

    def close(self) -> None:
        """Commands standstill as the last message."""
        if self._collisions is not None:
            self._collisions.close()
        now_ns = self._now_ns()
        self._controller.stop("The smoother node was shut down.")
        self._publish_status(now_ns, commanding=self._stand_still(now_ns), gripper_commanded=False)

    def _stand_still(self, now_ns: int) -> bool:
        """Publishes zero velocity if the last tick commanded one, even if only to brake; whether it did."""
        was, self._commanding = self._commanding, False
        if was:
            self._arm.stand_still(self._controller.frame_id, now_ns)
            if self._base is not None:
                self._base.stand_still(self._base_frame, now_ns)
        return was


def main() -> NoReturn:
    """The program `smoother_node`."""
    end_process(run(SmootherNode))


if __name__ == "__main__":
    main()
