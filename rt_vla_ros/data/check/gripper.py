"""Compares the gripper's state with its command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.lagged import aligned
from rt_vla_ros.data.check.recorded import RecordedEpisode

MOVES = 0.1  # of the way between open and closed: a command or a state that goes less far says nothing
SLOWEST = 1.5  # a gripper takes so long to follow [s]
CLEAR = 0.5  # correlation


def gripper_findings(card: ActionCard, rate: float, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """rate: frames per second. No finding if the card has no gripper, or no state of it."""
    index = card.index("gripper")
    place = next((i for i, one in enumerate(card.state) if one.kind == "gripper"), None)
    if index is None or place is None:
        return
    opposite, judged = list[int](), 0
    for one in episodes:
        if not one.own or one.states is None or len(one) < 5 or not np.isfinite(one.values[:, index]).all():
            continue
        told = (one.values[:, index].astype(np.float64) - card.gripper_open) / (card.gripper_closed - card.gripper_open)
        state = one.states[:, place].astype(np.float64)
        if np.ptp(told) < MOVES or not np.ptp(state) > MOVES:
            continue
        judged += 1
        found = []
        for lag in range(min(len(one) // 2, round(SLOWEST * rate)) + 1):
            a, b = aligned(told, state, lag)
            found.append(float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0)
        strongest = max(found, key=abs)
        opposite += [one.number] * (strongest < -CLEAR)
    if opposite:
        what = f"In {len(opposite)} of {judged} episodes the gripper's state moves opposite to its command."
        if len(opposite) == judged:
            what += " The card's gripper_open and gripper_closed, or the state (0 open ... 1 closed), are exchanged."
        yield DataFinding("gripper-polarity", what, tuple(opposite))
