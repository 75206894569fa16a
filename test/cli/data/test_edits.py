"""`rt-vla data merge, split, drop, relabel` by the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset

from rt_vla_ros.cli.data.options import episode_numbers
from rt_vla_ros.cli.main import main


def test_ranges_of_episodes() -> None:
    assert episode_numbers("3,7-9, 1 - 2") == {1, 2, 3, 7, 8, 9}
    for text in ("", "a", "3-", "-3", "9-7", "1,,2", "0-9999999", "1.5", "0-500000"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"episode numbers from 0, e\.g\. 3,7-9"):
            episode_numbers(text)


def test_a_dataset_is_taken_apart_and_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(write_dataset(tmp_path / "data", [make_episode(seed) for seed in range(4)]))
    good, parts, new, all_ = (str(tmp_path / name) for name in ("good", "parts", "new", "all"))
    assert main(["data", "drop", data, "--failed", "--out", good]) == 0
    assert main(["data", "split", data, "--by", "success", "--out", parts]) == 0
    assert main(["data", "relabel", data, "--from", "pick up the red cube", "--to", "take it", "--out", new]) == 0
    assert main(["data", "merge", good, new, "--out", all_]) == 0
    out = capsys.readouterr().out
    for line in (
        f"{good}: 2 episodes, 12 frames.",
        f"{parts}/success: 2 episodes, 12 frames.",
        f"{parts}/failed: 2 episodes, 12 frames.",
        f"{new}: replaced 'pick up the red cube' with 'take it' in 2 episodes.",
        f"{all_}: 6 episodes, 36 frames.",
    ):
        assert f"{line}\n" in out


def test_idle_ends_are_told_and_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episodes = [make_episode(seed, length=12) for seed in range(2)]
    for one, steps in zip(episodes, (slice(7, None), slice(None)), strict=True):
        one.values[steps] = 0
    data, new = write_dataset(tmp_path / "data", episodes), tmp_path / "new"
    assert main(["data", "trim", str(data), "--margin", "0.4", "--dry-run"]) == 0
    assert not new.exists()
    assert main(["data", "trim", str(data), "--margin", "0.4", "--out", str(new)]) == 0
    out = capsys.readouterr().out
    for line in (
        "Episode 0: 2 of 12 frames, 0 at the start and 2 at the end.",
        "Episode 1: dropped, no motion is commanded in its 12 frames.",
        f"{data}: 14 of 24 frames would be cut. Nothing was written.",
        f"{new}: 1 episodes, 10 frames.",
    ):
        assert f"{line}\n" in out
    for margin in ("-1", "nan", "x"):
        assert main(["data", "trim", str(data), "--margin", margin, "--dry-run"]) == 2
        assert "expected a number, 0 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("merge DATA --out x", "give two or more datasets, each once"),
        ("merge DATA DATA/. --out x", "give two or more datasets, each once"),
        ("drop DATA --out x", "no episodes to drop given: use --episodes 3,7-9, --failed, or both"),
        ("split DATA --by share --out x", "--share and --by share must be used together"),
        ("split DATA --by success --episodes 1 --out x", "--episodes and --by episodes must be used together"),
        ("drop DATA --episodes 1 --out x", "DATA is not a dataset in LeRobot format"),
    ],
)
def test_what_makes_no_sense_is_refused(line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *line.split()]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "merge DATA OTHER",
        "drop DATA --episodes 1",
        "trim DATA",
        "relabel DATA --from a --to b",
        "split DATA --by success",
        "from-lerobot-v2 DATA",
        "from-rlds DATA",
        "from-bag DATA --card DATA --topics TOPICS",
        "from-bag OTHER DATA --append --card DATA --topics TOPICS",
    ],
)
def test_no_dataset_is_made_in_what_it_is_made_of(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA", "OTHER"):
        write_dataset(Path(name), [make_episode(seed) for seed in range(2)])
    Path("TOPICS").write_text("/recorder_node:\n  ros__parameters:\n    cameras: ['front=/image']\n")
    before = sorted(tmp_path.rglob("*"))
    assert main(["data", *command.split(), "--out", "DATA/new"]) == 2
    assert "DATA/new is inside the source DATA" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
