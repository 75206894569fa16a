"""The results of an offline evaluation as a text table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
MILLI = 1000.0
UNITS = {"m": "mm", "rad": "mrad"}
HEAD = ("", "steps", "error", "bias", "recorded", "bins", "<= 1 bin")


def offline_table(result: Mapping[str, Any]) -> str:
    """Lines of the table: mean absolute error, bias and recorded magnitude, in thousandths of the SI unit."""
    parts = {"first step of a chunk": result["first_step"], "later steps": result["later_steps"]}
    parts |= {f"first step, {name}": figures for name, figures in result["phases"].items()}
    lines = list[str]()
    for title, figures in parts.items():
        if figures is not None:
            lines += [_row((title, *HEAD[1:])), *_rows(figures), ""]
    return "\n".join(lines[:-1])


def _rows(figures: Figures) -> list[str]:
    rows = []
    for one in figures["dimensions"]:
        sizes = [f"{MILLI * one[key]:.2f}" for key in ("mean_absolute_error", "bias", "mean_absolute_recorded")]
        bins = [f"{one['mean_absolute_bins']:.1f}", f"{one['within_one_bin']:.1%}"] if "within_one_bin" in one else []
        rows.append(_row((f"  {one['dimension']} [{UNITS[one['unit']]}]", str(figures["steps"]), *sizes, *bins)))
    for key in ("gripper_closed", "terminate"):
        if key in figures:
            rows.append(_sentence(key, figures[key]))
    return rows


def _sentence(name: str, classes: Mapping[str, Any]) -> str:
    shares = ", ".join(
        f"{key} {'-' if classes[key] is None else format(classes[key], '.1%')}"
        for key in ("accuracy", "precision", "recall")
    )
    return f"  {name}: {shares} ({classes['predicted']} predicted, {classes['recorded']} recorded)"


def _row(cells: Sequence[str]) -> str:
    return (f"{cells[0]:<28}" + "".join(f"{cell:>10}" for cell in cells[1:])).rstrip()
