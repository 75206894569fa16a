"""Web data as examples: images with questions and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rt_vla_ros.data.example import Example, ExampleSource, Turn
from rt_vla_ros.data.web.places import ImagePlace, content_key


@dataclass
class WebRecord:
    """accepted: correct answers of each turn; the training target is the first."""

    images: tuple[ImagePlace, ...]
    turns: list[Turn]
    accepted: list[tuple[str, ...]]

    def keys(self) -> frozenset[bytes]:
        """A digest for each image; for text only, one of the text."""
        if self.images:
            return frozenset(image.key() for image in self.images)
        return frozenset({content_key(repr(self.turns).encode("utf-8", "surrogatepass"))})


class WordSource(ExampleSource, Protocol):
    """Examples with text answers, whose turns are available without decoding images."""

    def turns(self, index: int) -> Sequence[Turn]:
        """The turns of `example(index)`."""
        ...

    def accepted(self, index: int) -> Sequence[tuple[str, ...]]:
        """Correct answers of each turn; the training target is the first."""
        ...

    def keys(self, index: int) -> frozenset[bytes]:
        """Digests of the example's images, the same for the same content. Raises DatasetError."""
        ...


class WebSource:
    """A `WordSource`. notes: messages about exclusions and special cases, for the log."""

    is_robot = False

    def __init__(self, name: str, records: Sequence[WebRecord], notes: Sequence[str] = ()) -> None:
        self.name, self.notes = name, tuple(notes)
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Only decode the images. Raises DatasetError for a damaged one."""
        record = self._records[index]
        return Example(tuple(image.pixels() for image in record.images), tuple(record.turns))

    def turns(self, index: int) -> Sequence[Turn]:
        return self._records[index].turns

    def accepted(self, index: int) -> Sequence[tuple[str, ...]]:
        return self._records[index].accepted

    def keys(self, index: int) -> frozenset[bytes]:
        return self._records[index].keys()

    def fingerprint(self) -> str:
        """Identifies the text; the location and content of images are ignored."""
        digest = hashlib.sha256()
        for record in self._records:
            digest.update(repr((len(record.images), record.turns, record.accepted)).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    def chosen(self, indices: Sequence[int], name: str) -> WebSource:
        """Only these examples, in this order."""
        return WebSource(name, [self._records[index] for index in indices], self.notes)

    def __str__(self) -> str:
        turns = sum(len(record.turns) for record in self._records)
        images = len({image for record in self._records for image in record.images})
        return f"{self.name}: {len(self):,} examples with {images:,} images, {turns:,} questions and captions"
