"""How a run by a recipe went, row by row and as a picture, in the run's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rt_vla_ros.training.loss_plot import loss_plot

ROWS, PLOT = "losses.jsonl", "losses.svg"


class RunLog:
    """Rows of a run; `save` writes them, and another sitting carries on after the last saved one."""

    def __init__(self, directory: Path, steps: int) -> None:
        """steps: that the run has made; rows of later ones were lost with the steps themselves."""
        self._rows_file, self._plot_file = directory / ROWS, directory / PLOT
        lines = self._rows_file.read_text(encoding="utf-8").splitlines() if self._rows_file.is_file() else []
        self.rows: list[dict[str, Any]] = [row for row in map(json.loads, lines) if row["step"] <= steps]

    def add(self, step: int, seconds: float, loss: float, success_alone: float | None) -> None:
        """success_alone: of the last episodes that the policy led alone; None: there were none yet."""
        self.rows.append({"step": step, "seconds": round(seconds, 1), "loss": loss, "success_alone": success_alone})

    def save(self, title: str) -> None:
        """Write rows and picture."""
        self._rows_file.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        if not self.rows:
            return
        failures = [(r["step"], 1 - r["success_alone"]) for r in self.rows if r["success_alone"] is not None]
        series = {"cross-entropy": [(r["step"], r["loss"]) for r in self.rows], "share of tasks failed alone": failures}
        self._plot_file.write_text(loss_plot(series, title), encoding="utf-8")
