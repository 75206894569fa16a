"""An episode's actions and states, as groups of curves with one unit each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, kind_of_motion
from rt_vla_ros.data.check.recorded import RecordedEpisode


class CurveGroup(NamedTuple):
    """title: quantity and unit. names: of the columns, (N, K)."""

    title: str
    names: list[str]
    columns: NDArray[np.float64]


def curve_groups(card: ActionCard, episode: RecordedEpisode) -> list[CurveGroup]:
    """Actions by kind, then the state by unit; missing columns are left out."""
    kinds: dict[str, list[int]] = {}
    for i, one in enumerate(card.dimensions):
        kind = kind_of_motion(one.role)
        title = f"action: {kind} [{one.unit} per step]" if kind else f"action: {one.role} [{one.unit}]"
        kinds.setdefault(title, []).append(i)
    kinds = dict(sorted(kinds.items(), key=lambda pair: "terminate" in pair[0]))
    groups = [
        CurveGroup(title, [card.dimensions[i].name for i in places], episode.values[:, places].astype(np.float64))
        for title, places in kinds.items()
        if episode.values.shape[1] == len(card.dimensions)
    ]
    units: dict[str, list[int]] = {}
    for i, state in enumerate(card.state if episode.states is not None else ()):
        units.setdefault(f"state [{state.unit}]", []).append(i)
    for title, places in units.items():
        if episode.states is not None:
            columns = episode.states[:, places].astype(np.float64)
            groups.append(CurveGroup(title, [card.state[i].name for i in places], columns))
    return groups
