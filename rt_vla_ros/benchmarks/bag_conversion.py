"""Time and memory of `rt-vla data from-bag`, compared with the bag's duration."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import yaml

from rt_vla_ros.benchmarks.generated_bag import topic_of, write_bag
from rt_vla_ros.benchmarks.recorded_scene import BASE, CAMERAS, HEIGHT, IMAGE_RATE, TIP, WIDTH, recording_card
from rt_vla_ros.data.video import CODECS

KEPT = ((10.0, 320, 240), (IMAGE_RATE, WIDTH, HEIGHT))
"""Frame rate, width and height: as proposed by `card init` for such cameras, and the full ones."""
MIB = 2**20
_MAXRSS = 1 if sys.platform == "darwin" else 1024  # [bytes]


def encoders() -> list[str]:
    """The codecs supported by this FFmpeg."""
    found = []
    for name, codec in CODECS.items():
        with contextlib.suppress(ValueError):  # av.codec.codec.UnknownCodecError is one
            av.codec.Codec(codec.encoder, "w")
            found.append(name)
    return found


def measure(seconds: float, codecs: Sequence[str], tell: Callable[[str], None], *, raw: bool = False) -> dict[str, Any]:
    """Convert a bag of this duration, and one of half of it, once for each codec and each of KEPT.

    tell: called with a line per conversion. raw: see write_bag. Raises ValueError if one fails; OSError.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="rt-vla-bench-") as inside:
        place = Path(inside)
        lengths = {"half": seconds / 2, "whole": seconds}
        for name, length in lengths.items():
            write_bag(place / name, length, raw=raw)
        size = sum(one.stat().st_size for one in (place / "whole").iterdir())
        tell(f"A bag of {seconds:g} s, {size / MIB:,.0f} MiB.")
        _write_topic_map(place / "topics.yaml", raw=raw)
        for rate, width, height in KEPT:
            recording_card(rate, width, height).save(place)
            for codec in codecs:
                found = {name: _convert(place, name, codec) for name in lengths}
                rows.append({"codec": codec, "rate": rate, "width": width, "height": height, **_row(found, lengths)})
                tell(_line(rows[-1]))
    return {"seconds": seconds, "images": "raw" if raw else "jpeg", "bag_mib": round(size / MIB), "rows": rows}


def table(figures: Mapping[str, Any]) -> str:
    """The results as text."""
    slow = [row for row in figures["rows"] if row["share_of_playing"] >= 1]
    verdict = "slower than real time: " + ", ".join(f"{one['codec']} at {one['rate']:g} Hz" for one in slow)
    return (
        f"Of {figures['seconds']:g} s with two cameras of {WIDTH}x{HEIGHT} at {IMAGE_RATE:g} Hz ({figures['images']}): "
        + (verdict if slow else "all faster than real time")
        + "."
    )


def _convert(place: Path, name: str, codec: str) -> dict[str, Any]:
    """Measures the whole command, including its start. Raises ValueError if it fails."""
    out = place / "set"
    words = ["--card", place, "--topics", place / "topics.yaml", "--out", out, "--codec", codec]
    command = [sys.executable, "-m", "rt_vla_ros.cli", "data", "from-bag", place / name, *words]
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([*map(str, command)], stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - begin
        said.seek(0)
        told = said.read()
    if process.returncode != 0:
        raise ValueError(f"The bag could not be converted: {told.strip()[-2000:]}")
    size = sum(_sizes(out))
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    out.rmdir()
    cpu = usage.ru_utime + usage.ru_stime
    return {"took": took, "cpu": cpu, "peak": usage.ru_maxrss * _MAXRSS / MIB, "size": size / MIB}


def _sizes(folder: Path) -> Iterator[int]:
    return (one.stat().st_size for one in folder.rglob("*") if one.is_file())


def _row(found: Mapping[str, Mapping[str, Any]], lengths: Mapping[str, float]) -> dict[str, float]:
    whole, half = found["whole"], found["half"]
    return {
        "took_s": round(whole["took"], 2),
        "share_of_playing": round(whole["took"] / lengths["whole"], 3),
        "cpu_s": round(whole["cpu"], 2),
        "peak_mib": round(whole["peak"]),
        "peak_of_half_mib": round(half["peak"]),
        "dataset_mib": round(whole["size"], 1),
    }


def _line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['codec']:>8}, {row['width']}x{row['height']} at {row['rate']:g} Hz: {row['took_s']:.1f} s, "
        f"{row['share_of_playing']:.2f} of its duration ({row['cpu_s']:.1f} s of CPU); {row['peak_mib']:.0f} MiB, "
        f"of half the bag {row['peak_of_half_mib']:.0f} MiB; dataset {row['dataset_mib']:.1f} MiB."
    )


def _write_topic_map(path: Path, *, raw: bool) -> None:
    cameras = [f"{name}={topic_of(name, raw=raw)}" for name in CAMERAS]
    path.write_text(yaml.safe_dump({"cameras": cameras, "base_frame": BASE, "tip_frame": TIP}))
