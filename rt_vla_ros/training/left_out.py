"""The attempts of a collection that are no episodes of its dataset, with their reasons."""

from __future__ import annotations

import json
from pathlib import Path

from rt_vla_ros.json_lines import cut_unfinished, read_rows

FILE = "left_out.jsonl"
MOST_IN_A_ROW = 20  # of one task


class LeftOutAttempts:
    """A file of JSON lines, one per attempt. reasons: by the attempt's number."""

    def __init__(self, path: Path) -> None:
        """path: created with the first attempt. Raises ValueError for a damaged file, OSError."""
        self._path, self._in_a_row = path, dict[str, int]()
        self.tasks: dict[int, str] = {}
        self.reasons: dict[int, str] = {}
        for row in read_rows(path, ValueError):
            try:
                number = int(row["attempt"])
                self.tasks[number], self.reasons[number] = str(row["task"]), str(row["reason"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path} does not list attempts ({error!r} in {row}). Remove the line.") from error
        cut_unfinished(path)

    def add(self, attempt: int, task: str, seed: int, reason: str) -> None:
        """Record one. Raises ValueError if too many of the task were left out in a row."""
        self.tasks[attempt], self.reasons[attempt] = task, reason
        row = {"attempt": attempt, "task": task, "seed": seed, "reason": reason}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._in_a_row[task] = self._in_a_row.get(task, 0) + 1
        if self._in_a_row[task] >= MOST_IN_A_ROW:
            raise ValueError(
                f"{task} failed {MOST_IN_A_ROW} times in a row, the last time: {reason} Lower --noise, or leave the "
                "task out with another --out."
            )

    def kept(self, task: str) -> None:
        """An attempt at this task became an episode."""
        self._in_a_row[task] = 0
