"""The state of the arm in one word and a sentence, from the smoother's and the policy's status."""

from __future__ import annotations

from typing import NamedTuple

from rt_vla_ros.control.status import State

SILENCE = 1.0  # of the smoother, after which the arm's state is unknown [s]
CALM, BUSY, HUMAN, WARNING, BAD = "calm", "busy", "human", "warning", "bad"  # how the page shows it
NO_SMOOTHER = "No status from a smoother: the arm's state is unknown, and nothing holds it still."
NO_POLICY = "No messages from a policy node: an instruction would have no effect."
_OF_STATE = {
    State.MOVING: ("Moving", BUSY),
    State.HOLDING: ("Holding", BUSY),
    State.TERMINATED: ("Done", CALM),
    State.STOPPED: ("Stopped", BAD),
    State.FAULT: ("Fault", BAD),
    State.HUMAN: ("Human", HUMAN),
}


class StateWord(NamedTuple):
    """word: one. reason: a sentence. tone: CALM, BUSY, HUMAN, WARNING or BAD."""

    word: str
    reason: str
    tone: str


class PolicyHeard(NamedTuple):
    """level, message: of its diagnostics. name: of the policy; empty while it is being loaded. running: a request."""

    level: int
    message: str
    name: str
    running: bool


def state_word(smoother: tuple[int, str] | None, policy: PolicyHeard | None, ended: str = "") -> StateWord:
    """smoother: its state and reason; None if it is silent. policy: None if that is.

    ended: why the last request was ended by somebody else than the policy, as a sentence; empty if it was not.
    """
    if smoother is None:
        return StateWord("Offline", NO_SMOOTHER, BAD)
    number, reason = smoother
    if number == State.TERMINATED and ended:
        return StateWord("Ended", ended, CALM)
    if number in _OF_STATE:
        word, tone = _OF_STATE[State(number)]
        return StateWord(word, reason, tone)
    if policy is None:
        return StateWord("Waiting", NO_POLICY, WARNING)
    if not policy.name:
        return StateWord("Loading", policy.message, WARNING)
    if policy.level > 1:
        return StateWord("Fault", policy.message, BAD)
    return StateWord("Waiting" if policy.running else "Ready", policy.message, BUSY if policy.running else CALM)
