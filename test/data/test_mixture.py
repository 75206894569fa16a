from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from rt_vla_ros.data.mixture import Draw, Mixture, distinct_names, temperature_table
from rt_vla_ros.data.shares import MixtureError


@dataclass
class Numbers:
    name: str
    size: int
    is_robot: bool = False

    def __len__(self) -> int:
        return self.size


SOURCES = [Numbers("pick", 100), Numbers("vqa", 37), Numbers("captions", 1000)]
SHARES = {"pick": 0.5, "vqa": 0.3, "captions": 0.2}


def mixture(seed: int = 0, rank: int = 0, processes: int = 1) -> Mixture:
    return Mixture(SOURCES, SHARES, seed=seed, rank=rank, processes=processes)


def drawn(mixture: Mixture, steps: int, size: int) -> list[Draw]:
    return [draw for step in range(steps) for draw in mixture.draw(step, size)]


def test_half_of_24_is_12_in_every_batch() -> None:
    for step in range(50):
        counts = Counter(draw.source for draw in mixture().draw(step, 24))
        assert counts[0] == 12
        assert counts[1] in (7, 8)
        assert counts[2] in (4, 5)


def test_batches_are_as_near_as_whole_numbers_allow_and_the_rest_is_carried_over() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        weights = rng.uniform(size=rng.integers(1, 8)) ** rng.choice([1, 4])
        sources = [Numbers(f"s{i}", 5) for i in range(len(weights))]
        shares = {f"s{i}": weight / weights.sum() for i, weight in enumerate(weights)}
        mixed, size = Mixture(sources, shares, seed=1), int(rng.integers(1, 40))
        counts = np.array([mixed.counts(step, size) for step in range(200)])
        wanted = size * np.array(list(mixed.shares.values()))
        assert (counts.sum(axis=1) == size * np.arange(200)).all()
        batches = np.diff(counts, axis=0)
        assert (batches >= np.floor(wanted - 1e-9)).all()
        assert (batches <= np.ceil(wanted + 1e-9)).all()
        assert np.abs(counts - np.arange(200)[:, None] * wanted).max() < 1.5


def test_a_share_of_less_than_one_in_a_batch_comes_now_and_then() -> None:
    rare = Mixture(SOURCES[:2], {"pick": 0.99, "vqa": 0.01}, seed=0)
    of_vqa = np.diff([rare.counts(step, 4)[1] for step in range(1001)])
    assert {*of_vqa.tolist()} == {0, 1}
    assert of_vqa.sum() == 40
    assert {*np.diff(np.flatnonzero(of_vqa)).tolist()} == {25}


def test_a_source_is_read_whole_before_it_is_read_again_in_another_order() -> None:
    mixed = Mixture([Numbers("pick", 36), Numbers("vqa", 7)], {"pick": 0.5, "vqa": 0.5}, seed=0)
    indices = [draw.index for draw in drawn(mixed, 9, 24) if draw.source == 0]
    epochs = [indices[start : start + 36] for start in (0, 36, 72)]
    assert [sorted(epoch) for epoch in epochs] == [[*range(36)]] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3
    of_vqa = Counter(draw.index for draw in drawn(mixed, 7, 24) if draw.source == 1)
    assert of_vqa == dict.fromkeys(range(7), 12)


def test_a_resumed_run_draws_what_it_would_have_drawn() -> None:
    whole = [mixture().draw(step, 7) for step in range(60)]
    later = mixture()
    assert [later.draw(step, 7) for step in (41, 42, 43)] == whole[41:44]
    assert later.draw(3, 7) == whole[3]
    assert mixture(seed=1).draw(0, 7) != whole[0]


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_processes_take_disjoint_parts_that_are_mixed_as_the_whole(processes: int) -> None:
    alone = mixture()
    parts = [mixture(rank=rank, processes=processes) for rank in range(processes)]
    for step in range(20):
        batches = [part.draw(step, 10) for part in parts]
        assert sorted(itertools.chain(*batches)) == sorted(alone.draw(step, 10 * processes))
        for batch in batches:
            counts = Counter(draw.source for draw in batch)
            assert (counts[0], counts[1], counts[2]) == (5, 3, 2)


