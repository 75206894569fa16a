"""Managed nodes: states, transitions, their services and callbacks."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rclpy._rclpy_pybind11 import RCLError
from rclpy.lifecycle import LifecycleNode, LifecycleNodeMixin, Node, TransitionCallbackReturn
from rclpy.lifecycle import State as StateBefore
from rclpy.node import Node as PlainNode
from std_msgs.msg import String

from .conftest import World

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class Managed(LifecycleNode):
    """Notes its callbacks; `results` says what they return in place of SUCCESS."""

    def __init__(self, world: World) -> None:
        super().__init__("managed", context=world.context)
        self.seen: list[str] = []
        self.results: dict[str, Any] = {}
        world.executor.add_node(self)

    def _note(self, name: str, state: StateBefore) -> TransitionCallbackReturn:
        self.seen.append(f"{name} from {state.label} [{state.state_id}]")
        result = self.results.get(name, SUCCESS)
        if isinstance(result, Exception):
            raise result
        return result

    def on_configure(self, state: StateBefore) -> TransitionCallbackReturn:
        return self._note("configure", state)

    def on_cleanup(self, state: StateBefore) -> TransitionCallbackReturn:
        return self._note("cleanup", state)

    def on_activate(self, state: StateBefore) -> TransitionCallbackReturn:
        super().on_activate(state)
        return self._note("activate", state)

    def on_deactivate(self, state: StateBefore) -> TransitionCallbackReturn:
        super().on_deactivate(state)
        return self._note("deactivate", state)

    def on_shutdown(self, state: StateBefore) -> TransitionCallbackReturn:
        return self._note("shutdown", state)

    def on_error(self, state: StateBefore) -> TransitionCallbackReturn:
        return self._note("error", state)

    @property
    def state(self) -> str:
        return str(self._state_machine.current_state[1])


@pytest.fixture
def managed(world: World) -> Managed:
    return Managed(world)


def ask(world: World, kind: Any, service: str, **fields: Any) -> Any:
    asker = world.node("asker")
    client = asker.create_client(kind, f"/managed/{service}")
    assert client.wait_for_service(20.0)
    answer = world.answer(client.call_async(kind.Request(**fields)))
    asker.destroy_node()
    return answer


def flat(descriptions: Any) -> list[tuple[Any, ...]]:
    return [
        (one.transition.id, one.transition.label, one.start_state.label, one.goal_state.label) for one in descriptions
    ]


def test_the_names_of_the_module() -> None:
    assert Node is LifecycleNode
    assert issubclass(LifecycleNode, LifecycleNodeMixin)
    assert issubclass(LifecycleNode, PlainNode)
    assert [(one.name, one.to_label()) for one in (SUCCESS, FAILURE, ERROR)] == [
        ("SUCCESS", "transition_success"),
        ("FAILURE", "transition_failure"),
        ("ERROR", "transition_error"),
    ]


def test_a_whole_life(managed: Managed) -> None:
    states = [managed.state]
    for trigger in ("configure", "activate", "deactivate", "cleanup", "configure", "activate", "shutdown"):
        assert getattr(managed, f"trigger_{trigger}")() == SUCCESS
        states.append(managed.state)
    assert states == [
        "unconfigured",
        "inactive",
        "active",
        "inactive",
        "unconfigured",
        "inactive",
        "active",
        "finalized",
    ]
    assert managed.seen[:4] == [
        "configure from unconfigured [1]",
        "activate from inactive [2]",
        "deactivate from active [3]",
        "cleanup from inactive [2]",
    ]
    assert managed.seen[-1] == "shutdown from active [3]"


@pytest.mark.parametrize("trigger", ["activate", "deactivate", "cleanup"])
def test_a_transition_that_does_not_begin_here_raises(managed: Managed, trigger: str) -> None:
    with pytest.raises(RCLError, match="Failed to trigger lifecycle state machine transition"):
        getattr(managed, f"trigger_{trigger}")()
    assert managed.state == "unconfigured"
    assert managed.seen == []


def test_after_the_end_there_is_no_shutdown(managed: Managed) -> None:
    managed.trigger_shutdown()
    with pytest.raises(RCLError, match="Shutdown transtion not possible"):
        managed.trigger_shutdown()


def test_a_failure_leads_back(managed: Managed) -> None:
    managed.results = {"configure": FAILURE}
    assert managed.trigger_configure() == FAILURE
    assert managed.state == "unconfigured"
    managed.results = {"activate": FAILURE, "cleanup": FAILURE, "deactivate": FAILURE}
    managed.trigger_configure()
    assert (managed.trigger_activate(), managed.state) == (FAILURE, "inactive")
    assert (managed.trigger_cleanup(), managed.state) == (FAILURE, "inactive")
    del managed.results["activate"]
    managed.trigger_activate()
    assert (managed.trigger_deactivate(), managed.state) == (FAILURE, "active")


@pytest.mark.parametrize(
    ("handled", "state"), [(SUCCESS, "unconfigured"), (FAILURE, "finalized"), (RuntimeError("again"), "finalized")]
)
@pytest.mark.parametrize("error", [ERROR, RuntimeError("oh")])
def test_an_error_is_processed(managed: Managed, error: Any, handled: Any, state: str) -> None:
    managed.results = {"configure": error, "error": handled}
    assert managed.trigger_configure() == ERROR
    assert managed.state == state
    assert managed.seen == ["configure from unconfigured [1]", "error from unconfigured [1]"]


def test_the_services_tell_of_states_and_transitions(world: World, managed: Managed) -> None:
    state = ask(world, GetState, "get_state").current_state
    assert (state.id, state.label) == (State.PRIMARY_STATE_UNCONFIGURED, "unconfigured")
    states = ask(world, GetAvailableStates, "get_available_states").available_states
    assert [(one.id, one.label) for one in states] == [
        (0, "unknown"),
        (1, "unconfigured"),
        (2, "inactive"),
        (3, "active"),
        (4, "finalized"),
        (10, "configuring"),
        (11, "cleaningup"),
        (12, "shuttingdown"),
        (13, "activating"),
        (14, "deactivating"),
        (15, "errorprocessing"),
    ]
    available = ask(world, GetAvailableTransitions, "get_available_transitions").available_transitions
    assert flat(available) == [
        (1, "configure", "unconfigured", "configuring"),
        (5, "shutdown", "unconfigured", "shuttingdown"),
    ]
    graph = ask(world, GetAvailableTransitions, "get_transition_graph").available_transitions
    ids = [1, 10, 11, 12, 2, 20, 21, 22, 3, 30, 31, 32, 4, 40, 41, 42, 5, 6, 7, 50, 51, 52, 60, 61, 62]
    assert [one.transition.id for one in graph] == ids
    assert flat(graph)[-4:] == [
        (52, "transition_error", "shuttingdown", "errorprocessing"),
        (60, "transition_success", "errorprocessing", "unconfigured"),
        (61, "transition_failure", "errorprocessing", "finalized"),
        (62, "transition_error", "errorprocessing", "finalized"),
    ]


def test_a_service_changes_the_state_by_number_or_name(world: World, managed: Managed) -> None:
    by_number = Transition(id=Transition.TRANSITION_CONFIGURE)
    assert ask(world, ChangeState, "change_state", transition=by_number).success
    assert managed.state == "inactive"
    # The name counts where both are given.
    both = Transition(id=Transition.TRANSITION_CLEANUP, label="activate")
    assert ask(world, ChangeState, "change_state", transition=both).success
    assert managed.state == "active"
    assert not ask(world, ChangeState, "change_state", transition=Transition(label="configure")).success
    managed.results = {"deactivate": FAILURE}
    assert not ask(world, ChangeState, "change_state", transition=Transition(label="deactivate")).success
    assert managed.state == "active"


def test_an_event_tells_of_each_step(world: World, managed: Managed) -> None:
    heard: list[Any] = []
    listener = world.node("listener")
    listener.create_subscription(TransitionEvent, "/managed/transition_event", heard.append, 10)
    assert world.spin_until(lambda: managed.count_subscribers("/managed/transition_event"))
    world.spin_for(0.2)
    managed.trigger_configure()
    assert world.spin_until(lambda: len(heard) == 2)
    assert [(one.start_state.label, one.goal_state.label) for one in heard] == [
        ("unconfigured", "configuring"),
        ("configuring", "inactive"),
    ]
    assert {(one.timestamp, one.transition.id, one.transition.label) for one in heard} == {(0, 0, "")}


def test_a_lifecycle_publisher_is_silent_while_the_node_is_not_active(world: World, managed: Managed) -> None:
    heard: list[str] = []
    publisher = managed.create_lifecycle_publisher(String, "news", 10)
    world.node("listener").create_subscription(String, "news", lambda message: heard.append(message.data), 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() > 0)
    world.spin_for(0.2)
    publisher.publish(String(data="before"))
    managed.trigger_configure()
    publisher.publish(String(data="inactive"))
    managed.trigger_activate()
    assert publisher.is_activated
    publisher.publish(String(data="active"))
    managed.trigger_deactivate()
    publisher.publish(String(data="after"))
    managed.trigger_activate()
    publisher.publish(String(data="again"))
    assert world.spin_until(lambda: len(heard) >= 2)
    world.spin_for(0.2)
    assert heard == ["active", "again"]
    assert managed.destroy_lifecycle_publisher(publisher)
    with pytest.raises(TypeError, match="unexpected keyword argument 'publisher_class'"):
        managed.create_lifecycle_publisher(String, "news", 10, publisher_class=object)


def test_without_services_it_is_driven_by_its_own_process(world: World) -> None:
    quiet = LifecycleNode("quiet", context=world.context, enable_communication_interface=False)
    world.executor.add_node(quiet)
    assert quiet.trigger_configure() == SUCCESS
    assert not [name for name, _ in quiet.get_service_names_and_types() if name.endswith("/change_state")]
