"""RT-2's claims in miniature: trains and evaluates the experiment's arms, and prints tables next to the paper's
results.

rt-vla train rt2 --recipe rt2-mini --out runs/mini
python -m rt_vla_ros.benchmarks.rt2_in_miniature --frames-from runs/mini --out runs/miniature

All arms but those named `robots-...` are trained on the frames of that finished run. `robots-frames` renders frames of
two robots while it trains, and the other arms of claim (f), two robots, are trained on these. At each step, arms with
the same seed, frames and number of robot frames per batch get the same frames and instructions. They do not act during
training; the policy in the episode frames is that of the run which rendered them, which was co-fine-tuned. A model of
both robots sees each half as often per step as a model of one. Run the same command again to resume; finished arms are
skipped. `--only ARM ...` selects arms; `--list` prints them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.benchmarks.miniature_tables import cells, measured, report, share_plot

STEPS, WEB_STEPS = 5_000, 1_500
FRAMES = 24  # in a batch with web data
ROBOT_FRAMES = 17  # of them from robot data, at the recipe's share; arms without web data have a batch of these alone
SEEDS = (0, 1, 2)
SHARES = (0.1, 0.3, 0.5, 0.66, 0.9, 1.0)
SIZED_SHARE = 0.66
"""At which the sizes of the model are compared."""
SUITES = ("pick-any", "unseen")
ROBOTS = ("front", "left")
BOTH_ROBOTS = "robots-frames"  # the arm that renders the frames of both
CHECKPOINT = "checkpoint"
WORDS = ("synonyms", "reasoning")
KEPT = 110_000
"""Robot frames in memory: all 105,000 of the recipe.

A smaller buffer would keep the newest: hardly any static images or expert episodes.
"""
EPISODES = 100
DONE = "done"  # a file


@dataclass(frozen=True)
class Arm:
    """name: of its directory. settings: of MiniSettings. start: the arm whose weights initialize it; "": random.

    frames: the arm whose frames it is trained on; "": those of the given run; None: it renders its own. suites: of its
    evaluation. plan: whether it plans in words in the evaluation. of: the arm whose policy is evaluated differently;
    "": its own. checkpoint: to evaluate.
    """

    name: str
    settings: Mapping[str, Any]
    start: str = ""
    suites: Sequence[str] = SUITES
    plan: bool = False
    of: str = ""
    frames: str | None = ""
    checkpoint: str = CHECKPOINT

    @property
    def behind(self) -> set[str]:
        """Arms that must be finished first."""
        return {self.start, self.of, self.frames or ""} - {""}


def arms(steps: int = STEPS) -> list[Arm]:
    """Each one after its dependencies. Robot frames have no questions: web data is the only difference.

    steps: of the training of each arm, apart from the one on web data that it starts from.
    """
    found = []
    acting = {"steps": steps, "web_steps": 0, "robot_questions": False, "robot_capacity": KEPT}
    robot_only = {**acting, "batch_size": ROBOT_FRAMES, "robot_share": 1.0}
    web = {"steps": WEB_STEPS, "web_steps": WEB_STEPS, "batch_size": FRAMES, "robot_share": 0.0}
    together = {**acting, "batch_size": FRAMES}
    for seed in SEEDS:
        found.append(Arm(f"web-{seed}", {**web, "seed": seed}, suites=()))
        found.append(Arm(f"scratch-{seed}", {**robot_only, "seed": seed}))
        suites = (*SUITES, *WORDS)
        found.append(Arm(f"robot-only-{seed}", {**robot_only, "seed": seed}, f"web-{seed}", suites))
        co = {**together, "robot_share": ROBOT_FRAMES / FRAMES, "seed": seed}
        found.append(Arm(f"co-{seed}", co, f"web-{seed}", suites))
        found.append(Arm(f"plan-{seed}", {}, suites=WORDS, plan=True, of=f"co-{seed}"))
    found += _two_robots({**together, "robot_share": ROBOT_FRAMES / FRAMES})
    known = SUITES[:1]
    for share in SHARES:
        found.append(Arm(share_name(share), {**together, "robot_share": share}, "web-0", known))
    small = {"width": 64, "layers": 2}
    found.append(Arm("web-small", {**web, **small}, suites=()))
    found.append(Arm("small", {**together, **small, "robot_share": SIZED_SHARE}, "web-small", known))
    return found


def share_name(share: float) -> str:
    """Name of the arm with this share of robot frames."""
    return f"share-{share:.0%}".rstrip("%")


def _two_robots(together: Mapping[str, Any]) -> list[Arm]:
    """Each robot alone and both in one model, on the frames of a run with both, with equal numbers per batch."""
    front, left = ROBOTS
    of_front, of_left = ("pick-any",), ("left-any",)
    rendering = {**together, "embodiments": ",".join(ROBOTS), "learner_after": together["steps"] // 3}

    def arm(name: str, embodiments: str, suites: Sequence[str]) -> Arm:
        return Arm(f"robots-{name}", {**together, "embodiments": embodiments}, "web-0", suites, frames=BOTH_ROBOTS)

    return [
        Arm(BOTH_ROBOTS, rendering, "web-0", suites=(), frames=None),
        arm(front, front, SUITES),
        arm(left, left, of_left),
        arm("both", ",".join(ROBOTS), of_front),
        Arm("robots-both-left", {}, suites=of_left, of="robots-both", checkpoint=f"{CHECKPOINT}-{left}"),
    ]


@dataclass(frozen=True)
class Place:
    """frames_from: a run whose frames all arms are trained on. out: directory of all arms.

    how: further training options. evaluates: whether arms are also evaluated.
    """

    frames_from: Path
    out: Path
    how: Sequence[str] = ()
    evaluates: bool = True

    def train_command(self, arm: Arm) -> list[str]:
        """The command that trains the arm's policy."""
        settings = dict(arm.settings)
        if arm.frames is not None:
            settings["frames_from"] = str(self.out / arm.frames if arm.frames else self.frames_from)
        if arm.start:
            settings["init_from"] = str(self.out / arm.start / CHECKPOINT)
        changes = [part for key, value in settings.items() for part in ("--set", f"{key}={_text(value)}")]
        command = ["train", "rt2", "--recipe", "rt2-mini", "--out", str(self.out / arm.name)]
        return [*_PROGRAM, *command, "--threads", "1", *self.how, *changes]

    def evaluate_command(self, arm: Arm) -> list[str]:
        """The evaluation command."""
        command = ["evaluate", "--policy", str(self.out / (arm.of or arm.name) / arm.checkpoint), "--threads", "1"]
        command += ["--suite", ",".join(arm.suites), "--episodes", str(EPISODES), "--seed", "0", "--videos", "0"]
        command += ["--device", "cpu"]
        return [*_PROGRAM, *command, "--out", str(self.out / arm.name / "evaluation"), *["--plan"] * arm.plan]

    def make(self, arm: Arm) -> None:
        """Train and evaluate an arm unless done. Raises ArmError."""
        folder = self.out / arm.name
        folder.mkdir(parents=True, exist_ok=True)
        if not arm.of:
            _run(self.train_command(arm), folder / "train.log")
        if not self.evaluates:
            return
        if arm.suites:
            _run(self.evaluate_command(arm), folder / "evaluate.log")
        (folder / DONE).touch()


