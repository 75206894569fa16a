"""Renders a video of a run afterwards from its trajectory: the arm, the policy's image, the action."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.evaluation.lettering import BACKGROUND, BAD, GOOD, MUTED, TEXT, font, one_line, shortened
from rt_vla_ros.evaluation.record import SAME_TIME, Trajectory
from rt_vla_ros.evaluation.words_panel import WordsPanel
from rt_vla_ros.sim import Scene, TabletopSim

Pixels = NDArray[np.uint8]
Point = tuple[float, float]

SCENE = (480, 360)  # the arm [px]
SIDE, HEADER = 160, 44  # width of the right column, height of the header [px]
SIZE = (SCENE[0] + SIDE, HEADER + SCENE[1])  # both even, as H.264 requires
FULL_SCALE = 0.04  # displacement at the dial's edge [m]
FULL_TURN = 0.35  # rotation about the vertical at the arc's end [rad]

ARROW, LIFT, GRIP = (255, 176, 46), (92, 200, 255), (120, 220, 140)
RATE = Fraction(10)  # frames per simulated second, in real time
MAX_FRAMES = 100  # a longer run is played faster

T = TypeVar("T")


@dataclass(frozen=True)
class FrameContent:
    """Content of one frame.

    time: simulated [s]. arm: the overview camera, RGB, shape (360, 480, 3). policy_image: the policy's newest image,
    RGB, any size, or None before the first. chunk: the current one, or None. latency: of that chunk [s]. verdict:
    the result, in the last frame only. step: index of the executed step of the chunk.
    """

    time: float
    arm: Pixels
    policy_image: Pixels | None = None
    chunk: ActionChunk | None = None
    latency: float = 0.0
    verdict: str = ""
    success: bool = False
    step: int = 0


NO_WORDS = WordsPanel(Trajectory(), SIZE[0])


def draw_frame(content: FrameContent, instruction: str, panel: WordsPanel = NO_WORDS) -> Pixels:
    """One frame of the video, RGB, uint8, shape (404 + the panel's height, 640, 3)."""
    canvas = Image.new("RGB", (SIZE[0], SIZE[1] + panel.height), BACKGROUND)
    canvas.paste(Image.fromarray(content.arm).resize(SCENE), (0, HEADER))
    draw = ImageDraw.Draw(canvas)
    caption = shortened(f"“{one_line(instruction)}”", SIZE[0] - 100, font(20))
    draw.text((14, HEADER / 2), caption, TEXT, font(20), anchor="lm")
    draw.text((SIZE[0] - 14, HEADER / 2), f"{content.time:.1f} s", MUTED, font(16), anchor="rm")
    _draw_policy_image(canvas, draw, content.policy_image)
    if content.chunk is not None and content.chunk.steps:
        _draw_action(draw, content.chunk, content.step, content.latency)
    if content.verdict:
        _draw_verdict(draw, content.verdict, GOOD if content.success else BAD)
    plan = content.chunk.plan if content.chunk is not None else ""
    said_by = math.inf if content.verdict else content.time  # an answer may come when the run is over
    panel.draw(draw, SIZE[1], said_by, plan, planned=content.latency > 0)
    return np.asarray(canvas)


def draw_frame_grid(frames: Sequence[Pixels], columns: int = 2) -> Image.Image:
    """Frames of the same size in a grid, row by row."""
    (height, width), gap, rows = frames[0].shape[:2], 8, math.ceil(len(frames) / columns)
    grid = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), (255, 255, 255))
    for index, frame in enumerate(frames):
        row, column = divmod(index, columns)
        grid.paste(Image.fromarray(frame), (gap + column * (width + gap), gap + row * (height + gap)))
    return grid


def frame_times(end: float, rate: Fraction = RATE) -> list[float]:
    """Frame times from 0 to `end` [s] inclusive, `rate` per simulated second."""
    count = min(MAX_FRAMES, max(1, round(end * rate)))
    return [float(time) for time in np.linspace(0.0, end, count + 1)]


