"""The recorder's own report on its episodes, in the column `audit` of meta/episodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.parquet import open_table, read_lists

AUDIT = "audit"


def audit_problems(path: Path) -> list[dict[str, Any]]:
    """For each row of a file of meta/episodes, {"audit": its text, "problems": sentences}. Raises DatasetError."""
    texts = read_lists(path, [AUDIT]).get(AUDIT) or [None] * open_table(path).metadata.num_rows
    return [{AUDIT: text, "problems": _problems(text)} for text in texts]


def _problems(text: object) -> tuple[str, ...]:
    try:
        audit = json.loads(text) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        return ("Its audit is unreadable.",)
    found = audit.get("problems", []) if isinstance(audit, dict) else []
    return tuple(map(str, found)) if isinstance(found, list) else ()


def audit_findings(episodes: Sequence[RecordedEpisode]) -> list[DataFinding]:
    """Findings for the episodes in which the recorder reported problems."""
    marked = [episode for episode in episodes if episode.problems]
    if not marked:
        return []
    numbers = tuple(episode.number for episode in marked)
    said = f"{episode_list(numbers)} of {len(episodes)}. The first: {' '.join(marked[0].problems)}"
    return [DataFinding("audit", f"The recorder reported problems in {said}", numbers)]
