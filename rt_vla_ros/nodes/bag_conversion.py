"""From a bag to episodes of a dataset: the recorder's streams, resampling and encoding, driven by the bag's time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.nodes.bag_topics import MARKERS, BagTopics, describe
from rt_vla_ros.nodes.pictures import rgb_from_picture
from rt_vla_ros.recording.bag_files import Bag, BagError
from rt_vla_ros.recording.episode_builder import (
    NO_INSTRUCTION,
    Audits,
    EpisodeBuilder,
    RecordingError,
    SavedEpisode,
)
from rt_vla_ros.recording.episode_cuts import Cut, EpisodeCuts, cuts_at
from rt_vla_ros.recording.episode_origin import EpisodeOrigin, KnownEpisodes
from rt_vla_ros.recording.resampling import PATIENCE_NS, Moment, Resampler
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.topic_map import TopicMap

RECORDER_MARKS = "recorder_node/episode"
LOOK_NS = 50_000_000
"""How often finished frames are collected, as in the recorder."""


@dataclass(frozen=True)
class Relabeled:
    """A topic changed the label of an episode after its end."""

    index: int
    success: bool


@dataclass(frozen=True)
class Splitting:
    """How a bag becomes episodes: by a topic, by times from its begin [s], or one of the whole bag.

    instruction: used if no topic gives one. success: label of episodes that no topic labels.
    """

    topic: str = ""
    spans: tuple[tuple[float, float], ...] = ()
    instruction: str = ""
    success: bool = True


@dataclass(frozen=True)
class ConvertedEpisode:
    """What became of one. begin, end: from the bag's begin [s]. saved: None if nothing is kept, for `refusal`.

    goes_on: it ended early at a gap, and what comes after that is the next one. known: which episode of the dataset it
    is already; then nothing is made of it.
    """

    begin: float
    end: float
    saved: SavedEpisode | None
    refusal: str
    audits: Audits
    goes_on: bool = False
    known: int | None = None


class BagConversion:
    """notes: what is wrong with the bag, as sentences, once it is read."""

    def __init__(
        self, bag: Bag, topics: TopicMap, writer: LeRobotWriter, splitting: Splitting, known: KnownEpisodes
    ) -> None:
        """known: those of the writer's dataset. Raises BagError, TopicMapError, StartError."""
        self._bag, self._writer, self._splitting, self._known = bag, writer, splitting, known
        self._streams = RobotStreams(writer.card, topics)
        self._topics = BagTopics(bag, self._streams)
        self._marker = self._find_marker()
        self._cuts, self._waiting = EpisodeCuts(), deque[Cut]()
        self._episode: _Episode | None = None
        self._begin_ns: int | None = None
        self._late: list[int] = []
        self._last: int | None = None  # index of the last episode that was saved, if the newest of the dataset

    @property
    def notes(self) -> list[str]:
        after = ", ".join(f"{(time_ns - (self._begin_ns or 0)) / 1e9:g} s" for time_ns in self._late)
        late = f"{self._bag.path} ends at {self.elapsed:.1f} s; asked for were {after}, which is after its end."
        return [*self._bag.notes, *describe(self._topics.dropped), *([late] if after else [])]

    @property
    def elapsed(self) -> float:
        """Of the bag's time, so far [s]."""
        return (self._topics.now_ns - (self._begin_ns or self._topics.now_ns)) / 1e9

    def episodes(self) -> Iterator[ConvertedEpisode | Relabeled | None]:
        """Each as soon as it is written, and changes of its label; None now and then in between.

        Raises BagError, OSError.
        """
        look_ns = 0
        marker = {self._marker} if self._marker else set()
        for message in self._bag.messages({*self._topics.topics, *marker}):
            self._topics.take(message)
            now_ns = self._topics.now_ns
            if self._begin_ns is None and now_ns:
                self._begin_ns = now_ns
                self._waiting += self._first_cuts(now_ns)
            if message.topic == self._marker:
                cut = self._cuts.hear(self._topics.marker(message), now_ns)
                if cut is not None:
                    self._waiting.append(cut)
                    look_ns = -LOOK_NS  # now: later messages are not the episode's
            if now_ns - look_ns >= LOOK_NS or now_ns < look_ns:
                look_ns = now_ns
                yield from self._advance(now_ns)
                yield None
        end_ns = self._topics.now_ns
        self._late = [one.time_ns for one in self._waiting if one.time_ns > end_ns]  # whose time never comes
        self._waiting = deque(one for one in self._waiting if one.time_ns <= end_ns)
        self._waiting.append(Cut(self._last_ns(end_ns), False))
        while self._waiting or self._episode is not None:
            yield from self._advance(end_ns + 2 * PATIENCE_NS)

    def _last_ns(self, end_ns: int) -> int:
        """Up to when the transforms say where the tip was; where they ended long before the bag, that is its end."""
        newest = [found[0] for one in self._streams.moving() if (found := one.at(end_ns)) is not None]
        oldest_ns = end_ns - round(self._streams.topics.max_state_age * 1e9)
        return min((one for one in newest if one >= oldest_ns), default=end_ns) + 1

    def _first_cuts(self, now_ns: int) -> list[Cut]:
        if self._marker:
            return []
        return cuts_at([*self._splitting.spans], now_ns) if self._splitting.spans else [Cut(now_ns, True)]

    def _advance(self, now_ns: int) -> Iterator[ConvertedEpisode | Relabeled]:
        """Takes what is decided, and does the cuts whose time has come, one after the other."""
        while True:
            if self._episode is not None:
                if self._waiting and self._waiting[0].time_ns <= now_ns:
                    self._episode.stop(self._waiting[0])
                if not self._episode.take(now_ns):
                    return
                after = self._after_gap(self._episode)
                yield self._ended(self._episode, goes_on=after is not None)
                self._episode = None if after is None else self._begun(after)
                if after is not None:
                    continue
            if not self._waiting or self._waiting[0].time_ns > now_ns:
                self._streams.forget(now_ns)
                return
            cut = self._waiting.popleft()
            if cut.relabels and self._last is not None:
                relabeled = Relabeled(self._last, bool(cut.success))
                self._writer.relabel(success=relabeled.success)
                yield relabeled
            if cut.begins:
                self._streams.put_instruction(cut.instruction or self._splitting.instruction, cut.time_ns)
                self._episode = self._begun(cut.time_ns)

    def _begun(self, begin_ns: int) -> _Episode:
        known = self._known.find(self._bag.fingerprint, begin_ns)
        return _Episode(self._writer, self._streams, begin_ns, self._splitting.success, known)

    def _after_gap(self, episode: _Episode) -> int | None:
        """When the next episode begins after a gap: unlike in a live recording, nobody starts it."""
        after = episode.resume_ns
        is_next = after is not None and self._waiting and self._waiting[0].time_ns <= after
        return None if is_next else after

    def _ended(self, episode: _Episode, *, goes_on: bool) -> ConvertedEpisode:
        end_ns = episode.resume_ns or episode.end_ns or self._topics.now_ns
        times = [(at - (self._begin_ns or 0)) / 1e9 for at in (episode.begin_ns, end_ns)]
        audits = self._streams.audits()
        if episode.known is not None:
            self._last = None  # it has its label already
            return ConvertedEpisode(times[0], times[1], None, "", audits, goes_on, episode.known[0])
        origin = EpisodeOrigin(self._bag.fingerprint, episode.begin_ns, episode.last_ns)
        try:
            saved = episode.save(audits, origin)
            self._known.add(saved.index, origin)
            self._last = saved.index
            return ConvertedEpisode(times[0], times[1], saved, "", audits, goes_on)
        except RecordingError as error:
            return ConvertedEpisode(times[0], times[1], None, self._explained(str(error)), audits, goes_on)

    def _explained(self, refusal: str) -> str:
        if refusal == NO_INSTRUCTION:
            split = f", or split it by --episodes-by {RECORDER_MARKS}" if self._topics.find(RECORDER_MARKS) else ""
            return f"The episode has no instruction: give one with --instruction{split}."
        if "TF has no path" in refusal and "/tf_static" not in self._bag.kinds:
            return f"{refusal} The bag has no /tf_static: record it as well, or name two frames that /tf connects."
        return refusal

    def _find_marker(self) -> str:
        topic = self._splitting.topic
        full = self._topics.find(topic) if topic else ""
        if full is None or (full and self._bag.kinds[full] not in MARKERS):
            listed = ", ".join(sorted(name for name, kind in self._bag.kinds.items() if kind in MARKERS)) or "none"
            wrong = f"{full} is a {self._bag.kinds[full]}" if full else f"it has no topic {topic!r}"
            raise BagError(f"{self._bag.path} cannot be split: {wrong}; its Bools and Strings: {listed}.")
        return full


