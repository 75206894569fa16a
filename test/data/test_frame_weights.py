from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.datasets import make_episode

from rt_vla_ros.data.episode import DatasetError, EpisodeLabels
from rt_vla_ros.data.frame_weights import POLICY, FrameWeighting, LearnedFrames

RATE = 5.0
LETTERS = {"h": "human", "p": POLICY, "e": "expert", "-": ""}


def labels(who: str, corrected: str = "", seed: int = 0) -> EpisodeLabels:
    """An episode of as many frames as letters: who commanded, and 1 where that was a correction."""
    marks = np.array([mark == "1" for mark in corrected or "0" * len(who)])
    return make_episode(seed, length=len(who), commanders=tuple(LETTERS[one] for one in who), interventions=marks)


def weighed(who: str, corrected: str = "", **rules: Any) -> LearnedFrames:
    return FrameWeighting(**rules).of_recording([labels(who, corrected)], RATE)[0]


def test_corrections_have_a_weight_of_their_own() -> None:
    found = weighed("pppphhhhpp", "0000111100", intervention=4.0)
    assert found.weights.tolist() == [1, 1, 1, 1, 4, 4, 4, 4, 1, 1]
    assert found.corrected.sum() == 4
    assert weighed("hhhh", intervention=4.0).weights.tolist() == [1, 1, 1, 1], "a demonstration is no correction"
    assert weighed("pphh", "0011", intervention=0.0).weights.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(("seconds", "left"), [(0.0, 6), (0.2, 5), (0.21, 4), (1.0, 1), (1.2, 0), (60.0, 0)])
def test_what_the_policy_did_before_a_takeover_is_left_out(seconds: float, left: int) -> None:
    found = weighed("pppppphhpp", "0000001100", before_takeover=seconds)
    assert found.weights.tolist() == [1.0] * left + [0.0] * (6 - left) + [1.0] * 4
    assert found.early.sum() == 6 - left


def test_only_the_policys_frames_are_before_a_takeover() -> None:
    assert weighed("eepphh", "000011", before_takeover=1.0).weights.tolist() == [1, 1, 0, 0, 1, 1]
    assert weighed("hhhhpp", "110011", before_takeover=1.0).weights.tolist() == [1] * 6, "it begins with one"
    twice = weighed("phpphpp", "0100100", before_takeover=0.4)
    assert twice.weights.tolist() == [0, 1, 0, 0, 1, 1, 1]


def test_a_takeover_may_begin_with_a_new_instruction() -> None:
    first, second = FrameWeighting(before_takeover=0.4).of_recording([labels("ppp"), labels("hh", "11")], RATE)
    assert first.weights.tolist() == [1, 0, 0]
    assert second.weights.tolist() == [1, 1]
    assert second.reach.tolist() == [2, 1]


def test_commanders_are_chosen() -> None:
    found = weighed("eepphh", "000011", commanders=("human", "expert"))
    assert found.weights.tolist() == [1, 1, 0, 0, 1, 1]
    assert found.others.sum() == 2
    assert weighed("hh--hh", commanders=("human",)).weights.tolist() == [1, 1, 0, 0, 1, 1], "nobody is nobody's"
    nobody = make_episode(0, length=4)
    kept = FrameWeighting(commanders=("human",)).of_recording([nobody], RATE)[0]
    assert kept.weights.tolist() == [1, 1, 1, 1], "a set that does not say it has demonstrations"


def test_a_chunk_ends_where_somebody_else_commands() -> None:
    assert weighed("pppphhhhpp", "0000111100").reach.tolist() == [4, 3, 2, 1, 4, 3, 2, 1, 2, 1]
    assert weighed("pppphhhhpp", "0000111100", commanders=("human",)).reach.tolist() == [0] * 4 + [4, 3, 2, 1, 0, 0]
    assert weighed("pppphh", "000011", before_takeover=0.4).reach.tolist() == [2, 1, 0, 0, 2, 1]
    plain = FrameWeighting().of_recording([make_episode(0, length=4)], RATE)[0]
    assert plain.reach.tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_weight_is_a_number_from_0_on(bad: float) -> None:
    for rules in ({"intervention": bad}, {"before_takeover": bad}, {"datasets": (1.0, bad)}):
        with pytest.raises(DatasetError, match="expected a number, 0 or more"):
            FrameWeighting(**rules)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="There is no commander 'humna'; there are human, policy, expert"):
        FrameWeighting(commanders=("human", "humna"))
    for absurd in ({"intervention": 1001.0}, {"intervention": 1e-9}, {"datasets": (1.0, 0.0, 1e-300)}):
        with pytest.raises(
            DatasetError, match=r"would be sampled .* times as often as another frame; expected 1 / 1,000 to 1,000"
        ):
            FrameWeighting(**absurd)  # type: ignore[arg-type]
    FrameWeighting(datasets=(0.001, 1.0, 0.0), intervention=1000.0)
    with pytest.raises(DatasetError, match="All datasets have weight 0"):
        FrameWeighting(datasets=(0.0, 0.0))
