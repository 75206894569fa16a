"""The scripted human on a graph: shows a task, takes over from a policy that does nothing useful, and is recorded."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.cli.main import main as cli
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.live.human_episodes import DATASET, EPISODES, HumanEpisode, main, played

with_human = pytest.mark.skipif(
    any(importlib.util.find_spec(f"rt_vla_ros.{name}") is None for name in ("nodes.recorder_node", "control.takeover")),
    reason="it needs the recorder and the smoother's takeover",
)
SEED = str(1 << 41)


@pytest.mark.slow
@with_human
def test_a_human_shows_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a bag recorded beside gives the same episode."""
    command = ["--suite", "pick-any", "--first-seed", SEED, "--out", str(tmp_path), "--bags", "--episodes"]
    assert main([*command, "1"]) == 0
    [row] = [json.loads(line) for line in (tmp_path / EPISODES).read_text().splitlines()]
    assert (row["success"], row["reason"]) == (True, "")
    [episode] = LeRobotDataset(tmp_path / DATASET)
    assert episode.success
    assert episode.commanders is not None
    assert set(episode.commanders) <= {"human", ""}
    assert episode.interventions is not None
    assert not episode.interventions.any()
    assert 3.0 < episode.stamps[-1] < 15.0
    assert main([*command, "1"]) == 0
    assert len((tmp_path / EPISODES).read_text().splitlines()) == 1, "what is played is not played again"

    bags, words = tmp_path / "bags", ["--card", str(tmp_path / DATASET), "--out", str(tmp_path / "read")]
    words += ["--topics", str(bags), "--episodes-by", "recorder_node/episode"]
    assert cli(["data", "from-bag", str(bags / "bag-000"), *words]) == 0
    [read] = LeRobotDataset(tmp_path / "read")
    assert (read.success, read.instruction) == (True, episode.instruction)
    assert abs(len(read) - len(episode)) <= 1, "the recorder waits for the frame of the end, which may never be final"
    same = min(len(read), len(episode)) - 1
    gripper = episode.card.index("gripper")  # its commands have no stamps, so they count when they are heard
    assert gripper is not None
    both = (np.delete(one.values[:same], gripper, axis=1) for one in (read, episode))
    np.testing.assert_array_equal(*both)
    assert np.count_nonzero(abs(read.values[:same, gripper] - episode.values[:same, gripper]) > 0.5) <= 2
    np.testing.assert_array_equal(read.images["front"][:same], episode.images["front"][:same])
    assert read.commanders is not None
    assert read.commanders[:same] == episode.commanders[:same]


@pytest.mark.slow
@with_human
def test_a_human_takes_over(tmp_path: Path) -> None:
    command = ["--suite", "pick-any", "--first-seed", SEED, "--policy", "rt1-untrained", "--episodes", "1"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    [row] = played(tmp_path)
    assert row.reason
    [episode] = LeRobotDataset(tmp_path / DATASET)
    assert episode.commanders is not None
    assert episode.interventions is not None
    first = int(episode.interventions.argmax())
    assert 0 < first < len(episode) - 5
    assert "policy" in episode.commanders[:first]
    assert episode.commanders[first] == "human"


def test_a_journal_that_was_cut_off_is_read(tmp_path: Path) -> None:
    row = {"suite": "pick-any", "seed": 5, "success": True, "outcome": "success", "reason": "", "seconds": 4.2}
    (tmp_path / EPISODES).write_text(json.dumps(row) + '\n{"suite": "pick')
    assert played(tmp_path) == [HumanEpisode("pick-any", 5, True, "success", "", 4.2)]
    assert played(tmp_path / "nowhere") == []
    (tmp_path / EPISODES).write_text('{"suite": "pick-any"}\n')
    with pytest.raises(ValueError, match=r"episodes\.jsonl is not a valid journal of human episodes .* remove it"):
        played(tmp_path)
