"""Effect of a recorder on the latency from an image to a command, and its losses, from recorded data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from rt_vla_ros.benchmarks.node_path import PathTimes
from rt_vla_ros.benchmarks.path_cost import costs


@dataclass(frozen=True)
class ReadBackEpisode:
    """audit: of its topics, as in the dataset. frames: their number.

    unlike: number of frames with an image that does not equal a published one; None for a lossy codec.
    writing: from the end of the episode until it was on disk [s]. processor: CPU use of the recorder, 1: one core; None
    if unknown.
    """

    audit: Mapping[str, Mapping[str, Any]]
    frames: int
    unlike: int | None
    writing: float
    processor: float | None


@dataclass(frozen=True)
class RecordingRound:
    """A round without a recorder (episode: None), or with one. load: the system's load average at its end."""

    repeat: int
    times: PathTimes
    episode: ReadBackEpisode | None
    load: float


def summary(rounds: Sequence[RecordingRound]) -> dict[str, Any]:
    """Raises ValueError if a round has too few samples."""
    cost = costs({(one.episode is not None, one.repeat): one.times for one in rounds}, without=False)
    episodes = [one.episode for one in rounds if one.episode is not None]
    processors = [one.processor for one in episodes if one.processor is not None]
    unlike = [one.unlike for one in episodes if one.unlike is not None]
    return {
        "without": cost[False],
        "recording": cost[True],
        "topics": {_source(name): _topic(name, episodes) for name in episodes[0].audit},
        "frames": sum(one.frames for one in episodes),
        "frames_unlike": sum(unlike) if unlike else None,
        "writing": round(max(one.writing for one in episodes), 2),
        "processor": round(mean(processors), 3) if processors else None,
        "load": round(mean(one.load for one in rounds), 1),
    }


def _source(name: str) -> str:
    """One row for all joints of a message."""
    return "the topic " + name.rpartition(" in ")[2] if name.startswith("the joint ") else name


def _topic(name: str, episodes: Sequence[ReadBackEpisode]) -> dict[str, Any]:
    audits = [one.audit[name] for one in episodes]
    unused = sum(one["disordered"] + one["unusable"] + one["other_clock"] for one in audits)
    return {
        "messages": sum(one["messages"] for one in audits),
        "missing": sum(one["missing"] for one in audits),
        "unused": unused,
        "longest_gap": max(one["longest_gap"] for one in audits),
        "rate": round(mean(one["rate"] for one in audits), 2),
    }


def table(figures: Mapping[str, Any]) -> str:
    """The summary as text."""
    lines = ["               image -> command [ms]     path alone [ms]"]
    lines += ["                median       p99       median       p99"]
    for name, key in (("no recorder", "without"), ("recording", "recording")):
        row = figures[key]
        total, path = row["total"], row["path"]
        lines.append(
            f"{name:<12} {total['median']:9.2f} {total['p99']:9.2f}    {path['median']:9.2f} {path['p99']:9.2f}"
        )
    row = figures["recording"]
    each = f"{min(row['ratios']):.3f} to {max(row['ratios']):.3f}"
    lines.append(f"recording : none = {row['ratio']:.3f} ({each} in each repeat), {row['more']:+.2f} ms at the median")
    for name, topic in figures["topics"].items():
        lines.append(
            f"{name}: {topic['messages']:,} messages at {topic['rate']:.1f} Hz, about {topic['missing']} missing, "
            f"{topic['unused']} not used, longest gap {1000 * topic['longest_gap']:.0f} ms"
        )
    used = "" if figures["processor"] is None else f", {figures['processor']:.2f} of a core"
    like = (
        ""
        if figures["frames_unlike"] is None
        else f", {figures['frames_unlike']} of them differ from the published ones"
    )
    lines.append(
        f"{figures['frames']:,} frames{like}{used}; on disk {figures['writing']:.1f} s after the end; "
        f"load {figures['load']:.1f}"
    )
    return "\n".join(lines)
