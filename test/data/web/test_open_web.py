from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from support.web_data import BLUE, GREEN, RED, numbered_images, write_image, write_lines

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import ExampleSource, Turn
from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.data.web.said import CAPTION_REQUEST
from rt_vla_ros.data.web.web_source import WebSource

RNG = np.random.default_rng(0)
COLOUR = Turn("What colour?", "red")


def colours(source: WebSource, index: int = 0) -> list[tuple[int, ...]]:
    return [tuple(image[0, 0].tolist()) for image in source.example(index, RNG).images]


def test_lines(tmp_path: Path) -> None:
    write_image(tmp_path / "pictures" / "a.png")
    write_image(tmp_path / "b.png", GREEN)
    path = write_lines(
        tmp_path / "vqa.jsonl",
        [
            {"image": "pictures/a.png", "question": "What colour?", "answer": "red"},
            {"images": ["b.png", "pictures/a.png"], "question": "Which is green?", "answer": "the first"},
            {"image_path": {"path": "b.png", "bytes": None}, "caption": "a green field"},
        ],
    )
    source: ExampleSource = open_web(str(path))
    assert source.name == "vqa"
    assert not source.is_robot
    assert len(source) == 3
    example = source.example(0, RNG)
    assert example.turns == (COLOUR,)
    assert example.images[0].shape == (4, 6, 3)
    assert example.images[0].dtype == np.uint8
    assert colours(source) == [RED]
    assert colours(source, 1) == [GREEN, RED]
    assert source.example(2, RNG).turns == (Turn(CAPTION_REQUEST, "a green field"),)
    assert str(source) == "vqa: 3 examples with 2 images, 3 questions and captions"


