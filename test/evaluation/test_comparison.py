from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros.evaluation.summary import ComparisonError, compare, read_logs


def entry(seed: int, actions: str = "a", outcome: str = "success") -> dict[str, Any]:
    return {"seed": seed, "outcome": outcome, "actions": actions}


def test_comparing_counts_only_what_both_have() -> None:
    ours = [entry(0), entry(1), entry(2)]
    theirs = [entry(1), entry(2, actions="b"), entry(3)]
    assert compare(ours, theirs) == {"episodes": 2, "same_outcome": 2, "same_actions": 1}


def test_the_logs_are_those_of_the_suites(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    logs = {"one": [entry(0), entry(1), entry(2)], "two": [entry(1)], "three": []}
    path.write_text(json.dumps({"suites": {suite: {"log": log} for suite, log in logs.items()}}))
    assert read_logs(path, ["one", "two"], range(1, 2)) == {"one": logs["one"], "two": logs["two"]}
    path.write_text(json.dumps({"suite": "one", "log": logs["one"]}))
    assert read_logs(path, ["one"], range(3)) == {"one": logs["one"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "holds a list, expected a JSON object"),
        ('{"suite": "pick', "is not JSON"),
        ('{"suite": "one", "log": [{}]}', "entry 0 of the log lacks one of seed, outcome, actions"),
        ('{"suite": "one", "log": [1]}', "entry 0 of the log lacks"),
        ('{"suite": "one"}', "it has no 'log' of episodes"),
        ('{"suites": []}', "'suites' is not an object"),
        ('{"suites": {"one": 3}}', "it has no 'log' of episodes"),
        ('{"suite": "two", "log": []}', "has no episodes of 'one'; it has: two"),
        (
            json.dumps({"suite": "one", "log": [entry(1)]}),
            "has 1 of the 2 episodes of 'one' to compare with; the seed 0 is missing",
        ),
    ],
)
def test_what_cannot_be_compared_with_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(ComparisonError) as refused:
        read_logs(path, ["one"], range(2))
    assert str(refused.value).startswith(str(path))
    assert sentence in str(refused.value)
