"""The state machine of managed nodes: states and transitions with their ids, as in rcl_lifecycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lifecycle_msgs.msg import State, Transition

from rclpy._rclpy_pybind11 import RCLError
from rclpy.logging import get_logger

SUCCESS, FAILURE, ERROR = "transition_success", "transition_failure", "transition_error"


class LifecycleState(NamedTuple):
    """A state with name and id."""

    label: str
    state_id: int


class Step(NamedTuple):
    """A transition from a state to another, both as (id, name)."""

    id: int
    label: str
    start: tuple[int, str]
    goal: tuple[int, str]

    def flat(self) -> tuple[int, str, int, str, int, str]:
        """A transition as represented by rclpy's state machine."""
        return (self.id, self.label, *self.start, *self.goal)


UNCONFIGURED = (State.PRIMARY_STATE_UNCONFIGURED, "unconfigured")
INACTIVE = (State.PRIMARY_STATE_INACTIVE, "inactive")
ACTIVE = (State.PRIMARY_STATE_ACTIVE, "active")
FINALIZED = (State.PRIMARY_STATE_FINALIZED, "finalized")
CONFIGURING = (State.TRANSITION_STATE_CONFIGURING, "configuring")
CLEANINGUP = (State.TRANSITION_STATE_CLEANINGUP, "cleaningup")
SHUTTINGDOWN = (State.TRANSITION_STATE_SHUTTINGDOWN, "shuttingdown")
ACTIVATING = (State.TRANSITION_STATE_ACTIVATING, "activating")
DEACTIVATING = (State.TRANSITION_STATE_DEACTIVATING, "deactivating")
ERRORPROCESSING = (State.TRANSITION_STATE_ERRORPROCESSING, "errorprocessing")
STATES = (
    (State.PRIMARY_STATE_UNKNOWN, "unknown"),
    *(UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED),
    *(CONFIGURING, CLEANINGUP, SHUTTINGDOWN, ACTIVATING, DEACTIVATING, ERRORPROCESSING),
)
STEPS = (
    Step(Transition.TRANSITION_CONFIGURE, "configure", UNCONFIGURED, CONFIGURING),
    Step(Transition.TRANSITION_ON_CONFIGURE_SUCCESS, SUCCESS, CONFIGURING, INACTIVE),
    Step(Transition.TRANSITION_ON_CONFIGURE_FAILURE, FAILURE, CONFIGURING, UNCONFIGURED),
    Step(Transition.TRANSITION_ON_CONFIGURE_ERROR, ERROR, CONFIGURING, ERRORPROCESSING),
    Step(Transition.TRANSITION_CLEANUP, "cleanup", INACTIVE, CLEANINGUP),
    Step(Transition.TRANSITION_ON_CLEANUP_SUCCESS, SUCCESS, CLEANINGUP, UNCONFIGURED),
    Step(Transition.TRANSITION_ON_CLEANUP_FAILURE, FAILURE, CLEANINGUP, INACTIVE),
    Step(Transition.TRANSITION_ON_CLEANUP_ERROR, ERROR, CLEANINGUP, ERRORPROCESSING),
    Step(Transition.TRANSITION_ACTIVATE, "activate", INACTIVE, ACTIVATING),
    Step(Transition.TRANSITION_ON_ACTIVATE_SUCCESS, SUCCESS, ACTIVATING, ACTIVE),
    Step(Transition.TRANSITION_ON_ACTIVATE_FAILURE, FAILURE, ACTIVATING, INACTIVE),
    Step(Transition.TRANSITION_ON_ACTIVATE_ERROR, ERROR, ACTIVATING, ERRORPROCESSING),
    Step(Transition.TRANSITION_DEACTIVATE, "deactivate", ACTIVE, DEACTIVATING),
    Step(Transition.TRANSITION_ON_DEACTIVATE_SUCCESS, SUCCESS, DEACTIVATING, INACTIVE),
    Step(Transition.TRANSITION_ON_DEACTIVATE_FAILURE, FAILURE, DEACTIVATING, ACTIVE),
    Step(Transition.TRANSITION_ON_DEACTIVATE_ERROR, ERROR, DEACTIVATING, ERRORPROCESSING),
    Step(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, "shutdown", UNCONFIGURED, SHUTTINGDOWN),
    Step(Transition.TRANSITION_INACTIVE_SHUTDOWN, "shutdown", INACTIVE, SHUTTINGDOWN),
    Step(Transition.TRANSITION_ACTIVE_SHUTDOWN, "shutdown", ACTIVE, SHUTTINGDOWN),
    Step(Transition.TRANSITION_ON_SHUTDOWN_SUCCESS, SUCCESS, SHUTTINGDOWN, FINALIZED),
    Step(Transition.TRANSITION_ON_SHUTDOWN_FAILURE, FAILURE, SHUTTINGDOWN, FINALIZED),
    Step(Transition.TRANSITION_ON_SHUTDOWN_ERROR, ERROR, SHUTTINGDOWN, ERRORPROCESSING),
    Step(Transition.TRANSITION_ON_ERROR_SUCCESS, SUCCESS, ERRORPROCESSING, UNCONFIGURED),
    Step(Transition.TRANSITION_ON_ERROR_FAILURE, FAILURE, ERRORPROCESSING, FINALIZED),
    Step(Transition.TRANSITION_ON_ERROR_ERROR, ERROR, ERRORPROCESSING, FINALIZED),
)


class LifecycleStateMachine:
    """The state of a node, with the method names of rclpy. tell: called with each transition to be published."""

    def __init__(self, tell: Callable[[Step], None]) -> None:
        self._tell = tell
        self._current = UNCONFIGURED

    @property
    def initialized(self) -> bool:
        """True."""
        return True

    @property
    def current_state(self) -> tuple[int, str]:
        """The current state: id and name."""
        return self._current

    @property
    def available_states(self) -> list[tuple[int, str]]:
        """All states."""
        return list(STATES)

    @property
    def available_transitions(self) -> list[tuple[int, str, int, str, int, str]]:
        """Transitions from the current state."""
        return [step.flat() for step in self._next()]

    @property
    def transition_graph(self) -> list[tuple[int, str, int, str, int, str]]:
        """All transitions."""
        return [step.flat() for step in STEPS]

    def _next(self) -> list[Step]:
        return [step for step in STEPS if step.start == self._current]

    def get_transition_by_label(self, label: str) -> int:
        """Return the id of a transition from the current state by its label; RCLError if there is none."""
        found = next((step.id for step in self._next() if step.label == label), None)
        if found is None:
            self._warn(label)
            raise RCLError("Failed to get transition from label")
        return found

    def trigger_transition_by_id(self, transition_id: int, publish_update: bool) -> None:
        """Trigger a transition; RCLError if there is no such transition."""
        self._go(next((step for step in self._next() if step.id == transition_id), None), transition_id, publish_update)

    def trigger_transition_by_label(self, label: str, publish_update: bool) -> None:
        """Trigger a transition; RCLError if there is no such transition."""
        self._go(next((step for step in self._next() if step.label == label), None), label, publish_update)

    def _go(self, step: Step | None, asked: int | str, publish: bool) -> None:
        if step is None:
            self._warn(asked)
            raise RCLError("Failed to trigger lifecycle state machine transition: Transition is not registered.")
        self._current = step.goal
        if publish:
            self._tell(step)

    def _warn(self, asked: int | str) -> None:
        get_logger("rcl_lifecycle").warning(
            f"No transition matching {asked} found for current state {self._current[1]}"
        )
