"""A whole training of rt2-mini in small: rendered, trained, stopped, resumed, loaded."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.training.background import in_background
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.mini.batches import BatchMaker, mini_config
from rt_vla_ros.training.rt2.mini.card import mini_card
from rt_vla_ros.training.rt2.mini.cards import model_card_text
from rt_vla_ros.training.rt2.mini.collector import FRAMES, WEB, file_name
from rt_vla_ros.training.rt2.mini.frames import save_frames, table_in
from rt_vla_ros.training.rt2.mini.learner import Average, MiniLearner
from rt_vla_ros.training.rt2.mini.losses import Readouts
from rt_vla_ros.training.rt2.mini.network import make_model, make_processor
from rt_vla_ros.training.rt2.mini.objective import MiniObjective
from rt_vla_ros.training.rt2.mini.run import ASKED, CHECKPOINT, MiniRun, turn_in_words
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.publishing import DATA_CARD, MODEL_CARD
from rt_vla_ros.training.rt2.run_state import RunState, save_state
from rt_vla_ros.training.run_log import PLOT, ROWS


class Stopped(Exception):
    pass


def nothing(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def learner(tokenizer) -> MiniLearner:
    return MiniLearner(make_model(tokenizer, 0, width=32, layers=2), Readouts(32))


@pytest.fixture
def settings_of_three_shards(tiny_settings) -> MiniSettings:
    return replace(tiny_settings, shard=8, web_frames=16, robot_frames=8, expert_frames=0)


@pytest.fixture
def other_run(tmp_path: Path, settings_of_three_shards: MiniSettings, web_frames, robot_frames) -> Path:
    """Three shards of a run."""
    run = tmp_path / "there"
    (run / FRAMES).mkdir(parents=True)
    settings_of_three_shards.save(run)
    for number, one in enumerate([web_frames, web_frames, robot_frames]):
        save_frames(run / FRAMES / file_name("front" if number == 2 else WEB, number), one)
    return run


def test_a_run_that_was_stopped_goes_on_and_gives_a_policy(tmp_path: Path, tiny_settings, web_frames) -> None:
    def stop_at_five(text: str) -> None:
        if " 5 of 6" in text:
            raise Stopped

    with pytest.raises(Stopped):
        MiniRun(tmp_path, tiny_settings, save_interval=3, say=nothing, update=stop_at_five).train()
    lines = list[str]()
    run = MiniRun(tmp_path, tiny_settings, save_interval=3, say=lines.append, update=nothing)
    assert run.done == 3
    run.train()
    assert lines[0] == "Resuming after step 3."
    rows = [json.loads(line) for line in (tmp_path / ROWS).read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 3, 6]
    assert all("vqa_free" in row for row in rows)
    assert rows[-1]["robot_share"] > 0
    assert (tmp_path / PLOT).is_file()
    assert {path.name.split("_")[0] for path in (tmp_path / "frames").iterdir()} == {"web", "front"}
    folder = tmp_path / CHECKPOINT
    assert "rt2-mini" in (folder / MODEL_CARD).read_text()
    assert "purple" in (folder / DATA_CARD).read_text()
    for plan in (False, True):
        policy = load_policy(str(folder), device="cpu", plan=plan)
        policy.reset("pick up the red cube")
        chunk = policy.act(Observation({"front": web_frames["images"][0]}, 0.0))
        assert len(chunk.tokens) == 5
        assert bool(chunk.plan) == plan
    assert "`plan:=true`" in (folder / MODEL_CARD).read_text()


def test_frames_of_another_run_give_the_same_weights_however_often_it_is_stopped(
    tmp_path: Path, settings_of_three_shards: MiniSettings, other_run: Path
) -> None:
    settings = replace(settings_of_three_shards, frames_from=str(other_run))

    def stop_at_five(text: str) -> None:
        if " 5 of 6" in text:
            raise Stopped

    with pytest.raises(Stopped):
        MiniRun(tmp_path / "a", settings, save_interval=2, say=nothing, update=stop_at_five).train()
    for name in ("a", "b"):
        MiniRun(tmp_path / name, settings, save_interval=2, say=nothing, update=nothing).train()
    weights = [(tmp_path / name / CHECKPOINT / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    data, readme = ((tmp_path / "a" / CHECKPOINT / name).read_text() for name in (DATA_CARD, MODEL_CARD))
    assert "with questions | 16 |" in data
    assert "for every object on the table | 8 |" in data
    assert "on frames rendered by another run" in readme
    shutil.rmtree(other_run / FRAMES)
    lines = list[str]()
    MiniRun(tmp_path / "a", settings, save_interval=2, say=lines.append, update=nothing).train()
    assert lines == ["All 6 steps are done."]


def test_frames_of_other_robots_are_refused(tmp_path: Path, tiny_settings) -> None:
    replace(tiny_settings, embodiments="left").save(tmp_path)
    settings = replace(tiny_settings, frames_from=str(tmp_path))
    with pytest.raises(TrainingError, match=r"whose robots are 'left', not 'front': set embodiments to one or m"):
        MiniRun(tmp_path / "a", settings, save_interval=2, say=nothing, update=nothing)


def test_the_card_of_a_policy_says_what_it_began_with_and_learned_from(tiny_settings, learner) -> None:
    rows = [{"step": 6, "seconds": 60.0, "vqa_free": 0.5, "vqa_restricted": 0.5, "vqa_questions": 210}]

    def text(**changes: object) -> str:
        return " ".join(model_card_text(replace(tiny_settings, **changes), rows, learner.model).split())

    assert "initialized randomly and co-fine-tuned on rendered images" in text()
    assert "initialized from the weights of `runs/web/checkpoint`" in text(init_from="runs/web/checkpoint")
    robot_only = text(robot_share=1.0, web_steps=0)
    assert "trained on robot data only" in robot_only
    assert "have web data alone" not in robot_only
    web_only = text(robot_share=0.0)
    assert "without actions" in web_only
    assert "--plan" not in web_only


def test_forgetting_is_not_measured_by_places_in_numbers(web_frames) -> None:
    rng, found = np.random.default_rng(0), list[str]()
    for index in range(len(web_frames["count"])):
        turns = (turn_in_words(table_in(web_frames, index), rng, kind) for kind in ASKED * 5)
        found += [turn.answer for turn in turns if turn is not None]
    assert len(found) > 100
    assert all(len(answer.split()) <= 2 and not answer[0].isdigit() for answer in found)


def test_it_starts_from_the_weights_of_a_checkpoint_of_its_size(tmp_path: Path, tiny_settings, tokenizer) -> None:
    model = make_model(tokenizer, 5, width=32, layers=2)
    for name, card in (("there", mini_card()), ("other", mini_card())):
        folder = tmp_path / name
        (model if name == "there" else make_model(tokenizer, 5, width=64, layers=2)).save_pretrained(folder)
        make_processor(tokenizer).save_pretrained(folder)
        mini_config().save(folder)
        card.save(folder)
    settings = replace(tiny_settings, init_from=str(tmp_path / "there"))
    run = MiniRun(tmp_path / "run", settings, save_interval=2, say=nothing, update=nothing)
    for ours, theirs in zip(run.learner.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    settings = replace(tiny_settings, init_from=str(tmp_path / "other"))
    with pytest.raises(TrainingError, match="not an rt2-mini with this width"):
        MiniRun(tmp_path / "run", settings, save_interval=2, say=nothing, update=nothing)


def test_a_run_goes_on_without_the_checkpoint_that_it_began_with(
    tmp_path: Path, tiny_settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = RunState(3, {}, {}, {"run": {"seconds": 5.0}})
    monkeypatch.setattr("rt_vla_ros.training.rt2.mini.run.load_state", lambda run: state)
    settings = replace(tiny_settings, init_from=str(tmp_path / "deleted"))
    assert MiniRun(tmp_path, settings, save_interval=2, say=nothing, update=nothing).done == 3


def test_settings_that_came_later_have_their_defaults_in_an_older_run(tmp_path: Path, tiny_settings) -> None:
    tiny_settings.save(tmp_path)
    path = tmp_path / "settings.json"
    path.write_text(path.read_text().replace('  "embodiments": "front",\n', ""))
    tiny_settings.check_run(tmp_path)


def test_too_few_frames_of_another_run_are_refused(tmp_path: Path, tiny_settings, web_frames) -> None:
    frames = tmp_path / "there" / FRAMES
    frames.mkdir(parents=True)
    save_frames(frames / "web_000000.npz", web_frames)
    settings = replace(tiny_settings, frames_from=str(frames.parent))
    with pytest.raises(
        TrainingError, match=r"there, which has no settings\.json: the settings of its frames are unknown"
    ):
        MiniRun(tmp_path / "a", settings, save_interval=2, say=nothing, update=nothing)
    tiny_settings.save(frames.parent)
    with pytest.raises(TrainingError, match="has too few frames of a kind"):
        MiniRun(tmp_path / "a", settings, save_interval=2, say=nothing, update=nothing).train()


@pytest.mark.parametrize(
    ("does", "how"),
    [
        ("", r"\(status 0\); its message is above"),
        ("import os; os.kill(os.getpid(), 9)", r"\(signal 9\); .* when memory runs out"),
    ],
)
def test_a_run_for_which_nothing_is_rendered_any_more_ends_with_a_sentence(
    settings_of_three_shards: MiniSettings, other_run: Path, monkeypatch: pytest.MonkeyPatch, does: str, how: str
) -> None:

    @contextmanager
    def ended(run: Path, count: int) -> Iterator[Callable[[], None]]:
        with in_background([[sys.executable, "-c", does]] * count, run) as check:
            yield check

    monkeypatch.setattr("rt_vla_ros.training.rt2.mini.run.renderers", ended)
    with pytest.raises(ValueError, match=rf"has ended {how}.* to resume from"):
        MiniRun(other_run, settings_of_three_shards, save_interval=2, say=nothing, update=nothing).train()


def test_a_full_disk_is_told_with_what_stands(
    tmp_path: Path, settings_of_three_shards: MiniSettings, other_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings_of_three_shards, frames_from=str(other_run))

    def full_at_four(run: Path, state: RunState) -> Path:
        if state.step == 4:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        return save_state(run, state)

    monkeypatch.setattr("rt_vla_ros.training.rt2.vlm_trainer.save_state", full_at_four)
    with pytest.raises(TrainingError, match=r"state of step 4 could not be saved in .*No space.*the state of step 2\)"):
        MiniRun(tmp_path / "run", settings, save_interval=2, say=nothing, update=nothing).train()


def test_other_settings_in_the_same_directory_are_refused(tmp_path: Path, tiny_settings) -> None:
    tiny_settings.save(tmp_path)
    with pytest.raises(TrainingError, match=r"batch_size 3, not 4.*Choose another --out"):
        MiniRun(tmp_path, replace(tiny_settings, batch_size=4), save_interval=3, say=nothing, update=nothing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("robot_share=1.5", "robot_share is 1.5"),
        ("robot_share=0.02", "robot_share is 0.02, less than half a frame of a batch of 24"),
        ("plan_share=null", "plan_share is None, expected 0 to 1"),
        ("web_frames=500", "web_frames is 500, expected more than shard"),
        ("nothing=1", "no setting 'nothing'"),
        ("layers=1", "at least 2 layers"),
        ("width=100", "a multiple of 32"),
        ("embodiments=front,front", "each name once"),
        ("steps=many", "steps is 'many'"),
        ("steps", "sets nothing"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MiniSettings().changed([change])


def test_settings_say_the_command_that_trains_so() -> None:
    assert MiniSettings().command == "rt-vla train rt2 --recipe rt2-mini --out DIR"
    assert (
        MiniSettings()
        .changed(["robot_share=0.5", "init_from=rt2-mini"])
        .command.endswith("--set robot_share=0.5 --set init_from=rt2-mini")
    )


def test_the_loss_falls_on_a_batch_that_is_learned_by_heart(tokenizer, learner, web_frames, robot_frames) -> None:
    batch = BatchMaker(tokenizer, mini_config()).draw(web_frames, robot_frames, (1, 1), np.random.default_rng(0))
    objective = MiniObjective(tokenizer.convert_tokens_to_ids("0"))
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        found = objective(learner, batch)
        (found.total / batch.weight).backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(found.total.detach()))
    assert losses[-1] < 0.8 * losses[0]
    parts = objective.take()
    assert {"answers", "named", "tool", "state", "cells", "looks_at_named"} == parts.keys()
    assert objective.take() == {}


def test_the_average_begins_near_the_weights_and_follows_slowly(learner) -> None:
    average = Average(learner.model)
    name = "lm_head.weight"
    first = average.state_dict_of_model()[name].clone()
    with torch.no_grad():
        learner.model.lm_head.weight += 1
    average.update(learner.model, decay=0.5)
    moved = (average.state_dict_of_model()[name] - first).mean()
    with torch.no_grad():
        learner.model.lm_head.weight -= 1
    assert 0.5 <= float(moved) < 1
    assert int(average.steps) == 1
