from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.web_data import BLUE, GREEN, RED, write_image

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import Turn
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.data.web import column_copy
from rt_vla_ros.data.web.held_out import held_out
from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.data.web.said import CAPTION_REQUEST
from rt_vla_ros.data.web.web_source import WebSource

RNG = np.random.default_rng(0)


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(file, "PNG")
    return file.getvalue()


def cell(colour: tuple[int, int, int]) -> dict[str, Any]:
    return {"bytes": png(colour), "path": "a.png"}


def written(path: Path, rows_per_group: int = 2, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrow().parquet.write_table(arrow().table(columns), path, row_group_size=rows_per_group)
    return path


def colours(source: WebSource, index: int) -> list[tuple[int, ...]]:
    return [tuple(image[0, 0].tolist()) for image in source.example(index, RNG).images]


def test_a_table_with_images_in_its_rows(tmp_path: Path) -> None:
    columns = {
        "image": [cell(colour) for colour in (RED, GREEN, BLUE, RED, GREEN)],
        "question": ["What colour?"] * 5,
        "answers": [["red"], ["green", "lime"], ["blue"], ["red"], ["green"]],
        "question_id": [1, 2, 3, 4, 5],
    }
    source = open_web(str(written(tmp_path / "vqa.parquet", **columns)))
    assert len(source) == 5
    assert [source.turns(index)[0].answer for index in range(5)] == ["red", "green", "blue", "red", "green"]
    assert source.accepted(1) == [("green", "lime")]
    for index in (4, 0, 3, 2, 1, 1):
        assert colours(source, index) == [[RED, GREEN, BLUE, RED, GREEN][index]]
    assert colours(pickle.loads(pickle.dumps(source)), 2) == [BLUE]
    rest, held = held_out(source, 0.4)
    assert {len(rest), len(held)} in ({3, 2}, {4, 1})


def test_the_cauldron(tmp_path: Path) -> None:
    texts = [{"user": "a?", "assistant": "1", "source": "x"}, {"user": "b?", "assistant": "2", "source": "x"}]
    columns = {"images": [[cell(RED), cell(BLUE)], [cell(GREEN)], []], "texts": [texts, texts[:1], texts]}
    source = open_web(str(written(tmp_path / "set.parquet", **columns)))
    assert colours(source, 0) == [RED, BLUE]
    assert list(source.turns(0)) == [Turn("a?", "1"), Turn("b?", "2")]
    assert colours(source, 1) == [GREEN]
    assert source.example(2, RNG).images == ()


def test_messages_leave_places_for_the_images_of_their_row(tmp_path: Path) -> None:
    def chat(images: int) -> list[dict[str, Any]]:
        parts = [{"type": "image", "text": None}] * images + [{"type": "text", "text": "which?"}]
        return [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        ]

    images = [[cell(RED), cell(BLUE)], []]
    source = open_web(str(written(tmp_path / "set.parquet", images=images, messages=[chat(2), chat(0)])))
    assert [len(source.example(index, RNG).images) for index in (0, 1)] == [2, 0]
    with pytest.raises(DatasetError, match=r"set.parquet, row 1: the words leave a place for 1 images"):
        open_web(str(written(tmp_path / "set.parquet", images=images, messages=[chat(2), chat(1)])))


def test_several_columns_of_images(tmp_path: Path) -> None:
    columns = {"left": [cell(RED), cell(RED)], "right": [cell(BLUE), None], "caption": ["two", "one"]}
    source = open_web(str(written(tmp_path / "set.parquet", **columns)))
    assert colours(source, 0) == [RED, BLUE]
    assert colours(source, 1) == [RED]


def test_bytes_alone_and_names_of_files(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", image=[png(RED)], caption=["c"], mask=[b"not an image"])
    assert colours(open_web(str(path)), 0) == [RED]
    write_image(tmp_path / "images" / "a.png", GREEN)
    path = written(tmp_path / "set.parquet", image=["images/a.png"], caption=["c"])
    assert colours(open_web(str(path)), 0) == [GREEN]
    path = written(tmp_path / "set.parquet", image=[{"bytes": None, "path": "a.png"}], caption=["c"])
    assert colours(open_web(str(path)), 0) == [GREEN]
    path = written(
        tmp_path / "set.parquet", image=[{"bytes": None, "path": "/etc/passwd"}, cell(RED)], caption=["c"] * 2
    )
    with pytest.raises(DatasetError, match=r"'/etc/passwd' is outside"):
        open_web(str(path)).example(0, RNG)


@pytest.mark.parametrize("part", ["", "data"])
def test_a_folder_of_tables_and_its_training_part(tmp_path: Path, part: str) -> None:
    for number, colour in enumerate((RED, GREEN)):
        written(tmp_path / part / f"train-{number:05d}-of-00002.parquet", image=[cell(colour)], caption=["c"])
    written(tmp_path / part / "test-00000-of-00001.parquet", image=[cell(BLUE)], caption=["t"])
    source = open_web(str(tmp_path))
    assert [colours(source, index) for index in range(len(source))] == [[RED], [GREEN]]
    assert list(open_web(f"{tmp_path}:test").turns(0)) == [Turn(CAPTION_REQUEST, "t")]
    with pytest.raises(DatasetError, match="has no split 'validation'"):
        open_web(f"{tmp_path}:validation")


def test_an_imagefolder_with_a_table(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    written(tmp_path / "metadata.parquet", file_name=["a.png"], text=["a red field"])
    source = open_web(str(tmp_path))
    assert colours(source, 0) == [RED]
    assert list(source.turns(0)) == [Turn(CAPTION_REQUEST, "a red field")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [cell(RED), None], "caption": ["c", "d"]}, r"set.parquet, row 1: there is no image"),
        ({"image": [cell(RED)], "caption": [None]}, r"row 0: no training target: .* it has nothing"),
        ({"image": [cell(RED)], "label": [3]}, r"row 0: no training target: .* it has 'label'"),
        ({"image": [cell(RED)], "question": ["q"], "answer": [""]}, r"row 0: the answer is empty"),
        ({"image": ["missing.png"], "caption": ["c"]}, r"1 images of set are missing: missing.png \(.*, row 0\)"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_web(str(written(tmp_path / "set.parquet", **columns)))


def test_damaged_tables_and_images(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", image=[{"bytes": b"x", "path": None}], caption=["c"])
    with pytest.raises(DatasetError, match=r"The image in row 0 of .*set.parquet \('image'\) is not a readable image"):
        open_web(str(path)).example(0, RNG)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"The table .*set\.parquet is damaged or truncated"):
        open_web(str(path))
    latin = arrow().StringArray.from_buffers(1, *arrow().array([b"\xff"]).buffers()[1:])
    with pytest.raises(DatasetError, match=r"The table .*set\.parquet is damaged or truncated: 'utf-8' codec"):
        open_web(str(written(path, image=[cell(RED)], caption=latin)))
    with pytest.raises(DatasetError, match="set is empty"):
        open_web(str(written(path, image=arrow().array([], arrow().binary()), caption=arrow().array([], "string"))))


def test_the_images_of_a_row_may_be_plain_bytes_in_several_columns(tmp_path: Path) -> None:
    words = {"question": ["Which?", "And this?"], "answer": ["a", "b"], "thumbnail": [b"x", b"y"]}
    first, second = [png(RED), png(GREEN)], [png(BLUE), None]
    numbered = written(tmp_path / "a.parquet", image_1=first, image_2=second, **words)
    usual = written(tmp_path / "b.parquet", image=first, image_2=second, mask=[cell(RED)] * 2, **words)
    for path in (numbered, usual):
        source = open_web(str(path))
        assert colours(source, 0) == [RED, BLUE]
        assert colours(source, 1) == [GREEN]


@pytest.mark.parametrize("in_lists", [False, True])
def test_rows_of_a_large_group_are_found_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_lists: bool
) -> None:
    wanted = [(number, 0, 255 - number) for number in range(50)]
    cells: list[Any] = [[cell(one)] if in_lists else cell(one) for one in wanted]
    columns = {"images" if in_lists else "image": cells, "question": ["q"] * 50, "answer": ["a"] * 50}
    path = written(tmp_path / "large.parquet", rows_per_group=30, **columns)
    monkeypatch.setattr(column_copy, "LARGE", 1)
    source, order = open_web(str(path)), np.random.default_rng(0).permutation(50).tolist()
    assert [colours(source, row) for row in order] == [[wanted[row]] for row in order]
    [place] = source._records[0].images  # type: ignore[attr-defined]
    [copy] = place.table._copies.values()
    assert copy is not None
    assert copy.firsts[-1] == 50
    assert colours(pickle.loads(pickle.dumps(source)), 7) == [wanted[7]]
    with pytest.raises(IndexError):
        copy.rows_around(50)
    monkeypatch.setattr(column_copy.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert colours(open_web(str(path)), 33) == [wanted[33]], "a full disk is slow and no more"
