from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from support.web_data import numbered_images, write_image, write_lines

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.held_out import held_out, held_out_of_all
from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.data.web.web_source import WebSource


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    numbered_images(folder / "images", 300)
    return folder


def captioned(folder: Path, numbers: range, name: str = "x") -> WebSource:
    records = [{"image": f"images/{number:04d}.png", "caption": str(number)} for number in numbers]
    return open_web(str(write_lines(folder / f"{name}.jsonl", records)))


def captions(source: WebSource) -> set[str]:
    return {turn.answer for index in range(len(source)) for turn in source.turns(index)}


def test_a_share_of_the_images_is_on_one_side_alone(folder: Path) -> None:
    source = captioned(folder, range(300))
    rest, held = held_out(source, 0.2)
    assert 40 <= len(held) <= 80
    assert captions(rest) | captions(held) == captions(source)
    assert captions(rest).isdisjoint(captions(held))
    assert (rest.name, held.name) == ("x", "x, held out")
    assert captions(held_out(source, 0.2)[1]) == captions(held)
    assert captions(held_out(source, 0.2, seed=1)[1]) != captions(held)
    assert captions(held) < captions(held_out(source, 0.4)[1])


def test_where_an_image_goes_depends_on_its_content_alone(folder: Path, tmp_path: Path) -> None:
    held = captions(held_out(captioned(folder, range(300)), 0.2)[1])
    assert captions(held_out(captioned(folder, range(299, 99, -1)), 0.2)[1]) == {one for one in held if int(one) >= 100}
    shutil.copytree(folder / "images", tmp_path / "images")
    assert captions(held_out(captioned(tmp_path, range(300)), 0.2)[1]) == held


def test_the_same_image_under_two_names_is_on_one_side(folder: Path, tmp_path: Path) -> None:
    for number in range(100):
        for copy in "ab":
            shutil.copy(folder / "images" / f"{number:04d}.png", tmp_path / f"{copy}{number}.png")
    records = [{"image": f"{copy}{number}.png", "caption": str(number)} for copy in "ab" for number in range(100)]
    rest, held = held_out(open_web(str(write_lines(tmp_path / "x.jsonl", records))), 0.3)
    assert len(rest) + len(held) == 200
    assert captions(rest).isdisjoint(captions(held))


@pytest.mark.parametrize(("side", "distinct"), [(400, 20), (800, 8)])  # of the larger ones a half is read
def test_large_files_differ_by_what_is_in_their_midst(tmp_path: Path, side: int, distinct: int) -> None:
    for number in range(20):
        path = write_image(tmp_path / f"{number}.bmp", size=(side, side))
        content = bytearray(path.read_bytes())
        content[100 + number * len(content) // 20] = 77
        path.write_bytes(content)
    records = [{"image": f"{number}.bmp", "caption": str(number)} for number in range(20)]
    source = open_web(str(write_lines(tmp_path / "x.jsonl", records)))
    assert len({key for index in range(20) for key in source.keys(index)}) >= distinct


def test_examples_that_share_an_image_stay_together(folder: Path) -> None:
    records = [
        {"images": [f"images/{number + step:04d}.png" for step in (0, 1)], "caption": str(number // 10)}
        for number in range(200)
        if number % 10 != 9
    ]
    rest, held = held_out(open_web(str(write_lines(folder / "pairs.jsonl", records))), 0.3)
    assert captions(rest).isdisjoint(captions(held))
    assert len(rest) + len(held) == 180


def test_several_sources_agree(folder: Path) -> None:
    first, second = captioned(folder, range(200), "a"), captioned(folder, range(100, 300), "b")
    (rest_a, held_a), (rest_b, held_b) = held_out_of_all([first, second], 0.2)
    assert captions(held_a).isdisjoint(captions(rest_b))
    assert captions(held_b).isdisjoint(captions(rest_a))


def test_texts_are_held_out_by_their_words(tmp_path: Path) -> None:
    chats = [
        {"messages": [{"role": "user", "content": str(number % 50)}, {"role": "assistant", "content": "a"}]}
        for number in range(100)
    ]
    rest, held = held_out(open_web(str(write_lines(tmp_path / "x.jsonl", chats))), 0.3)
    asked = [{source.turns(index)[0].text for index in range(len(source))} for source in (rest, held)]
    assert asked[0].isdisjoint(asked[1])


@pytest.mark.parametrize("share", [0.000_001, 0.999_999])
def test_a_few_images_give_at_least_one_and_keep_one(folder: Path, share: float) -> None:
    rest, held = held_out(captioned(folder, range(2)), share)
    assert (len(rest), len(held)) == (1, 1)


@pytest.mark.parametrize("share", [0, 1, -0.1, 5, math.nan, math.inf])
def test_shares_that_are_none(folder: Path, share: float) -> None:
    with pytest.raises(DatasetError, match=f"more than 0 and less than 1, got {share}"):
        held_out(captioned(folder, range(9)), share)


def test_one_image_cannot_be_on_both_sides(folder: Path) -> None:
    with pytest.raises(DatasetError, match="Cannot hold out a part of x: its 1 examples are about the same image"):
        held_out(captioned(folder, range(1)), 0.5)
