"""The stages of the proof: their order, what they give each other, and that what is done is not done again."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from rt_vla_ros.benchmarks.learn_by_takeover import (
    PAIRS,
    TINY,
    ProofSize,
    Stage,
    StageError,
    main,
    make,
    report,
    stages,
)
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED


def test_every_stage_reads_what_one_before_it_has_written() -> None:
    todo, there = stages(Path("OUT"), ProofSize(), "pick-any", "unseen", 1 << 41), set[str]()
    for stage in todo:
        words = list(stage.command)
        out = words[words.index("--out") + 1] if "--out" in words else ""
        read = [Path(word).parts[1] for word in words if word.startswith("OUT/") and word != out]
        assert {*read} <= there, stage.name
        there |= {Path(out).parts[1]} if out else set()
    assert len({stage.name for stage in todo}) == len(todo)


def test_the_policies_are_evaluated_on_the_same_seeds_and_never_on_those_they_were_shown() -> None:
    todo = {stage.name: stage.command for stage in stages(Path("OUT"), TINY, "pick-any", "unseen", 1 << 41)}
    for first, second in PAIRS:
        same = [[word for word in todo[name] if not word.startswith(("OUT", "rt1"))] for name in (first, second)]
        assert same[0] == same[1]
    seeds = [int(todo[name][todo[name].index("--first-seed") + 1]) for name in ("shown", "corrected", "few")]
    assert min(seeds) >= FIRST_TRAINING_SEED
    assert min(b - a for a, b in itertools.pairwise(seeds)) > ProofSize().shown * 10
    longer, second = (todo[name][todo[name].index("--steps") :] for name in ("longer", "second"))
    where = second.index("--out")
    assert longer[:where] == second[:where], "the corrections are the only difference"


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    count = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text() + 'x')"
    (tmp_path / "marks").write_text("")
    stage = Stage("once", (sys.executable, "-c", count, str(tmp_path / "marks")))
    for _ in range(2):
        make(stage, tmp_path)
    assert (tmp_path / "marks").read_text() == "x"
    for _ in range(2):
        with pytest.raises(StageError, match=r"bad failed with status 3; see .*bad\.log"):
            make(Stage("bad", (sys.executable, "-c", "raise SystemExit(3)")), tmp_path)


def test_a_small_run_does_not_pass_for_a_large_one(tmp_path: Path) -> None:
    small, large = (Stage("shown", (sys.executable, "-c", "pass", episodes)) for episodes in ("2", "120"))
    make(small, tmp_path)
    make(small, tmp_path)
    with pytest.raises(
        StageError, match=r"has shown from a different command \(-c pass 2\), .*: -c pass 120\. Choose another"
    ):
        make(large, tmp_path)


def test_the_report_has_the_pairs_that_are_there(tmp_path: Path) -> None:
    for name, outcomes in (("first-evaluation", "10010"), ("second-evaluation", "11011")):
        log = [{"seed": seed, "outcome": "success" if one == "1" else "timeout"} for seed, one in enumerate(outcomes)]
        (tmp_path / name).mkdir()
        (tmp_path / name / "evaluation.json").write_text(json.dumps({"log": log}))
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/episodes.jsonl").write_text(json.dumps({"reason": "", "success": True}) + '\n{"reason"')
    said = report(tmp_path)
    assert "first-evaluation: 2 of 5 succeeded (40.0%, 95% interval 11.8% to 76.9%), second-evaluation: 4 of 5" in said
    assert "Only the first succeeded in 0, only the second in 2." in said
    assert "Not decided" in said
    assert "shown: 1 episodes, 1 succeeded, in 0 the human took over." in said
    assert "few-after" not in said


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--tiny", "--out", "OUT"]) == 0
    said = capsys.readouterr().out
    assert "second: -m rt_vla_ros.cli train rt1 --data OUT/shown/dataset OUT/corrected/dataset" in said
    assert "--intervention-weight 4 --before-takeover 1" in said
