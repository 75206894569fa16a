"""How a run went, row by row and as a picture, in the run's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rt_vla_ros.training.loss_plot import loss_plot
from rt_vla_ros.training.saving import TrainingError, write_text

ROWS, PLOT = "losses.jsonl", "losses.svg"


class RunLog:
    """A row for every saved step; a restart continues after the last one."""

    def __init__(self, directory: Path, steps: int) -> None:
        """steps: that the run has made; rows of later ones were lost with the steps themselves.

        Raises TrainingError for a damaged file.
        """
        self._directory = directory
        self.rows = _read_rows(directory / ROWS, steps)

    def add(self, step: int, seconds: float, training: float, **metrics: float) -> None:
        """training: mean loss since the last row. A row of this step that is there already is replaced."""
        self.rows = [row for row in self.rows if row["step"] < step]
        self.rows.append({"step": step, "seconds": round(seconds, 1), "training": training, **metrics})

    def save(self, title: str) -> None:
        """Write rows and picture. Raises OSError."""
        write_text(self._directory / ROWS, "".join(json.dumps(row) + "\n" for row in self.rows))
        series = {key: [(r["step"], r[key]) for r in self.rows if key in r] for key in ("training", "validation")}
        rates = [(r["step"], 1 - r["learner_success"]) for r in self.rows if "learner_success" in r]
        series |= {"failure rate of the learner": rates} if rates else {}
        write_text(self._directory / PLOT, loss_plot({key: points for key, points in series.items() if points}, title))


def _read_rows(path: Path, steps: int) -> list[dict[str, Any]]:
    """The rows up to this step; none where there is no file, and without a last one that is not whole."""
    rows = list[dict[str, Any]]()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if row["step"] <= steps:
                rows.append(row)
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise TrainingError(
                    f"{path}, line {number}, is not a row of a run's losses: {line[:80]!r}. Delete the line, or the "
                    "file, which the run can do without."
                ) from error
    return rows
