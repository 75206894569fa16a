"""Where a new dataset may be made: where nothing is, and apart from what it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rt_vla_ros.data.episode import DatasetError


def unfinished_place(out: Path) -> Path:
    """Where a dataset is put together before it becomes `out`."""
    return out.with_name(out.name + ".part")


def check_new(out: Path, sources: Iterable[Path] = ()) -> None:
    """Raises DatasetError where something is there already, so that nothing is lost, or by `check_apart`."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out} is there already; name a new directory.")
    check_apart(out, sources)


def check_apart(out: Path, sources: Iterable[Path]) -> None:
    """Raises DatasetError where `out` lies in one of the sources (files or directories), or one of them in it.

    A dataset in another one would be read as a part of it, or go with it; links are followed.
    """
    for source in sources:
        for place in (out, unfinished_place(out)):
            made, given = place.resolve(), source.resolve()
            if made == given:
                raise DatasetError(f"{source} and {place} are the same place; name another one for what is new.")
            if made.is_relative_to(given):
                raise DatasetError(f"{out} lies in {source}, which stays as it is; name a directory outside it.")
            if given.is_relative_to(made):
                raise DatasetError(f"{source} lies in {place}; name a directory that is for the new dataset alone.")
