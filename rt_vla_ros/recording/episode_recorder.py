"""Records episodes, one at a time, while messages keep arriving; encoding runs in its own thread."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.os_error import in_words
from rt_vla_ros.recording.episode_builder import Audits, Decode, EpisodeBuilder, RecordingError, SavedEpisode
from rt_vla_ros.recording.resampling import Moment, Resampler
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.sample_stream import SECOND
from rt_vla_ros.recording.topic_audit import first_upper

MOST_WAITING = 900
"""Moments that may wait to be encoded: 30 s at 30 Hz."""
WAITING_BYTES = 1 << 30
"""Size of their images, as received, which wait in memory [bytes]."""
NICENESS = 10
"""Of the encoding thread. With idle scheduling its images would wait for seconds on a busy machine."""
FINISH = 4.0
"""A stopped episode ends after this time, even if the clock of the stamps is stopped [s]."""


SHUTDOWN = 3.0
"""Images that wait when the recorder is shut down are encoded for so long; `ros2 launch` kills after some seconds."""
LATE = "The recorder was shut down before all images were encoded."


class EpisodeRecorder:
    """Everything is called from one thread, with `now_ns` of the clock of the stamps.

    A full disk, images that cannot be decoded in time and errors of the streams end the episode: its complete part is
    kept, as a failure and with the reason.
    """

    def __init__(
        self, writer: LeRobotWriter, streams: RobotStreams, decode: Decode, size: Callable[[Any], int]
    ) -> None:
        """decode: see EpisodeBuilder; it is called in another thread. size: of a picture in memory [bytes]."""
        self.writer, self.streams, self._decode, self._size = writer, streams, decode, size
        self._resampler: Resampler | None = None
        self._encoding: _Encoding | None = None
        self._success = False
        self._stopped: float | None = None
        self._begun_ns = 0

    @property
    def busy(self) -> bool:
        """Whether an episode is being recorded or written."""
        return self._encoding is not None

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded, not written."""
        return self._resampler is not None

    @property
    def frames(self) -> int:
        """Number of frames of the current episode so far."""
        return self._encoding.taken if self._encoding is not None else 0

    def start(self, instruction: str, now_ns: int) -> None:
        """Starts an episode. instruction: empty if it was received on the topic. Raises RecordingError if one is
        already running or there is no instruction; OSError.
        """
        if self._encoding is not None and self._encoding.dropped:
            raise RecordingError("The discarded episode is still being removed: try again in a moment.")
        if self.busy:
            raise RecordingError("An episode is being recorded already: stop or discard it first.")
        self.streams.put_instruction(instruction, now_ns)
        if self.streams.instructions.at(now_ns) is None:
            topic = self.streams.topics.instruction_topic
            raise RecordingError(f"There is no instruction: give one, or publish it on {topic!r}.")
        self._encoding = _Encoding(EpisodeBuilder(self.writer, self.streams, self._decode), self._size)
        self._resampler = Resampler(self.streams, now_ns)
        self._success, self._stopped, self._begun_ns = False, None, now_ns

    def stop(self, *, success: bool, now_ns: int) -> None:
        """Ends the episode; `advance` returns it once it is written. Raises RecordingError if there is none."""
        if self._resampler is None or self._stopped is not None:
            raise RecordingError("No episode is being recorded.")
        self._success, self._stopped = success, time.monotonic()
        self._resampler.stop(now_ns)

    def discard(self) -> None:
        """Discards the current episode; `advance` reports it once it is removed.

        Raises RecordingError if there is none.
        """
        if self._encoding is None or self._resampler is None:
            raise RecordingError("No episode is being recorded.")
        self._encoding.drop()
        self._resampler = None

    def advance(self, now_ns: int) -> SavedEpisode | RecordingError | None:
        """Processes finished moments; call it often. Returns the episode once it is written, or why it was not kept."""
        if self._encoding is None:
            self.streams.forget(now_ns)
            return None
        if self._resampler is not None:
            self._take(self._resampler, self._encoding, now_ns)
            return None
        if self._encoding.is_alive():
            return None
        outcome, self._encoding = self._encoding.outcome, None
        return outcome

    def problems(self, now_ns: int) -> list[str]:
        """Problems of the current episode, as sentences."""
        if self._resampler is None:
            return []
        if self._resampler.over is not None:
            return [self._resampler.over]
        found = self._resampler.lacking() if now_ns - self._begun_ns > SECOND else []
        troubled = [one for one in [*self.streams.all(), *self.streams.moving()] if one.audit.trouble]
        return found + [f"{first_upper(one.name)}: {one.audit.trouble}" for one in troubled]

    def finish(self, now_ns: int) -> SavedEpisode | RecordingError | None:
        """Shuts the recorder down: an unfinished episode is kept as a failure."""
        if self._encoding is None:
            return None
        if self._resampler is not None:
            self._end(self._encoding, "The recorder was shut down.")
        self._encoding.until = time.monotonic() + SHUTDOWN
        self._encoding.join()
        return self.advance(now_ns)

    def _take(self, resampler: Resampler, encoding: _Encoding, now_ns: int) -> None:
        for moment in resampler.due(now_ns):
            encoding.put(moment)
        over = resampler.over or encoding.trouble
        late = self._stopped is not None and time.monotonic() - self._stopped > FINISH
        if over is not None or resampler.finished or late:
            self._end(encoding, over)

    def _end(self, encoding: _Encoding, over: str | None) -> None:
        encoding.end((self._success, over, self.streams.audits()))
        self._resampler = None


