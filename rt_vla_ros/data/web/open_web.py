"""Opens web data in any supported format."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web import records
from rt_vla_ros.data.web.action_answers import SIZES
from rt_vla_ros.data.web.folders import BesideImages, metadata_file, record_file
from rt_vla_ros.data.web.gathering import Gathering
from rt_vla_ros.data.web.hub import HubTable, hub_table, is_saved, saved_table
from rt_vla_ros.data.web.places import ADDRESS, ImageFinder
from rt_vla_ros.data.web.tables import ParquetImages, table_entries
from rt_vla_ros.data.web.web_source import WebSource
from rt_vla_ros.os_error import in_words

PARQUET = ".parquet"
HUB = "hf:"
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+(#[\w.-]+)?")
USUAL = frozenset(
    {"data", "datasets", "dataset", "images", "runs", "web", "vqa", "test", "tmp", "home", "out", "models"}
)
"""Names of directories: a typo in a path does not start a download."""
FORMS = (
    f"{', '.join(records.ENDINGS)} or {PARQUET}, FILE:IMAGES_FOLDER, a folder of images with text files, a folder that "
    "`save_to_disk` wrote, or OWNER/NAME of a dataset on the Hugging Face Hub (hf:NAME for one without an owner)"
)


def open_web(text: str, action_sizes: Collection[int] = SIZES) -> WebSource:
    """Open an argument of `--web`; all files are validated, no image is decoded.

    text: FILE, FILE:IMAGES_FOLDER, FOLDER, FOLDER:PART, OWNER/NAME, OWNER/NAME#CONFIG:PART or hf:NAME.
    action_sizes: possible sizes of a robot action; answers that are such actions are excluded.
    Raises DatasetError with the file and line of the error.
    """
    if not text.strip():
        raise DatasetError(f"No web data is given. Expected {FORMS}.")
    if ADDRESS.match(text):
        raise DatasetError(f"{text} is a URL; download it, and give the file or folder.")
    if text.startswith(HUB):
        name, _, part = text.removeprefix(HUB).partition(":")
        return _of_hub(hub_table(name, part), name, action_sizes)
    path, part = _parted(text)
    try:
        if path.is_dir():
            return _of_folder(path, part, action_sizes)
        if path.is_file():
            return _of_file(path, part, action_sizes)
        if path.exists():
            raise DatasetError(f"{path} is a pipe or device, expected a file or folder.")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {in_words(error):.300}") from error
    name = text.partition(":")[0]
    owner = name.partition("/")[0]
    if not NAME.fullmatch(name) or owner in USUAL or Path(owner).exists() or Path(name).suffix.lower() in _endings():
        raise DatasetError(f"There is no file or folder {path}. Web data is {FORMS}.")
    return _of_hub(hub_table(name, part), name, action_sizes)


def _endings() -> tuple[str, ...]:
    return (*records.ENDINGS, PARQUET)


def _parted(text: str) -> tuple[Path, str]:
    """A path and the text after its last colon, unless the whole is an existing name with a colon."""
    head, colon, tail = text.rpartition(":")
    if not colon or not head or os.path.lexists(os.path.expanduser(text)):
        head, tail = text, ""
    return Path(os.path.expanduser(head)), tail


def _of_file(path: Path, images: str, sizes: Collection[int]) -> WebSource:
    root = Path(os.path.expanduser(images)) if images else path.parent
    if not root.is_dir():
        raise DatasetError(f"There is no folder {root}, expected FILE:FOLDER with the folder of the images of {path}.")
    finder = ImageFinder(root, path.parent, path.stem)
    if path.suffix.lower() == PARQUET:
        return Gathering(finder, sizes).source(path.stem, table_entries([ParquetImages(path, finder)], finder))
    if path.suffix.lower() not in records.ENDINGS:
        raise DatasetError(f"{path} is not web data. Expected {FORMS}.")
    return Gathering(finder, sizes).source(path.stem, records.entries(path))


def _of_folder(folder: Path, part: str, sizes: Collection[int]) -> WebSource:
    name = folder.resolve().name or "web"
    if is_saved(folder):
        return _of_hub(saved_table(folder, part), name, sizes)
    metadata = metadata_file(folder, part)
    if metadata is not None:
        finder = ImageFinder(metadata.parent)
        if metadata.suffix == PARQUET:
            return Gathering(finder, sizes).source(name, table_entries([ParquetImages(metadata, finder)], finder))
        return Gathering(finder, sizes).source(name, records.entries(metadata))
    tables = _parquet_files(folder, part)
    if tables:
        finder = ImageFinder(folder)
        return Gathering(finder, sizes).source(
            name, table_entries([ParquetImages(path, finder) for path in tables], finder)
        )
    if part:
        if not (folder / part).is_dir():
            raise DatasetError(f"{folder} has no split {part!r}: no folder or table has this name or prefix.")
        return _of_folder(folder / part, "", sizes)
    single = record_file(folder, records.ENDINGS)
    if single is not None:
        return _of_file(single, "", sizes)
    beside = BesideImages(folder)
    return Gathering(ImageFinder(folder), sizes).source(name, beside, [f"{folder}: {note}" for note in beside.notes])


def _parquet_files(folder: Path, part: str) -> list[Path]:
    """Files of a split, named like "train-00000-of-00002.parquet"; else of the training split or all."""
    found = sorted(path for path in (*folder.glob(f"*{PARQUET}"), *folder.glob(f"data/*{PARQUET}")))
    if part:
        return [path for path in found if path.name.startswith((f"{part}-", f"{part}."))]
    training = [path for path in found if path.name.startswith(("train-", "train."))]
    return training or found


def _of_hub(table: HubTable, name: str, sizes: Collection[int]) -> WebSource:
    return Gathering(None, sizes).source(name.rpartition("/")[2], table_entries([table], None))
