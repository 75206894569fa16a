"""A managed node: its life, who may lead it, and the policy node as one."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter as RosParameter
from rt_vla_ros.action import ExecuteInstruction
from std_srvs.srv import SetBool, Trigger
from support.node_bench import NodeBench
from support.policy_rig import PlayedPolicy, Rig

from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.managed import AUTOSTART, ManagedNode
from rt_vla_ros.nodes.parameters import Parameter, declare
from rt_vla_ros.nodes.policy_node import PolicyNode

OK, WARN, ERROR = 0, 1, 2
TABLE = (AUTOSTART, Parameter("speed", 1.0, "Of the arm.", 0.0, 2.0, read_only=False))


class Bridge(ManagedNode):
    """Notes what it is told; `fails` is what goes wrong."""

    def __init__(self) -> None:
        super().__init__("bridge")
        self.seen: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.settings = declare(self, TABLE)
        self.start(TABLE, self.settings)

    def _note(self, what: str) -> None:
        self.seen.append(what)
        if what in self.fails:
            raise self.fails[what]

    def configure(self) -> None:
        self.gate.wait()
        self._note("configure")

    def activate(self) -> None:
        self._note("activate")

    def deactivate(self, sentence: str) -> None:
        self._note("deactivate")

    def cleanup(self) -> None:
        self._note("cleanup")


def change(bench: NodeBench, node: str, label: str = "", number: int = 0) -> bool:
    transition = Transition(label=label, id=number)
    return bool(bench.call(ChangeState, f"{node}/change_state", transition=transition).success)


def set_parameter(bench: NodeBench, node: str, name: str, value: Any) -> str:
    """Why it was refused; empty where it was not."""
    parameters = [RosParameter(name, value=value).to_parameter_msg()]
    (result,) = bench.call(SetParameters, f"{node}/set_parameters", parameters=parameters).results
    return "" if result.successful else str(result.reason)


@pytest.fixture
def patient(make_bench: Callable[..., NodeBench]) -> NodeBench:
    """A bench whose nodes wait to be told."""
    return make_bench("-p", "autostart:=false")


def test_by_itself_it_becomes_active(bench: NodeBench) -> None:
    bridge = bench.add(Bridge())
    assert bridge.is_open
    bench.until(lambda: bridge.state == "active")
    assert bridge.seen == ["configure", "activate"]


def test_without_autostart_it_is_led(patient: NodeBench) -> None:
    bridge = patient.add(Bridge())
    patient.spin_for(0.3)
    assert (bridge.state, bridge.is_open, bridge.seen) == ("unconfigured", False, [])
    assert "`ros2 lifecycle set /bridge configure`" in str(bridge.refusal)
    assert change(patient, "bridge", "configure")
    assert (bridge.state, bridge.is_open) == ("inactive", False)
    assert change(patient, "bridge", number=Transition.TRANSITION_ACTIVATE)
    assert change(patient, "bridge", "deactivate")
    assert change(patient, "bridge", number=Transition.TRANSITION_CLEANUP)
    assert bridge.seen == ["configure", "activate", "deactivate", "cleanup"]
    assert change(patient, "bridge", "shutdown")
    assert (bridge.state, bridge.finished, bridge.failure) == ("finalized", True, None)


@pytest.mark.parametrize(("label", "number"), [("", 4), ("cleanup", 0), ("", 0), ("", 255), ("nonsense", 1), ("", 10)])
def test_a_transition_that_does_not_fit_is_answered(patient: NodeBench, label: str, number: int) -> None:
    bridge = patient.add(Bridge())
    assert not change(patient, "bridge", label, number)
    assert (bridge.state, bridge.callbacks_failed) == ("unconfigured", 0)


def test_enable_is_the_same_switch(bench: NodeBench) -> None:
    bridge = bench.add(Bridge())
    bench.until(lambda: bridge.state == "active")
    assert bench.call(SetBool, "bridge/enable", data=False).success
    assert bridge.state == "inactive"
    assert bridge.refusal == "The node is disabled; call /bridge/enable to execute instructions."
    assert bench.call(SetBool, "bridge/enable", data=False).success
    assert bench.call(SetBool, "bridge/enable", data=True).success
    assert bridge.state == "active"
    assert change(bench, "bridge", "deactivate")
    assert change(bench, "bridge", "cleanup")
    refused = bench.call(SetBool, "bridge/enable", data=True)
    assert (refused.success, "lifecycle set /bridge configure" in refused.message) == (False, True)


def test_a_configure_that_fails_leads_back_and_can_be_repeated(patient: NodeBench) -> None:
    bridge = patient.add(Bridge())
    bridge.fails = {"configure": ValueError("No controller is loaded.")}
    assert not change(patient, "bridge", "configure")
    assert (bridge.state, bridge.problem, bridge.failure) == ("unconfigured", "No controller is loaded.", None)
    bridge.fails = {}
    assert change(patient, "bridge", "configure")
    assert bridge.problem is None


def test_what_began_during_a_configure_that_fails_is_ended(patient: NodeBench) -> None:
    bridge = patient.add(Bridge())
    bridge.gate.clear()
    bridge.fails = {"configure": ValueError("No controller is loaded.")}
    bridge._transit("configure")
    patient.until(lambda: bridge.state == "configuring")
    assert bridge.refusal == "The node is configuring."
    assert patient.call(SetBool, "bridge/enable", data=True).success
    assert bridge.is_open
    bridge.gate.set()
    patient.until(lambda: not bridge.is_open)
    assert (bridge.state, bridge.seen) == ("unconfigured", ["configure", "cleanup", "deactivate"])


def test_while_it_is_ended_it_is_not_open(bench: NodeBench) -> None:
    bridge = bench.add(Bridge())
    bench.until(lambda: bridge.state == "active")
    bridge.close()
    assert (bridge.is_open, bridge.refusal) == (False, "The node was shut down.")


def test_a_stop_that_fails_cleans_up(bench: NodeBench) -> None:
    bridge = bench.add(Bridge())
    bench.until(lambda: bridge.state == "active")
    bridge.fails = {"deactivate": RuntimeError("oh")}
    assert not change(bench, "bridge", "deactivate")
    assert bridge.state == "finalized"
    assert bridge.seen[-2:] == ["deactivate", "cleanup"]


def test_parameters_are_changed_while_unconfigured_and_read_at_configure(patient: NodeBench) -> None:
    bridge = patient.add(Bridge())
    assert set_parameter(patient, "bridge", "speed", 1.5) == ""
    assert set_parameter(patient, "bridge", "speed", 5.0) != ""
    assert change(patient, "bridge", "configure")
    assert bridge.settings["speed"] == 1.5
    refused = set_parameter(patient, "bridge", "speed", 0.5)
    assert refused.startswith("speed can be changed while the node is unconfigured, and it is inactive")
    assert set_parameter(patient, "bridge", "autostart", True) != ""


def test_the_policy_node_is_led_by_others(patient: NodeBench, policy: PlayedPolicy) -> None:
    rig = Rig(patient, policy)
    patient.until_diagnostics("policy_node", OK, "No policy is loaded: `ros2 lifecycle set /policy_node configure`")
    rig.say("pick up the red cube")
    patient.until_diagnostics("policy_node", ERROR, "The node is unconfigured: `ros2 lifecycle set /policy_node")
    assert change(patient, "policy_node", "configure")
    patient.until_diagnostics("policy_node", OK, "Disabled.")
    assert not patient.call(Trigger, "policy_node/restart").success
    assert change(patient, "policy_node", "activate")
    assert patient.call(Trigger, "policy_node/restart").success
    rig.until_action()
    assert change(patient, "policy_node", "deactivate")
    assert rig.until_stop().plan == "The policy was disabled."
    count = len(rig.actions)
    rig.say("pick up the blue ball")
    rig.show()
    patient.spin_for(0.3)
    assert len(rig.actions) == count


def test_cleanup_frees_the_policy_and_another_takes_its_place(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    alive: list[Any] = []

    def load(name: str, **_options: Any) -> PlayedPolicy:
        names.append(name)
        loaded = PlayedPolicy()
        alive.append(weakref.ref(loaded))
        return loaded

    monkeypatch.setattr(policy_node, "load_policy", load)
    rig = Rig(bench, PlayedPolicy())
    bench.until(lambda: rig.node.state == "active")
    rig.say("pick up the red cube")
    rig.until_action()
    assert set_parameter(bench, "policy_node", "policy", "other").startswith("policy can be changed while")
    assert change(bench, "policy_node", "deactivate")
    assert change(bench, "policy_node", "cleanup")
    gc.collect()
    assert alive[0]() is None
    assert set_parameter(bench, "policy_node", "policy", "other") == ""
    assert set_parameter(bench, "policy_node", "weights", "int3").endswith(
        "expected one of auto, float32, bfloat16, int8, int4."
    )
    assert set_parameter(bench, "policy_node", "threads", 1) == ""
    assert change(bench, "policy_node", "configure")
    assert rig.node._runner.threads == 1
    assert bench.call(SetBool, "policy_node/enable", data=True).success
    assert names == ["rt1-mini", "other"]
    rig.say("pick up the blue ball")
    assert not rig.until_action().terminate


def test_a_policy_that_cannot_be_loaded_is_said_and_another_can(
    patient: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, **_options: Any) -> PlayedPolicy:
        if name != "good":
            raise ValueError("There is none.")
        return PlayedPolicy()

    monkeypatch.setattr(policy_node, "load_policy", load)
    node = patient.add(PolicyNode())
    assert not change(patient, "policy_node", "configure")
    patient.until_diagnostics("policy_node", ERROR, "The policy 'rt1-mini' cannot be loaded: There is none. After")
    assert (node.state, node.failure) == ("unconfigured", None)
    assert set_parameter(patient, "policy_node", "policy", "good") == ""
    assert change(patient, "policy_node", "configure")
    patient.until_diagnostics("policy_node", OK, "Disabled.")


def test_a_request_that_begins_while_a_load_fails_does_not_move_the_arm_later(
    patient: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = patient.add(PolicyNode())

    def load(name: str, **_options: Any) -> PlayedPolicy:
        node._starting = True  # ~/enable true
        raise ValueError("There is none.")

    monkeypatch.setattr(policy_node, "load_policy", load)
    monkeypatch.setattr(policy_node, "give_back_memory", lambda: node._begin("pick up the red cube"))
    told: list[tuple[int, str]] = []  # to a goal
    monkeypatch.setattr(node._goals, "over", lambda outcome, sentence: told.append((outcome, sentence)))
    assert not change(patient, "policy_node", "configure")
    assert not node._runner.running
    assert told[0] == (ExecuteInstruction.Result.FAULT, node.problem)


def test_with_trust_in_remote_code_the_policy_stays(make_bench: Callable[..., NodeBench]) -> None:
    bench = make_bench("-p", "autostart:=false", "-p", "trust_remote_code:=true")
    bench.add(PolicyNode())
    assert set_parameter(bench, "policy_node", "policy", "/tmp/evil").startswith("With trust_remote_code the policy")


def test_disabled_while_it_is_loaded_it_stays_inactive(bench: NodeBench, policy: PlayedPolicy) -> None:
    policy.gate.clear()  # it warms up until it is set
    node = bench.add(PolicyNode())
    bench.until(lambda: policy.seen)
    assert node.state == "configuring"
    assert bench.call(SetBool, "policy_node/enable", data=False).success
    assert not change(bench, "policy_node", "cleanup")
    policy.gate.set()
    bench.until(lambda: node.state == "inactive")
    bench.until_diagnostics("policy_node", OK, "Disabled.")
    assert node.state == "inactive"
