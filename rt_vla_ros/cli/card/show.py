"""Show an action card as tables: cameras, actions with maximum speeds, robot state.

rt-vla card show rt1-mini
rt-vla card show my_robot/action_card.json
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence

from rt_vla_ros.action_space.card import ActionCard, CameraSpec, kind_of_motion
from rt_vla_ros.cli.card.options import add_card, open_card
from rt_vla_ros.cli.main import refused
from zenoh_ros.wire.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_card(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    card, whence = open_card(args.card)
    print(*map(printable, lines_of(card, whence)), sep="\n")
    return 0


def lines_of(card: ActionCard, whence: str) -> Iterator[str]:
    """The lines of a card."""
    yield f"{card.name} ({whence})"
    yield f"control rate   {card.control_rate:g} Hz, an action every {card.period:g} s"
    if card.horizon > 1:
        yield f"chunks         {card.horizon} steps per chunk, {card.execute_steps} executed, {card.ensemble.rule}"
    yield f"axes           {card.frame}, frame {card.frame_id!r}, rotation as {card.rotation}"
    yield f"gripper        open {card.gripper_open:g}, closed {card.gripper_closed:g}"
    yield f"tokens         {card.bins} bins, {card.quantization}"
    if card.postprocessing:
        yield f"postprocessing {card.postprocessing}: the ranges below are before it"
    yield ""
    yield from table(("camera", "pixels", "crop", "vertical fov", "column"), [_camera(one) for one in card.cameras])
    yield ""
    yield from table(("action", "role", "from", "to", "unit", "fastest", "a bin"), list(_actions(card)))
    if card.state:
        yield ""
        rows = [(one.name, one.source, f"{one.low:g}", f"{one.high:g}", one.unit) for one in card.state]
        yield from table(("state", "source", "from", "to", "unit"), rows)
    if card.notes:
        yield ""
        yield from (f"note: {note}" for note in card.notes)


def _camera(camera: CameraSpec) -> tuple[str, ...]:
    fov = f"{math.degrees(camera.vertical_fov):.1f} deg" if camera.vertical_fov else "not known"
    return camera.name, f"{camera.width}x{camera.height}", camera.crop, fov, camera.column or "-"


def _actions(card: ActionCard) -> Iterator[tuple[str, ...]]:
    for one in card.dimensions:
        if one.role == "terminate":
            yield one.name, one.role, "-", "-", ", ".join(one.modes), "-", "-"
            continue
        moves = kind_of_motion(one.role) is not None and not card.postprocessing
        speed = max(abs(one.low), abs(one.high)) * card.control_rate
        fastest = f"{speed:.3g} {one.unit}/s" if moves else "-"
        yield (
            one.name,
            one.role,
            f"{one.low:g}",
            f"{one.high:g}",
            one.unit,
            fastest,
            f"{_bin(card, one.high - one.low)}",
        )


def _bin(card: ActionCard, span: float) -> str:
    return f"{span / (card.bins - 1):.2g}"


def table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns."""
    widths = [max(len(row[i]) for row in (title, *rows)) for i in range(len(title))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (title, *rows)
    ]
