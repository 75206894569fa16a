"""A cache of an image processor's results for repeated images."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from torch import Tensor

MOST_SEEN = 1_000_000
"""Number of image hashes to remember; 16 bytes each."""


class ImageMemo:
    """An image processor that caches results, starting with the second request for the same image.

    Images that never repeat, such as randomly augmented ones, are not cached. The least recently used results are
    evicted. Thread-safe.
    """

    def __init__(self, inner: Any, most_bytes: int) -> None:
        self._inner, self._most = inner, most_bytes
        self._seen: set[bytes] = set()
        self._kept: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = self.hits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, images: Any, *args: Any, **options: Any) -> Any:
        """Like the image processor itself."""
        key = _key(images, args, options)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.hits += 1
                return copy.copy(self._kept[key][0])  # the caller may remove items
        made = self._inner(images, *args, **options)
        with self._lock:
            self._note(key, made)
        return copy.copy(made)

    def _note(self, key: bytes, made: Any) -> None:
        if key not in self._seen:
            if len(self._seen) < MOST_SEEN:
                self._seen.add(key)
            return
        size = sum(value.numel() * value.element_size() for value in dict(made).values() if isinstance(value, Tensor))
        if size > self._most or key in self._kept:
            return
        self._kept[key] = copy.copy(made), size
        self.bytes += size
        while self.bytes > self._most:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed


def remember_images(processor: Any, most_bytes: int) -> ImageMemo | None:
    """Adds a cache to a processor of this package; None if it has no image processor of its own."""
    owner = processor if hasattr(processor, "_image_processor") else getattr(processor, "_processor", None)
    name = "_image_processor" if owner is processor else "image_processor"
    inner = getattr(owner, name, None)
    if inner is None:
        return None
    memo = ImageMemo(inner, most_bytes)
    setattr(owner, name, memo)
    return memo


def _key(images: Any, args: tuple[Any, ...], options: dict[str, Any]) -> bytes:
    digest = xxhash.xxh3_128(repr((args, sorted(options.items()))).encode())
    for array in _arrays(images):
        digest.update(repr((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _arrays(images: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays of an image or of nested lists of images."""
    if isinstance(images, list | tuple):
        for one in images:
            yield from _arrays(one)
        yield np.array([len(images)])
    else:
        yield np.asarray(images)
