"""A policy that repeats the actions of a recorded episode, and counts images that are not those recorded."""

from __future__ import annotations

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.observations.observation import Observation


class RecordedPolicy:
    """differing: number of its images that differ from the recorded ones. After the last action it stands still."""

    name = "recorded"

    def __init__(self, episode: Episode) -> None:
        self.card, self._episode = episode.card, episode

    def reset(self, instruction: str) -> None:
        assert instruction == self._episode.instruction
        self._decoder, self._at, self.differing = ActionDecoder(self.card), 0, 0

    def act(self, observation: Observation) -> ActionChunk:
        at, self._at = self._at, self._at + 1
        if at >= len(self._episode):
            return ActionChunk((), self.card.period, frame_id=self.card.frame_id)
        images = self._episode.images
        self.differing += any((observation.images[name] != images[name][at]).any() for name in images)
        step = self._decoder.step(self._episode.values[at])
        return ActionChunk((step,), self.card.period, frame_id=self.card.frame_id)
