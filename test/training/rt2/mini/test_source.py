"""Shards of frames on disk: which are read, held out and rendered again."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.mini import collector
from rt_vla_ros.training.rt2.mini.batches import MiniBatch
from rt_vla_ros.training.rt2.mini.collector import FRAMES, WEB, WEB_AGAIN, file_name, first_missing
from rt_vla_ros.training.rt2.mini.frames import joined, load_frames, save_frames
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.mini.source import FrameSource, batch_maker, lost_workers_in_words


class NothingComes(Exception):
    pass


def refuse(why: str) -> None:
    raise NothingComes(why)


@pytest.fixture
def source(tmp_path: Path, tiny_settings, tokenizer) -> FrameSource:
    (tmp_path / FRAMES).mkdir()
    return FrameSource(tmp_path, tiny_settings, batch_maker(tokenizer, tiny_settings), refuse)


@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_a_shard_that_is_cut_short_is_told_in_a_sentence(tmp_path: Path, web_frames, kept: int) -> None:
    path = tmp_path / file_name(WEB, 0)
    save_frames(path, web_frames)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TrainingError, match=r"web_000000.npz is damaged .*Delete it and run the command again"):
        load_frames(path)


def test_a_shard_that_was_deleted_is_rendered_again(tmp_path: Path) -> None:
    (tmp_path / FRAMES).mkdir()
    assert first_missing(tmp_path) == 0
    for number, whose in enumerate([WEB, "front", WEB]):
        (tmp_path / FRAMES / file_name(whose, number)).touch()
    assert first_missing(tmp_path) == 3
    (tmp_path / FRAMES / file_name("front", 1)).unlink()
    (tmp_path / FRAMES / "front_000001 (copy).npz").touch()
    assert first_missing(tmp_path) == 1


def test_each_of_several_collectors_has_shards_of_its_own(tmp_path: Path) -> None:
    (tmp_path / FRAMES).mkdir()
    first = [first_missing(tmp_path, number, 3) for number in range(3)]
    assert sorted(first) == [0, 1, 2]
    (tmp_path / FRAMES / file_name(WEB, first[0])).touch()
    assert first_missing(tmp_path, 0, 3) in (3, 4, 5)
    assert [first_missing(tmp_path, number, 3) for number in (1, 2)] == first[1:]


@pytest.mark.parametrize("of", [2, 5, 10])
def test_no_collector_renders_web_pictures_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, of: int) -> None:
    there = dict[int, Path]()
    monkeypatch.setattr(collector, "shards", lambda run: there)
    web = [0] * of
    for turn in range(of):
        for _ in range(40):
            number = first_missing(tmp_path, turn, of)
            there[number] = tmp_path
            web[turn] += number % WEB_AGAIN == 0
    assert sorted(there) == list(range(40 * of))
    assert all(1 <= count <= 12 for count in web)


def test_what_is_wrong_in_a_process_is_told_in_the_same_sentence(
    source: FrameSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(step: int) -> list[MiniBatch]:
        raise TrainingError("web_000003.npz is damaged.")

    monkeypatch.setattr(source, "_num_workers", 1)
    monkeypatch.setattr(source, "_keep_pace", lambda step: None)
    monkeypatch.setattr(source, "_batch", damaged)
    with pytest.raises(TrainingError) as caught:
        next(iter(source.batches(0)))
    assert str(caught.value) == "web_000003.npz is damaged."


def test_a_process_that_is_killed_is_told_in_a_sentence(
    source: FrameSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_num_workers", 1)
    monkeypatch.setattr(source, "_keep_pace", lambda step: None)
    monkeypatch.setattr(source, "_batch", lambda step: os.kill(os.getpid(), signal.SIGKILL))
    said = r"data loading process has ended \(DataLoader worker .*--num-workers 0 .* resume from"
    with pytest.raises(TrainingError, match=said), lost_workers_in_words(tmp_path):
        next(iter(source.batches(0)))
    with pytest.raises(RuntimeError, match="other"), lost_workers_in_words(tmp_path):
        raise RuntimeError("other")


def test_there_is_no_step_with_robot_frames_before_there_are_any(
    tmp_path: Path, tiny_settings, tokenizer, web_frames, robot_frames
) -> None:
    (tmp_path / FRAMES).mkdir()
    for number in range(2):
        save_frames(tmp_path / FRAMES / file_name(WEB, number), web_frames)
    settings = replace(tiny_settings, shard=8, web_frames=16, robot_frames=8, expert_frames=0, learner_after=100)
    source = FrameSource(tmp_path, settings, batch_maker(tokenizer, settings), refuse)
    with pytest.raises(NothingComes, match="rendering frames for step 3: 8 web and 0 robot frames"):
        list(source.batches(0))
    elsewhere = FrameSource(tmp_path, settings, batch_maker(tokenizer, settings), refuse)
    assert elsewhere.drawn_elsewhere(0, 0)[0].actions == 0
    save_frames(tmp_path / FRAMES / file_name("front", 2), robot_frames)
    assert elsewhere.drawn_elsewhere(2, 2)[0].actions > 0


def test_a_step_without_robot_frames_waits_for_no_episodes() -> None:
    assert MiniSettings().frames_at_least(2_700) > 0
    assert MiniSettings(robot_share=0).frames_at_least(2_700) == 0
    settings = MiniSettings(web_steps=3_000)
    assert settings.frames_at_least(2_999) == 0
    assert settings.frames_at_least(3_000) > 0


def test_processes_make_the_batches_that_a_thread_makes(
    tmp_path: Path, tiny_settings, tokenizer, web_frames, robot_frames
) -> None:
    (tmp_path / FRAMES).mkdir()
    for number, (whose, frames) in enumerate([(WEB, web_frames), (WEB, web_frames), ("front", robot_frames)]):
        save_frames(tmp_path / FRAMES / file_name(whose, number), frames)
    settings = replace(tiny_settings, frames_from=str(tmp_path), web_capacity=8, robot_capacity=8)

    def made(count: int) -> list[list[MiniBatch]]:
        maker = batch_maker(tokenizer, settings)
        return list(FrameSource(tmp_path / "own", settings, maker, refuse, num_workers=count).batches(1))

    expected, found = made(0), made(2)
    assert len(expected) == settings.steps - 1
    for (one,), (other,) in zip(expected, found, strict=True):
        assert one.origins == other.origins
        for name in ("input_ids", "labels", "mask"):
            assert torch.equal(getattr(one.rows, name), getattr(other.rows, name))
        assert torch.equal(one.pixels, other.pixels)


def test_once_the_policy_acts_a_step_waits_for_frames_of_its_episodes(
    tmp_path: Path, tiny_settings, tokenizer, web_frames, robot_frames
) -> None:
    (tmp_path / FRAMES).mkdir()
    for number, (whose, frames) in enumerate([(WEB, web_frames), (WEB, web_frames), ("front", robot_frames)]):
        save_frames(tmp_path / FRAMES / file_name(whose, number), frames)
    settings = replace(tiny_settings, web_frames=21, robot_frames=4, expert_frames=4, later_frames_per_image=100)

    def source(**changes: int) -> FrameSource:
        changed = replace(settings, **changes)
        return FrameSource(tmp_path, changed, batch_maker(tokenizer, changed), refuse)

    assert next(iter(source(learner_after=4).batches(3)))
    with pytest.raises(NothingComes, match="rendering frames for step 4: 8 web and 8 robot frames"):
        next(iter(source(learner_after=3).batches(3)))


@pytest.mark.parametrize(("robots", "read"), [("front", 8), ("left", 16), ("left,front", 24)])
def test_of_frames_of_two_robots_a_run_reads_those_of_its_own(
    tmp_path: Path, tiny_settings, tokenizer, robot_frames, robots: str, read: int
) -> None:
    (tmp_path / FRAMES).mkdir()
    for number, whose in enumerate(["front", "left", "left"], 1):
        save_frames(tmp_path / FRAMES / file_name(whose, number), robot_frames)
    settings = replace(tiny_settings, embodiments=robots, frames_from=str(tmp_path))
    source = FrameSource(tmp_path / "own", settings, batch_maker(tokenizer, settings), refuse)
    source.read()
    assert len(source.robot) == read


def test_pictures_that_were_trained_on_are_not_held_out_when_the_first_shard_is_missing(
    tmp_path: Path, source: FrameSource, web_frames
) -> None:
    save_frames(tmp_path / FRAMES / file_name(WEB, 2), web_frames)
    with pytest.raises(NothingComes):
        _ = source.held_out
    save_frames(tmp_path / FRAMES / file_name(WEB, 0), joined([web_frames, web_frames]))
    assert len(source.held_out["count"]) == 2 * len(web_frames["count"])
    assert len(source.web) == len(web_frames["count"])
