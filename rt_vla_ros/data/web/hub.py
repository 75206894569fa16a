"""Hugging Face `datasets`: from the Hub, or saved by `save_to_disk`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.tables import counted

INSTALL = "pip install 'datasets>=3'"
FIRST = ("train", "training")


class HubTable:
    """An `ImageTable` of one split. Images are decoded on demand."""

    def __init__(self, name: str, dataset: Any) -> None:
        self.name, self._dataset = name, dataset.with_format("arrow")

    def columns(self) -> Mapping[str, Any]:
        with _reading(self.name):
            return {field.name: field.type for field in self._dataset[:0].schema}

    def words(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        with _reading(self.name):
            chosen = self._dataset.select_columns(list(columns))
            for start in range(0, len(chosen), 1000):
                yield from chosen[start : start + 1000].to_pylist()

    def counts(self, column: str) -> Iterator[int]:
        with _reading(self.name):
            chosen = self._dataset.select_columns([column])
            for start in range(0, len(chosen), 1000):
                for chunk in chosen[start : start + 1000].column(0).chunks:
                    yield from counted(chunk)

    def cell(self, column: str, row: int) -> Any:
        with _reading(self.name):
            return self._dataset[row : row + 1].column(column)[0].as_py()


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turns all errors of that library and pyarrow from untrusted files into DatasetError."""
    try:
        yield
    except Exception as error:
        raise DatasetError(f"{name} cannot be read by `datasets`: {_first_line(error)}") from error


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def saved_table(folder: Path, split: str = "") -> HubTable:
    """Raises DatasetError."""
    datasets = _datasets(str(folder))
    with _reading(str(folder)):
        found = datasets.load_from_disk(str(folder))
    return _split(str(folder), found, split)


def hub_table(name: str, split: str = "") -> HubTable:
    """name: OWNER/NAME, followed by #CONFIG if the dataset has several. No remote code is run.

    Raises DatasetError.
    """
    datasets = _datasets(name)
    place, _, config = name.partition("#")
    settings: dict[str, Any] = {"name": config} if config else {}
    if "trust_remote_code" in inspect.signature(datasets.load_dataset).parameters:
        settings["trust_remote_code"] = False  # until version 3 a set could be a program
    try:
        found = datasets.load_dataset(place, **settings)
    except Exception as error:  # whatever that library raises for names, networks and files of others
        raise DatasetError(f"The dataset {name} cannot be downloaded from the Hub: {_first_line(error)}") from error
    return _split(name, found, split)


def _split(name: str, found: Any, split: str) -> HubTable:
    if not isinstance(found, Mapping):
        if split:
            raise DatasetError(f"{name} has no splits, so there is no split {split!r}.")
        return HubTable(name, found)
    there = list(found)
    chosen = split or next((one for one in FIRST if one in there), there[0] if len(there) == 1 else "")
    if chosen not in there:
        parts = ", ".join(f"{name}:{one}" for one in there)
        raise DatasetError(
            f"{name} has no split {chosen!r}; available: {parts}." if chosen else f"Choose one of {parts}."
        )
    return HubTable(f"{name}:{chosen}", found[chosen])


def _datasets(what: str) -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise DatasetError(f"{what} needs Hugging Face's `datasets` ({error}). Install it: {INSTALL}.") from error


def _first_line(error: Exception) -> str:
    return f"{(str(error) or type(error).__name__).splitlines()[0]:.300}"
