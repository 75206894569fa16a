"""The part of the demo that is on the ROS graph: starts the launch file, gives the instruction, waits for the end."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

from rt_vla_ros.evaluation.record import Trajectory
from rt_vla_ros.live.demo_settings import DemoSettings
from rt_vla_ros.live.graph_session import ANSWER, STALL, GraphSession, RunFailed, tail
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.live.recorder import Recorder, join, leave
from rt_vla_ros.progress import Progress

NAMESPACE = "/rt_vla_demo"


@dataclass(frozen=True)
class DemoOutcome:
    """How the demo ended. outcome: a value of sim.judge.Outcome, or "error" where it was not judged, with `details`.

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
        """How many actions moved the arm; a terminate does not."""
        return sum(not action.terminate for _, action, _ in self.trajectory.actions)


def perform(settings: DemoSettings, graph: PrivateGraph, progress: Progress) -> DemoOutcome:
    """Starts the graph, has the instruction carried out and judged. Raises CliError where the policy cannot be used."""
    log = settings.out / "demo.log"
    log.write_bytes(b"")
    progress.line(
        f"Starting policy, smoother and simulated arm, a process each (ROS domain {graph.variables['ROS_DOMAIN_ID']}, "
        f"{graph.variables['RT_VLA_ROS_ROUTER']}, namespace {NAMESPACE})."
    )
    launched = graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *launch_arguments(settings), log=log)
    recorder = join(NAMESPACE)
    try:
        return Attempt(settings, recorder, launched, progress).result()
    except RunFailed as failure:
        trajectory = recorder.trajectory
        details = f"What the processes said last ({log}):\n{tail(log)}"
        return DemoOutcome(False, "error", str(failure), trajectory.time, trajectory, details)
    finally:
        leave(recorder)


def launch_arguments(settings: DemoSettings) -> list[str]:
    """For policy.launch.py; its instruction only lays the scene."""
    return [
        "arm:=sim",
        f"policy:={settings.policy}",
        f"namespace:={NAMESPACE}",
        f"lock_step:={str(settings.lock_step).lower()}",
        f"suite:={settings.scene.suite}",
        f"seed:={settings.scene.seed}",
        f"instruction:={settings.scene.task.instruction}",
        f"cameras:={','.join(settings.cameras)}",
    ]


class Attempt(GraphSession):
    """One instruction, from the start of the processes to the judgement."""

    def __init__(
        self, settings: DemoSettings, recorder: Recorder, launched: subprocess.Popen[bytes], progress: Progress
    ) -> None:
        super().__init__(recorder, launched, progress)
        self._settings = settings

    def result(self) -> DemoOutcome:
        """Does it all. Raises RunFailed and CliError."""
        self.wait_for_nodes()
        self._give_instruction()
        ended = self._watch()
        return self._judged(ended)

    def _give_instruction(self) -> None:
        task, scene = self._settings.scene.task, self._settings.scene
        deadline = time.monotonic() + ANSWER
        refused = self.recorder.lay_scene(scene.suite, scene.seed, task.instruction, deadline)
        if refused is not None:
            raise RunFailed(f"The scene could not be laid: {refused}.")
        self.progress.line(f"Publishing on {NAMESPACE}/instruction: {task.instruction!r}")
        if not self.recorder.instruct(task.instruction, deadline):
            raise RunFailed("Nobody listened to the instruction.")

    def _watch(self) -> str:
        """Until the policy says that it is done, time is over, or nothing happens any more; which of them."""
        recorder, seen, changed = self.recorder, -1, time.monotonic()
        while recorder.trajectory.time < self._settings.timeout:
            events = len(recorder.trajectory.states) + len(recorder.trajectory.actions)
            if events != seen:
                seen, changed = events, time.monotonic()
            if recorder.terminated and recorder.trajectory.actions:
                return "terminated"
            if time.monotonic() - changed > STALL:
                reason = recorder.status.reason if recorder.status is not None else "the smoother is silent"
                raise RunFailed(f"Nothing happened for {STALL:.0f} s: {reason}")
            self._show()
            recorder.wait(lambda: False, time.monotonic() + 0.1)
        return "timeout"

    def _show(self) -> None:
        trajectory = self.recorder.trajectory
        if trajectory.actions:
            _, action, latency = trajectory.actions[-1]
            x, y, z = (100 * value for value in action.translation)
            self.progress.update(
                f"  {trajectory.time:5.1f} s  {x:+5.1f} {y:+5.1f} {z:+5.1f} cm  gripper {action.gripper_word:6}  "
                f"confidence {action.confidence:4.0%}  {1000 * latency:4.0f} ms"
            )

    def _judged(self, ended: str) -> DemoOutcome:
        verdict = self.recorder.judge(time.monotonic() + ANSWER, terminated=ended == "terminated")
        if verdict is None:
            raise RunFailed("The simulated arm did not say how the scene stands.")
        trajectory, message = self.recorder.trajectory, verdict.message
        if ended == "timeout":
            trajectory = trajectory.until(self._settings.timeout)
            if self._settings.lock_step:  # in which an action may overtake the state that its image shows
                del trajectory.actions[self.recorder.actions_before(self._settings.timeout) :]
            message += f" The time limit of {self._settings.timeout:g} s was reached."
        if self.recorder.refusal and not verdict.success:
            message += f" Actions were refused: {self.recorder.refusal}"
        return DemoOutcome(verdict.success, verdict.outcome, message, trajectory.time, trajectory)
