"""Validates the directory of a new dataset: not existing, and separate from its sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rt_vla_ros.data.episode import DatasetError


def unfinished_place(out: Path) -> Path:
    """Where a dataset is built before it is renamed to `out`."""
    return out.with_name(out.name + ".part")


def check_new(out: Path, sources: Iterable[Path] = ()) -> None:
    """Raises DatasetError if the directory exists, or from `check_apart`."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out} already exists; choose a new directory.")
    check_apart(out, sources)


def check_apart(out: Path, sources: Iterable[Path]) -> None:
    """Raises DatasetError if `out` is inside one of the sources (files or directories), or one of them inside it.

    A dataset in another one would be read as a part of it, or deleted with it. Links are resolved.
    """
    for source in sources:
        for place in (out, unfinished_place(out)):
            made, given = place.resolve(), source.resolve()
            if made == given:
                raise DatasetError(f"{source} and {place} are the same directory; choose a different output directory.")
            if made.is_relative_to(given):
                raise DatasetError(f"{out} is inside the source {source}; choose an output directory outside it.")
            if given.is_relative_to(made):
                raise DatasetError(f"{source} is inside {place}; choose an output directory for the new dataset only.")
