"""Batches from frames rendered by other processes during training."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from rt_vla_ros.training.background import in_background
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.dataset_source import prefetch
from rt_vla_ros.training.rt2.mini.batches import BatchMaker, MiniBatch, mini_config
from rt_vla_ros.training.rt2.mini.collector import ENOUGH, WEB, shards, whose
from rt_vla_ros.training.rt2.mini.frames import Frames, FrameStore, load_frames
from rt_vla_ros.training.rt2.mini.settings import MiniSettings

READ_INTERVAL = 50  # steps between two looks for new frames
AHEAD = 4  # batches that a process makes ahead
Wait = Callable[[str], None]
"""Called with a message while there are too few frames; raises if none will come."""


class FrameSource:
    """Implements StepSource. held_out: the first web images, never trained on, (N,)."""

    micro_batches = 1

    def __init__(
        self, run: Path, settings: MiniSettings, maker: BatchMaker, wait: Wait, *, num_workers: int = 0
    ) -> None:
        """num_workers: data loading processes, each with its own copy of the frames; 0: a thread of this process."""
        self._run, self._settings, self._maker, self._wait = run, settings, maker, wait
        self._num_workers = num_workers
        self._rendered_in, self._robots = settings.rendered_in(run), {robot.name for robot in settings.robots}
        self.web = FrameStore(settings.web_capacity)
        self.robot = FrameStore(settings.robot_capacity)
        self._held_out: Frames = {}
        self._read, self._looked = set[int](), -1
        self._lock = threading.Lock()  # batches are made in another thread than frames are read

    @property
    def held_out(self) -> Frames:
        """Wait for the held-out frames."""
        self.read()
        while not self._held_out:
            self._rest("rendering the first frames")
            self.read()
        return self._held_out

    def batches(self, first_step: int) -> Iterator[Sequence[MiniBatch]]:
        """See StepSource. Raises what `wait` raises."""
        steps = self._paced(first_step)
        if not self._num_workers:
            return prefetch(partial(self._batch, step) for step, _ in steps)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # of no use here, and it does not outlive a fork
        options = {"num_workers": self._num_workers, "prefetch_factor": AHEAD, "multiprocessing_context": "fork"}
        made = DataLoader(_Drawn(self), None, sampler=steps, collate_fn=_as_it_is, **options)  # type: ignore[arg-type]
        return map(_without_error, made)

    def _paced(self, first_step: int) -> Iterator[tuple[int, int]]:
        """Steps, each once its frames are available, and the step of the last check for new ones."""
        looked = first_step
        for step in range(first_step, self._settings.steps):
            if (step - first_step) % READ_INTERVAL == 0 or step == self._settings.web_steps:
                self._keep_pace(step)
                looked = step
            yield step, looked

    def drawn_elsewhere(self, step: int, looked: int) -> list[MiniBatch]:
        """The batch of a step, in a worker process, which reads new frames itself. looked: see `_paced`."""
        if looked != self._looked:
            self._looked = looked
            self.read()
        return self._batch(step)

    def _batch(self, step: int) -> list[MiniBatch]:
        robot = self._settings.robot_frames_at(step)
        rng = np.random.default_rng([self._settings.seed, 1, step])
        web = self._settings.batch_size - robot
        with self._lock:
            drawn = self.web.frames if web else None, self.robot.frames if robot else None
            return [self._maker.draw(*drawn, (web, robot), rng)]

    def _keep_pace(self, step: int) -> None:
        """Read new frames; wait if there are too few, and pause the renderers if there are enough."""
        web, robot = self._settings.frames_needed(step)
        least = 0.0 if self._settings.frames_from else self._settings.frames_at_least(step)
        enough = self._run / ENOUGH
        self.read()
        while len(self.web) < web or len(self.robot) < robot or self._seen < least:
            enough.unlink(missing_ok=True)
            there = f"{self.web.seen:,} web and {self.robot.seen:,} robot frames"
            self._rest(f"rendering frames for step {step + 1:,}: {there}")
            self.read()
        if self._seen > self._settings.frames_wanted(step):
            enough.touch()
        else:
            enough.unlink(missing_ok=True)

    @property
    def _seen(self) -> int:
        return self.web.seen + self.robot.seen

    def read(self) -> None:
        """Add all new frames."""
        with self._lock:
            self._read_files()

    def _read_files(self) -> None:
        for number, path in shards(self._rendered_in).items():
            if number in self._read or whose(path) not in {WEB, *self._robots}:
                continue
            self._read.add(number)
            frames = load_frames(path)
            if whose(path) != WEB:
                self.robot.add(frames)
            elif number == 0:  # and no other one, whatever is missing
                self._held_out = frames
            else:
                self.web.add(frames)

    def _rest(self, why: str) -> None:
        self._wait(why)
        time.sleep(0.5)


def batch_maker(tokenizer: object, settings: MiniSettings) -> BatchMaker:
    """A batch maker with these settings."""
    return BatchMaker(
        tokenizer,  # type: ignore[arg-type]
        mini_config(),
        robot_questions=settings.robot_questions,
        plans=settings.plan_share,
    )


Drawn = list[MiniBatch] | OSError | ValueError


def _as_it_is(drawn: Drawn) -> Drawn:
    return drawn


def _without_error(drawn: Drawn) -> list[MiniBatch]:
    if isinstance(drawn, Exception):
        raise drawn
    return drawn


class _Drawn(Dataset[Drawn]):
    """The batches of a source by `_paced`, or the error as a value, since torch would add a traceback to it."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    def __getitem__(self, paced: tuple[int, int]) -> Drawn:
        try:
            return self._source.drawn_elsewhere(*paced)
        except (OSError, ValueError) as error:
            return error


@contextmanager
def lost_workers_in_words(run: Path) -> Iterator[None]:
    """Context that turns the death of a data loading process, which torch reports at any time, into a TrainingError."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise TrainingError(
            f"A data loading process has ended ({str(error).partition('. ')[0].rstrip('. ')}). The system "
            "does this when memory, or in a container the shared memory (docker run --shm-size), runs out; "
            f"--num-workers 0 needs none. Run the same command again to resume from {run}."
        ) from error


def renderers(run: Path, count: int) -> AbstractContextManager[Callable[[], None]]:
    """Context with running rendering processes. The returned function raises ValueError if one has ended."""
    (run / ENOUGH).unlink(missing_ok=True)
    command = [sys.executable, "-m", "rt_vla_ros.training.rt2.mini.collector", "--run", str(run)]
    command += ["--parent", str(os.getpid()), "--of", str(count)]
    return in_background([[*command, "--number", str(number)] for number in range(count)], run)
