"""The faults: how each is injected, what must happen, and how it is repaired."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rt_vla_ros.live.faults.graph import FaultGraph

# The last step and the allowed pause after it; docs/safety.md.
LAST_STEP = 0.5  # [s]
IMAGE_AGE = 0.5  # max_image_age [s]


def _nothing(graph: FaultGraph) -> None: ...


@dataclass(frozen=True)
class Fault:
    """One kind of fault. inject: causes it. repair: called before the next trial; dead processes are restarted anyway.
    bound: time until the arm must stand still [s]. reason: regular expression for the reason that a node gives.
    stays: whether the arm must stand still until another instruction, even after the repair.
    begins: "inject" where time counts from before it was done, "stop" from after it, for what is a stop at its end,
    "action" from the arrival of the action that it leads to. ends: "still" where it counts until the arm stands still,
    "told" where the reason must have been given, too. set_up: of the graph, see processes.SET_UPS.
    """

    name: str
    inject: Callable[[FaultGraph], None]
    bound: float
    reason: str
    repair: Callable[[FaultGraph], None] = _nothing
    stays: bool = False
    begins: str = "inject"
    ends: str = "still"
    set_up: str = ""


def _signal(process: str, number: signal.Signals) -> Callable[[FaultGraph], None]:
    return lambda graph: graph.processes[process].send_signal(number)


def _told(what: str) -> Callable[[FaultGraph], None]:
    return lambda graph: graph.tell(what)


def _call(service: str) -> Callable[[FaultGraph], None]:
    return lambda graph: graph.call(service)


def _release(graph: FaultGraph) -> None:
    graph.release()


def _disk(bytes_left: int) -> Callable[[FaultGraph], None]:
    """Limits the size of files."""

    def limit(graph: FaultGraph) -> None:
        for name in ("policy", "smoother"):
            pid = graph.processes[name].pid
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_left if bytes_left >= 0 else hard, hard))

    return limit


def _full_disk(graph: FaultGraph) -> None:
    _disk(0)(graph)
    graph.call("smoother_node/stop")


def _disk_again(graph: FaultGraph) -> None:
    _disk(-1)(graph)
    graph.release()


def _flood(graph: FaultGraph) -> None:
    graph.flood(1000)
    graph.call("smoother_node/stop")


def _fuzz(graph: FaultGraph) -> None:
    graph.fuzz(300)
    graph.call("smoother_node/stop")


def _rival(graph: FaultGraph) -> None:
    graph.rival(1.0)
    graph.call("smoother_node/stop")


def _kill_gripper(graph: FaultGraph) -> None:
    graph.kill_gripper()
    graph.call("smoother_node/stop")


def _restart_gripper(graph: FaultGraph) -> None:
    graph.kill_gripper()
    graph.restart_gripper()
    graph.call("smoother_node/stop")


def _release_and_open(graph: FaultGraph) -> None:
    graph.tell("none")
    graph.release()


def _clock(seconds: float) -> Callable[[FaultGraph], None]:
    """Offsets the smoother's clock."""

    def jump(graph: FaultGraph) -> None:
        graph.clock_offset_ns = round(seconds * 1e9)

    return jump


def _of_servo(name: str, process: str, number: signal.Signals, reason: str) -> Fault:
    """A signal to Servo, or to the bridge to it."""
    repair = _signal(process, signal.SIGCONT) if number is signal.SIGSTOP else _nothing
    inject = _signal(process, number)
    return Fault(name, inject, 0.5, reason, repair, stays=True, ends="told", set_up="Servo")


