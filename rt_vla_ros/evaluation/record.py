"""The stored data of an episode: its record, the journal of records, and its time series."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.environments.environment import STOPPED_EARLY, SUCCESS, Ending, LaidTask
from rt_vla_ros.environments.protocol import environment_identity
from rt_vla_ros.json_lines import cut_unfinished, read_rows

SAME_TIME = 1e-6  # simulated time is a sum of steps [s]


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode. task: the named object, or a benchmark's task. outcome: how it ended.

    latencies: per action [ms]. actions: SHA-256.

    seconds: simulated time until terminate or the time limit. terminated: whether the policy ended it.
    refusal: reason of the controller's last rejection of an action; empty if there was none.
    legal_probability: minimum over the chunks, see ActionChunk.
    """

    seed: int
    instruction: str
    task: str
    outcome: str
    reason: str
    steps: int
    seconds: float
    terminated: bool
    latencies: tuple[float, ...]
    actions: str
    refusal: str = ""
    legal_probability: float = 1.0

    @property
    def success(self) -> bool:
        """Whether the outcome is success."""
        return self.outcome == SUCCESS


def make_record(
    task: LaidTask,
    ending: Ending,
    actions: Sequence[tuple[ActionChunk, float]],
    *,
    seconds: float,
    terminated: bool,
    refusal: str,
    ended_by_itself: bool = False,
) -> EpisodeRecord:
    """actions: each with its latency [s]. ended_by_itself: by the environment; the rest as in EpisodeRecord."""
    ended = "The policy terminated." if terminated else "The time limit was reached."
    if ending.value == STOPPED_EARLY or ended_by_itself:
        ended = ""  # its sentence says so
    refused = f"An action was refused: {refusal}" if refusal else ""
    return EpisodeRecord(
        seed=task.seed,
        instruction=task.instruction,
        task=task.name,
        outcome=ending.value,
        reason=" ".join(filter(None, (ending.sentence, ended, refused))),
        steps=len(actions),
        seconds=seconds,
        terminated=terminated,
        latencies=tuple(round(1000 * latency, 3) for _, latency in actions),
        actions=_fingerprint(action for action, _ in actions),
        refusal=refusal,
        legal_probability=float(min((action.legal_probability for action, _ in actions), default=1.0)),
    )


def _fingerprint(chunks: Iterable[ActionChunk]) -> str:
    """SHA-256 over every value of the chunks, tokens included, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in chunks:
        for step in chunk.steps:
            numbers = [*step.translation, *step.rotation, step.gripper, chunk.confidence, chunk.period]
            digest.update(np.array([*numbers, float(step.terminate)], "<f8").tobytes())
        digest.update(np.array([len(chunk.tokens), *chunk.tokens], "<i8").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class QuestionRecord:
    """A question asked during a run, and its answer.

    asked, answered: simulated time since the reset [s]; answered: None while pending. answer: the model's text.
    problem: why there is none, in a sentence. seconds: time the model took, on the host's clock [s].
    """

    question: str
    asked: float
    answered: float | None = None
    answer: str = ""
    problem: str = ""
    seconds: float = 0.0


@dataclass
class Trajectory:
    """Events of a run, each with the simulated time since the reset [s].

    states: generalized positions of the simulator, shape (nq,). images: the policy's, RGB. actions: with the
    latency from the image's arrival at the policy [s]. questions: in the order asked.
    """

    states: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)
    images: list[tuple[float, NDArray[np.uint8]]] = field(default_factory=list)
    actions: list[tuple[float, ActionChunk, float]] = field(default_factory=list)
    questions: list[QuestionRecord] = field(default_factory=list)

    @property
    def time(self) -> float:
        """Simulated time of the newest state [s]."""
        return self.states[-1][0] if self.states else 0.0

    def copy(self) -> Trajectory:
        """A copy that does not grow with this one."""
        return Trajectory([*self.states], [*self.images], [*self.actions], [*self.questions])

    def until(self, end: float) -> Trajectory:
        """The part up to `end` [s]; actions and questions that started before."""
        return Trajectory(
            states=[event for event in self.states if event[0] < end + SAME_TIME],
            images=[event for event in self.images if event[0] < end + SAME_TIME],
            actions=[event for event in self.actions if event[0] < end - SAME_TIME],
            questions=[question for question in self.questions if question.asked < end - SAME_TIME],
        )


class JournalError(ValueError):
    """The journal is of a different evaluation, or damaged; the message says which and what to do."""


class Journal:
    """A file of JSON lines: first the subject, then one episode per line. An interrupted evaluation resumes from it.

    records: the episodes by seed.
    """

    def __init__(self, path: Path, subject: dict[str, Any]) -> None:
        """path: created if missing. subject: settings that the episodes depend on. Raises JournalError, OSError."""
        self._path = path
        self.records: dict[int, EpisodeRecord] = {}
        header = json.dumps(subject) + "\n"
        content = path.read_bytes() if path.exists() else b""
        if header.encode().startswith(content):  # empty, or interrupted while the header was written
            path.write_text(header, encoding="utf-8")
        else:
            self._read(subject)

    def add(self, record: EpisodeRecord) -> None:
        """Appends an episode."""
        self.records[record.seed] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def _read(self, subject: dict[str, Any]) -> None:
        try:
            first, *rest = read_rows(self._path, ValueError)
            records = [replace(EpisodeRecord(**line), latencies=tuple(line["latencies"])) for line in rest]
            there, here = _identity(first), _identity(subject)
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"{self._path} is not a journal of an evaluation ({error}); remove it.") from error
        if there != here:
            other = ", ".join(
                f"{key} {there.get(key)!r}, not {here.get(key)!r}"
                for key in {**here, **there}
                if there.get(key) != here.get(key)
            )
            raise JournalError(
                f"{self._path.parent} contains a different evaluation ({other}). Choose another directory with "
                "--out, or use --overwrite to replace it."
            )
        self.records = {record.seed: record for record in records}
        cut_unfinished(self._path)


def _identity(subject: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies an evaluation: of its environment not the words. Raises ValueError for a damaged subject."""
    own = {key: value for key, value in subject.items() if key != "environment"}
    return own | environment_identity(subject.get("environment"))
