"""Runs and records the episodes of one suite or benchmark task, with progress display and some videos."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from rt_vla_ros.evaluation.players import Player
from rt_vla_ros.evaluation.record import EpisodeRecord, Journal, Trajectory
from rt_vla_ros.evaluation.replay import write_clip
from rt_vla_ros.evaluation.report import run_title
from rt_vla_ros.evaluation.summary import summarize
from rt_vla_ros.progress import Progress
from rt_vla_ros.runtime.confidence_gate import THRESHOLDS, legal_doubt

JOURNAL, VIDEOS = "episodes.jsonl", "videos"
PLAYBACK_RATE = Fraction(5)  # frames per second of the video
LAST_FRAME_REPEATS = 5
DEPENDS_ON = ("policy", "checkpoint_sha256", "through_ros", "ablation", "decoding", "weights")
WHERE_GIVEN = (*THRESHOLDS, "delay", "plan", "environment", "center_crop")
"""As DEPENDS_ON, but only recorded if not the default, so that directories of earlier versions can be resumed."""


class SuiteRun:
    """Runs the missing episodes of a suite; `records` are all of them, in order of the seeds."""

    def __init__(self, player: Player, suite: str, about: dict[str, Any], out: Path | None, progress: Progress) -> None:
        """out: output directory; None: no files are written."""
        self._player, self._suite, self._about, self._out, self._progress = player, suite, about, out, progress
        self._title = run_title({**about, "suite": suite})
        self.records: list[EpisodeRecord] = []
        self._recorded: Counter[bool] = Counter()
        self._started, self._finished = time.monotonic(), 0

    @property
    def summary(self) -> dict[str, Any]:
        """See summarize."""
        return summarize(self.records, self._player.outcomes)

    @property
    def videos(self) -> list[Path]:
        """The videos of these episodes, in order of the seeds."""
        return [] if self._out is None else [path for path in map(self._video, self.records) if path.is_file()]

    def play(
        self,
        seeds: range,
        *,
        videos: int,
        overwrite: bool,
        enough: Callable[[EpisodeRecord], bool] = lambda record: False,
    ) -> SuiteRun:
        """Runs these episodes, in this order.

        videos: number of successes, and of failures, to record on video. overwrite: remove an earlier evaluation in the
        directory first. enough: called with each episode; returns whether to stop.
        Raises JournalError if the directory contains a different one.
        """
        journal = self._open(seeds, overwrite)
        for seed in seeds:
            if (known := None if journal is None else journal.records.get(seed)) is None:
                known, trajectory = self._player.play(self._suite, seed)
                self._finished += 1
                self._doubt(known)
                self._record_video(known, trajectory, videos)
                if journal is not None:
                    journal.add(known)
            self.records.append(known)
            self._show(len(seeds))
            if enough(known):
                break
        return self

    def _doubt(self, record: EpisodeRecord) -> None:
        """Warn after the first episode, rather than hours later, that the results will be meaningless."""
        if self._finished == 1 and (doubt := legal_doubt(record.legal_probability)):
            self._progress.line(f"{self._title}: {doubt}")

    def _open(self, seeds: range, overwrite: bool) -> Journal | None:
        if self._out is None:
            return None
        if overwrite:
            (self._out / JOURNAL).unlink(missing_ok=True)
            shutil.rmtree(self._out / VIDEOS, ignore_errors=True)
        self._out.mkdir(parents=True, exist_ok=True)
        subject = {"suite": self._suite, **{name: self._about[name] for name in DEPENDS_ON}}
        subject |= {name: self._about[name] for name in WHERE_GIVEN if self._about.get(name)}
        journal = Journal(self._out / JOURNAL, subject)
        known = [journal.records[seed] for seed in seeds if seed in journal.records]
        self._recorded.update(record.success for record in known if self._video(record).is_file())
        return journal

    def _video(self, record: EpisodeRecord) -> Path:
        assert self._out is not None
        return self._out / VIDEOS / f"{record.outcome}_{record.seed}.mp4"

    def _record_video(self, record: EpisodeRecord, trajectory: Trajectory, most: int) -> None:
        if self._out is None or self._recorded[record.success] >= most:
            return
        self._recorded[record.success] += 1
        frames = list(self._player.draw(self._suite, record, trajectory))
        if frames:
            path = self._video(record)
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(".part.mp4")
            try:
                write_clip(unfinished, [*frames, *[frames[-1]] * LAST_FRAME_REPEATS], PLAYBACK_RATE)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)

    def _show(self, episodes: int) -> None:
        done, last = len(self.records), self.records[-1]
        rate = sum(record.success for record in self.records) / done
        left = (episodes - done) * (time.monotonic() - self._started) / max(1, self._finished)
        self._progress.update(
            f"  {self._title} {done}/{episodes}  success {rate:.0%}  {left:3.0f} s left  "
            f"last: {last.outcome}, {last.seconds:.1f} s, {last.instruction}"
        )
