"""Cutting idle starts and ends: images, states, labels and statistics stay with their steps, and DATA stays whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import change_column, make_episode, put_images_into_tables, write_dataset
from support.moving_tool import moving_card, moving_episode

from rt_vla_ros.data.check.checking import check_dataset
from rt_vla_ros.data.episode import DatasetError, Episode
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import read_table
from rt_vla_ros.data.trimming import EpisodeCut, open_to_trim, trim

IDLE_ENDS = [(15, 0), (0, 14), (12, 13), (0, 0)]


def silent(_: str) -> None: ...


def resting(seed: int, first: int, last: int) -> Episode:
    """Nothing is commanded in its first and last steps. 10 Hz; who commanded changes every other step."""
    one = moving_episode(seed)
    values = one.values.copy()
    values[:first, :6], values[:first, 6] = 0, values[first, 6] if first < len(one) else 0
    if last:
        values[-last:, :6], values[-last:, 6] = 0, values[-last - 1, 6]
    who = tuple(("human", "policy")[step % 2] for step in range(len(one)))
    images = {
        name: np.random.default_rng(seed).integers(0, 256, its.shape, np.uint8) for name, its in one.images.items()
    }
    return replace(
        one, values=values, images=images, commanders=who, interventions=np.array([w == "human" for w in who])
    )


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    return write_dataset(
        tmp_path / "shown", [resting(seed, *ends) for seed, ends in enumerate(IDLE_ENDS)], moving_card()
    )


def trimmed(directory: Path, out: Path, margin: float = 0.3) -> LeRobotDataset:
    source, card, cuts = open_to_trim(directory, margin)
    return trim(source, card, cuts, out, silent, link=False)


@pytest.mark.parametrize("in_tables", [False, True])
def test_every_step_that_stays_is_as_it_was(shown: Path, tmp_path: Path, in_tables: bool) -> None:
    if in_tables:
        put_images_into_tables(shown)
    before = {path: path.read_bytes() for path in shown.rglob("*") if path.is_file()}
    found = trimmed(shown, tmp_path / "new")
    wanted = LeRobotDataset(shown)
    for number, (first, last) in enumerate(IDLE_ENDS):
        start, end = max(0, first - 3), len(wanted[number]) - max(0, last - 3)
        one, its = found[number], wanted[number]
        np.testing.assert_array_equal(one.images["front"], its.images["front"][start:end])
        np.testing.assert_array_equal(one.values, its.values[start:end])
        np.testing.assert_array_equal(one.states, its.states[start:end])  # type: ignore[index]
        np.testing.assert_array_equal(one.interventions, its.interventions[start:end])  # type: ignore[index]
        assert found.words(number, "commander") == wanted.words(number, "commander")[start:end]
        np.testing.assert_allclose(one.stamps, np.arange(end - start) / 10, atol=1e-4)
        assert one.instruction == its.instruction
    assert {path: path.read_bytes() for path in shown.rglob("*") if path.is_file()} == before


def test_the_statistics_are_those_of_what_stays(shown: Path, tmp_path: Path) -> None:
    found = [*trimmed(shown, tmp_path / "new")]
    stored = json.loads((tmp_path / "new/meta/stats.json").read_text())
    pixels = np.concatenate([one.images["front"] for one in found]) / 255
    np.testing.assert_allclose(np.ravel(stored["observation.images.front"]["mean"]), pixels.mean((0, 1, 2)), atol=1e-9)
    actions = np.concatenate([one.values for one in found])
    np.testing.assert_allclose(stored["action"]["std"], actions.std(0), atol=1e-6)
    assert stored["action"]["count"] == [len(actions)]


def test_the_check_finds_nothing_to_cut_afterwards(shown: Path, tmp_path: Path) -> None:
    codes = {finding.code for finding in check_dataset(shown).findings}
    assert {"idle-start", "idle-end"} <= codes
    trimmed(shown, tmp_path / "new")
    left = {finding.code for finding in check_dataset(tmp_path / "new").findings}
    assert not left & {"idle-start", "idle-end", "idle", "stats-old", "picture-missing", "video-stretch"}
    with pytest.raises(DatasetError, match="has idle time to cut; no copy is needed"):
        trimmed(tmp_path / "new", tmp_path / "again")


def test_what_moves_nowhere_is_left_out(tmp_path: Path) -> None:
    still = resting(7, 50, 0)
    source, card, cuts = open_to_trim(write_dataset(tmp_path / "data", [resting(0, 0, 20), still], moving_card()), 0.0)
    assert cuts[0] == EpisodeCut(0, 50, 0, 20)
    assert cuts[1].gone == 50
    assert [len(one) for one in trim(source, card, cuts, tmp_path / "new", silent, link=False)] == [30]
    with pytest.raises(DatasetError, match=r"No episode of .* has commanded motion; nothing would be left"):
        trimmed(write_dataset(tmp_path / "still", [still], moving_card()), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_episode_that_terminated_still_does(tmp_path: Path) -> None:
    episodes = []
    for seed in range(3):
        one = make_episode(seed, length=20)
        values = one.values.copy()
        terminate, gripper = one.card.index("terminate"), one.card.index("gripper")
        assert terminate is not None
        assert gripper is not None
        values[:, terminate] = 0
        values[10:] = 0
        values[10:, gripper] = values[9, gripper]
        values[-1, terminate] = 1
        episodes.append(replace(one, values=values))
    directory = write_dataset(tmp_path / "data", episodes)
    for margin, length in ((0.0, 11), (0.6, 13)):
        for one, its in zip(trimmed(directory, tmp_path / str(margin), margin), episodes, strict=True):
            assert len(one) == length
            assert [*np.flatnonzero(one.values[:, terminate])] == [length - 1]
            np.testing.assert_allclose(one.values[:10], its.values[:10], atol=1e-6)
            np.testing.assert_array_equal(one.images["front"], its.images["front"][:length])


def test_actions_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", [resting(0, 0, 20)], moving_card())
    path = next((data / "data").rglob("*.parquet"))
    change_column(path, "action", [[float("nan"), *cells[1:]] for cells in read_table(path)["action"].to_pylist()])
    with pytest.raises(DatasetError, match=r"episode 0 of .*data has actions that are not finite. Drop it first"):
        open_to_trim(data)
