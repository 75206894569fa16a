"""Shards of frames on disk: which are read, held out and rendered again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.mini.batches import MiniBatch
from rt_vla_ros.training.rt2.mini.collector import FRAMES, WEB, file_name, first_missing
from rt_vla_ros.training.rt2.mini.frames import joined, load_frames, save_frames
from rt_vla_ros.training.rt2.mini.source import FrameSource, batch_maker


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
    with pytest.raises(TrainingError, match=r"web_000000.npz is damaged .*Delete it; the command .* renders it again"):
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
    assert [first_missing(tmp_path, number, 3) for number in range(3)] == [0, 1, 2]
    for number in (0, 1, 3, 4):
        (tmp_path / FRAMES / file_name(WEB, number)).touch()
    assert [first_missing(tmp_path, number, 3) for number in range(3)] == [6, 7, 2]


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
