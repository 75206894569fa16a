"""Shows an episode in the Rerun viewer (rerun.io), if its package is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from rt_vla_ros.data.check.opening import OpenedSet
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.evaluation.episode_curves import curve_groups


class RerunMissingError(RuntimeError):
    """rerun-sdk is not installed, or too old; the message says what to do."""


def log_episode(opened: OpenedSet, episode: RecordedEpisode, out: Path | None) -> None:
    """Write the file `out`, or start a viewer. Raises RerunMissingError, DatasetError, OSError."""
    rerun = _rerun()
    if opened.card is None:
        raise DatasetError(f"{opened.directory} has no readable action card.")
    rerun.init("rt_vla_ros", spawn=out is None)
    if out is not None:
        rerun.save(str(out))
    for group in curve_groups(opened.card, episode):
        for name, column in zip(group.names, group.columns.T, strict=True):
            for stamp, value in zip(episode.stamps, column, strict=True):
                rerun.set_time("time", duration=float(stamp))
                rerun.log(f"{group.title.partition(':')[0].partition(' ')[0]}/{name}", rerun.Scalars(float(value)))
    for camera, pictures in opened.pictures.items():
        for stamp, image in zip(episode.stamps, pictures.read(episode.number, 0, len(episode)), strict=False):
            rerun.set_time("time", duration=float(stamp))
            rerun.log(f"images/{camera}", rerun.Image(image).compress(jpeg_quality=90))
    rerun.set_time("time", duration=0.0)
    rerun.log("instruction", rerun.TextLog(" / ".join(episode.sentences) or "none"))


def _rerun() -> Any:
    try:
        rerun = importlib.import_module("rerun")
    except ImportError as error:
        raise RerunMissingError(
            f"The Rerun viewer is not installed ({error}). Install it: pip install rerun-sdk; "
            "or omit --rerun to write an HTML page."
        ) from error
    if not hasattr(rerun, "Scalars"):
        raise RerunMissingError("rerun-sdk is older than 0.23. Upgrade it: pip install -U rerun-sdk.")
    return rerun
