"""`rt-vla evaluate --env` and `rt-vla env`, on a small environment of Gymnasium in its own process."""

from __future__ import annotations

import html
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.main import main
from rt_vla_ros.environments import installs
from rt_vla_ros.environments.metaworld import MT10, SENTENCES
from rt_vla_ros.policies.tabletop_card import tabletop_card

SUPPORT = Path(__file__).resolve().parents[1] / "support"

# The protocol of Gymnasium environments in evaluations of version 0.2.0.
OF_0_2_0 = [
    "the environment's own max_episode_steps; an episode ends at its first success, which its info says",
    "the seed of an episode is that of reset()",
    "the image is the observation, an entry of it with the camera's name, or render()",
    "an action of the policy in equal parts over the steps of its period, without smoothing and limits",
]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of a command that evaluates an untrained policy in the point world."""
    monkeypatch.chdir(SUPPORT)
    monkeypatch.setenv("RT_VLA_ENVS", str(tmp_path / "envs"))
    card = tabletop_card("point world")
    dimensions = tuple(one for one in card.dimensions if one.role != "terminate")
    path = tmp_path / "point_card.json"
    path.write_text(json.dumps(replace(card, dimensions=dimensions, control_rate=10.0).to_dict()))
    own = ["--env", "gymnasium:point_world:Point-v0", "--env-card", str(path), "--env-python", sys.executable]
    return ["evaluate", "--policy", "rt1-untrained", *own, "--videos", "1"]


def test_an_evaluation_is_recorded_resumed_and_reported(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    # The second seed's process crashes.
    assert main([*words, *out, "--seed", "1000", "--episodes", "2"]) == 0
    said = capsys.readouterr().out
    assert "1 environment_failed" in said
    data = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(data["outcomes"]) == {"success", "stopped_early", "timeout", "environment_failed"}
    assert data["suite"] == "gymnasium:point_world:Point-v0"
    assert data["environment"]["versions"]["gymnasium"]
    assert "--env gymnasium:point_world:Point-v0" in data["command"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "The process of gymnasium ended by itself (exit code 3)" in report
    assert all(choice in html.unescape(report) for choice in data["environment"]["protocol"].values())
    journal = tmp_path / "out" / "episodes.jsonl"
    first = journal.read_text()
    assert main([*words, *out, "--seed", "1000", "--episodes", "2"]) == 0
    assert journal.read_text() == first, "nothing was played again"
    header, *episodes = first.splitlines(keepends=True)
    subject = json.loads(header)
    subject["environment"]["protocol"] = OF_0_2_0
    earlier = json.dumps(subject) + "\n" + "".join(episodes)
    journal.write_text(earlier)
    assert main([*words, *out, "--seed", "1000", "--episodes", "2"]) == 0
    assert journal.read_text() == earlier, "nor in a directory of an earlier version"
    assert list((tmp_path / "out" / "videos").iterdir())


def test_what_cannot_be_served_or_does_not_go_together_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metaworld = ["evaluate", "--policy", "rt1-mini", "--env"]
    cases = [
        ([*metaworld, "metaworld:reach-v3"], "metaworld is not installed: rt-vla env install metaworld"),
        ([*metaworld, "metaworld:drawer-opn"], "no task 'drawer-opn'. Did you mean drawer-open-v3"),
        ([*metaworld, "libero:object"], "libero is not installed: rt-vla env install libero"),
        ([*metaworld, "libero:object/milk"], "libero is not installed: rt-vla env install libero"),
        ([*metaworld, "libero:objct"], "no suite 'objct'. Did you mean"),
        ([*metaworld, "language-table:separate"], "Language-Table is not on PyPI"),
        ([*words, "--env-checkout", "."], "--env-checkout is for language-table"),
        ([*metaworld, "libero:object", *words[-4:-2], "--episodes", "51"], "has 50 initial states per task"),
        ([*metaworld, "metawrld:reach-v3"], "expected tabletop, metaworld:TASK"),
        ([*metaworld, "tabletop", "--env-card", "x"], "--env-card is for external environments"),
        ([*metaworld, "gymnasium:X-v0", "--env-python", sys.executable], "pass its action card with --env-card"),
        ([*words, "--suite", "unseen"], "--suite is for tabletop"),
        ([*words, "--through-ros"], "--through-ros is for tabletop only"),
        ([*words, "--delay", "0.02"], "not a multiple of the environment's step of 0.1 s"),
        ([*words, "--ablation", "other-instruction"], "needs the instructions of other tasks"),
        ([*words[:-2], "--env-python", str(tmp_path / "none")], "there is no"),
    ]
    for given, sentence in cases:
        videos = [word for word in given if word not in ("--videos", "1")]
        assert main(videos) == 2, given
        assert sentence in capsys.readouterr().err


def test_all_that_a_policy_lacks_is_said_at_once(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(words[words.index("--env-card") + 1])
    card = ActionCard.from_dict(json.loads(path.read_text()))
    camera = replace(card.cameras[0], name="overhead")
    path.write_text(json.dumps(replace(card, cameras=(camera,), frame_id="world").to_dict()))
    assert main(words[:-2]) == 2
    refused = capsys.readouterr().err
    assert (
        "frame_id is 'panda_link0', expected 'world'; it sees the camera 'front', but the environment has 'overhead'"
        in refused
    )


def test_environments_are_listed_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RT_VLA_ENVS", str(tmp_path))
    assert main(["env", "list"]) == 0
    listed = capsys.readouterr().out
    assert "not installed: rt-vla env install metaworld" in listed
    assert "not installed: rt-vla env install libero" in listed
    assert "language-table:FAMILY" in listed
    assert "not tested with the real Language-Table" in listed
    (tmp_path / "metaworld").mkdir()
    (tmp_path / "metaworld" / installs.STAMP).write_text('{"metaworld": "3.0.0", "numpy": "2.4.6"}')
    assert main(["env", "list"]) == 0
    listed = capsys.readouterr().out
    assert f"metaworld 3.0.0, numpy 2.4.6; in {tmp_path / 'metaworld'}" in listed
    assert (
        "metaworld 3.0.0 is installed, but the results in docs/evaluation.md are from 3.1.1 and may differ." in listed
    )
    assert main(["env", "remove", "metaworld"]) == 0
    assert not (tmp_path / "metaworld").exists()
    assert main(["env", "remove", "metaworld"]) == 0
    assert "metaworld is not in" in capsys.readouterr().out


def test_an_installation_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RT_VLA_ENVS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["env", "install", "gymnasium"]) == 2
    assert "The environment could not be created:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_card_of_meta_world_is_one_that_it_serves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "card", "metaworld:reach-v3", "--rate", "10", "--image-size", "96"]) == 0
    card = ActionCard.from_dict(json.loads(capsys.readouterr().out))
    assert (card.control_rate, card.cameras[0].width, card.dimensions[0].high) == (10.0, 96, 0.08)
    assert main(["env", "card", "metaworld:reach-v3", "--rate", "30"]) == 2
    assert "expected a divisor of 80 Hz" in capsys.readouterr().err


def test_the_cards_of_libero_and_language_table_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "card", "libero:object", "--rate", "10", "--image-size", "224"]) == 0
    card = ActionCard.from_dict(json.loads(capsys.readouterr().out))
    assert (card.control_rate, card.cameras[0].width, card.dimensions[0].high) == (10.0, 224, 0.1)
    assert [one.name for one in card.cameras] == ["front", "wrist"]
    assert main(["env", "card", "language-table:separate"]) == 0
    card = ActionCard.from_dict(json.loads(capsys.readouterr().out))
    assert (card.control_rate, card.cameras[0].height, card.dimensions[1].high) == (10.0, 180, 0.1)
    assert main(["env", "check", "libero:goal/0"]) == 2
    assert "has no scripted expert" in capsys.readouterr().err


def test_every_task_of_meta_world_has_a_sentence_of_its_own() -> None:
    assert len(SENTENCES) == len(set(SENTENCES.values())) == 50
    assert set(MT10) < set(SENTENCES)


def test_measures_are_taken_of_it_too(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "measures"
    assert main([*words[:-2], "--measures", "--out", str(out), "--episodes", "1", "--delay", "0.2"]) == 0
    data = json.loads((out / "measures.json").read_text())
    assert list(data["success_rate"]) == ["gymnasium:point_world:Point-v0"]
    assert set(data["instruction_following"]) == {"black-images", "no-instruction", "paraphrase"}, "it has one task"
    assert [one["delay_s"] for one in data["robustness_to_delay"]] == [0.0, 0.2]
    assert "generalization_gap" not in data
    page = (out / "measures.html").read_text()
    assert "No unseen tasks were evaluated." in page
    assert data["environment"]["versions"]["gymnasium"] in page
