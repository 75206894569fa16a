"""The scripted human: does tasks with a human's hand, and takes over from a policy that goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.sim import TabletopSim, make_scene
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_human import HumanCommand, HumanTraits, ScriptedHuman
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD


@pytest.fixture(scope="module")
def sims():
    own, eyes = TabletopSim(), TabletopSim()
    yield own, eyes
    own.close()
    eyes.close()


def play(
    sims: tuple[TabletopSim, TabletopSim],
    scene: Scene,
    *,
    watches: bool = False,
    seed: int = 0,
    traits: HumanTraits = HumanTraits(),  # noqa: B008
    limit: float = 30.0,
) -> tuple[ScriptedHuman, list[HumanCommand]]:
    """The arm moves as the stick says, at the rate of control; a policy that is watched stands still."""
    sim, eyes = sims
    sim.reset(scene.layout)
    human = ScriptedHuman(eyes, scene, np.random.default_rng(seed), traits, watches=watches)
    commands = list[HumanCommand]()
    while sim.time < limit and not (commands and commands[-1].done):
        human.see(sim.time, sim.data.qpos)
        commands.append(human.command(sim.time))
        velocity = commands[-1].velocity if commands[-1].held else np.zeros(6)
        sim.command(velocity[:3], velocity[3:])
        if commands[-1].gripper is not None:
            sim.command_gripper(commands[-1].gripper)
        sim.step(CONTROL_PERIOD)
    return human, commands


def test_it_does_the_task_with_an_unsteady_hand(sims) -> None:
    done = []
    for seed in range(6):
        scene = make_scene("pick-any", seed)
        _, commands = play(sims, scene, seed=seed)
        done.append(commands[-1].done and sims[0].clearances[scene.task.target] > 0.05)
        velocities = np.array([one.velocity for one in commands])
        assert np.abs(velocities[:, :3]).max() < 0.25
        assert np.abs(np.diff(velocities[:, :3], axis=0)).max() < 0.08, "a hand does not jump"
        assert not velocities[:10].any(), "nothing is done before a reaction time"
        assert velocities[50:60, 0].std() > 1e-4
    assert sum(done) >= 5


def test_it_takes_over_from_a_policy_that_makes_no_progress(sims) -> None:
    human, commands = play(sims, make_scene("pick-any", 3), watches=True, limit=3.0)
    assert not human.reason
    assert not any(one.held for one in commands)
    human, commands = play(sims, make_scene("pick-any", 3), watches=True)
    assert human.reason == "There was no progress for 4 s."
    first = next(number for number, one in enumerate(commands) if one.held)
    assert 4.0 < first * CONTROL_PERIOD < 4.5
    assert commands[-1].done
    assert not commands[-1].held, "it lets go when the task is done"


def test_it_takes_over_when_another_object_is_gripped(sims) -> None:
    scene = make_scene("pick-any", 1)
    other = next(number for number in range(len(scene.layout.objects)) if number != scene.task.target)
    sim, eyes = sims
    sim.reset(scene.layout)
    third = TabletopSim()
    wrong = ScriptedHuman(third, scene, np.random.default_rng(0), HumanTraits(), watches=False)
    wrong._expert._target = other
    human = ScriptedHuman(eyes, scene, np.random.default_rng(1), HumanTraits(patience=60.0), watches=True)
    while sim.time < 20.0 and not human.reason:
        for one in (wrong, human):
            one.see(sim.time, sim.data.qpos)
        command = wrong.command(sim.time)
        human.command(sim.time)
        sim.command(command.velocity[:3], command.velocity[3:])
        if command.gripper is not None:
            sim.command_gripper(command.gripper)
        sim.step(CONTROL_PERIOD)
    third.close()
    assert human.reason == "It grips another object."
    assert human.commands


def test_the_same_seed_gives_the_same_commands(sims) -> None:
    scene = make_scene("pick-colours", 5)
    first, second, third = (play(sims, scene, seed=seed, limit=2.0)[1] for seed in (1, 1, 2))
    assert all((a.velocity == b.velocity).all() for a, b in zip(first, second, strict=True))
    assert any((a.velocity != b.velocity).any() for a, b in zip(first, third, strict=True))
