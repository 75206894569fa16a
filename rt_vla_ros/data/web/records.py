"""Records in text files: a JSON object on each line, a list in one JSON file, or a table as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.gathering import WebEntry
from rt_vla_ros.json_file import MOST as MOST_LINE
from rt_vla_ros.json_file import check_file

LINES, LISTS, TABLES = (".jsonl", ".ndjson"), (".json",), {".csv": ",", ".tsv": "\t"}
ENDINGS = (*LINES, *LISTS, *TABLES)
MOST_LINES, MOST_LIST = 1 << 36, 1 << 32  # bytes of a file
WITHIN = ("data", "annotations", "questions", "samples")  # where the list is in an object


def entries(path: Path) -> Iterator[WebEntry]:
    """Records in file order. Raises DatasetError with the line."""
    try:
        if path.suffix.lower() in TABLES:
            yield from _of_table(path, TABLES[path.suffix.lower()])
        elif path.suffix.lower() in LINES or not _is_whole(path):
            yield from _of_lines(path)
        else:
            yield from _of_list(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def parsed(text: str, where: str) -> Any:
    """A JSON value. Raises DatasetError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise DatasetError(f"{where}: lists and objects are nested too deeply.") from error
    except ValueError as error:
        raise DatasetError(f"{where}: invalid JSON: {error}.") from error


def _is_whole(path: Path) -> bool:
    """Whether a file is one JSON value; else it has one per line, regardless of its name."""
    check_file(path, DatasetError, MOST_LINES)
    with path.open("rb") as file:
        first = file.readline(MOST_LINE).lstrip(b"\xef\xbb\xbf").strip()
        second = file.readline(MOST_LINE).strip()
    if not first.startswith(b"{") or not second.startswith(b"{"):
        return True
    try:
        return not isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return True


def _of_lines(path: Path) -> Iterator[WebEntry]:
    check_file(path, DatasetError, MOST_LINES)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MOST_LINE + 1):
            number += 1
            where = f"{path}, line {number}"
            if len(line) > MOST_LINE:
                raise DatasetError(f"{where}: this line has more than {MOST_LINE:,} bytes, the limit.")
            text = _text(line, where, path if number == 1 else None)
            if text:
                yield WebEntry(where, parsed(text, where))


def _text(line: bytes, where: str, pointer: Path | None) -> str:
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: not UTF-8 text: {error}.") from error
    if pointer and git_lfs.hint(pointer):
        raise DatasetError(f"{pointer} has no records.{git_lfs.hint(pointer)}")
    return text


def _of_list(path: Path) -> Iterator[WebEntry]:
    check_file(path, DatasetError, MOST_LIST)
    data = parsed(_text(path.read_bytes(), str(path), path), str(path))
    if isinstance(data, Mapping):
        data = _coco(path, data) or next((data[key] for key in WITHIN if isinstance(data.get(key), list)), [data])
    if not isinstance(data, list):
        raise DatasetError(f"{path} holds a {type(data).__name__}, expected a list of objects.")
    for number, record in enumerate(data, 1):
        name = f" ({record['id']!r:.60})" if isinstance(record, Mapping) and "id" in record else ""
        yield WebEntry(f"{path}, entry {number}{name}", record)


def _coco(path: Path, data: Mapping[str, Any]) -> list[Any]:
    """COCO captions, which refer to images by id; empty for other files. Raises DatasetError."""
    images, annotations = data.get("images"), data.get("annotations")
    if not isinstance(images, list) or not isinstance(annotations, list):
        return []
    try:
        files = {image["id"]: image["file_name"] for image in images}
        return [{**one, "image": files[one["image_id"]]} for one in annotations]
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path}: images and annotations do not match: {error!r}.") from error


def _of_table(path: Path, separator: str) -> Iterator[WebEntry]:
    check_file(path, DatasetError, MOST_LIST)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=separator, strict=True)
        try:
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DatasetError(
                        f"{where}: this row does not have the {len(reader.fieldnames or ())} columns of the header."
                    )
                yield WebEntry(where, {key: value for key, value in row.items() if value})
        except csv.Error as error:
            raise DatasetError(f"{path}, after line {reader.line_num}: not a CSV table: {error}.") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{path}, after line {reader.line_num}: not UTF-8 text: {error}.") from error
