"""Draws chunks.svg, with velocities of the real controller: .venv/bin/python docs/images/chunks.py"""

from pathlib import Path

import numpy as np

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.svg import COLOURS, GRID, INK, picture, text

PERIOD, LATE, TICK = 0.2, 0.3, 0.02  # [s]
STAMPS = {"A": 0.0, "B": 0.3}  # of the images [s]
SPEEDS = {"A": (0.15, 0.15, 0.2, 0.2), "B": (0.2, 0.2, 0.1, 0.1)}  # of the steps [m/s]
MISSING = 0.005  # [m] of B's passed steps: 0.2 s and 0.1 s at 0.2 m/s, against 0.1 s at 0.15 and 0.2 s at 0.2
DEMANDED = ((-0.1, 0.15), (0.4, 0.2), (0.6, 0.2 + MISSING / PERIOD), (0.7, 0.1 + MISSING / PERIOD), (0.8, 0.1))
FIRST, LAST = -0.1, 1.1  # [s]
WIDTH, HEIGHT, LEFT, RIGHT = 800, 372, 92, 14  # [px]
BLUE, ORANGE, *_ = COLOURS
BLACK, PASSED = "#1a202c", "#cbd5e0"


def chunk(speeds: tuple[float, ...]) -> ActionChunk:
    """Steps along x."""
    steps = tuple(EndEffectorStep(np.array([speed * PERIOD, 0, 0]), np.zeros(3)) for speed in speeds)
    return ActionChunk(steps, PERIOD, frame_id="base", ensemble=Ensemble("compensated"))


def sent() -> list[tuple[float, float]]:
    """Times [s] and the velocities [m/s] that the controller sends: another chunk before, then A, then B."""
    start, controller = -0.6, Controller()
    controller.tick(start)
    controller.accept(chunk((0.15,) * 8), stamp=start, now=start)
    arrivals = {round(stamp + LATE, 9): name for name, stamp in STAMPS.items()}
    points = []
    for number in range(1, round((LAST - start) / TICK) + 1):
        now = round(start + number * TICK, 9)
        points.append((now, float(controller.tick(now).linear[0])))
        if name := arrivals.get(now):
            controller.accept(chunk(SPEEDS[name]), stamp=STAMPS[name], now=now)
    return [point for point in points if point[0] >= FIRST]


def x(time: float) -> float:
    return LEFT + (time - FIRST) / (LAST - FIRST) * (WIDTH - LEFT - RIGHT)


def y(speed: float) -> float:
    return 330 - speed / 0.26 * 134


def box(begin: float, end: float, top: int, height: int, look: str) -> str:
    return f'<rect x="{x(begin):.1f}" y="{top}" width="{x(end) - x(begin):.1f}" height="{height}" {look}/>'


def axes() -> list[str]:
    names = ((40, "image", INK), (70, "inference", INK), (112, "chunk A", BLUE), (160, "chunk B", ORANGE))
    drawn = [text(8, down, words, "start", colour) for down, words, colour in names]
    drawn += [text(8, 232, "velocity", "start"), text(8, 247, "[m/s]", "start"), text(x(0.5), 368, "time [s]")]
    for tenth in range(12):
        drawn.append(f'<path d="M{x(tenth / 10):.1f} 20V336" stroke="{GRID}"/>')
        drawn.append(text(x(tenth / 10), 352, f"{tenth / 10:g}"))
    for speed in (0.0, 0.1, 0.2):
        drawn.append(f'<path d="M{LEFT} {y(speed):.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        drawn.append(text(LEFT - 6, y(speed) + 4, f"{speed:g}", "end"))
    return drawn


def decision(name: str, colour: str, top: int, until: float) -> list[str]:
    """A chunk: its image, its inference, and its steps, of which those from its arrival `until` a time are done."""
    stamp, arrival = STAMPS[name], STAMPS[name] + LATE
    drawn = [f'<circle cx="{x(stamp):.1f}" cy="36" r="5" fill="{colour}"/>']
    drawn.append(box(stamp, arrival, 56, 20, f'fill="{colour}" stroke="{colour}" fill-opacity="0.25"'))
    drawn.append(text(x(stamp + LATE / 2), 70, f"computes {name}", "middle", colour))
    end = stamp + len(SPEEDS[name]) * PERIOD
    drawn.append(box(stamp, arrival, top, 26, f'fill="{PASSED}" fill-opacity="0.6"'))
    drawn.append(box(arrival, until, top, 26, f'fill="{colour}" fill-opacity="0.55"'))
    drawn.append(box(stamp, end, top, 26, f'fill="none" stroke="{colour}"'))
    for number in range(len(SPEEDS[name])):
        begin = x(stamp + number * PERIOD)
        drawn.append(f'<path d="M{begin:.1f} {top}v26" stroke="{colour}"/>')
        drawn.append(text(begin + 12, top + 17, str(number), "start", BLACK))
    return [*drawn, f'<path d="M{x(arrival):.1f} 76V330" stroke="{colour}" stroke-dasharray="5 3"/>']


def velocities() -> list[str]:
    path = f"M{x(FIRST):.1f} {y(DEMANDED[0][1]):.1f}"
    path += "".join(f"H{x(time):.1f}V{y(speed):.1f}" for time, speed in DEMANDED[1:]) + f"H{x(LAST):.1f}"
    line = " ".join(f"{x(time):.1f},{y(speed):.1f}" for time, speed in sent())
    return [
        f'<path d="{path}" fill="none" stroke="#718096" stroke-width="1.5"/>',
        f'<polyline points="{line}" fill="none" stroke="{BLACK}" stroke-width="2"/>',
        text(x(0.405), y(0.2) - 6, "requested", "start"),
        text(x(0.735), y(0.19), "sent to the arm", "start", BLACK),
        text(x(0.61), 194, "compensates for the missing 5 mm", "start"),
        text(x(0.0) + 4, 136, "elapsed: skipped", "start"),
        text(x(0.6) + 4, 136, "dropped: B is newer", "start"),
    ]


def figure() -> str:
    drawn = [*axes(), *decision("A", BLUE, 96, 0.6), *decision("B", ORANGE, 144, LAST), *velocities()]
    return picture(WIDTH, HEIGHT, drawn)


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(figure())
