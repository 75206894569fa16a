"""Actions, gripper and episodes by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.moving_tool import Damage, moving_card, moving_set, with_values

from rt_vla_ros.action_space.card import ActionDimension
from rt_vla_ros.data.check.gripper import gripper_findings
from rt_vla_ros.data.check.numbers import number_findings
from rt_vla_ros.data.check.whole_episodes import episode_findings, robust_z
from rt_vla_ros.data.episode import Episode

CARD = moving_card()


def codes(damage: Damage = lambda _, one: one, **about: float) -> dict[str, tuple[int, ...]]:
    episodes = moving_set(damage, **about)
    families = (number_findings, gripper_findings, episode_findings)
    return {one.code: one.episodes for family in families for one in family(CARD, 10.0, episodes)}


def held(first: int, last: int) -> Damage:
    """No motion in the first and the last steps."""

    def damage(_: int, one: Episode) -> Episode:
        values = one.values.copy()
        values[:first, :6], values[:first, 6] = 0, values[first, 6]
        if last:
            values[-last:, :6], values[-last:, 6] = 0, values[-last - 1, 6]
        return replace(one, values=values)

    return damage


def test_clean_episodes_are_left_alone() -> None:
    assert codes() == codes(seed=300) == {}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (15, 0, {"idle-start"}),
        (0, 15, {"idle-end"}),
        (8, 8, {"idle"}),
        (5, 5, set()),
        (12, 12, {"idle", "idle-start", "idle-end"}),
    ],
)
def test_idle_steps(first: int, last: int, expected: set[str]) -> None:
    assert set(codes(held(first, last))) - {"episode-duplicate"} == expected


def test_a_few_episodes_may_wait() -> None:
    assert "idle-start" not in codes(lambda number, one: held(20, 0)(number, one) if number == 0 else one)


@pytest.mark.parametrize(("share", "code"), [(0.2, "clipped"), (0.02, "clipped-some"), (0.0, None)])
def test_clipped_values(share: float, code: str | None) -> None:
    rng = np.random.default_rng(0)

    def clip(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        values[rng.random(len(values)) < share, 2] = 0.08
        return values

    assert set(codes(with_values(clip))) == ({code} if code else set())


def test_the_polarity_of_the_gripper() -> None:
    flipped = with_values(lambda values: np.column_stack([values[:, :6], 1 - values[:, 6]]))
    assert codes(flipped) == {"gripper-polarity": tuple(range(12))}
    some = with_values(lambda values: np.column_stack([values[:, :6], 1 - values[:, 6]]), lambda number: number < 2)
    assert codes(some) == {"gripper-polarity": (0, 1)}


def test_short_episodes_copies_and_failures() -> None:
    def damage(number: int, one: Episode) -> Episode:
        if number == 5:
            return replace(one, success=False)
        if number == 7:
            parts = {"values": one.values[:3], "stamps": one.stamps[:3], "images": {"front": one.images["front"][:3]}}
            return replace(one, states=one.states[:3] if one.states is not None else None, **parts)  # type: ignore[arg-type]
        return one

    found = codes(damage, episodes=24)
    assert found["episode-short"] == (7,)
    assert found["failures"] == (5,)
    assert 7 in found["episode-outlier"]
    episodes = moving_set()
    episodes[3].values, episodes[3].states, episodes[3].tool = episodes[1].values, episodes[1].states, episodes[1].tool
    assert {one.code: one.episodes for one in episode_findings(CARD, 10.0, episodes)} == {"episode-duplicate": (3,)}


def test_a_first_state_far_from_the_rest() -> None:
    def away(number: int, one: Episode) -> Episode:
        return replace(one, states=one.states + 1.0) if number == 4 and one.states is not None else one

    episodes = moving_set(away, episodes=24)
    assert {one.code: one.episodes for one in episode_findings(CARD, 10.0, episodes)} == {"episode-outlier": (4,)}


def test_success_that_was_not_recorded() -> None:
    episodes = moving_set()
    for one in episodes:
        one.success = None
    assert [one.code for one in episode_findings(CARD, 10.0, episodes)] == ["success-missing"]


def test_columns_that_hardly_differ_have_no_outliers() -> None:
    column = np.ones(20)
    column[3] += 1e-8
    assert np.abs(robust_z(column)).max() < 1


def test_states_in_other_units() -> None:
    episodes = moving_set()
    for one in episodes:
        one.states = one.states * 1000 if one.states is not None else None
    assert "state-range" in {one.code for one in number_findings(CARD, 10.0, episodes)}


def test_a_base_that_drives_while_the_arm_stands_still_is_no_idle_time() -> None:
    """Its motion is as good as the arm's: the same steps are idle where both stand still."""
    wheels = ActionDimension("wheels", "base_x", -0.3, 0.3, "m")
    card = replace(CARD, dimensions=(*CARD.dimensions, wheels))

    def found(speed: float) -> set[str]:
        episodes = moving_set(held(15, 0))
        for one in episodes:
            one.values = np.hstack([one.values, np.full((len(one), 1), speed, one.values.dtype)])
        return {finding.code for finding in number_findings(card, 10.0, episodes)}

    assert "idle-start" in found(0.0)
    assert "idle-start" not in found(0.1)
