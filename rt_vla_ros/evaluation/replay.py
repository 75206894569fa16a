"""Draws a run afterwards from its trajectory, so that drawing never slows the run down, and writes it as a video."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.evaluation.picture import SCENE, FrameContent, draw_frame
from rt_vla_ros.evaluation.record import Trajectory
from rt_vla_ros.sim import Scene, TabletopSim

RATE = Fraction(10)  # frames per simulated second, in real time
MAX_FRAMES = 100  # a longer run is played faster

T = TypeVar("T")


def frame_times(end: float, rate: Fraction = RATE) -> list[float]:
    """When frames are drawn, from 0 to `end` [s] inclusive, `rate` of them a simulated second."""
    count = min(MAX_FRAMES, max(1, round(end * rate)))
    return [float(time) for time in np.linspace(0.0, end, count + 1)]


def newest(events: Sequence[tuple[float, T]], time: float) -> T | None:
    """The last event not after `time`; events are in order of time."""
    index = bisect_right(events, time, key=lambda event: event[0])
    return events[index - 1][1] if index else None


def draw_run(
    run: Trajectory, scene: Scene, verdict: str, *, success: bool, rate: Fraction = RATE
) -> Iterator[NDArray[np.uint8]]:
    """All frames of a run, in order; none where no state was recorded. The verdict is on the last one."""
    if not run.states:
        return
    sim = TabletopSim(detailed=True)
    sim.reset(scene.layout)
    actions = [(time, (action, latency)) for time, action, latency in run.actions]
    times = frame_times(run.states[-1][0], rate)
    try:
        for number, time in enumerate(times):
            state = newest(run.states, time)
            action, latency = newest(actions, time) or (None, 0.0)
            last = number == len(times) - 1
            content = FrameContent(
                time=time,
                arm=_render(sim, run.states[0][1] if state is None else state),
                policy_image=newest(run.images, time),
                action=action,
                latency=latency,
                verdict=verdict if last else "",
                success=success,
            )
            yield draw_frame(content, scene.task.instruction)
    finally:
        sim.close()


def key_frames(frames: Sequence[NDArray[np.uint8]], count: int = 6) -> list[NDArray[np.uint8]]:
    """`count` evenly spaced frames, with the first and the last."""
    chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[index] for index in chosen]


def _render(sim: TabletopSim, state: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The overview camera in a state, shape (nq,): RGB, shape (360, 480, 3). Raises ValueError for other shapes."""
    if state.shape != sim.data.qpos.shape:
        raise ValueError(f"A state of this scene has {sim.data.qpos.size} numbers, not {state.size}.")
    sim.data.qpos[:] = state
    mujoco.mj_forward(sim.model, sim.data)
    return sim.render_for_display("overview", *SCENE)


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], rate: Fraction) -> int:
    """Every browser plays it: H.264 in MP4 at `rate` frames per second; the number of frames written.

    frames: RGB, uint8, shape (height, width, 3), all the same, height and width even.
    Raises ValueError for no frames, OSError where the file cannot be written.
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
