"""Folders of images: with a text file of the same name for each, or metadata as in Hugging Face's imagefolder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.chat import ROLE_KEYS
from rt_vla_ros.data.web.gathering import WebEntry
from rt_vla_ros.data.web.picture import ENDINGS
from rt_vla_ros.data.web.places import joined_names
from rt_vla_ros.data.web.records import parsed
from rt_vla_ros.json_file import read_text

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
SPLITS = ("train", "training")


def metadata_file(folder: Path, split: str = "") -> Path | None:
    """The metadata file of an imagefolder, or of a split; None: there is none.

    Raises DatasetError if there are several splits and none is chosen.
    """
    own = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if own is not None and not split:
        return own
    inner = {path.parent.name: path for name in reversed(METADATA) for path in sorted(folder.glob(f"*/{name}"))}
    if split:
        return inner.get(split)
    if len(inner) > 1 and not set(SPLITS) & set(inner):
        raise DatasetError(
            f"{folder} has several splits; choose one: {', '.join(f'{folder}:{name}' for name in inner)}."
        )
    return next((inner[name] for name in (*SPLITS, *inner) if name in inner), None)


def record_file(folder: Path, endings: tuple[str, ...]) -> Path | None:
    """The only record file in a folder of images; None: none, or several."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in endings and path.is_file()]
    images = {path.stem for path in folder.iterdir() if path.suffix.lower() in ENDINGS}
    found = [path for path in found if path.stem not in images]
    return found[0] if len(found) == 1 else None


class BesideImages:
    """Entries of a folder whose images have a .txt (caption) or .json file (one or several records)."""

    def __init__(self, folder: Path) -> None:
        """Raises DatasetError for a folder without any."""
        self._folder, self._pairs = folder, list[tuple[str, Path]]()
        without = []
        for directory, folders, names in os.walk(folder):
            folders.sort()
            there = set(names)
            for name in sorted(names):
                stem, ending = os.path.splitext(name)
                if ending.lower() in ENDINGS:
                    image = os.path.relpath(os.path.join(directory, name), folder)
                    words = next((f"{stem}{end}" for end in (".json", ".txt") if f"{stem}{end}" in there), None)
                    if words is None:
                        without.append(image)
                    else:
                        self._pairs.append((image, Path(directory, words)))
        if not self._pairs:
            raise DatasetError(
                f"{folder} is not web data: no image has a .txt or .json file of the same name, and there is "
                f"no {' or '.join(METADATA[:2])} and no single record file."
            )
        self.notes = [f"{len(without):,} images have no text file: {joined_names(without)}."] if without else []

    def __iter__(self) -> Iterator[WebEntry]:
        for image, path in self._pairs:
            text = read_text(path, DatasetError).removeprefix("\ufeff")
            if path.suffix == ".txt":
                yield WebEntry(str(path), {"image": image, "caption": text})
                continue
            for record in _records(parsed(text, str(path))):
                yield WebEntry(str(path), {**record, "image": image} if isinstance(record, Mapping) else record)


def _records(data: Any) -> list[Any]:
    """A list of messages is one conversation."""
    if not isinstance(data, list):
        return [data]
    if data and isinstance(data[0], Mapping) and any(key in data[0] for key in ROLE_KEYS):
        return [{"messages": data}]
    return data
