"""The latest data for the page; written by the node and read by the server, in separate threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from rt_vla_ros.console.runs import PAGE, Runs
from rt_vla_ros.console.state_word import SILENCE, PolicyHeard, state_word
from rt_vla_ros.control.status import State

HISTORY = 12  # answers that are shown
MOST_SUGGESTIONS = 64
LONGEST = 1000  # of any received text [characters]
FORGET = 5.0  # a node without diagnostics for this long is gone [s]
MOST_NODES = 64  # of which diagnostics are shown
RELEASE_FIRST = "The arm is stopped: press Release first."
RATE_SPAN = 3.0  # over which rates are measured [s]


@dataclass(frozen=True)
class SmootherHeard:
    """As in ControllerStatus. state: its number."""

    state: int
    reason: str
    commander: str = ""
    awaits_resume: bool = False
    dry_run: bool = False
    speed_scale: float = 1.0


@dataclass(frozen=True)
class ActionHeard:
    """Of an ActionChunk. latency: from image to action [s]; 0: no image. terminates: whether a step does. grips:
    gripper command of each step, 0 open ... 1 closed, -1: none. way: path of the chunk relative to the tool, in the
    axes of `frame` [m], shape (steps + 1, 3).
    """

    confidence: float
    legal_probability: float
    latency: float
    plan: str
    frame: str
    grips: tuple[float, ...]
    terminate: bool
    terminates: bool
    way: tuple[tuple[float, float, float], ...]


class Exchange(NamedTuple):
    """A question and its answer, or why there is none; both are empty while pending. took: [s]."""

    question: str
    answer: str = ""
    problem: str = ""
    took: float = 0.0


class NodeHeard(NamedTuple):
    """Of a node's diagnostics. level: 0 OK, 1 WARN, 2 ERROR, 3 STALE."""

    level: int
    message: str
    at: float


class RecorderHeard(NamedTuple):
    """Whether an episode is being recorded, its frames so far, and the recorder's message."""

    recording: bool
    frames: int
    message: str