def test_questions_about_the_same_images_are_one_example(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
    records = [{"image": f"{name}.png", "question": f"{i}?", "answer": str(i)} for i, name in enumerate("aabaa")]
    source = open_web(
        str(write_lines(tmp_path / "x.jsonl", [*records, {"images": ["a.png", "b.png"], "caption": "c"}]))
    )
    assert [[turn.answer for turn in source.turns(index)] for index in range(len(source))] == [
        ["0", "1", "3", "4"],
        ["2"],
        ["c"],
    ]
    same = write_lines(tmp_path / "y.jsonl", [{"image": name, "caption": "c"} for name in ("a.png", "./a.png")])
    assert len(open_web(str(same))) == 1


def test_a_fingerprint_tells_other_words(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    found = []
    for answer in ("red", "pink", "red"):
        record = {"image": "a.png", "question": "What colour?", "answer": answer}
        found.append(open_web(str(write_lines(tmp_path / "x.jsonl", [record]))).fingerprint())
    assert found[0] == found[2] != found[1]


def test_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    line = json.dumps({"image": "a.png", "question": "What colour?", "answer": "red"})
    (tmp_path / "x.jsonl").write_text(f"\ufeff\n{line}\r\n\n   \n{line}", encoding="utf-8")
    assert list(open_web(str(tmp_path / "x.jsonl")).turns(0)) == [COLOUR, COLOUR]


def llava(image: str) -> dict[str, object]:
    says = [{"from": "human", "value": "<image>\nWhat colour?"}, {"from": "gpt", "value": "red"}]
    return {"id": "7", "image": image, "conversations": says}


@pytest.mark.parametrize("folder", ["", "images", "llava"])
def test_llavas_list_with_its_images_beside_it(tmp_path: Path, folder: str) -> None:
    write_image(tmp_path / folder / "coco" / "a.png")
    text_only = {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello!"}]}
    (tmp_path / "llava.json").write_text(json.dumps([llava("coco/a.png"), text_only]))
    source = open_web(str(tmp_path / "llava.json"))
    assert [list(source.turns(index)) for index in (0, 1)] == [[COLOUR], [Turn("Hello", "Hello!")]]
    assert source.example(1, RNG).images == ()
    assert source.notes == ("llava: 1 of 2 examples are chats without an image.",)


def test_llavas_list_with_its_images_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "x.json").write_text(json.dumps([llava("a.png")]))
    monkeypatch.chdir(tmp_path)
    assert colours(open_web("x.json:elsewhere")) == [RED]
    (tmp_path / "x.json").write_text(json.dumps([llava("elsewhere/a.png")]))
    assert colours(open_web(f"x.json:{tmp_path}")) == [RED]
    (tmp_path / "x.json").write_text(json.dumps([llava(str(tmp_path / "elsewhere" / "a.png"))]))
    assert colours(open_web(f"x.json:{tmp_path / 'elsewhere'}")) == [RED]
    with pytest.raises(
        DatasetError, match=r"There is no folder nowhere, expected FILE:FOLDER with the folder of the images of x.json"
    ):
        open_web("x.json:nowhere")


def test_a_json_file_may_have_lines_or_an_object_around_its_list(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_lines(tmp_path / "lines.json", [llava("a.png"), llava("a.png")])
    (tmp_path / "around.json").write_text(json.dumps({"version": 1, "data": [llava("a.png")]}, indent=1))
    (tmp_path / "one.json").write_text(json.dumps(llava("a.png")))
    for name in ("lines", "around", "one"):
        assert COLOUR in open_web(str(tmp_path / f"{name}.json")).turns(0)


def test_cocos_captions(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "000.png")
    data = {
        "images": [{"id": 5, "file_name": "000.png"}],
        "annotations": [{"image_id": 5, "id": 1, "caption": "a"}, {"image_id": 5, "id": 2, "caption": "b"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(data))
    assert [turn.answer for turn in open_web(str(tmp_path / "captions.json")).turns(0)] == ["a", "b"]
    data["annotations"][0]["image_id"] = 6
    (tmp_path / "captions.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=r"captions.json: images and annotations do not match: KeyError\(6\)"):
        open_web(str(tmp_path / "captions.json"))


def test_images_named_within_a_chat(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png", BLUE)
    parts = [{"type": "image", "image": f"file://{tmp_path}/a.png"}, {"type": "image", "path": "b.png"}]
    asked = {"role": "user", "content": [*parts, {"type": "text", "text": "Which is blue?"}]}
    path = write_lines(tmp_path / "x.jsonl", [{"messages": [asked, {"role": "assistant", "content": "the second"}]}])
    assert colours(open_web(str(path))) == [RED, BLUE]


def test_a_folder_with_words_beside_its_images(tmp_path: Path) -> None:
    write_image(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "a.txt").write_text("a red field\n")
    write_image(tmp_path / "set" / "more" / "b.JPG", GREEN)
    (tmp_path / "set" / "more" / "b.json").write_text(
        '[{"question": "What colour?", "answer": "green"}, {"caption": "g"}]'
    )
    write_image(tmp_path / "set" / "more" / "c.png")
    (tmp_path / "set" / "more" / "c.json").write_text(
        '[{"role": "user", "content": "hm?"}, {"role": "assistant", "content": "oh"}]'
    )
    write_image(tmp_path / "set" / "d.png")
    (tmp_path / "set" / "README.txt").write_text("about this set")
    source = open_web(str(tmp_path / "set"))
    assert source.name == "set"
    assert [list(source.turns(index)) for index in range(3)] == [
        [Turn(CAPTION_REQUEST, "a red field")],
        [Turn("What colour?", "green"), Turn(CAPTION_REQUEST, "g")],
        [Turn("hm?", "oh")],
    ]
    assert source.notes == (f"{tmp_path / 'set'}: 1 images have no text file: d.png.",)


@pytest.mark.parametrize("part", ["", "train"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_imagefolder(tmp_path: Path, kind: str, part: str) -> None:
    write_image(tmp_path / part / "in" / "a.png")
    metadata = tmp_path / part / f"metadata.{kind}"
    if kind == "csv":
        metadata.write_text('file_name,text,other\nin/a.png,"a field, red",\n')
    else:
        write_lines(metadata, [{"file_name": "in/a.png", "text": "a field, red"}])
    source = open_web(str(tmp_path))
    assert list(source.turns(0)) == [Turn(CAPTION_REQUEST, "a field, red")]
    assert colours(source) == [RED]


def test_the_parts_of_an_imagefolder(tmp_path: Path) -> None:
    for part in ("test", "validation"):
        write_image(tmp_path / part / "a.png")
        write_lines(tmp_path / part / "metadata.jsonl", [{"file_name": "a.png", "text": part}])
    assert open_web(f"{tmp_path}:test").turns(0)[0].answer == "test"
    with pytest.raises(DatasetError, match=r"has several splits; choose one: .*:test, .*:validation"):
        open_web(str(tmp_path))
    with pytest.raises(DatasetError, match="has no split 'train'"):
        open_web(f"{tmp_path}:train")


def test_a_folder_with_one_file_of_records(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    write_lines(tmp_path / "train.jsonl", [{"image": "a.png", "question": "What colour?", "answer": "red"}])
    assert list(open_web(str(tmp_path)).turns(0)) == [COLOUR]


def test_ten_thousand_lines_take_less_than_a_second(tmp_path: Path) -> None:
    names = numbered_images(tmp_path / "images", 500)
    records = [{"image": f"images/{names[i % 500]}", "question": f"{i}?", "answer": "a"} for i in range(10_000)]
    path = write_lines(tmp_path / "x.jsonl", records)
    start = time.process_time()
    assert len(open_web(str(path))) == 500
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", r"x is empty: no record has a question or a caption"),
        ("\n\n", r"x is empty"),
        ('{"image": "a.png", "caption": "c"}\n{"image": \n', r"x.jsonl, line 2: invalid JSON: Expecting value"),
        ("{}\n", r"x.jsonl, line 1: no training target: .* it has nothing"),
        ("5\n", r"x.jsonl, line 1: expected an object, got 5"),
        ('["a"]\n', r"x.jsonl, line 1: expected an object, got \['a'\]"),
        ("[" * 100_000 + "\n", r"x.jsonl, line 1: lists and objects are nested too deeply"),
        ('{"image": "a.png", "question": "q", "answer": ""}', r"x.jsonl, line 1: the answer is empty"),
        ('{"question": "q", "answer": "a"}', r"line 1: there is no image, .* named by image, images, image_path"),
        ('{"image": "", "caption": "c"}', r"line 1: there is no image"),
        ('{"image": null, "caption": "c"}', r"line 1: there is no image"),
        ('{"image": 5, "caption": "c"}', r"line 1: an image must be a file name, got 5"),
        ('{"image": [["a.png"]], "caption": "c"}', r"an image must be a file name, got \['a.png'\]"),
        ('{"image": "https://x.org/a.png", "caption": "c"}', r"'https://x.org/a.png' is a URL; download it"),
        ('{"image": "s3://bucket/a.png", "caption": "c"}', r"is a URL; download it, and give the file"),
        ('{"image": "data:image/png;base64,AAAA", "caption": "c"}', r"is a URL"),
        ('{"image": "../a.png", "caption": "c"}', r"'../a.png' is outside .*give the folder .*FILE:FOLDER"),
        ('{"image": "in/../../a.png", "caption": "c"}', r"is outside"),
        ('{"image": "/etc/passwd", "caption": "c"}', r"'/etc/passwd' is outside"),
        ('{"image": "file:///etc/passwd", "caption": "c"}', r"is outside"),
        ('{"image": "/dev/zero", "caption": "c"}', r"is outside"),
        ('{"image": "device", "caption": "c"}', r"device is a directory, pipe or device, expected a regular file"),
        ('{"image": "in", "caption": "c"}', r"is a directory, pipe or device"),
        ('{"image": "empty.png", "caption": "c"}', r"empty.png is empty, 0 bytes"),
        ('{"image": "loop", "caption": "c"}', r"line 1: the image cannot be read: .*this link leads to itself"),
        (f'{{"image": "{"a" * 5000}", "caption": "c"}}', r"line 1: the image cannot be read"),
        ('{"image": "a\\u0000b", "caption": "c"}', r"has an invalid file name"),
        ('{"image": "a\\ud800b", "caption": "c"}', r"has an invalid file name"),
        (
            '{"image": "a.png", "caption": "half \\ud800 a letter"}',
            r"line 1: the text has a lone surrogate: .*surrogates",
        ),
        ('{"image": "a.png", "question": "q", "answer": NaN}', r"line 1: the answer must be a finite number, got nan"),
        (
            '{"conversations": [{"from": "human", "value": "<image>\\nq"}, {"from": "gpt", "value": "a"}]}',
            r"line 1: the words leave a place for 1 images \(<image>\), and there are 0",
        ),
        (
            '{"image": "a.png", "messages": [{"role": "user", "content": "<image><image>q"}, {"role": "assistant", '
            '"content": "a"}]}',
            r"place for 2 images \(<image>\), and there are 1",
        ),
        ('{"image": "a.png", "caption": "\xff"}'.encode("latin-1"), r"x.jsonl, line 1: not UTF-8 text"),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, lines: str | bytes, message: str) -> None:
    write_image(tmp_path / "set" / "a.png")
    (tmp_path / "a.png").write_bytes(b"outside")
    (tmp_path / "set" / "in").mkdir()
    (tmp_path / "set" / "empty.png").touch()
    (tmp_path / "set" / "device").symlink_to("/dev/zero")
    (tmp_path / "set" / "loop").symlink_to("loop")
    path = tmp_path / "set" / "x.jsonl"
    path.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with pytest.raises(DatasetError, match=message) as raised:
        open_web(str(path))
    assert len(str(raised.value)) < 1000


def test_all_missing_images_are_told_at_the_start(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    records = [{"image": f"{i % 90}.png", "caption": "c"} for i in range(100)]
    path = write_lines(tmp_path / "x.jsonl", [{"image": "a.png", "caption": "c"}, *records])
    with pytest.raises(DatasetError) as raised:
        open_web(str(path))
    assert str(raised.value) == (
        f"90 images of x are missing: 0.png ({path}, line 2), 1.png ({path}, line 3), 2.png ({path}, line 4) "
        "and 87 more."
    )


def test_a_link_to_a_picture_elsewhere_is_followed(tmp_path: Path) -> None:
    write_image(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "elsewhere")
    path = write_lines(tmp_path / "set" / "x.jsonl", [{"image": "images/a.png", "caption": "c"}])
    assert colours(open_web(str(path))) == [RED]


def test_answers_that_are_robot_actions_are_left_out_and_told(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    answers = ["red", "1 128 91 241 5 101 127", "blue", "42"]
    path = write_lines(
        tmp_path / "x.jsonl", [{"image": "a.png", "question": "q", "answer": answer} for answer in answers]
    )
    source = open_web(str(path))
    assert [turn.answer for turn in source.turns(0)] == ["red", "blue", "42"]
    assert source.notes == (
        "x: 1 of 4 answers are excluded, because a policy would parse them as robot actions, "
        f"the first at {path}, line 2.",
    )
    assert len(open_web(str(path), action_sizes=[5]).turns(0)) == 4


def test_robot_data_are_no_web_data(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    record = {"image": "a.png", "question": "what action?", "answer": "1 128 91 241 5 101 127 0"}
    path = write_lines(tmp_path / "x.jsonl", [record] * 3)
    with pytest.raises(DatasetError, match=r"3 of 3 answers of x are robot actions, the first at .*line 1: this is"):
        open_web(str(path))


def test_a_damaged_picture_is_told_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    source = open_web(str(write_lines(tmp_path / "x.jsonl", [{"image": "a.png", "caption": "c"}])))
    with pytest.raises(DatasetError, match=r"The image .*a.png is not a readable image"):
        source.example(0, RNG)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No web data is given"),
        ("a" * 5000, "a{5000}"),
        ("a\0b", "There is no file or folder a"),
        ("~nobody-of-this-name/x", "There is no file or folder ~nobody-of-this-name/x"),
        ("missing.jsonl", r"There is no file or folder missing.jsonl. Web data is .jsonl, "),
        ("./missing", "There is no file or folder missing"),
        ("data/missing", "There is no file or folder data/missing"),
        ("here/missing", "There is no file or folder here/missing"),
        ("missing/set.json:images", "There is no file or folder missing/set.json"),
        ("https://x.org/a.jsonl", "https://x.org/a.jsonl is a URL; download it"),
        ("here/notes.md", r"here/notes.md is not web data. Expected .jsonl, "),
        (
            "here",
            r"here is not web data: no image has a .txt or .json file of the same name, and there is no metadata.jsonl",
        ),
        ("pipe", "pipe is a pipe or device"),
        ("text.json", "text.json holds a str, expected a list of objects"),
        ("wrong.json", "wrong.json: invalid JSON: Expecting"),
        ("entry.json", r"entry.json, entry 2 \('b'\): no training target"),
        ("wrong.csv", r"wrong.csv, line 3: this row does not have the 2 columns of the header"),
        ("quote.csv", r"quote.csv, after line 1: not a CSV table: "),
        ("pointer.jsonl", "pointer.jsonl has no records. It is a pointer of Git LFS"),
    ],
)
def test_names_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.md").write_text("x")
    (tmp_path / "text.json").write_text('"x"')
    (tmp_path / "wrong.json").write_text("[{]")
    (tmp_path / "entry.json").write_text('[{"id": "a", "image": "a.png", "caption": "c"}, {"id": "b"}]')
    (tmp_path / "wrong.csv").write_text("image,caption\na.png,c\na.png\n")
    (tmp_path / "quote.csv").write_text('image,caption\na.png,"c"d\n')
    (tmp_path / "pointer.jsonl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match=message):
        open_web(text)


def test_an_empty_caption_names_its_file(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(DatasetError, match=r"a.txt: the caption is empty"):
        open_web(str(tmp_path))