def newest(events: Sequence[tuple[float, T]], time: float) -> T | None:
    """The last event not after `time`; events are in order of time."""
    index = bisect_right(events, time, key=lambda event: event[0])
    return events[index - 1][1] if index else None


def step_at(chunk: ActionChunk, age: float) -> int:
    """Index of the executed step when the chunk's image is `age` [s] old; the last one afterwards."""
    return max(0, min(int((age + SAME_TIME) / chunk.period), len(chunk.steps) - 1))


def draw_run(run: Trajectory, scene: Scene, verdict: str, *, success: bool, rate: Fraction = RATE) -> Iterator[Pixels]:
    """All frames of a run, in order; none if no state was recorded. The verdict is on the last one."""
    if not run.states:
        return
    panel = WordsPanel(run, SIZE[0])
    sim = TabletopSim(detailed=True)
    sim.reset(scene.layout)
    chunks = [(time, (time, chunk, latency)) for time, chunk, latency in run.actions]
    times = frame_times(run.states[-1][0], rate)
    try:
        for number, time in enumerate(times):
            state = newest(run.states, time)
            since, chunk, latency = newest(chunks, time) or (0.0, None, 0.0)
            arm = _render(sim, run.states[0][1] if state is None else state)
            said = verdict if number == len(times) - 1 else ""
            step = 0 if chunk is None else step_at(chunk, time - since + latency)
            content = FrameContent(time, arm, newest(run.images, time), chunk, latency, said, success, step)
            yield draw_frame(content, scene.task.instruction, panel)
    finally:
        sim.close()


def draw_images(run: Trajectory, instruction: str, verdict: str, *, success: bool) -> Iterator[Pixels]:
    """All frames of a run with only the policy's images; none if there are none."""
    chunks = [(time, (chunk, latency)) for time, chunk, latency in run.actions]
    for number, (time, image) in enumerate(run.images):
        chunk, latency = newest(chunks, time) or (None, 0.0)
        said = verdict if number == len(run.images) - 1 else ""
        yield draw_frame(FrameContent(time, image, image, chunk, latency, said, success), instruction)


def key_frames(frames: Sequence[Pixels], count: int = 6) -> list[Pixels]:
    """`count` evenly spaced frames, with the first and the last."""
    chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[index] for index in chosen]


def _render(sim: TabletopSim, state: NDArray[np.float64]) -> Pixels:
    """The overview camera in a state, shape (nq,): RGB, shape (360, 480, 3). Raises ValueError for other shapes."""
    if state.shape != sim.data.qpos.shape:
        raise ValueError(f"A state of this scene has {sim.data.qpos.size} elements, not {state.size}.")
    sim.data.qpos[:] = state
    mujoco.mj_forward(sim.model, sim.data)
    return sim.render_for_display("overview", *SCENE)


def write_clip(path: Path, frames: Iterable[Pixels], rate: Fraction) -> int:
    """Write H.264 in MP4 at `rate` frames per second, playable in browsers; returns the number of frames.

    frames: RGB, uint8, shape (height, width, 3), all the same, height and width even.
    Raises ValueError for no frames, OSError if the file cannot be written.
    """
    written = 0
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            if not written:
                stream.height, stream.width = pixels.shape[:2]
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            written += 1
        if not written:
            raise ValueError("A clip needs at least one frame.")
        file.mux(stream.encode())
    return written


def _draw_policy_image(canvas: Image.Image, draw: ImageDraw.ImageDraw, image: Pixels | None) -> None:
    left, size = SCENE[0] + 8, SIDE - 16
    if image is not None:
        canvas.paste(Image.fromarray(image).resize((size, size), Image.Resampling.NEAREST), (left, HEADER))
    draw.text((left + size / 2, HEADER + size + 4), "policy input", MUTED, font(12), anchor="ma")