class Rate:
    """Rate of events [Hz]."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=512)

    def tick(self, at: float) -> None:
        """Counts an event. at: of a steady clock [s]."""
        self._times.append(at)

    def value(self, at: float) -> float:
        """Over the last RATE_SPAN; 0 without events."""
        while self._times and at - self._times[0] > RATE_SPAN:
            self._times.popleft()
        span = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0


class Board:
    """Times are of one steady clock [s]; texts are truncated and untrusted: the page shows them as plain text.

    runs: the last requests.
    """

    def __init__(self, suggestions: Sequence[str] = (), runs: Runs | None = None) -> None:
        """suggestions: offered instructions, before those known by nodes. runs: None: new ones."""
        self.runs = runs or Runs()
        self._lock = threading.RLock()
        self._suggestions = [_cut(text) for text in suggestions]
        self._known: dict[str, list[str]] = {}  # by the nodes that report them
        self._smoother: tuple[SmootherHeard, float] | None = None
        self._policy: tuple[PolicyHeard, dict[str, str], float] | None = None
        self._action: tuple[ActionHeard, float] | None = None
        self._ended = ""
        self._actions = Rate()
        self._nodes: dict[str, NodeHeard] = {}
        self._answers: deque[Exchange] = deque(maxlen=HISTORY)
        self._recorder: tuple[RecorderHeard, float] | None = None
        self._cameras: dict[str, dict[str, Any]] = {}
        self._offers: dict[str, bool] = {}

    def smoother(self, heard: SmootherHeard, at: float) -> None:
        """Updates the smoother's status."""
        with self._lock:
            self._smoother = (replace(heard, reason=_cut(heard.reason), commander=_cut(heard.commander)), at)

    def action(self, heard: ActionHeard, at: float) -> None:
        """Adds a chunk."""
        heard = replace(heard, plan=_cut(heard.plan), frame=_cut(heard.frame))
        with self._lock:
            self._ended = heard.plan if heard.terminate and heard.latency == 0 else ""
            if heard.latency > 0:
                self._actions.tick(at)
                self._action = (heard, at)
        by_policy = heard.latency > 0
        ended = "" if by_policy or not heard.terminate else heard.plan or "It was aborted."
        self.runs.acted(terminates=by_policy and heard.terminates, ended=ended)

    def policy(self, heard: PolicyHeard, values: dict[str, str], at: float) -> None:
        """Updates the policy node's diagnostics."""
        with self._lock:
            self._policy = (heard._replace(message=_cut(heard.message), name=_cut(heard.name)), values, at)
        text = _cut(values.get("instruction", ""))
        self.runs.policy(running=heard.running, text=text, message=_cut(heard.message))

    @property
    def why_refused(self) -> str:
        """Why the policy node rejects instructions, as far as known, as a sentence."""
        with self._lock:
            if self._smoother is not None and self._smoother[0].state == State.STOPPED:
                return RELEASE_FIRST
            return "See its log." if self._policy is None else self._policy[0].message

    def node(self, name: str, heard: NodeHeard) -> None:
        """Updates a node's diagnostics."""
        name = _cut(name)
        with self._lock:
            if name in self._nodes or len(self._nodes) < MOST_NODES:
                self._nodes[name] = heard._replace(message=_cut(heard.message))

    def known(self, name: str, instructions: Sequence[str]) -> None:
        """Instructions known by a node, valid while it sends diagnostics."""
        with self._lock:
            if name in self._nodes:
                self._known[name] = [_cut(text) for text in instructions[:MOST_SUGGESTIONS]]

    def recorder(self, heard: RecorderHeard, at: float) -> None:
        """Updates the recorder's diagnostics."""
        with self._lock:
            self._recorder = (heard._replace(message=_cut(heard.message)), at)

    def camera(self, name: str, **figures: Any) -> None:
        """Updates a camera's state, and why its images cannot be shown."""
        with self._lock:
            shown = {key: _cut(one) if isinstance(one, str) else one for key, one in figures.items()}
            self._cameras.setdefault(name, {}).update(shown)

    def offers(self, offers: dict[str, bool]) -> None:
        """Which requests are available."""
        with self._lock:
            self._offers = offers

    def instructed(self, text: str, *, here: bool = True) -> None:
        """An instruction was given. here: by a page, accepted by the policy node; otherwise by the topic."""
        if here:
            self.runs.begin(_cut(text), PAGE)
        else:
            self.runs.repeated(_cut(text))

    def refused(self, text: str, why: str) -> None:
        """A page's request was rejected."""
        self.runs.refused(_cut(text), _cut(why))

    def concluded(self, text: str, outcome: str, *, good: bool) -> None:
        """A page's request has ended."""
        self.runs.over(_cut(text), _cut(outcome), good=good)

    def asked(self, question: str) -> None:
        """A question was asked."""
        with self._lock:
            self._answers.append(Exchange(_cut(question)))

    def answered(self, exchange: Exchange) -> None:
        """The oldest pending question with this text is answered, or will not be."""
        question, answer, problem, took = exchange
        with self._lock:
            for index, one in enumerate(self._answers):
                if one.question == _cut(question) and not one.answer and not one.problem:
                    self._answers[index] = Exchange(_cut(question), _cut(answer), _cut(problem), took)
                    return

    def snapshot(self, at: float) -> dict[str, Any]:
        """The whole board, as JSON-compatible data."""
        with self._lock:
            self._nodes = {name: one for name, one in self._nodes.items() if at - one.at <= FORGET}
            self._known = {name: known for name, known in self._known.items() if name in self._nodes}
            smoother = _fresh(self._smoother, at, SILENCE)
            policy = None if self._policy is None or at - self._policy[2] > FORGET else self._policy
            recorder = _fresh(self._recorder, at, FORGET)
            told = None if smoother is None else (smoother.state, smoother.reason)
            word = state_word(told, None if policy is None else policy[0], self._ended)
            return {
                **word._asdict(),
                "smoother": None if smoother is None else _finite(asdict(smoother)),
                "stopped": smoother is not None and smoother.state == State.STOPPED,
                "policy": None if policy is None else {**policy[0]._asdict(), "values": policy[1]},
                "action": self._shown_action(at),
                "action_rate": round(self._actions.value(at), 2),
                "nodes": [{"name": name, **one._asdict()} for name, one in sorted(self._nodes.items())],
                "runs": self.runs.shown(),
                "suggestions": self._offered(),
                "answers": [_finite(one._asdict()) for one in reversed(self._answers)],
                "recorder": None if recorder is None else recorder._asdict(),
                "offers": self._offers,
                "cameras": {name: _finite(figures) for name, figures in self._cameras.items()},
            }

    def _offered(self) -> list[str]:
        known = [text for texts in self._known.values() for text in texts]
        return list(dict.fromkeys([*self._suggestions, *known]))[:MOST_SUGGESTIONS]

    def _shown_action(self, at: float) -> dict[str, Any] | None:
        if self._action is None:
            return None
        heard, came = self._action
        return {**_finite(asdict(heard)), "age": round(at - came, 3)}


def _fresh(heard: tuple[Any, float] | None, at: float, longest: float) -> Any:
    return None if heard is None or at - heard[1] > longest else heard[0]


def _cut(text: str) -> str:
    """Truncated, and without lone surrogates."""
    return text[:LONGEST].encode(errors="replace").decode()


def _finite(value: Any) -> Any:
    """Replaces non-finite numbers, which JSON does not support, by None."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
