"""Our own table is one environment among others, and gives what it gave before it was one."""

from __future__ import annotations

from contextlib import closing

import pytest

from rt_vla_ros.environments.environment import Environment
from rt_vla_ros.environments.tabletop import TabletopEnvironment
from rt_vla_ros.evaluation.baselines import ExpertPolicy
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.tabletop_sim import TabletopSim

# Of the scripted expert on pick-any, as `rt-vla evaluate --policy expert` gave it when there was no protocol.
BEFORE = (
    (0, "success", 12, 2.2, "lift the orange cube"),
    (1, "success", 12, 2.2, "get the orange ball"),
    (2, "success", 13, 2.4, "please pick up the cyan cylinder"),
    (3, "success", 16, 3.0, "grasp the yellow cylinder and lift it"),
)


def test_episodes_are_what_they_were() -> None:
    with closing(DirectPlayer(ExpertPolicy())) as player:
        played = [player.play("pick-any", seed)[0] for seed, *_ in BEFORE]
    assert tuple((one.seed, one.outcome, one.steps, one.seconds, one.instruction) for one in played) == BEFORE
    assert player.about == {}, "an evaluation.json of our table says what it said"


def test_it_lays_the_same_table_for_the_same_seed() -> None:
    with closing(TabletopEnvironment(TabletopSim(size=(32, 32)))) as table:
        environment: Environment = table
        first, image = environment.lay("unseen", 4), environment.see("front")
        other, _ = environment.lay("unseen", 5), environment.see("front")
        again = environment.lay("unseen", 4)
        assert first == again != other
        assert (environment.see("front") == image).all()
        assert environment.states(tabletop_card("images alone")) is None


def test_an_unknown_suite_is_refused() -> None:
    with closing(TabletopEnvironment(TabletopSim(size=(32, 32)))) as table, pytest.raises(ValueError, match="pick-any"):
        table.lay("pick-anny", 0)
