"""Data sets of `datasets`, which is optional: a stand-in has the few names that are used; the real one where it is."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.web_data import GREEN, RED

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import Turn
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.data.web.open_web import open_web

RNG = np.random.default_rng(0)


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(file, "PNG")
    return file.getvalue()


ROWS = {
    "images": [[{"bytes": png(RED), "path": None}], [{"bytes": png(GREEN), "path": None}] * 2],
    "texts": [[{"user": "What colour?", "assistant": "red"}], [{"user": "What colour?", "assistant": "green"}]],
}


class ArrowRows:
    """As `datasets.Dataset` with the format arrow."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def with_format(self, kind: str) -> ArrowRows:
        assert kind == "arrow"
        return self

    def select_columns(self, names: list[str]) -> ArrowRows:
        return ArrowRows(self._table.select(names))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, rows: slice) -> Any:
        return self._table[rows]


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """asked: what was loaded."""
    module: Any = ModuleType("datasets")
    module.asked, module.found = [], {"train": ArrowRows(arrow().table(ROWS)), "test": None}

    def load_dataset(path: str, name: str | None = None) -> Any:
        module.asked.append((path, name))
        if path == "nobody/nothing":
            raise FileNotFoundError("Couldn't find any data file\nat all")
        return module.found

    module.load_dataset = load_dataset
    module.load_from_disk = lambda folder: module.found
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("owner/some-vqa", ("owner/some-vqa", None)),
        ("owner/some-vqa:train", ("owner/some-vqa", None)),
        ("owner/some-vqa#ai2d:train", ("owner/some-vqa", "ai2d")),
        ("hf:some-vqa", ("some-vqa", None)),
        ("hf:owner/some-vqa:train", ("owner/some-vqa", None)),
    ],
)
def test_a_set_of_the_hub(datasets: Any, text: str, asked: tuple[str, str | None]) -> None:
    source = open_web(text)
    assert datasets.asked == [asked]
    assert len(source) == 2
    assert list(source.turns(1)) == [Turn("What colour?", "green")]
    assert [image[0, 0].tolist() for image in source.example(1, RNG).images] == [[*GREEN]] * 2
    assert source.example(0, RNG).images[0][0, 0].tolist() == [*RED]


def test_no_code_of_theirs_is_run(datasets: Any) -> None:
    asked = []

    def load_dataset(path: str, trust_remote_code: bool | None = None) -> Any:
        asked.append(trust_remote_code)
        return datasets.found

    datasets.load_dataset = load_dataset
    open_web("owner/some-vqa")
    assert asked == [False]


def test_parts_that_are_none(datasets: Any) -> None:
    with pytest.raises(DatasetError, match=r"owner/a has no split 'val'; available: owner/a:train, owner/a:test\."):
        open_web("owner/a:val")
    datasets.found = {"a": None, "b": None}
    with pytest.raises(DatasetError, match=r"Choose one of owner/a:a, owner/a:b\."):
        open_web("owner/a")
    datasets.found = ArrowRows(arrow().table(ROWS))
    with pytest.raises(DatasetError, match="owner/a has no splits, so there is no split 'train'"):
        open_web("owner/a:train")


def test_what_the_library_raises_is_a_sentence(datasets: Any) -> None:
    with pytest.raises(
        DatasetError, match=r"nobody/nothing cannot be downloaded from the Hub: Couldn't find any data file$"
    ):
        open_web("nobody/nothing")


def test_a_set_that_is_damaged(datasets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_web("owner/a")
    monkeypatch.setattr(ArrowRows, "__getitem__", lambda self, rows: 1 / 0)
    for call in (lambda: source.example(0, RNG), lambda: open_web("owner/a")):
        with pytest.raises(DatasetError, match="owner/a:train cannot be read by `datasets`: division by zero"):
            call()


def test_a_saved_set(datasets: Any, tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert len(open_web(str(tmp_path))) == 2


def test_without_the_library_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "dataset_dict.json").write_text("{}")
    for text in ("owner/some-vqa", str(tmp_path)):
        with pytest.raises(
            DatasetError, match=rf"{text} needs Hugging Face's `datasets` .*Install it: pip install 'datasets>=3'\."
        ):
            open_web(text)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs datasets, which is optional")
@pytest.mark.parametrize("several", [False, True])
def test_a_set_that_the_real_library_saved(tmp_path: Path, several: bool) -> None:
    import datasets

    images = [Image.new("RGB", (6, 4), colour) for colour in (RED, GREEN)]
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    rows = {"image": images, "caption": ["a red field", "a green field"]}
    if several:
        features = datasets.Features({"images": [datasets.Image()], "caption": datasets.Value("string")})
        rows = {"images": [images, images[:1]], "caption": ["two fields", "one"]}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)}).save_to_disk(tmp_path / "set")
    source = open_web(str(tmp_path / "set"))
    assert len(source) == 2
    assert source.example(0, RNG).images[0][0, 0].tolist() == [*RED]
    assert len(source.example(0, RNG).images) == 1 + several
