"""The episodes of one suite: played, written down, shown, and a few of them kept as clips."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

from rt_vla_ros.evaluation.player import Played, Player
from rt_vla_ros.evaluation.record import Journal, Record
from rt_vla_ros.evaluation.replay import draw_run
from rt_vla_ros.evaluation.summary import summarize
from rt_vla_ros.evaluation.video_clip import write_clip
from rt_vla_ros.progress import Progress
from rt_vla_ros.sim.scenes import Scene, make_scene

JOURNAL, CLIPS = "episodes.jsonl", "clips"
RECORDED_RATE, SHOWN_RATE = Fraction(5, 2), Fraction(5)  # frames per simulated second, and per second of the clip
LINGER = 5  # the last frame of a clip is shown this many times
DEPENDS_ON = ("policy", "checkpoint_sha256", "through_ros", "handicap", "decoding", "weights")


class SuiteRun:
    """Plays the suite's episodes that have not been played yet; `records` are all of them, in order of the seeds."""

    def __init__(self, player: Player, suite: str, about: dict[str, Any], out: Path | None, progress: Progress) -> None:
        """out: of the files; None: nothing is written."""
        self._player, self._suite, self._about, self._out, self._progress = player, suite, about, out, progress
        self.records: list[Record] = []
        self._clips: Counter[bool] = Counter()
        self._begun, self._played = time.monotonic(), 0

    @property
    def summary(self) -> dict[str, Any]:
        """See summarize."""
        return summarize(self.records)

    @property
    def clips(self) -> list[Path]:
        """Of these episodes, those that have a clip, in order of the seeds."""
        return [] if self._out is None else [path for path in map(self._clip, self.records) if path.is_file()]

    def play(self, seeds: range, *, clips: int, fresh: bool) -> SuiteRun:
        """Plays these episodes.

        Args:
            clips: how many successes, and how many failures, are kept as clips.
            fresh: whether what the directory holds of an earlier evaluation is removed first.

        Raises:
            JournalError: the directory holds another evaluation.
        """
        journal = self._open(seeds, fresh)
        for seed in seeds:
            known = None if journal is None else journal.find(seed)
            if known is None:
                scene = make_scene(self._suite, seed)
                played = self._player.play(scene)
                self._played += 1
                self._write_clip(scene, played, clips)
                known = played.record
                if journal is not None:
                    journal.add(known)
            self.records.append(known)
            self._show(len(seeds))
        return self

    def _open(self, seeds: range, fresh: bool) -> Journal | None:
        if self._out is None:
            return None
        if fresh:
            (self._out / JOURNAL).unlink(missing_ok=True)
            shutil.rmtree(self._out / CLIPS, ignore_errors=True)
        self._out.mkdir(parents=True, exist_ok=True)
        subject = {"suite": self._suite, **{name: self._about[name] for name in DEPENDS_ON}}
        journal = Journal(self._out / JOURNAL, subject)
        known = [journal.find(seed) for seed in seeds]
        self._clips.update(record.success for record in known if record is not None and self._clip(record).is_file())
        return journal

    def _clip(self, record: Record) -> Path:
        assert self._out is not None
        return self._out / CLIPS / f"{record.outcome}_{record.seed}.mp4"

    def _write_clip(self, scene: Scene, played: Played, most: int) -> None:
        record = played.record
        if self._out is None or self._clips[record.success] >= most:
            return
        self._clips[record.success] += 1
        frames = list(draw_run(played.recording, scene, record.reason, success=record.success, rate=RECORDED_RATE))
        if frames:
            path = self._clip(record)
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(".part.mp4")
            try:
                write_clip(unfinished, [*frames, *[frames[-1]] * LINGER], SHOWN_RATE)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)

    def _show(self, episodes: int) -> None:
        done, last = len(self.records), self.records[-1]
        rate = sum(record.success for record in self.records) / done
        left = (episodes - done) * (time.monotonic() - self._begun) / max(1, self._played)
        self._progress.update(
            f"  {self._suite} {done}/{episodes}  success {rate:.0%}  {left:3.0f} s left  "
            f"last: {last.outcome}, {last.seconds:.1f} s, {last.instruction}"
        )
