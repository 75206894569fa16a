"""Managed nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lifecycle_msgs.msg import State, Transition, TransitionDescription, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState

from rclpy._rclpy_pybind11 import RCLError
from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle.managed_entity import ManagedEntity, TransitionCallbackReturn
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.lifecycle.state_machine import LifecycleState, LifecycleStateMachine, Step
from rclpy.node import Node

_SHUTDOWNS = {
    "unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    "inactive": Transition.TRANSITION_INACTIVE_SHUTDOWN,
    "active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


class LifecycleNodeMixin(ManagedEntity):
    """Makes a Node a managed node: inherit from this first, then from Node, and initialize Node first.

    Args:
        enable_communication_interface: offer the services.
        callback_group: group of the services; None for the node's default group.
    """

    def __init__(
        self, *, enable_communication_interface: bool = True, callback_group: CallbackGroup | None = None
    ) -> None:
        assert isinstance(self, Node)
        self._callbacks: dict[int, Callable[[LifecycleState], TransitionCallbackReturn]] = {
            State.TRANSITION_STATE_CONFIGURING: self.on_configure,
            State.TRANSITION_STATE_CLEANINGUP: self.on_cleanup,
            State.TRANSITION_STATE_SHUTTINGDOWN: self.on_shutdown,
            State.TRANSITION_STATE_ACTIVATING: self.on_activate,
            State.TRANSITION_STATE_DEACTIVATING: self.on_deactivate,
            State.TRANSITION_STATE_ERRORPROCESSING: self.on_error,
        }
        self._managed_entities: set[ManagedEntity] = set()
        self._events = Node.create_publisher(self, TransitionEvent, "~/transition_event", 10)
        self._state_machine = LifecycleStateMachine(self.__tell)
        if not enable_communication_interface:
            return

        def offer(kind: Any, name: str, callback: Callable[[Any, Any], Any]) -> Any:
            return Node.create_service(self, kind, name, callback, callback_group=callback_group)  # type: ignore[arg-type]

        transitions = GetAvailableTransitions
        self._service_change_state = offer(ChangeState, "~/change_state", self.__on_change_state)
        self._service_get_state = offer(GetState, "~/get_state", self.__on_get_state)
        self._service_get_available_states = offer(
            GetAvailableStates, "~/get_available_states", self.__on_get_available_states
        )
        self._service_get_available_transitions = offer(
            transitions, "~/get_available_transitions", self.__on_get_available_transitions
        )
        self._service_get_transition_graph = offer(
            transitions, "~/get_transition_graph", self.__on_get_transition_graph
        )

    def trigger_configure(self) -> TransitionCallbackReturn:
        """Go from unconfigured to inactive; as all of these, RCLError if the node is in another state."""
        return self.__change_state(Transition.TRANSITION_CONFIGURE)

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        """Go from inactive to unconfigured."""
        return self.__change_state(Transition.TRANSITION_CLEANUP)

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        """Go to finalized."""
        transition = _SHUTDOWNS.get(self._state_machine.current_state[1])
        if transition is None:
            raise RCLError("Shutdown transtion not possible")  # as rclpy writes it
        return self.__change_state(transition)

    def trigger_activate(self) -> TransitionCallbackReturn:
        """Go from inactive to active."""
        return self.__change_state(Transition.TRANSITION_ACTIVATE)

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        """Go from active to inactive."""
        return self.__change_state(Transition.TRANSITION_DEACTIVATE)

    def add_managed_entity(self, entity: ManagedEntity) -> None:
        """Add an entity, whose callbacks are then called by those of the node."""
        if not isinstance(entity, ManagedEntity):
            raise TypeError("Expected a rclpy.lifecycle.ManagedEntity instance.")
        self._managed_entities.add(entity)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call the callbacks of the managed entities until one does not succeed; may be overridden, as all of these."""
        return self.__ask_entities("on_configure", state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See on_configure."""
        return self.__ask_entities("on_cleanup", state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See on_configure."""
        return self.__ask_entities("on_shutdown", state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See on_configure."""
        return self.__ask_entities("on_activate", state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See on_configure."""
        return self.__ask_entities("on_deactivate", state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See on_configure."""
        return self.__ask_entities("on_error", state)

    def create_lifecycle_publisher(self, *args: Any, **named: Any) -> LifecyclePublisher[Any]:
        """Create a publisher that only publishes while the node is active; arguments as in Node.create_publisher."""
        if "publisher_class" in named:
            raise TypeError("create_publisher() got an unexpected keyword argument 'publisher_class'")
        assert isinstance(self, Node)
        publisher = Node.create_publisher(self, *args, **named, publisher_class=LifecyclePublisher)
        assert isinstance(publisher, LifecyclePublisher)
        self._managed_entities.add(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher[Any]) -> bool:
        """Destroy a lifecycle publisher; False if it is not this node's."""
        self._managed_entities.discard(publisher)
        assert isinstance(self, Node)
        return Node.destroy_publisher(self, publisher)

    def __ask_entities(self, name: str, state: LifecycleState) -> TransitionCallbackReturn:
        for entity in self._managed_entities:
            result = getattr(entity, name)(state)
            if not isinstance(result, TransitionCallbackReturn):
                raise TypeError(
                    f"{name}() return value of class {type(entity)} should be `TransitionCallbackReturn`.\n"
                    f"Instance of the class that caused the failure: {entity}"
                )
            if result is not TransitionCallbackReturn.SUCCESS:
                return result
        return TransitionCallbackReturn.SUCCESS

    def __change_state(self, transition_id: int) -> TransitionCallbackReturn:
        machine = self._state_machine
        number, label = machine.current_state
        before = LifecycleState(label=label, state_id=number)
        machine.trigger_transition_by_id(transition_id, True)
        result = self.__execute(before)
        machine.trigger_transition_by_label(result.to_label(), True)
        if result is TransitionCallbackReturn.ERROR:
            machine.trigger_transition_by_label(self.__execute(before).to_label(), True)
        return result

    def __execute(self, before: LifecycleState) -> TransitionCallbackReturn:
        """Call the callback of the current transition state; an exception is treated as an error, as in rclpy."""
        callback = self._callbacks.get(self._state_machine.current_state[0])
        try:
            return TransitionCallbackReturn.SUCCESS if callback is None else callback(before)
        except Exception:
            return TransitionCallbackReturn.ERROR

    def __tell(self, step: Step) -> None:
        """Publish an event as rcl_lifecycle does: without the transition's id and without the time."""
        self._events.publish(TransitionEvent(start_state=_state(*step.start), goal_state=_state(*step.goal)))

    def __on_change_state(self, request: Any, response: Any) -> Any:
        transition_id = request.transition.id
        if request.transition.label:
            try:
                transition_id = self._state_machine.get_transition_by_label(request.transition.label)
            except RCLError:
                response.success = False
                return response
        response.success = self.__change_state(transition_id) is TransitionCallbackReturn.SUCCESS
        return response

    def __on_get_state(self, _request: Any, response: Any) -> Any:
        response.current_state.id, response.current_state.label = self._state_machine.current_state
        return response

    def __on_get_available_states(self, _request: Any, response: Any) -> Any:
        response.available_states = [_state(*state) for state in self._state_machine.available_states]
        return response

    def __on_get_available_transitions(self, _request: Any, response: Any) -> Any:
        response.available_transitions = _descriptions(self._state_machine.available_transitions)
        return response

    def __on_get_transition_graph(self, _request: Any, response: Any) -> Any:
        response.available_transitions = _descriptions(self._state_machine.transition_graph)
        return response


class LifecycleNode(LifecycleNodeMixin, Node):
    """A managed node; the options are those of Node, and `enable_communication_interface`."""

    def __init__(self, node_name: str, *, enable_communication_interface: bool = True, **options: Any) -> None:
        Node.__init__(self, node_name, **options)
        LifecycleNodeMixin.__init__(self, enable_communication_interface=enable_communication_interface)


def _state(number: int, label: str) -> State:
    return State(id=number, label=label)


def _descriptions(transitions: Iterable[tuple[int, str, int, str, int, str]]) -> list[TransitionDescription]:
    return [
        TransitionDescription(
            transition=Transition(id=number, label=label),
            start_state=_state(start_id, start_label),
            goal_state=_state(goal_id, goal_label),
        )
        for number, label, start_id, start_label, goal_id, goal_label in transitions
    ]
