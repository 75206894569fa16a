"""Chunks of several steps on a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rt_vla_ros.msg import EndEffectorStep as StepMsg
from support.actions import action, changed, chunk
from support.node_bench import NodeBench
from support.smoother_rig import Rig, SimulatedTimeRig, transform, velocity
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import nanoseconds

UP = (0.0, 0.0, 0.03)
FOUR = chunk(UP, UP, UP, UP)


@pytest.fixture
def rig(bench: NodeBench) -> Rig:
    return Rig(bench)


def test_a_chunk_is_carried_out_without_a_pause_and_its_terminate_stops_the_arm(rig: Rig) -> None:
    rig.decide(changed(FOUR, 3, terminate=True), ensemble="mean", ensemble_chunks=2)
    assert rig.until_state(State.TERMINATED).reason == "The policy reports that the instruction is done."
    rig.until_still()
    speeds = [float(np.linalg.norm(velocity(twist))) for twist in rig.twists]
    moving = [i for i, speed in enumerate(speeds) if speed > 0]
    assert all(speeds[moving[0] : moving[-1]])
    assert rig.statuses[-1].commanded_distance == pytest.approx(0.09, abs=0.02)
    rig.bench.until(lambda: [t.data for t in rig.terminates] == [True])


def test_a_chunk_without_steps_stops_the_arm_and_the_next_may_be_from_an_older_image(rig: Rig) -> None:
    rig.decide(FOUR, age=0.1)
    rig.bench.until(lambda: rig.twists and velocity(rig.twists[-1]).any())
    rig.decide(chunk(plan="A new instruction has come."), frame="")
    assert rig.until_state(State.HOLDING).reason == "A new instruction has come."
    rig.bench.until(lambda: not velocity(rig.twists[-1]).any())
    stamp_ns = rig.decide(FOUR, age=0.5)
    rig.bench.until(lambda: rig.statuses[-1].state == State.MOVING)
    assert nanoseconds(rig.statuses[-1].action_stamp) == pytest.approx(stamp_ns, abs=1000)


def test_a_policy_that_is_gone_does_not_have_its_steps_finished(rig: Rig) -> None:
    rig.decide(chunk(*[UP] * 9))
    rig.until_state(State.MOVING)
    rig.bench.world.destroy_publisher(rig.policy)
    assert rig.until_state(State.FAULT).reason == "The policy is gone: no node publishes actions any more."
    rig.until_still()
    assert rig.statuses[-1].commanded_distance < 0.2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"ensemble": "median"},
            "The ensemble's rule is 'median', expected one of newest, compensated, weighted, mean",
        ),
        ({"ensemble": "weighted", "ensemble_weight": float("nan"), "ensemble_chunks": 3}, "The ensemble's weight is"),
        ({"ensemble": "mean", "ensemble_chunks": 4_000_000_000}, "The ensemble has 4000000000 chunks, expected 2 to"),
        ({"steps": [StepMsg()] * 1001}, "The action has more than 1000 steps."),
        ({"tokens": [1, 2, 3, 4, 5]}, "The action has 5 tokens for 4 steps"),
    ],
)
def test_a_message_that_is_no_chunk_is_a_fault_and_with_a_terminate_it_stops(
    rig: Rig, fields: dict[str, Any], sentence: str
) -> None:
    stamp_ns = rig.decide(FOUR, **fields)
    status = rig.until_state(State.FAULT)
    assert status.reason.startswith(sentence)
    assert nanoseconds(status.refused_stamp) == pytest.approx(stamp_ns, abs=1000)
    assert not any(velocity(twist).any() for twist in rig.twists)
    rig.decide(FOUR, **fields, terminate=True)
    rig.until_state(State.TERMINATED)


def test_a_chunk_without_steps_drops_one_that_waits_for_tf_and_the_next_one_waits_again(rig: Rig) -> None:
    rig.act(frame="tool0")
    rig.bench.until(lambda: rig.node._first._kept is not None)
    rig.decide(chunk(), frame="")
    rig.bench.until(lambda: rig.node._first._kept is None)
    rig.act(frame="tool0", translation=UP)
    rig.bench.until(lambda: rig.node._first._kept is not None)
    StaticTransformBroadcaster(rig.bench.world).sendTransform(transform("panda_link0", "tool0"))
    rig.until_state(State.MOVING)
    assert all(status.state != State.FAULT for status in rig.statuses)


def test_in_simulated_time_a_chunk_without_steps_drops_one_that_overtook_the_clock(
    make_bench: Callable[..., NodeBench],
) -> None:
    rig = SimulatedTimeRig(make_bench("-p", "smoother_node:use_sim_time:=true"))
    rig.decide(action(), 11)
    rig.bench.until(lambda: rig.node._early is not None)
    rig.decide(chunk(), 12)
    rig.bench.until(lambda: rig.node._early is None and rig.node._controller.accepted == 1)
    rig.tell(11)
    rig.bench.until(lambda: nanoseconds(rig.statuses[-1].header.stamp) == 11 * 10**9)
    assert {status.state for status in rig.statuses} == {State.IDLE}
