"""The robots of a server in readable form: a table for a terminal, a line for a log."""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.serving.metrics import RobotRow

HEAD = ("robot", "policy", "Hz", "batch", "late", "p50 ms", "p99 ms")
WIDTHS = (28, 20, 6, 6, 6, 8, 8)
MOST_ROWS = 40


def fleet_table(rows: Sequence[RobotRow]) -> list[str]:
    """Lines of a table with the figures of the last 10 s."""
    shown = [_cells(row) for row in rows[:MOST_ROWS]]
    lines = [_aligned(HEAD), *map(_aligned, shown)]
    if not rows:
        lines.append("no robot is connected")
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more")
    return lines


def fleet_line(rows: Sequence[RobotRow]) -> str:
    """A summary of all robots in one line."""
    if not rows:
        return "No robot is connected."
    rate = sum(row.rate for row in rows)
    weight = rate or 1.0
    batch = sum(row.batch * row.rate for row in rows) / weight
    late = sum(row.late for row in rows) / len(rows)
    worst = max((row.p99 for row in rows if row.p99 is not None), default=None)
    return (
        f"{len(rows)} robot{'' if len(rows) == 1 else 's'}, {rate:.1f} decisions a second, {batch:.1f} in a batch, "
        f"{late:.1%} late, the slowest robot's p99 {_milliseconds(worst)} ms."
    )


def _cells(row: RobotRow) -> tuple[str, ...]:
    figures = f"{row.rate:.1f}", f"{row.batch:.1f}", f"{row.late:.0%}"
    return (row.robot, row.policy, *figures, _milliseconds(row.p50), _milliseconds(row.p99))


def _aligned(cells: Sequence[str]) -> str:
    pairs = list(zip(cells, WIDTHS, strict=True))
    words = [text[:width].ljust(width) for text, width in pairs[:2]]
    return " ".join([*words, *(text.rjust(width) for text, width in pairs[2:])])


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f}"
