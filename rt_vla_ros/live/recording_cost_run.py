"""Benchmark of the cost of recording for the control path, and of its losses: rounds without and with it, in turn."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rt_vla_ros import ros

ros.ensure()

from std_srvs.srv import SetBool  # noqa: E402

from rt_vla_ros.benchmarks.recorded_scene import (  # noqa: E402
    BASE,
    CAMERAS,
    HEIGHT,
    IMAGE_RATE,
    INSTRUCTION,
    TIP,
    WIDTH,
    moving_pictures,
    recording_card,
)
from rt_vla_ros.benchmarks.recording_cost import ReadBackEpisode, RecordingRound, summary  # noqa: E402
from rt_vla_ros.data.lerobot import LeRobotDataset  # noqa: E402
from rt_vla_ros.live.bench_nodes import WRIST  # noqa: E402
from rt_vla_ros.live.bench_run import TO_NAMESPACE, BenchGraph, about, running  # noqa: E402
from rt_vla_ros.live.console_cost_run import await_said, processor_time  # noqa: E402
from rt_vla_ros.live.graph_session import tail  # noqa: E402
from rt_vla_ros.srv import StartEpisode  # noqa: E402

TOPICS = ("image", WRIST)  # of the two cameras
SETTLE = 2.0  # after the recorder was started or ended [s]
LOSSLESS = "lossless"


def measure(policy: str, seconds: float, repeats: int, codec: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """seconds: of each round [s]; there are two in each of the repeats. tell: gets a line for each.

    Raises CliError if nothing can be measured.
    """
    begin, rounds = time.time(), list[RecordingRound]()
    with running(policy) as bench:
        bench.graph.start("rt_vla_ros.live.bench_nodes", "robot", *TO_NAMESPACE, log=bench.log)
        for repeat in range(repeats):
            # In both orders, so that other load on the machine affects both alike.
            for recording in (False, True) if repeat % 2 == 0 else (True, False):
                rounds.append(_round(bench, repeat, seconds, codec if recording else ""))
                tell(f"repeat {repeat + 1} of {repeats}: {'recorded' if recording else 'no recorder'}")
        figures = summary(rounds)
    return {**about(policy, seconds, begin), "repeats": repeats, "codec": codec, **figures}


def _round(bench: BenchGraph, repeat: int, seconds: float, codec: str) -> RecordingRound:
    if not codec:
        bench.record(SETTLE)
        times = bench.record(seconds)
        return RecordingRound(repeat, times, None, os.getloadavg()[0])
    place = bench.log.with_name(f"recording-{repeat}")
    place.mkdir()
    recording_card(IMAGE_RATE, WIDTH, HEIGHT).save(place)
    cameras = [f"{name}={topic}" for name, topic in zip(CAMERAS, TOPICS, strict=True)]
    settings = {"card": place, "out": place / "dataset", "codec": codec, "cameras": json.dumps(cameras)}
    settings |= {"base_frame": BASE, "tip_frame": TIP, "gripper_topic": "gripper_command"}
    words = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
    log = place / "log"
    recorder = bench.graph.start("rt_vla_ros.nodes.recorder_node", *TO_NAMESPACE, *words, log=log)
    try:
        await_said(recorder, log, "(Ready to record)")
        bench.record(SETTLE)
        _ask(bench, log, StartEpisode, "start", StartEpisode.Request(instruction=INSTRUCTION))
        used, begun = processor_time(recorder.pid), time.monotonic()
        times = bench.record(seconds)
        spent, ended = processor_time(recorder.pid), time.monotonic()
        load = os.getloadavg()[0]
        _ask(bench, log, SetBool, "stop", SetBool.Request(data=True))
        writing = time.monotonic() - ended
    finally:
        bench.graph.end(recorder)
    share = None if used is None or spent is None else (spent - used) / (ended - begun)
    return RecordingRound(repeat, times, _read_back(place / "dataset", codec, writing, share), load)


def _ask(bench: BenchGraph, log: Path, service: Any, name: str, request: Any) -> None:
    answer = bench.call(service, f"recorder_node/{name}", request)
    if answer is None or not answer.success:
        why = "it did not answer" if answer is None else answer.message
        raise RuntimeError(f"recorder_node could not {name}: {why} Its last output:\n{tail(log)}")


def _read_back(folder: Path, codec: str, writing: float, processor: float | None) -> ReadBackEpisode:
    """Reads the episode back from the dataset."""
    dataset = LeRobotDataset(folder)
    labels = dataset.labels(0)
    audit = json.loads(labels.audit)["topics"]
    unlike = _unlike(dataset) if codec == LOSSLESS else None
    return ReadBackEpisode(audit, len(labels.values), unlike, writing, processor)


def _unlike(dataset: LeRobotDataset) -> int:
    """Frames with an image that is not pixel-identical to a published one."""
    wrong = set[int]()
    for seed, camera in enumerate(CAMERAS):
        published = {picture.tobytes() for picture in moving_pictures(seed)}
        for step in range(dataset.parts[0].length):
            if dataset.images(0, camera, step, 1)[0].tobytes() not in published:
                wrong.add(step)
    return len(wrong)
