"""Run one instruction, start to end: a simulated arm, a policy and a smoother, one process each.

The processes use a private ROS graph on this machine: no real arm receives anything.
Writes demo.mp4, demo.png and demo.json. Exit status: 0 success, 1 failure, 2 invalid arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from rt_vla_ros import ros
from rt_vla_ros.cli.main import refused
from rt_vla_ros.cli.remote_options import add_remote_options, launch_arguments, patient, remote_settings
from rt_vla_ros.evaluation.record import QuestionRecord
from rt_vla_ros.live.demo_run import DemoOutcome, DemoSettings, perform
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.policies.checkpoint.files import RT2_AOT, RT2_ONNX
from rt_vla_ros.policies.checkpoint.resolve import MADE_IN_MEMORY, UNTRAINED_RT2, Checkpoint, resolve
from rt_vla_ros.progress import Progress
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT, too_long
from rt_vla_ros.runtime.question_queue import without_words
from zenoh_ros.commands.errors import CliError

QUESTION = "what does the gripper hold?"
"""Default question to a policy that writes words as well as actions."""
ANSWER_BY_DEFAULT = ("rt2", RT2_ONNX, RT2_AOT, UNTRAINED_RT2)
LAST_FRAME_REPEATS = 12  # a little more than a second
WRITTEN = {"demo.mp4": "the video", "demo.png": "six frames of it", "demo.json": "the measurements"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--instruction", default="pick up the red cube", metavar="TEXT", help="the instruction to carry out")
    add("--seed", type=int, default=0, metavar="N", help="random seed; suite and seed define the scene")
    add("--suite", default="pick-colours", help="scene suite (docs/evaluation.md)")
    add("--policy", default="rt1-mini", metavar="PATH_OR_NAME", help="checkpoint name or directory")
    asks = f"""question to ask repeatedly while the arm moves; repeatable; "": none; default for RT-2: {QUESTION!r}"""
    add("--ask", action="append", metavar="QUESTION", help=asks)
    add("--plan", action="store_true", help="write a plan in words before each action (an RT-2 trained with plans)")
    add("--out", type=Path, default=Path("demo_out"), metavar="DIR", help="output directory")
    add("--timeout", type=float, metavar="S", help="time limit in simulated seconds (default 20)")
    alike = "run simulation and policy in lock step: reproducible on any machine"
    add("--lock-step", action="store_true", help=alike)
    page = "open the web console, which stays available after the run until Ctrl-C (docs/console.md)"
    add("--console", action="store_true", help=page)
    add_remote_options(parser)


def run(args: argparse.Namespace) -> int:
    """Return the exit status; raises CliError for invalid settings, and KeyboardInterrupt."""
    _take_signals()
    settings = checked(args)
    progress = Progress()
    with PrivateGraph() as graph:
        with refused(ImportError):
            ros.ensure()
        result = perform(settings, graph, progress)
        if settings.console:
            conclude(settings, result, progress)
            progress.line("The console stays open and takes more instructions until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                graph.wait()
    if not settings.console:
        conclude(settings, result, progress)
    return 0 if result.success else 1


def conclude(settings: DemoSettings, result: DemoOutcome, progress: Progress) -> None:
    """Write the video and print the result. Raises CliError."""
    progress.line("Drawing the run ...")
    files = write(settings, result)
    for line in (*summary_lines(settings, result), *files, *([result.details] if result.details else [])):
        progress.line(line)


def _take_signals() -> None:
    """A closed terminal or a `kill` ends the demo like Ctrl-C, with a clean shutdown."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)


def checked(args: argparse.Namespace) -> DemoSettings:
    """The settings, checked before anything starts. Raises CliError."""
    from rt_vla_ros.environments.tabletop import check_table_arm
    from rt_vla_ros.sim import make_scene
    from rt_vla_ros.sim.arm import find_arm

    with refused(ValueError, FileNotFoundError):
        find_arm()
        scene = make_scene(args.suite, args.seed, args.instruction)
        remote = remote_settings(args)
        checkpoint = resolve(args.policy, Progress().line, remote)
        if args.plan:
            checkpoint.check_plans()
        card = checkpoint.read_card()
        check_table_arm(card)
        cameras = tuple(camera.name for camera in card.cameras)
        questions = _questions(args.ask, checkpoint)
    timeout = scene.task.time_limit if args.timeout is None else args.timeout
    if not 0 < timeout <= 3600:
        raise CliError(f"--timeout is {timeout:g}, expected more than 0 and at most 3600 seconds.")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=args.out):
            pass
    except OSError as error:
        said = f"cannot write to {args.out} ({error.strerror}); choose another directory with --out DIR."
        raise CliError(said) from error
    if args.console and args.lock_step:
        raise CliError(
            "--console and --lock-step cannot be combined: the console needs an arm that moves in real time."
        )
    return DemoSettings(
        scene,
        checkpoint.reference,
        args.out,
        timeout,
        args.lock_step,
        cameras,
        questions,
        args.plan,
        args.console,
        launch_arguments(patient(remote) if args.lock_step else remote),
    )


