"""A switch that somebody holds, and stops from anyone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from rclpy.node import Node
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from support.node_bench import NodeBench
from support.smoother_rig import Rig, velocity

from rt_vla_ros.control.status import State


class Switch:
    """Says ten times a second whether it is held."""

    def __init__(self, rig: Rig, held: bool = True) -> None:
        self.held = held
        self._publisher = rig.bench.publisher(Bool, "deadman")
        self.timer = rig.bench.world.create_timer(0.05, self._tell)
        rig.bench.until(lambda: (rig.node._conditions.denied() is None) == held)

    def _tell(self) -> None:
        self._publisher.publish(Bool(data=self.held))


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> Rig:
    return Rig(make_bench("-p", "smoother_node:deadman_timeout:=0.3"))


def only_another_request_moves(rig: Rig, switch: Switch) -> None:
    switch.held = True
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    rig.act(request=1)
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.FAULT
    rig.act(request=2)
    rig.until_state(State.MOVING)


def test_nothing_moves_while_no_deadman_switch_is_held(rig: Rig) -> None:
    rig.act()
    assert rig.until_state(State.FAULT).reason.startswith("The deadman switch is not held: motion requires true")
    Switch(rig, held=False)
    rig.act()
    rig.bench.spin_for(0.1)
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_a_deadman_switch_that_is_let_go_ends_the_request(rig: Rig) -> None:
    switch = Switch(rig)
    rig.act(period=1.0, request=1)
    rig.until_state(State.MOVING)
    switch.held = False
    assert rig.until_state(State.FAULT).reason.startswith("The deadman switch is not held")
    rig.until_still()
    only_another_request_moves(rig, switch)


def test_a_release_without_a_stop_does_not_take_a_request_up_again(rig: Rig) -> None:
    switch = Switch(rig)
    rig.act(period=1.0, request=1)
    rig.until_state(State.MOVING)
    switch.held = False
    rig.until_state(State.FAULT)
    switch.held = True
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    assert rig.bench.call(Trigger, "smoother_node/release").message == "it was not stopped"
    rig.act(request=1)
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.FAULT


def test_a_request_is_over_also_where_another_fault_came_before_the_switch_was_let_go(rig: Rig) -> None:
    switch = Switch(rig)
    rig.act(period=1.0, request=1)
    rig.until_state(State.MOVING)
    rig.act(translation=(3.0, 0, 0), request=1)
    assert "max_translation" in rig.until_state(State.FAULT).reason
    switch.held = False
    rig.bench.until(lambda: "The request is over" in rig.statuses[-1].reason)
    only_another_request_moves(rig, switch)


def test_a_deadman_switch_that_falls_silent_is_let_go(rig: Rig) -> None:
    switch = Switch(rig)
    rig.act(period=1.0)
    rig.until_state(State.MOVING)
    switch.timer.cancel()
    assert "for more than 0.3 s." in rig.until_state(State.FAULT).reason


def test_two_switches_are_none(rig: Rig) -> None:
    Switch(rig)
    other = rig.bench.add(Node("other"))
    other.create_publisher(Bool, "deadman", 10)
    rig.bench.until(lambda: "has 2 publishers, /other and /world." in str(rig.node._conditions.denied()))


def test_the_topic_stop_latches(bench: NodeBench) -> None:
    rig = Rig(bench)
    rig.act(period=1.0)
    rig.until_state(State.MOVING)
    rig.bench.publisher(Empty, "stop").publish(Empty())
    assert rig.until_state(State.STOPPED).reason == "A message was received on the topic stop."
    rig.act()
    rig.bench.spin_for(0.1)
    assert rig.statuses[-1].state == State.STOPPED
    rig.bench.call(Trigger, "smoother_node/release")
    rig.until_state(State.IDLE)


def test_the_command_stop_latches_and_says_so(bench: NodeBench) -> None:
    rig = Rig(bench)
    command = [sys.executable, "-m", "rt_vla_ros.cli", "stop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        rig.bench.until(lambda: process.poll() is not None)
        said, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert said == "/smoother_node: stopped until /smoother_node/release is called\n"
    assert rig.statuses[-1].state == State.STOPPED


def test_the_command_stop_says_where_nothing_was_stopped(bench: NodeBench) -> None:
    command = [sys.executable, "-m", "rt_vla_ros.cli", "stop"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "NOTHING WAS STOPPED" in done.stderr
    with_key = subprocess.run(
        [*command, "--key"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert "--key needs a terminal" in with_key.stderr