class _Encoding(threading.Thread):
    """Builds an episode. taken: moments so far. trouble: why it accepts no more. outcome: its result. dropped: whether
    it is to be discarded. until: when waiting moments are given up, by time.monotonic; None: never.
    """

    def __init__(self, builder: EpisodeBuilder, size: Callable[[Any], int]) -> None:
        super().__init__(name="encoding", daemon=True)
        self._builder, self._size = builder, size
        self._put_bytes = self._taken_bytes = 0  # the second in this thread only
        self._items: queue.Queue[Moment | tuple[bool, str | None, Audits] | None] = queue.Queue()
        self.taken = 0
        self.trouble: str | None = None
        self.outcome: SavedEpisode | RecordingError | None = None
        self._failed = self.dropped = False
        self.until: float | None = None
        self._lost: OSError | None = None
        self.start()

    def put(self, moment: Moment) -> None:
        waiting, size = self._items.qsize(), self._put_bytes - self._taken_bytes
        if (waiting >= MOST_WAITING or size > WAITING_BYTES) and self.trouble is None:
            self.trouble = (
                f"Images arrive faster than they can be encoded: those of {waiting} moments ({size / 1e6:.0f} MB) were "
                "queued. Use the codec h264, a smaller image size in the action card or a lower control_rate."
            )
        if self.trouble is None:
            self.taken += 1
            self._put_bytes += self._bytes(moment)
            self._items.put(moment)

    def _bytes(self, moment: Moment) -> int:
        return sum(map(self._size, moment.pictures.values()))

    def end(self, how: tuple[bool, str | None, Audits]) -> None:
        """how: success, why it ended early, and the audits."""
        self._items.put(how)

    def drop(self) -> None:
        """Discards it; queued moments are not encoded any more."""
        self.dropped = True
        self._items.put(None)

    def run(self) -> None:
        """The encoders' own threads start here and inherit the priority: messages and control have precedence."""
        with contextlib.suppress(OSError):
            if sys.platform == "linux":  # elsewhere it would apply to the whole process
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while isinstance(item := self._items.get(), Moment):
            if self.until is not None and time.monotonic() > self.until and not self._failed:
                self._failed, self.trouble = True, LATE
            if not self._failed and not self.dropped:
                self._add(item)
            self._taken_bytes += self._bytes(item)
        if item is None:
            self._builder.discard()
            self.outcome = RecordingError("The episode was discarded.")
        else:
            self.outcome = self._save(*item)

    def _add(self, moment: Moment) -> None:
        try:
            self._builder.add(moment)
        except OSError as error:
            self._failed, self._lost, self.trouble = True, error, in_words(error)
        except Exception as error:  # of any image of a camera
            self._failed, self.trouble = True, f"The episode ended early: {error}"

    def _save(self, success: bool, over: str | None, audits: Audits) -> SavedEpisode | RecordingError:
        try:
            if self._lost is not None:
                raise self._lost
            return self._builder.save(success=success, over=over or self.trouble, audits=audits)
        except RecordingError as error:
            return error
        except OSError as error:
            self._builder.discard()
            return RecordingError(f"The episode is lost: {in_words(error)} Earlier episodes are intact.")
        except Exception as error:
            self._builder.discard()
            return RecordingError(f"The episode is lost: {type(error).__name__}: {error}")