def _draw_action(draw: ImageDraw.ImageDraw, chunk: ActionChunk, number: int, latency: float) -> None:
    step = chunk.steps[number]
    left, top = SCENE[0] + 8, HEADER + SIDE + 12
    _draw_dial(draw, (left + 48, top + 46), 40, step)
    _draw_height(draw, (left + 112, top + 6), 80, float(step.translation[2]))
    _draw_gripper(draw, (left + 4, top + 108), step)
    # Adding zero turns the -0.0 of a rounded value into 0.0.
    centimetres = " ".join(f"{round(100 * float(value), 1) + 0.0:+.1f}" for value in step.translation)
    lasted = f"{1000 * latency:.0f} ms" if latency < 0.9995 else f"{latency:.1f} s"
    draw.text((left, top + 142), f"{centimetres} cm", TEXT, font(13))
    draw.text((left, top + 159), f"confidence {100 * chunk.confidence:.0f} %, {lasted}", MUTED, font(12))


def _draw_dial(draw: ImageDraw.ImageDraw, centre: Point, radius: float, step: EndEffectorStep) -> None:
    """The horizontal displacement in the front camera's view: away from the base (x) is down, y is right."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=MUTED)
    length = float(np.hypot(*step.translation[:2])) / FULL_SCALE
    scale = radius / FULL_SCALE / max(1.0, length)
    tip = (x + float(step.translation[1]) * scale, y + float(step.translation[0]) * scale)
    _draw_arrow(draw, centre, tip)
    turn = math.degrees(float(np.clip(step.rotation[2] / FULL_TURN, -1.0, 1.0)) * math.pi / 2)
    box = (x - radius - 5, y - radius - 5, x + radius + 5, y + radius + 5)
    if abs(turn) >= 1.0:
        draw.arc(box, -90 - max(turn, 0.0), -90 - min(turn, 0.0), ARROW, 3)


def _draw_height(draw: ImageDraw.ImageDraw, top_left: Point, height: float, rise: float) -> None:
    x, y = top_left
    draw.rectangle((x, y, x + 14, y + height), outline=MUTED)
    middle = y + height / 2
    end = middle - float(np.clip(rise / FULL_SCALE, -1.0, 1.0)) * height / 2
    draw.rectangle((x + 2, min(middle, end), x + 12, max(middle, end)), fill=LIFT)
    draw.text((x + 7, y + height + 2), "up/down", MUTED, font(10), anchor="ma")


def _draw_gripper(draw: ImageDraw.ImageDraw, top_left: Point, step: EndEffectorStep) -> None:
    x, y = top_left
    gap = 26 * (1.0 - float(np.clip(step.gripper, 0.0, 1.0))) + 3
    for side in (-1.0, 1.0):
        edge = x + 38 + side * gap / 2
        draw.rectangle((min(edge, edge + 6 * side), y, max(edge, edge + 6 * side), y + 22), fill=GRIP)
    draw.text((x + 78, y + 11), step.gripper_word, MUTED, font(12), anchor="lm")


def _draw_arrow(draw: ImageDraw.ImageDraw, tail: Point, tip: Point) -> None:
    dx, dy = tip[0] - tail[0], tip[1] - tail[1]
    length = math.hypot(dx, dy)
    if length < 2.0:
        draw.ellipse((tail[0] - 2, tail[1] - 2, tail[0] + 2, tail[1] + 2), fill=ARROW)
        return
    ux, uy, head = dx / length, dy / length, min(10.0, length)
    base, wing = (tip[0] - head * ux, tip[1] - head * uy), (-uy * head * 0.6, ux * head * 0.6)
    draw.line((tail, base), fill=ARROW, width=4)
    draw.polygon((tip, (base[0] + wing[0], base[1] + wing[1]), (base[0] - wing[0], base[1] - wing[1])), fill=ARROW)


def _draw_verdict(draw: ImageDraw.ImageDraw, verdict: str, colour: tuple[int, int, int]) -> None:
    face = font(18)
    text = shortened(one_line(verdict), SCENE[0] - 40, face)
    half = face.getlength(text) / 2 + 12
    x, y = SCENE[0] / 2, HEADER + SCENE[1] - 28
    draw.rounded_rectangle((x - half, y - 17, x + half, y + 17), 8, fill=BACKGROUND, outline=colour, width=2)
    draw.text((x, y), text, colour, face, anchor="mm")