SILENCE = r"silent|waiting for the next|policy is gone"
NO_IMAGE = rf"max_image_age|No image of camera|{SILENCE}"
FAULTS: tuple[Fault, ...] = (
    Fault("stop", _call("smoother_node/stop"), 0.25, "stop service", _release, stays=True),
    Fault("stop of the policy", _call("policy_node/stop"), 0.25, "stop service", _release, stays=True),
    Fault("terminate", _told("policy done"), 0.25, "instruction is done", _told("none"), stays=True, begins="action"),
    Fault("action of NaN", _told("policy nan"), 0.25, "finite", _told("none"), stays=True, begins="action"),
    Fault("action of 3 m", _told("policy huge"), 0.25, "max_translation", _told("none"), begins="action"),
    Fault("kill -9 of the policy", _signal("policy", signal.SIGKILL), 0.25, SILENCE),
    Fault("kill -9 of the smoother", _signal("smoother", signal.SIGKILL), 0.25, "smoother is gone", stays=True),
    Fault("kill -9 of the camera", _signal("camera", signal.SIGKILL), IMAGE_AGE + LAST_STEP, NO_IMAGE),
    Fault(
        "SIGSTOP of the policy",
        _signal("policy", signal.SIGSTOP),
        LAST_STEP,
        SILENCE,
        _signal("policy", signal.SIGCONT),
    ),
    Fault(
        "SIGSTOP of the smoother",
        _signal("smoother", signal.SIGSTOP),
        0.25,
        "smoother is gone|silent",
        _signal("smoother", signal.SIGCONT),
    ),
    Fault(
        "SIGSTOP of the camera",
        _signal("camera", signal.SIGSTOP),
        IMAGE_AGE + LAST_STEP,
        NO_IMAGE,
        _signal("camera", signal.SIGCONT),
    ),
    Fault("images stop", _told("camera silent"), IMAGE_AGE + LAST_STEP, NO_IMAGE, _told("none")),
    Fault("one image in ten", _told("camera slow"), IMAGE_AGE + LAST_STEP, NO_IMAGE, _told("none")),
    Fault("frozen image", _told("camera frozen"), 1.0, "same image", _told("none"), stays=True),
    Fault("1,000 instructions in a second", _flood, 0.25, "stop service", _release, stays=True, begins="stop"),
    Fault("malformed messages", _fuzz, 0.25, "stop service", _release, stays=True, begins="stop"),
    Fault(
        "two policies on one topic", _rival, 0.25, "the actions of .* are refused", _release, stays=True, begins="stop"
    ),
    Fault("clock jumps back", _clock(-5.0), 0.25, "jumped back", _clock(0.0), set_up="clock"),
    Fault("clock jumps ahead", _clock(5.0), 0.25, "No tick for", _clock(0.0), set_up="clock"),
    Fault(
        "connection of the policy cut",
        lambda graph: graph.wire.cut(),
        LAST_STEP,
        NO_IMAGE,
        lambda graph: graph.wire.restore(),
        set_up="wire",
    ),
    Fault(
        "router of the policy gone",
        lambda graph: graph.wire.refuse(),
        LAST_STEP,
        NO_IMAGE,
        lambda graph: graph.wire.restore(),
        set_up="wire",
    ),
    Fault(
        "kill -9 of the gripper's server",
        _kill_gripper,
        0.25,
        "action server disappeared during a goal|action server has not completed a goal",
        _release_and_open,
        stays=True,
        begins="stop",
        set_up="gripper",
    ),
    Fault(
        "restart of the gripper's server",
        _restart_gripper,
        0.25,
        "The gripper follows its commands",
        _release_and_open,
        stays=True,
        begins="stop",
        set_up="gripper",
    ),
    Fault(
        "halt of Servo",
        _told("servo halt"),
        0.5,
        "The arm is not ready: Servo halted the arm because of a collision",
        _told("none"),
        stays=True,
        ends="told",
        set_up="Servo",
    ),
    _of_servo("kill -9 of Servo", "Servo", signal.SIGKILL, "The arm is not ready: (No MoveIt Servo|Servo is silent)"),
    _of_servo("SIGSTOP of Servo", "Servo", signal.SIGSTOP, "The arm is not ready: Servo is silent"),
    _of_servo("kill -9 of the bridge to Servo", "Servo bridge", signal.SIGKILL, "the arm's bridge is silent"),
    _of_servo("SIGSTOP of the bridge to Servo", "Servo bridge", signal.SIGSTOP, "the arm's bridge is silent"),
    Fault("full disk", _full_disk, 0.25, "survive|stop service", _disk_again, stays=True),
)
