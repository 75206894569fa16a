"""The record of an episode, and the file to which it is appended when the episode ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.evaluation.rollout import EpisodeResult
from rt_vla_ros.evaluation.trajectory import fingerprint
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.scenes import Scene


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode. task: the named object. seconds: simulated. latencies: per action [ms]. actions: their SHA-256.

    refusal: why the controller refused an action, the last time that it did; empty where it never did.
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

    @property
    def success(self) -> bool:
        """Whether the outcome is success."""
        return self.outcome == Outcome.SUCCESS.value


def make_record(scene: Scene, episode: EpisodeResult, actions: Sequence[EndEffectorAction]) -> EpisodeRecord:
    """The record of an episode of `scene`."""
    ended = "The policy terminated." if episode.terminated else "The time limit was reached."
    if episode.outcome is Outcome.STOPPED_EARLY:
        ended = ""  # its sentence says so
    refused = f"An action was refused: {episode.refusal}" if episode.refusal else ""
    return EpisodeRecord(
        seed=episode.seed,
        instruction=episode.instruction,
        task=scene.target.name,
        outcome=episode.outcome.value,
        reason=" ".join(filter(None, (episode.outcome.sentence, ended, refused))),
        steps=episode.steps,
        seconds=episode.seconds,
        terminated=episode.terminated,
        latencies=tuple(round(1000 * latency, 3) for latency in episode.latencies),
        actions=fingerprint(actions),
        refusal=episode.refusal,
    )


class JournalError(ValueError):
    """The journal is of another evaluation, or damaged; the message says which and what to do."""


class Journal:
    """A file of JSON lines: first the subject, then one episode per line. An interrupted evaluation resumes from it."""

    def __init__(self, path: Path, subject: dict[str, Any]) -> None:
        """path: created if missing. subject: what the episodes depend on. Raises JournalError, OSError."""
        self._path = path
        self._records: dict[int, EpisodeRecord] = {}
        header = json.dumps(subject) + "\n"
        content = path.read_bytes() if path.exists() else b""
        if header.encode().startswith(content):  # empty, or interrupted while the header was written
            path.write_text(header, encoding="utf-8")
        else:
            self._read(content, subject)

    def find(self, seed: int) -> EpisodeRecord | None:
        """The episode with this seed; None if it was not run yet."""
        return self._records.get(seed)

    def add(self, record: EpisodeRecord) -> None:
        """Appends an episode."""
        self._records[record.seed] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def _read(self, text: bytes, subject: dict[str, Any]) -> None:
        whole = text[: text.rfind(b"\n") + 1]  # the last line may be incomplete
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()]
            if not isinstance(first, dict):
                raise TypeError(f"the first line is {first!r}, expected the subject of the evaluation")
            records = [replace(EpisodeRecord(**line), latencies=tuple(line["latencies"])) for line in rest]
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"{self._path} is not a journal of an evaluation ({error}); remove it.") from error
        if first != subject:
            other = ", ".join(
                f"{key} {first.get(key)!r}, not {subject[key]!r}" for key in subject if first.get(key) != subject[key]
            )
            raise JournalError(
                f"{self._path.parent} holds another evaluation ({other}). Give another directory with --out, or "
                "--overwrite to start over in this one."
            )
        self._records = {record.seed: record for record in records}
        if len(whole) < len(text):
            self._path.write_bytes(whole)