class _Episode:
    """The one under way, by the clock of the stamps. resume_ns: see Resampler; also after what cannot be decoded.

    last_ns: of its last moment. known: its number and origin where it is in the dataset; nothing is decoded then.
    """

    def __init__(
        self,
        writer: LeRobotWriter,
        streams: RobotStreams,
        begin_ns: int,
        success: bool,
        known: tuple[int, EpisodeOrigin] | None,
    ) -> None:
        self.begin_ns, self.end_ns, self.last_ns, self.known = begin_ns, 0, begin_ns, known
        self._success, self._discard = success, False
        self._builder: EpisodeBuilder | None = None
        if known is None:
            self._builder = EpisodeBuilder(writer, streams, lambda camera, picture: rgb_from_picture(picture, camera))
        self._resampler = Resampler(streams, begin_ns)
        self._over: str | None = None
        self._undecoded_ns: int | None = None

    @property
    def resume_ns(self) -> int | None:
        return self._undecoded_ns or self._resampler.resume_ns

    def stop(self, cut: Cut) -> None:
        if not self.end_ns:
            self.end_ns, self._discard = cut.time_ns, cut.discard
            self._success = self._success if cut.success is None else cut.success
            self._resampler.stop(cut.time_ns - 1)  # a frame then is the next one's

    def take(self, now_ns: int) -> bool:
        """Whether it is over."""
        try:
            for moment in self._resampler.due(now_ns):
                at_ns = moment.time_ns
                self._add(moment)
                self.last_ns = at_ns
        except ValueError as error:
            self._over = f"The episode ended early: {error}"
            self._undecoded_ns = at_ns + 1 if self._builder is None or self._builder.frames else None
        except BaseException:
            if self._builder is not None:
                self._builder.discard()
            raise
        self._over = self._over or self._resampler.over
        return self._over is not None or self._resampler.finished

    def save(self, audits: Audits, origin: EpisodeOrigin) -> SavedEpisode:
        """Raises RecordingError if nothing is kept, OSError."""
        assert self._builder is not None
        if self._discard:
            self._builder.discard()
            raise RecordingError("It was discarded by the topic.")
        return self._builder.save(success=self._success, over=self._over, audits=audits, origin=origin)

    def _add(self, moment: Moment) -> None:
        """Raises ValueError for one that cannot be used."""
        if self._builder is not None:
            self._builder.add(moment)
        elif self.known is not None and moment.time_ns > self.known[1].last_ns:
            raise ValueError("the episode in the dataset ends there.")


def convert(bags: Sequence[Bag], topics: TopicMap, writer: LeRobotWriter, splitting: Splitting) -> list[BagConversion]:
    """A conversion for each; all are looked at before the first one is read. Raises BagError with all problems."""
    made, problems = [], []
    known = KnownEpisodes(writer.directory, writer.episodes)
    for bag in bags:
        try:
            made.append(BagConversion(bag, topics, writer, splitting, known))
        except BagError as error:
            problems.append(str(error))
    if problems:
        raise BagError("\n".join(problems))
    return made
