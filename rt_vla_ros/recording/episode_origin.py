"""The bag and start time of an episode, to avoid duplicates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rt_vla_ros.data.lerobot_layout import META
from rt_vla_ros.data.parquet import read_lists

ORIGIN = "origin"
"""Its key in an episode's audit."""


@dataclass(frozen=True)
class EpisodeOrigin:
    """fingerprint: of a bag, see `Bag`. begin_ns, last_ns: its start and last moment, by the stamps [ns]."""

    fingerprint: str
    begin_ns: int
    last_ns: int

    def to_dict(self) -> dict[str, object]:
        """As a JSON-compatible dict."""
        return asdict(self)


class KnownEpisodes:
    """The episodes of a dataset that were converted from bags."""

    def __init__(self, directory: Path, episodes: int) -> None:
        """episodes: how many of them count. Raises DatasetError for tables that cannot be read."""
        self._found: dict[tuple[str, int], tuple[int, EpisodeOrigin]] = {}
        for path in sorted((directory / META / "episodes").glob("*/[!.]*.parquet")):
            columns = read_lists(path, ["episode_index", "audit"])
            for number, audit in zip(columns.get("episode_index", ()), columns.get("audit", ()), strict=False):
                origin = _origin_in(audit)
                if origin is not None and isinstance(number, int) and number < episodes:
                    self.add(number, origin)

    def add(self, number: int, origin: EpisodeOrigin) -> None:
        """Adds episode `number`."""
        self._found[origin.fingerprint, origin.begin_ns] = (number, origin)

    def find(self, fingerprint: str, begin_ns: int) -> tuple[int, EpisodeOrigin] | None:
        """The number and origin of the episode that begins there; None if there is none."""
        return self._found.get((fingerprint, begin_ns))


def _origin_in(audit: object) -> EpisodeOrigin | None:
    """None for an episode of another origin."""
    try:
        found = json.loads(audit)[ORIGIN] if isinstance(audit, str) and audit else None
        return None if found is None else EpisodeOrigin(**found)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
