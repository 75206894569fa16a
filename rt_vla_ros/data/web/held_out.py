"""Holds out a part of the web data, by image, so that validation images are never trained on."""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.permutation import WORD, mixed
from rt_vla_ros.data.web.web_source import WebSource

SHARE = 0.05


def held_out(source: WebSource, share: float = SHARE, seed: int = 0) -> tuple[WebSource, WebSource]:
    """The training part and the held-out part. Raises DatasetError.

    With several sources, an image of one may be in another: see `held_out_of_all`.
    """
    ((rest, held),) = held_out_of_all([source], share, seed)
    return rest, held


def held_out_of_all(
    sources: Sequence[WebSource], share: float = SHARE, seed: int = 0
) -> list[tuple[WebSource, WebSource]]:
    """The training and held-out part of each source, about `share` of the images; no image is in both.

    The part of an image depends only on its content and the seed: not on names, folders, order, or other images;
    examples that share an image stay together. Each part of a small source has at least one image. Raises DatasetError
    for a share that is not between 0 and 1, and for a source with a single image.
    """
    if not 0 < share < 1:
        raise DatasetError(f"The share of web data that is held out must be more than 0 and less than 1, got {share}.")
    keys = [[source.keys(index) for index in range(len(source))] for source in sources]
    groups = _groups([one for of_source in keys for one in of_source])
    drawn = {group: _drawn(group, seed) for group in set(groups.values())}
    held = {group for group, number in drawn.items() if number < share}
    for source, of_source in zip(sources, keys, strict=True):
        there = sorted({groups[min(one)] for one in of_source}, key=lambda group: (drawn[group], group))
        if len(there) < 2:
            raise DatasetError(
                f"Cannot hold out a part of {source.name}: its {len(source):,} examples are about the same image. "
                "Add others, or use --set validation=0."
            )
        if held.isdisjoint(there):
            held.add(there[0])
        if held.issuperset(there):
            held.discard(there[-1])
    return [_parted(source, [groups[min(one)] in held for one in of]) for source, of in zip(sources, keys, strict=True)]


def _parted(source: WebSource, is_held: Sequence[bool]) -> tuple[WebSource, WebSource]:
    rest, held = ([index for index, one in enumerate(is_held) if one == side] for side in (False, True))
    return source.chosen(rest, source.name), source.chosen(held, f"{source.name}, held out")


def _groups(examples: Sequence[frozenset[bytes]]) -> dict[bytes, bytes]:
    """For each image, the smallest one connected with it by examples."""
    parent: dict[bytes, bytes] = {}

    def root(key: bytes) -> bytes:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for keys in examples:
        roots = sorted(root(key) for key in keys)
        for other in roots:
            parent[other] = roots[0]
    return {key: root(key) for key in list(parent)}


def _drawn(group: bytes, seed: int) -> float:
    return mixed(seed, int.from_bytes(group[:8], "big")) / (WORD + 1)
