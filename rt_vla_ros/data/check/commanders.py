"""Validates the columns about who commanded each time step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.episode import COMMANDERS, LEADERS
from rt_vla_ros.data.lerobot_layout import COMMANDER, INTERVENTION
from rt_vla_ros.data.parquet import read_lists

LEARNERS, POLICY = ("learner", "mixed"), "policy"
Columns = Mapping[str, list[Any]]


def commander_columns(path: Path, features: Collection[str]) -> Columns:
    """The columns in a table of time steps that info.json lists; empty if it lacks one. Raises DatasetError."""
    names = [name for name in (COMMANDER, INTERVENTION) if name in features]
    found = read_lists(path, names) if names else {}
    return {name: found.get(name, []) for name in names}


def cells_of(columns: Columns, rows: Sequence[int]) -> Columns:
    """The cells of an episode; None if there is no row."""
    return {name: [cells[row] if row < len(cells) else None for row in rows] for name, cells in columns.items()}


def commander_problem(leader: object, cells: Columns) -> str:
    """The first invalid cell in an episode's columns, in words; empty if all are valid."""
    if leader not in LEADERS:
        return f"the leader {leader!r:.60}, expected one of {', '.join(LEADERS)}"
    for name, known in ((COMMANDER, COMMANDERS), (INTERVENTION, (True, False))):
        for step, cell in enumerate(cells.get(name, ())):
            if not isinstance(cell, type(known[0])) or cell not in known:
                expected = ", ".join(map(repr, known))
                return f"{cell!r:.60} in the column {name!r} at time step {step}, expected one of {expected}"
    return ""


def does_what_is_said(leader: object, cells: Columns) -> bool:
    """Whether the actions are those of who acted: of a learner they are a teacher's labels, unless a policy's were
    recorded.
    """
    return leader not in LEARNERS or POLICY in cells.get(COMMANDER, ())


def commander_finding(problems: Mapping[int, str]) -> DataFinding:
    """problems: by episode."""
    numbers = tuple(sorted(problems))
    what = f"Invalid commander in {episode_list(numbers)}. The first: {problems[numbers[0]]}."
    return DataFinding("commander", what, numbers)
