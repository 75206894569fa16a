"""Camera to arm through three processes: what a user starts, what happens when one of them dies, what Ctrl-C does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.srv import TaskOutcome
from std_msgs.msg import String
from support.node_bench import NodeBench
from support.node_processes import NodeProcess
from support.played_policies import make

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.status import State
from rt_vla_ros.evaluation.rollout import RolloutStep, rollout
from rt_vla_ros.nodes.conversions import chunk_from_message, nanoseconds
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim import TabletopSim, make_scene
from rt_vla_ros.sim.world import START_NS

INSTRUCTION = "pick up the red cube"
SEED = 11
STEPS = 25
Start = Callable[..., NodeProcess]


@pytest.fixture
def start(bench: NodeBench) -> Iterator[Start]:
    """Starts node processes on the bench's graph; they end with the test."""
    with ExitStack() as running:
        yield lambda *arguments, **options: running.enter_context(NodeProcess(*arguments, **options))


def say(bench: NodeBench, text: str) -> None:
    """Once the policy is ready, as a user would."""
    bench.until(lambda: bench.diagnostics.get("/policy_node", (1, ""))[1] == "Waiting for an instruction.")
    bench.publisher(String, "instruction").publish(String(data=text))


def speed(twist: TwistStamped) -> float:
    v = twist.twist.linear
    return float(np.linalg.norm([v.x, v.y, v.z]))


def test_when_policy_or_smoother_is_killed_the_arm_stands_still_and_the_reason_is_told(
    bench: NodeBench, start: Start
) -> None:
    twists = bench.listen(TwistStamped, "delta_twist_cmds")
    statuses = bench.listen(ControllerStatus, "controller_status")
    arm = start("sim_arm_node")
    smoother = start("smoother_node")
    policy = start("policy_node", played="riser")
    say(bench, INSTRUCTION)
    bench.until(lambda: len([t for t in twists if speed(t) > 0.03]) > 20, "the arm does not move")
    policy.kill()
    before = len(twists)
    bench.until(lambda: statuses[-1].state == State.FAULT and not statuses[-1].commanding, "it goes on")
    # The action's period, the smoothing's tail and some delay, in ticks of 20 ms: those that a busy machine leaves out
    # move nothing.
    assert sum(speed(t) > 0 for t in twists[before:]) < (0.2 + 0.3 + 0.5) * 50
    assert speed(twists[-1]) == 0
    bench.until_diagnostics("smoother_node", 2, "The policy ")
    bench.until_diagnostics("sim_arm_node", 0, "Standing still: no recent velocity command.")
    again = start("policy_node", played="riser")
    say(bench, INSTRUCTION)
    bench.until(lambda: statuses[-1].state == State.MOVING, "a new policy does not move the arm")
    bench.until_diagnostics("sim_arm_node", 0, "Following velocity commands.")
    smoother.kill()
    bench.until_diagnostics("sim_arm_node", 0, "Standing still: no recent velocity command.")
    started = time.monotonic()
    assert [process.interrupt() for process in (again, arm)] == [0, 0]
    assert time.monotonic() - started < 10


def test_a_policy_that_cannot_be_loaded_ends_its_process_with_an_error(bench: NodeBench, start: Start) -> None:
    policy = start("policy_node", "policy:=rt1-mni")
    bench.until_diagnostics("policy_node", 2, "There is no policy 'rt1-mni'")
    assert policy.process.wait(60) == 1


def direct(policy: Policy) -> list[ActionChunk]:
    """The actions of the rollout without ROS."""
    scene = make_scene("pick-colours", SEED, INSTRUCTION)
    sim, steps = TabletopSim(), list[RolloutStep]()
    rollout(policy, scene, sim, Controller(), max_steps=STEPS, on_step=steps.append)
    sim.close()
    return [step.chunk for step in steps]


@pytest.mark.slow
def test_in_lock_step_the_processes_do_what_the_rollout_does_to_the_last_bit(bench: NodeBench, start: Start) -> None:
    """By a policy that looks at the image; cli/test_evaluate.py has RT-1 and whole episodes."""
    heard = bench.listen(ChunkMsg, "action")
    start("sim_arm_node", "lock_step:=true", f"seed:={SEED}", f"instruction:={INSTRUCTION}")
    start("smoother_node", "use_sim_time:=true")
    start("policy_node", "use_sim_time:=true", "device:=cpu", "max_frozen_way:=0.0", played="reactive")
    say(bench, INSTRUCTION)
    bench.until(lambda: len(heard) >= STEPS, "it does not go on")
    stamps = [nanoseconds(message.header.stamp) for message in heard[:STEPS]]
    assert stamps == [START_NS + i * 200_000_000 for i in range(STEPS)]
    expected = direct(make("reactive"))
    for message, action in zip(heard, expected, strict=False):
        said = chunk_from_message(message)
        (ours,), (theirs,) = said.steps, action.steps
        np.testing.assert_array_equal(ours.translation, theirs.translation)
        np.testing.assert_array_equal(ours.rotation, theirs.rotation)
        assert (said.tokens, ours.gripper, ours.terminate) == (action.tokens, theirs.gripper, theirs.terminate)
    assert len({message.steps[0].translation.x for message in heard[:STEPS]}) > 1
    assert bench.call(TaskOutcome, "sim_arm_node/outcome").steps >= STEPS
