"""Validates all records of a web dataset and turns them into examples; records about the same images are merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.action_answers import SIZES, is_action
from rt_vla_ros.data.web.chat import WrongRecord, is_text
from rt_vla_ros.data.web.places import ImageFinder, ImagePlace, joined_names
from rt_vla_ros.data.web.said import Said, what_is_said
from rt_vla_ros.data.web.web_source import WebRecord, WebSource

IMAGES = (
    *("image", "images", "image_path", "image_paths", "img", "img_path", "image_file", "image_file_name"),
    *("file_name", "file_names", "filename"),
)
NO_IMAGE = "there is no image, and no chat that could do without; images are named by " + ", ".join(IMAGES[:3])


class WebEntry(NamedTuple):
    """where: its location, for messages. images: those of a table; None: the record names files."""

    where: str
    record: Any
    images: tuple[ImagePlace, ...] | None = None


class Gathering:
    """Collects the entries of a dataset one by one."""

    def __init__(self, finder: ImageFinder | None, action_sizes: Collection[int] = SIZES) -> None:
        """finder: of the files named in records. action_sizes: possible sizes of an action."""
        self._finder, self._sizes = finder, action_sizes
        self._records: list[WebRecord] = []
        self._numbers: dict[tuple[ImagePlace, ...], int] = {}
        self._missing: dict[str, str] = {}
        self._actions: list[str] = []
        self._turns = 0

    def source(self, name: str, entries: Iterable[WebEntry], notes: Sequence[str] = ()) -> WebSource:
        """name: of the source. Raises DatasetError with the location of the error."""
        for entry in entries:
            try:
                self._add(entry)
            except WrongRecord as error:
                raise DatasetError(f"{entry.where}: {error}.") from error
        if self._missing:
            names = [f"{image} ({where})" for image, where in self._missing.items()]
            raise DatasetError(f"{len(names):,} images of {name} are missing: {joined_names(names)}.")
        if not self._turns:
            raise DatasetError(f"{name} is empty: no record has a question or a caption.")
        return WebSource(name, self._records, [*notes, *self._noted(name)])

    def _add(self, entry: WebEntry) -> None:
        if not isinstance(entry.record, Mapping):
            raise WrongRecord(f"expected an object, got {entry.record!r:.100}")
        said = what_is_said(entry.record)
        for words in (words for turn in said.turns for words in (turn.text, turn.answer)):
            if not is_text(words):
                raise WrongRecord(f"the text has a lone surrogate: {words!r:.100} (surrogates)")
        images = entry.images if entry.images is not None else self._images(entry, said)
        if said.places > len(images or ()):
            there = len(images or ())
            raise WrongRecord(f"the words leave a place for {said.places} images (<image>), and there are {there}")
        if images == () and not said.is_chat:
            raise WrongRecord(NO_IMAGE)
        self._turns += len(said.turns)
        kept = [number for number, turn in enumerate(said.turns) if not is_action(turn.answer, self._sizes)]
        self._actions += [entry.where] * (len(said.turns) - len(kept))
        if not kept or images is None:
            return
        if not images or images not in self._numbers:
            self._numbers[images] = len(self._records)
            self._records.append(WebRecord(images, [], []))
        record = self._records[self._numbers[images]]
        record.turns += [said.turns[number] for number in kept]
        record.accepted += [said.accepted[number] for number in kept]

    def _images(self, entry: WebEntry, said: Said) -> tuple[ImagePlace, ...] | None:
        """None: some are missing and recorded."""
        names = image_names(entry.record) or said.images
        places = [self._finder.place(name) if self._finder else None for name in names]
        for name, place in zip(names, places, strict=True):
            if place is None:
                self._missing.setdefault(name, entry.where)
        found = tuple(place for place in places if place is not None)
        return found if len(found) == len(names) else None

    def _noted(self, name: str) -> list[str]:
        """Raises DatasetError if most answers are actions."""
        notes, count = [], len(self._actions)
        if 2 * count > self._turns:
            raise DatasetError(
                f"{count:,} of {self._turns:,} answers of {name} are robot actions, the first at {self._actions[0]}: "
                "this is robot data; use a LeRobot dataset (--robot)."
            )
        if count:
            notes.append(
                f"{name}: {count:,} of {self._turns:,} answers are excluded, because a policy would parse "
                f"them as robot actions, the first at {self._actions[0]}."
            )
        texts = sum(not record.images for record in self._records)
        if texts:
            notes.append(f"{name}: {texts:,} of {len(self._records):,} examples are chats without an image.")
        return notes


def image_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The image names of a record, if any. Raises WrongRecord."""
    value: Any = next((record[key] for key in IMAGES if record.get(key)), [])
    names = [_image_name(one) for one in (value if isinstance(value, list) else [value])]
    return tuple(names)


def _image_name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("path", "url", "file_name") if value.get(key)), None)
    if not isinstance(value, str) or not value:
        raise WrongRecord(f"an image must be a file name, got {value!r:.100}")
    return value