def _questions(asked: list[str] | None, checkpoint: Checkpoint) -> tuple[str, ...]:
    """The questions to ask while the arm moves. Raises CliError."""
    if asked is None:
        return (QUESTION,) if checkpoint.family in ANSWER_BY_DEFAULT else ()
    questions = tuple(" ".join(question.split()) for question in asked)
    if questions == ("",):
        return ()
    if not checkpoint.answers:
        raise CliError(f"--ask: {without_words(checkpoint.name)}")
    for question in questions:
        problem = too_long("question", question, LONGEST_TEXT)
        if not question:
            problem = "a question is empty; give its text."
        if problem is not None:
            raise CliError(f"--ask: {problem}")
    return questions


def write(settings: DemoSettings, result: DemoOutcome) -> list[str]:
    """Writes the three files atomically; returns a line about each. Raises CliError."""
    from rt_vla_ros.evaluation.replay import RATE, draw_frame_grid, draw_run, key_frames, write_clip

    verdict = ("Done: " if result.success else "Not done: ") + result.message[:1].lower() + result.message[1:]
    lines = []
    try:
        frames = list(draw_run(result.trajectory, settings.scene, verdict, success=result.success))
        with tempfile.TemporaryDirectory(dir=settings.out, prefix=".demo-") as folder:
            made = Path(folder)
            if frames:
                write_clip(made / "demo.mp4", [*frames, *[frames[-1]] * LAST_FRAME_REPEATS], RATE)
                draw_frame_grid(key_frames(frames)).save(made / "demo.png")
            figured = json.dumps(figures(settings, result), indent=2, ensure_ascii=False) + "\n"
            (made / "demo.json").write_text(figured, encoding="utf-8")
            for name, meaning in WRITTEN.items():
                if (made / name).exists():
                    os.replace(made / name, settings.out / name)
                    lines.append(f"  {settings.out / name}  {meaning}")
    except OSError as error:
        raise CliError(f"cannot write the result to {settings.out} ({error.strerror}).") from error
    return lines


def figures(settings: DemoSettings, result: DemoOutcome) -> dict[str, Any]:
    """The content of demo.json."""
    # A stop has no latency: it belongs to no image.
    latencies = [1000 * latency for _, _, latency in result.trajectory.actions if latency > 0]
    median, p99 = (round(float(x), 2) for x in np.percentile(latencies, (50, 99))) if latencies else (None, None)
    scene, names = settings.scene, ("success", "outcome", "message", "steps")
    run = {"instruction": scene.task.instruction, **{name: getattr(result, name) for name in names}}
    run |= {"seconds": round(result.seconds, 3), "policy": Path(settings.policy).name, "suite": scene.suite}
    run |= {"seed": scene.seed, "lock_step": settings.lock_step}
    run |= {"latency_ms": {"median": median, "p99": p99}}
    return {**run, "questions": [_question(one) for one in result.trajectory.questions], "plans": _plans(result)}


def _question(record: QuestionRecord) -> dict[str, Any]:
    """Leave out an empty answer or problem."""
    found = {name: value for name, value in asdict(record).items() if value or name == "asked"}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


def _plans(result: DemoOutcome) -> list[dict[str, Any]]:
    """The policy's plans, one entry for each change."""
    actions, plans = result.trajectory.actions, list[dict[str, Any]]()
    for time, chunk, latency in actions:
        if chunk.plan and latency > 0 and (not plans or plans[-1]["plan"] != chunk.plan):
            plans.append({"time": round(time, 3), "plan": chunk.plan})
    return plans


def summary_lines(settings: DemoSettings, result: DemoOutcome) -> list[str]:
    """The result in sentences."""
    latency = figures(settings, result)["latency_ms"]
    lines = [f"{'Done' if result.success else 'Not done'}: {result.message}"]
    if result.steps:
        took = f"{result.seconds:.1f} simulated seconds, {result.steps} actions; latency from image to action"
        lines.append(f"{took} {latency['median']} ms (median), {latency['p99']} ms (p99).")
    if settings.policy in MADE_IN_MEMORY:
        lines.append(f"The policy {settings.policy} has random weights: a failure is expected.")
    return lines
