"""A finding of the dataset check: code, message and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rt_vla_ros.data.check.codes import CODES, SEVERITIES


@dataclass(frozen=True)
class DataFinding:
    """code: one of CODES. sentence: what was found, with its numbers. episodes: the recorded ones that it is about,
    empty for the whole set. frames: time steps that it is about, 0 where that means nothing. at: seconds from the start
    of the first of the episodes, None where it is about a whole one.
    """

    code: str
    sentence: str
    episodes: tuple[int, ...] = ()
    frames: int = 0
    at: float | None = None

    @property
    def severity(self) -> str:
        """ "error", "warning" or "note"."""
        return CODES[self.code].severity

    @property
    def advice(self) -> str:
        """What to do, one sentence."""
        return CODES[self.code].advice

    @property
    def rank(self) -> int:
        """0 for the worst severity."""
        return SEVERITIES.index(self.severity)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "code": self.code,
            "severity": self.severity,
            "sentence": self.sentence,
            "episodes": list(self.episodes),
            "frames": self.frames,
            "at": self.at,
            "advice": self.advice,
        }


def episode_list(numbers: tuple[int, ...] | list[int], shown: int = 8) -> str:
    """ "episode 3" or "episodes 1, 2, 5 and 12 more"."""
    more = f" and {len(numbers) - shown} more" if len(numbers) > shown else ""
    return f"episode{'s' * (len(numbers) != 1)} {', '.join(map(str, numbers[:shown]))}{more}"
