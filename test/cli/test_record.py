"""The command and its keys; the node has tests of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import make_episode, write_dataset
from support.recorded_robot import CARD

from rt_vla_ros import ros

ros.ensure()

from rt_vla_ros.cli import record  # noqa: E402
from rt_vla_ros.cli.main import main  # noqa: E402
from rt_vla_ros.cli.record import RecordingSession  # noqa: E402
from rt_vla_ros.cli.terminal_keys import Keys, raw_keys  # noqa: E402
from rt_vla_ros.data.lerobot import LeRobotDataset  # noqa: E402
from rt_vla_ros.nodes.recorder_node import RecorderNode  # noqa: E402


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """The arguments."""
    (tmp_path / "card.json").write_text(json.dumps(CARD.to_dict()))
    (tmp_path / "topics.yaml").write_text(
        '/**:\n  ros__parameters:\n    cameras: ["front=image"]\n    tip_frame: tool\n'
    )
    return ["--topics", f"{tmp_path}/topics.yaml", "--card", f"{tmp_path}/card.json", "--out", f"{tmp_path}/set"]


def test_keys_begin_and_end_episodes(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ros_graph: Any
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as person, os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)

        @contextmanager
        def typed(what: str) -> Iterator[Keys]:
            with raw_keys(what) as keys:  # what was typed before is dropped
                person.write(b"yssNdd?Yq")
                yield keys

        monkeypatch.setattr(record, "raw_keys", typed)
        assert main(["record", *given, "--instruction", "lift it"]) == 0
    out, err = capfd.readouterr()
    assert (
        "Keys: s: start, y: stop (success), n: stop (failure), d: discard, Y/N: relabel the last episode, q: quit."
        in out
    )
    assert out.count("No episode is being recorded.") == 2
    assert out.count("An episode is being recorded already: stop or discard it first.") == 1
    assert out.count("An episode is being recorded: stop it with its label.") >= 1
    assert out.count("Discarding the episode.") == 1
    assert "The episode was discarded." in err


def test_a_key_labels_the_last_episode_anew(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ros_graph: Any, tmp_path: Path
) -> None:
    labels = {"commanders": ("human",) * 6, "interventions": np.zeros(6, bool), "scene": None, "success": True}
    write_dataset(tmp_path / "set", [make_episode(seed, card=CARD, **labels) for seed in range(2)], CARD)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as person, os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)

        @contextmanager
        def typed(what: str) -> Iterator[Keys]:
            with raw_keys(what) as keys:
                person.write(b"NYNq")
                yield keys

        monkeypatch.setattr(record, "raw_keys", typed)
        assert main(["record", *given, "--instruction", "lift it"]) == 0
    out = capfd.readouterr().out
    assert out.count(f"Episode 1 of {tmp_path / 'set'} is no success.") == 2
    assert out.count(f"Episode 1 of {tmp_path / 'set'} is a success.") == 1
    assert [one.success for one in LeRobotDataset(tmp_path / "set")] == [True, False]


def test_it_ends_when_the_dataset_has_its_episodes(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ros_graph: Any
) -> None:
    original = RecorderNode._look

    def look(node: RecorderNode) -> None:
        original(node)
        node.recorder.writer.episodes = 3

    monkeypatch.setattr(RecorderNode, "_look", look)
    assert main(["record", *given, "--episodes", "3"]) == 0


def test_ctrl_c_ends_it(given: list[str], monkeypatch: pytest.MonkeyPatch, ros_graph: Any) -> None:
    monkeypatch.setattr(RecorderNode, "_look", lambda _node: signal.raise_signal(signal.SIGINT))
    assert main(["record", *given]) == 130


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--topics", "nothing.yaml"), "nothing.yaml: no such file"),
        (("--card", "nothing.json"), "There is no action card nothing.json: name a file, or a directory with"),
        (("--out", "/dev/null"), "/dev/null"),
        (("--codec", "gif"), "invalid choice"),
        (("--episodes", "0"), "--episodes"),
        (("--out", "set", "--bag", "set/raw"), "set/raw is inside set; choose an output directory for the new"),
    ],
)
def test_what_cannot_be_is_refused(
    given: list[str], change: tuple[str, str], said: str, capfd: pytest.CaptureFixture[str], ros_graph: Any
) -> None:
    assert main(["record", *given, *change]) == 2
    assert said in capfd.readouterr().err


def test_a_map_that_does_not_fit_is_refused(
    given: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], ros_graph: Any
) -> None:
    (tmp_path / "topics.yaml").write_text("tip_frme: tool")
    assert main(["record", *given]) == 2
    assert "There is no entry 'tip_frme'. Did you mean 'tip_frame'?" in capfd.readouterr().err
    (tmp_path / "topics.yaml").write_text('cameras: ["wrist=image"]')
    assert main(["record", *given]) == 2
    err = capfd.readouterr().err
    assert "add front=TOPIC" in err
    assert "tip_frame is empty" in err


def test_raw_messages_are_kept_beside_it(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ros_graph: Any
) -> None:
    existing = tmp_path / "existing"
    existing.mkdir()
    assert main(["record", *given, "--bag", str(existing)]) == 2
    assert f"Could not start the bag {existing}; nothing was recorded." in capfd.readouterr().err
    assert not (tmp_path / "set").exists()
    monkeypatch.setattr(RecordingSession, "_is_done", lambda _self: True)
    assert main(["record", *given, "--bag", str(tmp_path / "bag")]) == 0
    out, err = capfd.readouterr()
    assert f"{tmp_path / 'bag'}: 0 messages of 1 topics in" in out, "the recorder's own"
    assert "No messages on /clock, /controller_status, " in err
    assert (tmp_path / "bag" / "metadata.yaml").is_file()