def test_no_two_draws_have_the_same_seed() -> None:
    draws = drawn(mixture(), 100, 24)
    assert len({draw.seed for draw in draws}) == len(draws)
    assert all(0 <= draw.seed < 1 << 64 for draw in draws)
    np.random.default_rng(draws[0].seed)


def test_a_source_without_a_share_is_never_drawn_and_may_be_empty() -> None:
    only = Mixture([Numbers("pick", 3), Numbers("vqa", 0)], {"pick": 1, "vqa": 0}, seed=0)
    assert {draw.source for draw in drawn(only, 50, 8)} == {0}


def test_an_endless_run_loses_nothing() -> None:
    thirds = Mixture([Numbers(name, 5) for name in "abc"], dict.fromkeys("abc", 1 / 3), seed=0)
    assert thirds.counts(30_000, 3) == [30_000] * 3


@pytest.mark.parametrize(
    ("shares", "settings", "message"),
    [
        ({"pick": 0.5, "vqa": 0.5}, {}, "Shares are given for pick, vqa; the sources are pick, vqa, captions"),
        (SHARES | {"vqa": 0.4}, {}, "must sum to 1"),
        (SHARES | {"vqa": math.nan}, {}, "got nan"),
        (SHARES, {"rank": 2, "processes": 2}, "The rank is 2, expected 0 to 1"),
        (SHARES, {"rank": -1}, "The rank is -1, expected 0 to 0"),
    ],
)
def test_mixtures_that_cannot_be(shares: dict[str, float], settings: dict[str, int], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        Mixture(SOURCES, shares, seed=0, **settings)


def test_empty_mixtures() -> None:
    with pytest.raises(MixtureError, match="must sum to 1; no share at all"):
        Mixture([], {}, seed=0)
    with pytest.raises(MixtureError, match="These sources are empty: pick"):
        Mixture([Numbers("pick", 0)], {"pick": 1}, seed=0)


@pytest.mark.parametrize(("step", "size"), [(-1, 4), (0, 0), (0, -3)])
def test_batches_that_are_none(step: int, size: int) -> None:
    with pytest.raises(ValueError, match="Invalid batch size"):
        mixture().draw(step, size)


def test_a_mixture_of_robot_and_web_data() -> None:
    sources = [Numbers("train", 300, True), Numbers("train", 100, True), Numbers("vqa", 81), Numbers("captions", 1)]
    mixed = Mixture.of(sources, seed=0)
    assert mixed.shares == pytest.approx({"train": 0.375, "train-2": 0.125, "vqa": 0.5 * 81 / 82, "captions": 0.5 / 82})
    mixed = Mixture.of(sources, seed=0, robot_share=0.6, temperature=2, explicit={"train-2": 0.1})
    assert mixed.shares == pytest.approx({"train": 0.5, "train-2": 0.1, "vqa": 0.36, "captions": 0.04})
    with pytest.raises(MixtureError, match="mixture is empty: specify robot data"):
        Mixture.of([], seed=0)
    with pytest.raises(MixtureError, match=r"no source 'captoins'; .* Did you mean 'captions'\?"):
        Mixture.of(sources, seed=0, explicit={"captoins": 0.1})
    parts = [Mixture.of(sources, seed=0, rank=rank, processes=2).draw(5, 8) for rank in (0, 1)]
    assert sorted(itertools.chain(*parts)) == sorted(Mixture.of(sources, seed=0).draw(5, 16))


def test_sources_of_one_name_get_numbers() -> None:
    assert distinct_names(["train", "a", "train", "train-2", "train"]) == [
        "train",
        "a",
        "train-2",
        "train-2-2",
        "train-3",
    ]
    twice = Mixture([Numbers("train", 1), Numbers("train", 1)], {"train": 0.5, "train-2": 0.5}, seed=0)
    assert twice.names == ["train", "train-2"]


def test_the_table_of_temperatures_is_the_one_of_the_page(request: pytest.FixtureRequest) -> None:
    page = request.config.rootpath / "docs" / "rt2_training.md"
    assert temperature_table() in page.read_text()
