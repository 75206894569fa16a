"""What is kept of an episode, and the file that it is kept in as soon as it is over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.evaluation.recording import fingerprint
from rt_vla_ros.evaluation.rollout import Episode
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.scenes import Scene


@dataclass(frozen=True)
class Record:
    """One episode. task: what was named. seconds: simulated. latencies: of each action [ms]. actions: their SHA-256."""

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

    @property
    def success(self) -> bool:
        """The named object, alone, was held up for a second."""
        return self.outcome == Outcome.SUCCESS.value


def make_record(scene: Scene, episode: Episode, actions: Sequence[EndEffectorAction]) -> Record:
    """What is kept of `episode`, which was played on `scene`."""
    ended = "The policy said that it was done." if episode.terminated else "Time was up."
    return Record(
        seed=episode.seed,
        instruction=episode.instruction,
        task=scene.target.name,
        outcome=episode.outcome.value,
        reason=f"{episode.outcome.sentence} {ended}",
        steps=episode.steps,
        seconds=episode.seconds,
        terminated=episode.terminated,
        latencies=tuple(round(1000 * latency, 3) for latency in episode.latencies),
        actions=fingerprint(actions),
    )


class JournalError(ValueError):
    """The journal belongs to another evaluation, or is none; the message says which and what to do."""


class Journal:
    """A file of JSON lines: first what is evaluated, then an episode each. A broken off evaluation goes on in it."""

    def __init__(self, path: Path, subject: dict[str, Any]) -> None:
        """path: made where it is missing. subject: what the episodes depend on. Raises JournalError, OSError."""
        self._path = path
        self._records: dict[int, Record] = {}
        header = json.dumps(subject) + "\n"
        there = path.read_bytes() if path.exists() else b""
        if header.encode().startswith(there):  # nothing, or the beginning of one that was killed
            path.write_text(header, encoding="utf-8")
        else:
            self._read(there, subject)

    def find(self, seed: int) -> Record | None:
        """The episode with this seed, where it was played already."""
        return self._records.get(seed)

    def add(self, record: Record) -> None:
        """Writes an episode down."""
        self._records[record.seed] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def _read(self, text: bytes, subject: dict[str, Any]) -> None:
        whole = text[: text.rfind(b"\n") + 1]  # the end of one that was killed may be half a line
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()]
            if not isinstance(first, dict):
                raise TypeError(f"it begins with {first!r}, not with what is evaluated")
            records = [replace(Record(**line), latencies=tuple(line["latencies"])) for line in rest]
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"{self._path} is no journal of an evaluation ({error}); remove it.") from error
        if first != subject:
            other = ", ".join(
                f"{key} {first.get(key)!r}, not {subject[key]!r}" for key in subject if first.get(key) != subject[key]
            )
            raise JournalError(
                f"{self._path.parent} holds another evaluation ({other}). Name another directory with --out, or say "
                "--fresh to begin anew in this one."
            )
        self._records = {record.seed: record for record in records}
        if len(whole) < len(text):
            self._path.write_bytes(whole)
