"""How a run went, row by row and as a picture, in the run's directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.training.loss_plot import loss_plot
from rt_vla_ros.training.saving import TrainingError, write_text

ROWS, PLOT = "losses.jsonl", "losses.svg"


class RunLog:
    """Rows of a run by a recipe; `save` writes them, and another sitting carries on after the last saved one."""

    def __init__(self, directory: Path, steps: int) -> None:
        """steps: that the run has made; rows of later ones were lost with the steps themselves.

        Raises TrainingError for a damaged file.
        """
        self._directory = directory
        self.rows = read_rows(directory, steps)

    def add(self, step: int, seconds: float, loss: float, success_alone: float | None) -> None:
        """success_alone: of the last episodes that the policy led alone; None: there were none yet."""
        self.rows.append({"step": step, "seconds": round(seconds, 1), "loss": loss, "success_alone": success_alone})

    def save(self, title: str) -> None:
        """Write rows and picture. Raises OSError."""
        write_rows(self._directory, self.rows)
        if not self.rows:
            return
        failures = [(r["step"], 1 - r["success_alone"]) for r in self.rows if r["success_alone"] is not None]
        series = {"cross-entropy": [(r["step"], r["loss"]) for r in self.rows], "share of tasks failed alone": failures}
        write_text(self._directory / PLOT, loss_plot(series, title))


def read_rows(directory: Path, steps: int) -> list[dict[str, Any]]:
    """The rows up to this step; none where there is no file, and without a last one that is not whole.

    Raises TrainingError for a file that is damaged in another way.
    """
    path, rows = directory / ROWS, list[dict[str, Any]]()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if row["step"] <= steps:
                rows.append(row)
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise TrainingError(
                    f"{path}, line {number}, is no row of a run's losses: {line[:80]!r}. Delete the line, or the file, "
                    "which the run can do without."
                ) from error
    return rows


def write_rows(directory: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """All of them, whole or not at all. Raises OSError."""
    write_text(directory / ROWS, "".join(json.dumps(row) + "\n" for row in rows))