_PROGRAM = (sys.executable, "-m", "rt_vla_ros.cli")


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


class ArmError(RuntimeError):
    """An arm failed; the message says where to find the reason."""


def _run(command: Sequence[str], log: Path) -> None:
    with log.open("ab") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    if status:
        raise ArmError(f"A command failed with status {status}; see {log}. Run the same command again to resume.")


def make_all(chosen: Iterable[Arm], place: Place, jobs: int) -> None:
    """Run several arms at a time, in single-threaded processes, in this order, but each after its dependencies.

    Raises the ArmError of the first failure, after the running arms have ended; no further ones are started.
    """

    def make(arm: Arm) -> None:
        if not (place.out / arm.name / DONE).is_file():
            print(f"{arm.name} ...", flush=True)
            place.make(arm)
        print(f"{arm.name}: {_line(place, arm)}", flush=True)

    waiting, running = list(chosen), dict[Future[None], Arm]()
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            missing = {arm.name for arm in (*waiting, *running.values())}
            ready = [arm for arm in waiting if not arm.behind & missing]
            for arm in ready[: jobs - len(running)]:
                waiting.remove(arm)
                running[pool.submit(make, arm)] = arm
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                future.result()


def _needs_given_frames(arm: Arm, out: Path) -> bool:
    return arm.frames == "" and not arm.of and not (out / arm.name / DONE).is_file()


def _line(place: Place, arm: Arm) -> str:
    """The results in a line."""
    return ", ".join(f"{key} {value}" for key, value in cells(measured(place.out / arm.name)).items())


def main() -> int:
    """Return 0 if all chosen arms are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--frames-from", type=Path, metavar="RUN", help="run directory of the recipe rt2-mini")
    add("--out", type=Path, metavar="DIR", help="output directory of all arms")
    add("--steps", type=int, default=STEPS, metavar="N", help=f"training steps of an arm (default {STEPS})")
    add("--jobs", type=int, default=2, metavar="N", help="number of arms in parallel (default 2)")
    add("--device", default="cpu", help="training device (default cpu); evaluation runs on the CPU")
    add("--num-workers", type=int, default=0, metavar="N", help="data loading processes per arm (default 0: a thread)")
    add(
        "--save-interval",
        type=int,
        default=500,
        metavar="N",
        help="steps between checkpoints and validation (default 500)",
    )
    add("--train-only", action="store_true", help="skip the evaluation; run again without this option to evaluate")
    add("--only", nargs="+", metavar="ARM", choices=[arm.name for arm in arms()], help="arms to run (default: all)")
    add("--plot", type=Path, metavar="FILE", help="also plot success and VQA over the share of robot frames (SVG)")
    add("--list", action="store_true", help="print the arms with their commands and exit")
    args = parser.parse_args()
    chosen = [arm for arm in arms(args.steps) if args.only is None or arm.name in args.only]
    how = ("--device", args.device, "--num-workers", f"{args.num_workers}", "--save-interval", f"{args.save_interval}")
    place = Place((args.frames_from or Path("RUN")).resolve(), args.out or Path("OUT"), how, not args.train_only)
    if args.list:
        print("\n".join(f"{arm.name}: {' '.join(place.train_command(arm)[1:])}" for arm in chosen if not arm.of))
        return 0
    if args.out is None:
        parser.error("give --out DIR")
    if args.frames_from is None and any(_needs_given_frames(arm, args.out) for arm in chosen):
        parser.error("give --frames-from RUN")
    try:
        make_all(chosen, place, args.jobs)
    except ArmError as error:
        print(error, file=sys.stderr)
        return 1
    print(report({arm.name: measured(place.out / arm.name) for arm in chosen}))
    if args.plot:
        args.plot.write_text(share_plot({share: measured(place.out / share_name(share)) for share in SHARES}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
