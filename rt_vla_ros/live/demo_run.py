"""The ROS part of the demo: starts the launch file, publishes the instruction, waits for the end."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.evaluation.lettering import one_line
from rt_vla_ros.evaluation.record import QuestionRecord, Trajectory
from rt_vla_ros.live.held_port import BOTH, HeldPort
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.live.question_asker import QuestionAsker
from rt_vla_ros.progress import Progress
from rt_vla_ros.sim.scenes import Scene
from zenoh_ros.commands.errors import CliError

if TYPE_CHECKING:
    from rt_vla_ros.live.graph_session import GraphSession

NAMESPACE = "/rt_vla_demo"
PAGE_PORT = 8767
ANY_PORT = 20  # attempts with another port


@dataclass(frozen=True)
class DemoSettings:
    """timeout: time limit of the policy, simulated [s]. out: output directory.

    questions: asked in turn, repeatedly, while the arm moves. plan: whether the policy is asked to plan. console:
    whether there is a page in the browser. remote: further launch arguments for a policy server.
    """

    scene: Scene
    policy: str
    out: Path
    timeout: float
    lock_step: bool
    cameras: tuple[str, ...] = ("front",)
    questions: tuple[str, ...] = ()
    plan: bool = False
    console: bool = False
    remote: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoOutcome:
    """How the demo ended. outcome: a value of sim.judge.Outcome, or "error" if it was not judged, with `details`.

    seconds: simulated, from the reset of the scene to the end.
    """

    success: bool
    outcome: str
    message: str
    seconds: float
    trajectory: Trajectory
    details: str = ""

    @property
    def steps(self) -> int:
        """Number of actions that moved the arm; a terminate does not."""
        return sum(not action.terminate for _, action, _ in self.trajectory.actions)


def perform(settings: DemoSettings, graph: PrivateGraph, progress: Progress) -> DemoOutcome:
    """Starts the graph, executes the instruction and judges the result. Raises CliError if the policy cannot be
    used.
    """
    from rt_vla_ros.live.graph_session import GraphSession, RunFailed, tail  # imports rclpy

    log = settings.out / "demo.log"
    log.write_bytes(b"")
    progress.line(
        f"Starting policy, smoother and simulated arm, a process each (ROS domain {graph.variables['ROS_DOMAIN_ID']}, "
        f"{graph.variables['RT_VLA_ROS_ROUTER']}, namespace {NAMESPACE})."
    )
    scene, lock_step, cameras = settings.scene, str(settings.lock_step).lower(), ",".join(settings.cameras)
    arguments: tuple[str, ...] = (  # the instruction only selects the scene
        *("arm:=sim", f"policy:={settings.policy}", f"namespace:={NAMESPACE}", f"lock_step:={lock_step}"),
        *(f"suite:={scene.suite}", f"seed:={scene.seed}", f"instruction:={scene.task.instruction}"),
        *(f"cameras:={cameras}", f"plan:={str(settings.plan).lower()}"),
        *(f"{name}:={value}" for name, value in settings.remote.items()),
    )
    with contextlib.ExitStack() as running:
        if settings.console:
            port = running.enter_context(page_port()).number
            arguments += ("console:=true", f"console_port:={port}")
            progress.line(f"The page: http://localhost:{port}/")
        launched = graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *arguments, log=log)
        session = running.enter_context(GraphSession(NAMESPACE, launched, progress))
        asker = QuestionAsker(
            settings.questions, session.ask, lambda: session.trajectory.time, lambda asked: _tell(asked, progress)
        )
        try:
            return _attempt(settings, session, asker)
        except RunFailed as failure:
            asker.give_up("The run ended first.")
            trajectory = replace(session.trajectory, questions=asker.records)
            details = f"Last output of the processes ({log}):\n{tail(log)}"
            return DemoOutcome(False, "error", str(failure), trajectory.time, trajectory, details)


def page_port(usual: int = PAGE_PORT) -> HeldPort:
    """The default port, or any free one if it is taken. Raises CliError."""
    for port in (usual, *[0] * ANY_PORT):
        with contextlib.suppress(OSError):  # one that is free at one address may be taken at the other
            return HeldPort(port, BOTH)
    raise CliError("no port is free on localhost.")


def _attempt(settings: DemoSettings, session: GraphSession, asker: QuestionAsker) -> DemoOutcome:
    """From the start of the processes to the result. Raises RunFailed and CliError."""
    task, timeout = settings.scene.task, settings.timeout
    session.wait_for_nodes()
    session.lay_scene(settings.scene, task.instruction)
    session.progress.line(f"Publishing on {NAMESPACE}/instruction: {task.instruction!r}")
    session.instruct(task.instruction)

    def terminated_by_now() -> bool:
        _show(session)
        if session.trajectory.actions:
            asker.go_on()
        return session.terminated and session.has_ended()

    terminated = session.watch(timeout, 0.1, terminated_by_now)
    verdict = session.judge(terminated=terminated)
    trajectory, message = session.trajectory.copy(), verdict.message
    if not terminated:
        trajectory = trajectory.until(timeout)
        if settings.lock_step:  # in which an action may arrive before the state of its image
            del trajectory.actions[session.actions_before(timeout) :]
        message += f" The time limit of {timeout:g} s was reached."
    if session.refusal and not verdict.success:
        message += f" Actions were refused: {session.refusal}"
    _await_answer(session, asker)
    trajectory.questions = asker.records
    return DemoOutcome(verdict.success, verdict.outcome, message, trajectory.time, trajectory)


def _await_answer(session: GraphSession, asker: QuestionAsker) -> None:
    """Waits for the answer to a question asked while the arm moved; the run is already over and judged."""
    from rt_vla_ros.live.graph_session import ANSWER, RunFailed

    problem = f"No answer within {ANSWER:.0f} s after the run."
    try:
        session.wait(lambda: not asker.waiting)
    except RunFailed as failure:
        problem = str(failure)
    asker.give_up(problem)


def _tell(asked: QuestionRecord, progress: Progress) -> None:
    begin = f"  {asked.asked:5.1f} s  asked: {one_line(asked.question)}"
    if asked.problem:
        progress.line(f"{begin}  No answer: {one_line(asked.problem)}")
    else:
        progress.line(f"{begin}  Answer at {asked.answered:.1f} s: {one_line(asked.answer) or '(nothing)'}")


def _show(session: GraphSession) -> None:
    trajectory = session.trajectory
    if trajectory.actions:
        _, chunk, latency = trajectory.actions[-1]
        step = next(iter(chunk.steps), EndEffectorStep.still())
        x, y, z = (100 * value for value in step.translation)
        session.progress.update(
            f"  {trajectory.time:5.1f} s  {x:+5.1f} {y:+5.1f} {z:+5.1f} cm  gripper {step.gripper_word:6}  "
            f"confidence {chunk.confidence:4.0%}  {1000 * latency:4.0f} ms"
        )
