"""Train a policy from demonstrations, then improve it with human corrections: the full pipeline, over ROS topics.

    python -m rt_vla_ros.benchmarks.learn_by_takeover --out runs/takeover

A scripted human demonstrates tasks on the simulated arm with a joystick, and recorder_node records them. The dataset is
checked, and an RT-1 is trained and evaluated. Then this policy acts, and the same human takes over when it fails. The
training goes on twice from the first policy's weights, for the same number of steps: with the corrections ("second"),
and for comparison with the demonstrations alone ("longer"). All three are evaluated on the same seeds (McNemar's exact
test). A further experiment fine-tunes rt1-mini on 20 episodes of a suite it was not trained on, and evaluates it before
and after; then again with the same episodes converted from a bag that was recorded beside them. Run the same command
again to resume: finished stages are skipped, and different options are refused. `--list` prints the commands.
"""

from __future__ import annotations

import argparse
import glob
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rt_vla_ros.evaluation.comparison.paired import PairedResult, paired_result
from rt_vla_ros.evaluation.comparison.verdict import difference_sentence, rate_sentence, verdict
from rt_vla_ros.json_lines import read_rows
from rt_vla_ros.out_claim import claimed

RT_VLA = (sys.executable, "-m", "rt_vla_ros.cli")
HUMAN = (sys.executable, "-m", "rt_vla_ros.live.human_episodes")
SEEDS_APART = 100_000
"""Distance of the first seeds of two sets of episodes, which are all above those of evaluations."""


@dataclass(frozen=True)
class ProofSize:
    """shown, corrected, few: numbers of recorded episodes. steps: of each training; few_steps: of the last.

    evaluated: episodes of each evaluation. batch_size: in samples.
    """

    shown: int = 120
    corrected: int = 60
    few: int = 20
    steps: int = 6_000
    few_steps: int = 1_000
    evaluated: int = 200
    batch_size: int = 32


TINY = ProofSize(shown=2, corrected=1, few=2, steps=2, few_steps=2, evaluated=1, batch_size=1)
"""For a quick test of all stages."""


@dataclass(frozen=True)
class Stage:
    """name: of its log, and of the file that marks it as done and stores its command. command: * stands for files."""

    name: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        """The command, without the interpreter's path."""
        return " ".join(self.command[1:])


def stages(out: Path, size: ProofSize, suite: str, new: str, first_seed: int) -> list[Stage]:
    """The stages in order. suite, new: of the known and of the new scenes. first_seed: of the first scene."""
    shown, corrected, few = (out / name / "dataset" for name in ("shown", "corrected", "few"))
    bags, read = out / "few" / "bags", out / "few-from-bag"
    first, second, longer = (str(out / name / "checkpoint") for name in ("first", "second", "longer"))

    def human(name: str, number: int, of: str, episodes: int, *more: str) -> Stage:
        words = ("--suite", of, "--episodes", str(episodes), "--first-seed", str(first_seed + number * SEEDS_APART))
        return Stage(name, (*HUMAN, *words, *more, "--out", str(out / name)))

    def check(name: str, data: Path) -> Stage:
        return Stage(name, (*RT_VLA, "data", "check", str(data)))

    def train(name: str, *data: str, steps: int = size.steps) -> Stage:
        words = ("--steps", str(steps), "--batch-size", str(size.batch_size), "--threads", "2")
        return Stage(name, (*RT_VLA, "train", "rt1", "--data", *data, *words, "--out", str(out / name)))

    def fine_tune(name: str, data: Path) -> Stage:
        return train(name, str(data), "--init-from", "rt1-mini-1", steps=size.few_steps)

    def evaluate(name: str, policy: str, of: str) -> Stage:
        words = ("--policy", policy, "--suite", of, "--episodes", str(size.evaluated), "--seed", "0", "--videos", "0")
        return Stage(name, (*RT_VLA, "evaluate", *words, "--out", str(out / name)))

    rules, further = ("--intervention-weight", "4", "--before-takeover", "1"), ("--init-from", first)
    offline = ("--dataset", str(shown), "--out", str(out / "first-offline"))
    split = ("--card", str(few), "--topics", str(bags), "--episodes-by", "recorder_node/episode", "--append")
    return [
        human("shown", 0, suite, size.shown),
        check("check-shown", shown),
        train("first", str(shown)),
        Stage("first-offline", (*RT_VLA, "evaluate", "--policy", first, *offline)),
        evaluate("first-evaluation", first, suite),
        human("corrected", 1, suite, size.corrected, "--policy", first),
        check("check-corrected", corrected),
        train("second", str(shown), str(corrected), *rules, *further),
        evaluate("second-evaluation", second, suite),
        train("longer", str(shown), *further),
        evaluate("longer-evaluation", longer, suite),
        human("few", 2, new, size.few, "--bags"),
        check("check-few", few),
        evaluate("few-before", "rt1-mini-1", new),
        fine_tune("few-trained", few),
        evaluate("few-after", str(out / "few-trained" / "checkpoint"), new),
        Stage("few-from-bag", (*RT_VLA, "data", "from-bag", str(bags / "bag-*"), *split, "--out", str(read))),
        fine_tune("few-bag-trained", read),
        evaluate("few-bag-after", str(out / "few-bag-trained" / "checkpoint"), new),
    ]


