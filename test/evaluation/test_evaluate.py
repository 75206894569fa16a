from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.evaluate import evaluate, wilson_interval
from rt_vla_ros.evaluation.rollout import Episode


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (98, 100, 0.9300, 0.9945)],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"got {successes} of {trials}"):
        wilson_interval(successes, trials)


def test_every_episode_has_its_seed() -> None:
    seen: list[Episode] = []
    result = evaluate(ConstantPolicy(terminate=True), "pick-colours", 3, 7, on_episode=seen.append)
    assert [episode.seed for episode in result.episodes] == [7, 8, 9]
    assert tuple(seen) == result.episodes
    assert result.outcomes == {"success": 0, "wrong_object": 0, "drop": 0, "timeout": 3}
    assert (result.successes, result.success_rate) == (0, 0.0)
    written = json.loads(json.dumps(result.to_dict()))
    assert (written["policy"], written["suite"], written["episodes"]) == ("constant", "pick-colours", 3)
    assert [row["outcome"] for row in written["rows"]] == ["timeout"] * 3


def test_refuses_no_episodes_and_unknown_suites() -> None:
    with pytest.raises(ValueError, match="at least 1 episode, not 0"):
        evaluate(ConstantPolicy(), "pick-colours", 0, 0)
    with pytest.raises(ValueError, match="Did you mean 'pick-colours'"):
        evaluate(ConstantPolicy(), "pick-colors", 1, 0)


def test_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--policy", "rt1-mini", "--episodes", "2", "--seed", "11", "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert (data["policy"], data["seed"], data["episodes"]) == ("rt1-mini", 11, 2)
    assert f"{round(data['success_rate'] * 2)} of 2 done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "rt1-mimi"], "Did you mean 'rt1-mini'?"),
        (["--suite", "pick-colors"], "Did you mean 'pick-colours'?"),
        (["--episodes", "0"], "at least 1 episode"),
        (["--device", "cuda:77"], "'cuda:77'"),
    ],
)
def test_command_refuses_with_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert sentence in capsys.readouterr().err
