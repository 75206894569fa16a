"""`rt-vla evaluate --compare`, `--against`, `--stop-when-decided` and `--episodes-needed` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main


def evaluation(folder: Path, policy: str, outcomes: str, first_seed: int = 0, **more: object) -> Path:
    log = [
        {"seed": first_seed + number, "outcome": "success" if one == "1" else "timeout", "actions": ""}
        for number, one in enumerate(outcomes)
    ]
    folder.mkdir(parents=True)
    result = {"policy": policy, "checkpoint_sha256": policy, "suite": "pick-any", "log": log, **more}
    (folder / "evaluation.json").write_text(json.dumps(result))
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: object, expected: int = 0) -> str:
    assert main(["evaluate", *map(str, words)]) == expected
    out = capsys.readouterr()
    return out.out + out.err


def test_two_evaluations_of_the_same_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = evaluation(tmp_path / "a", "old", "0" * 12 + "1" * 8)
    two = evaluation(tmp_path / "b", "new", "1" * 20, delay=0.0)
    text = said(capsys, "--compare", one, two, "--out", tmp_path / "out")
    assert "First: 8 of 20 succeeded (40.0%" in text
    assert "new succeeds more often than old." in text
    assert "McNemar" in text
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    row = written["runs"]["pick-any"]
    assert (row["first"], row["second"], row["both"], row["difference"]) == (0, 12, 8, 0.6)
    assert row["p_value"] == pytest.approx(2 / 2**12)
    assert row["says"][-1] == "new succeeds more often than old."


def test_other_seeds_other_conditions_and_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("scipy")
    one = evaluation(tmp_path / "a", "mine", "0101")
    two = evaluation(tmp_path / "b", "mine", "0111", first_seed=50, plan=True)
    text = said(capsys, "--compare", one, two)
    assert "Boschloo's exact test, unpaired" in text
    assert "plan: no first, True second." in text
    assert "Both are evaluations of the same weights." in text
    assert "Not decided: these episodes do not show that the first or the second" in text


def test_other_versions_of_a_benchmark_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    versions = ({"metaworld": "3.0.0", "mujoco": "3.3.0"}, {"metaworld": "3.1.1", "mujoco": "3.3.0"})
    one, two = (
        evaluation(tmp_path / name, name, "0101", environment={"versions": own})
        for name, own in zip("ab", versions, strict=True)
    )
    text = said(capsys, "--compare", one, two)
    assert "metaworld: 3.0.0 first, 3.1.1 second." in text
    assert "mujoco" not in text


def test_several_suites_are_judged_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """6 of 6 differing episodes have p = 0.031, which is not enough for one of two comparisons."""
    folders = []
    for name, outcomes in (("old", "000000"), ("new", "111111")):
        parts = {
            suite: json.loads((evaluation(tmp_path / name / suite, name, text) / "evaluation.json").read_text())
            for suite, text in (("pick-any", outcomes), ("unseen", "111111"))
        }
        parts["unseen"]["suite"] = "unseen"
        (tmp_path / name / "evaluation.json").write_text(json.dumps({"suites": parts}))
        folders.append(tmp_path / name)
    text = said(capsys, "--compare", *folders)
    assert "p = 0.031" in text
    assert "succeeds more often" not in text.replace("succeeds more often. ", "")
    assert "all 2 comparisons together (Holm)" in text


def test_a_run_that_its_result_ended_is_not_judged_as_if_it_had_been_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = evaluation(tmp_path / "a", "old", "0" * 12)
    two = evaluation(tmp_path / "b", "new", "1" * 12, stopped_when_decided=True)
    text = said(capsys, "--compare", one, two)
    assert "sequential test" in text
    assert "McNemar" not in text


def test_an_evaluation_ends_when_it_is_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = evaluation(tmp_path / "old", "old", "0" * 20)
    arguments = (
        "--policy",
        "expert",
        "--suite",
        "pick-any",
        "--episodes",
        20,
        "--videos",
        0,
        "--out",
        tmp_path / "new",
    )
    text = said(capsys, *arguments, "--against", other, "--stop-when-decided")
    data = json.loads((tmp_path / "new" / "evaluation.json").read_text())
    assert data["stopped_when_decided"] is True
    assert 6 <= data["episodes"] < 20
    assert f"After {data['episodes']} episodes: only old succeeded in 0" in text
    assert "expert succeeds more often than old." in text
    assert "--stop-when-decided" in data["command"]
    again = said(capsys, *arguments[:4], "--episodes", 7, *arguments[6:], "--against", other)
    assert "McNemar's exact test" in again, "the episodes that are there, without an early end"


def test_how_many_episodes_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "215 episodes of each policy" in said(capsys, "--episodes-needed", 0.8, 0.9)
    assert "two different success rates" in said(capsys, "--episodes-needed", 0.8, 0.8, expected=2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--compare", "nowhere", "there"), "There is no nowhere; give the --out DIR of a finished evaluation."),
        (("--stop-when-decided",), "requires --against DIR"),
        (("--against", "a", "--delay", "0,0.1"), "give one --delay"),
        (("--against", "a", "--seed", 3, "--episodes", 4), "the seed 4 is missing"),
        (("--compare", "a", "b"), "no common run"),
        (("--compare", "a", "c"), "a result has no suite or no episode"),
        (("--dataset", "d", "--against", "a"), "--against is for simulator evaluations, not for --dataset"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: tuple[object, ...],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluation(Path("a"), "old", "0101", suite="pick-colours")
    evaluation(Path("b"), "new", "0101", suite="unseen")
    evaluation(Path("c"), "new", "", suite="unseen")
    assert sentence in said(capsys, *words, expected=2)