class StageError(RuntimeError):
    """A stage failed; the message says where to find the reason."""


def make(stage: Stage, out: Path) -> None:
    """Run a stage unless it is done. Raises StageError, also if it was done with other options."""
    done, log = out / "done" / stage.name, out / "logs" / f"{stage.name}.log"
    if done.is_file():
        if (said := done.read_text(encoding="utf-8")) != str(stage):
            raise StageError(
                f"{out} has {stage.name} from a different command ({said}), expected: {stage}. Choose another --out."
            )
        return
    for folder in (done.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    print(f"{stage.name} ...", flush=True)
    command = [match for word in stage.command for match in (sorted(glob.glob(word)) if "*" in word else [word])]
    with log.open("ab") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    if status != 0:
        raise StageError(f"{stage.name} failed with status {status}; see {log}. Run the same command again to resume.")
    done.write_text(str(stage), encoding="utf-8")


PAIRS = (
    ("first-evaluation", "second-evaluation"),
    ("longer-evaluation", "second-evaluation"),
    ("few-before", "few-after"),
    ("few-after", "few-bag-after"),
)


def results(out: Path) -> dict[tuple[str, str], PairedResult]:
    """Comparisons of the pairs with both evaluations finished."""
    found = {}
    for pair in PAIRS:
        files = [out / name / "evaluation.json" for name in pair]
        if all(file.is_file() for file in files):
            first, second = (json.loads(file.read_text(encoding="utf-8"))["log"] for file in files)
            found[pair] = paired_result(first, second)
    return found


def report(out: Path) -> str:
    """Markdown: number of episodes, and the comparison of each pair. Raises StageError for a damaged journal."""
    lines = [f"- {_sentences(pair, result)}" for pair, result in results(out).items()]
    for name in ("shown", "corrected", "few"):
        journal = out / name / "episodes.jsonl"
        if journal.is_file():
            rows = read_rows(journal, StageError)
            taken, done = sum(bool(row["reason"]) for row in rows), sum(row["success"] for row in rows)
            lines.append(f"- {name}: {len(rows)} episodes, {done} succeeded, in {taken} the human took over.")
    return "\n".join(lines)


def _sentences(names: tuple[str, str], result: PairedResult) -> str:
    rates = (
        f"{name}: {rate_sentence(count, result.episodes)}" for name, count in zip(names, result.successes, strict=True)
    )
    said = difference_sentence(result, result.p_value), verdict(names, result, result.p_value)
    return f"{', '.join(rates)}. {' '.join(said)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if all stages are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", default=Path("OUT"), help="output directory (default OUT)")
    add("--suite", default="red-cube", help="suite of the demonstrations (default red-cube)")
    add("--new", default="left-any", help="suite that rt1-mini was not trained on (default left-any: another camera)")
    add("--first-seed", type=int, default=1 << 41, help="first seed of the recorded scenes (default 2^41)")
    add("--shown", type=int, default=ProofSize.shown, help=f"number of demonstrations (default {ProofSize.shown})")
    add(
        "--corrected",
        type=int,
        default=ProofSize.corrected,
        help=f"episodes with corrections (default {ProofSize.corrected})",
    )
    add(
        "--steps",
        type=int,
        default=ProofSize.steps,
        help=f"optimizer steps of each training (default {ProofSize.steps:,})",
    )
    add(
        "--evaluated",
        type=int,
        default=ProofSize.evaluated,
        help=f"episodes per evaluation (default {ProofSize.evaluated})",
    )
    add("--tiny", action="store_true", help="smoke test with two episodes and two steps")
    add("--list", action="store_true", help="print the commands of all stages and exit")
    args = parser.parse_args(argv)
    names = ("shown", "corrected", "steps", "evaluated")
    size = TINY if args.tiny else replace(ProofSize(), **{name: getattr(args, name) for name in names})
    todo = stages(args.out, size, args.suite, args.new, args.first_seed)
    if args.list:
        print("\n".join(f"{stage.name}: {stage}" for stage in todo))
        return 0
    try:
        with claimed(args.out):
            for stage in todo:
                make(stage, args.out)
        print(report(args.out))
    except (StageError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
