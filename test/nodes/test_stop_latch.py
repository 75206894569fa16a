"""The smoother's stop outlives the smoother, each node's its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ControllerStatus
from std_srvs.srv import Trigger
from support.node_bench import NodeBench

from rt_vla_ros.control.status import State
from rt_vla_ros.control.stop_file import stop_path
from rt_vla_ros.nodes.smoother_node import SmootherNode

OK, WARN = 0, 1


def first_state(bench: NodeBench, node: SmootherNode) -> State:
    """What a node says first; one that was killed may still be heard."""
    heard = bench.listen(ControllerStatus, "controller_status")
    return State(bench.until(lambda: [one for one in heard if one.session == node._session])[0].state)


@pytest.mark.parametrize("killed", [True, False])
def test_a_stop_outlives_a_kill_and_a_ctrl_c_until_it_is_released(bench: NodeBench, killed: bool) -> None:
    node = bench.add(SmootherNode())
    assert bench.call(Trigger, "smoother_node/stop").success
    if not killed:
        node.close()
    bench.kill(node)
    node = bench.add(SmootherNode())
    assert first_state(bench, node) == State.STOPPED
    bench.until_diagnostics("smoother_node", WARN, "Stopped before this start. The stop service was called. (since 2")
    assert bench.call(Trigger, "smoother_node/release").message.startswith("the next action moves the arm")
    bench.kill(node)
    assert first_state(bench, bench.add(SmootherNode())) == State.IDLE


def test_a_node_that_was_ended_while_it_was_not_stopped_begins_afresh(bench: NodeBench) -> None:
    node = bench.add(SmootherNode())
    node.close()
    bench.kill(node)
    assert first_state(bench, bench.add(SmootherNode())) == State.IDLE


def test_a_damaged_file_is_a_stop(bench: NodeBench) -> None:
    path = stop_path(bench.world.context.get_domain_id(), "/smoother_node")
    path.parent.mkdir(parents=True)
    path.touch()
    bench.add(SmootherNode())
    bench.until_diagnostics(
        "smoother_node", WARN, f"Stopped before this start. The file of the stop, {path}, is damaged."
    )
    assert bench.call(Trigger, "smoother_node/release").success
    assert not path.exists()


def test_where_nobody_can_know_whether_it_was_stopped_it_begins_stopped(
    bench: NodeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    monkeypatch.setenv("ROS_HOME", str(loop))
    node = bench.add(SmootherNode())
    bench.until_diagnostics("smoother_node", WARN, "Whether it was stopped before this start is unknown. ")
    assert first_state(bench, node) == State.STOPPED
    answer = bench.call(Trigger, "smoother_node/release")
    assert (answer.success, "the smoother will be stopped again after its next start" in answer.message) == (True, True)


def test_where_nothing_can_be_written_a_stop_is_one_and_it_is_said_that_it_will_not_last(
    bench: NodeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "file"))
    node = bench.add(SmootherNode())
    bench.until_diagnostics("smoother_node", WARN, "A stop will not survive a restart of the smoother: ")
    answer = bench.call(Trigger, "smoother_node/stop")
    assert answer.success
    assert "stopped until /smoother_node/release is called. A stop will not survive a restart" in answer.message
    assert first_state(bench, node) == State.STOPPED
    assert bench.call(Trigger, "smoother_node/release").message.startswith("the next action moves the arm")


def test_every_node_of_every_domain_has_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_HOME", "/home/of/ros")
    names = ("/smoother_node", "/left/smoother_node", "/left_smoother_node", "/left/arm/smoother_node")
    paths = {stop_path(domain, name) for domain in (0, 1, 10) for name in names}
    assert len(paths) == 12
    assert Path("/home/of/ros/rt_vla_ros/stopped/10/left/smoother_node.json") in paths


@pytest.mark.parametrize("home", [None, "", "~/.ros"])
def test_without_ros_home_it_is_the_users(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.delenv("ROS_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("ROS_HOME", home)
    assert stop_path(0, "/smoother_node") == Path("/home/user/.ros/rt_vla_ros/stopped/0/smoother_node.json")


def test_where_the_clock_stands_still_who_joins_hears_how_it_is(make_bench: Callable[..., NodeBench]) -> None:
    """As in lock step, where time goes on by the policy's actions alone, and the policy waits for the release."""
    bench = make_bench("-p", "smoother_node:use_sim_time:=true")
    bench.add(SmootherNode())
    lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    before = bench.listen(ControllerStatus, "controller_status", lasting)
    for service, state in (("stop", State.STOPPED), ("release", State.IDLE)):
        assert bench.call(Trigger, f"smoother_node/{service}").success
        bench.until(lambda state=state: before and before[-1].state == state)
        after = bench.listen(ControllerStatus, "controller_status", lasting)
        bench.until(lambda after=after: after)
        assert [status.state for status in after] == [state]
