"""Losses of rt2-mini against plain calculations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from rt_vla_ros.training.rt2.mini.losses import BINS, FINE, UNKNOWN, Cells, Readouts, attention_loss, number_loss

FIRST, WORDS = 7, 20


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, FIRST + BINS + WORDS, generator=torch.Generator().manual_seed(0))


def test_without_neighbours_it_is_cross_entropy(logits) -> None:
    labels = torch.tensor([2, FIRST + 5, FIRST + 255])
    expected = functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(number_loss(logits, labels, FIRST, torch.zeros(3)), expected)


def test_a_neighbour_is_less_wrong_than_a_far_number() -> None:
    labels, sigma = torch.tensor([FIRST + 100]), torch.tensor([3.0])

    def loss(number: int) -> float:
        peaked = torch.full((1, FIRST + BINS), -5.0)
        peaked[0, FIRST + number] = 5.0
        return float(number_loss(peaked, labels, FIRST, sigma))

    assert loss(100) < loss(102) < loss(140)
    assert loss(140) == pytest.approx(loss(20), rel=1e-4)


@pytest.mark.parametrize("number", [0, 255])
def test_at_the_ends_the_weights_still_sum_to_one(number, logits) -> None:
    flat = torch.zeros(1, FIRST + BINS)
    loss = number_loss(flat, torch.tensor([FIRST + number]), FIRST, torch.tensor([3.0]))
    assert float(loss) == pytest.approx(float(torch.tensor(FIRST + BINS).log()), rel=1e-5)


def test_words_among_numbers_are_hard(logits) -> None:
    labels, sigma = torch.tensor([2, FIRST + 5, 3]), torch.tensor([0.0, 2.0, 0.0])
    mixed = number_loss(logits, labels, FIRST, sigma)
    torch.testing.assert_close(mixed[[0, 2]], functional.cross_entropy(logits, labels, reduction="none")[[0, 2]])


def test_attention_on_the_right_cell_costs_nothing() -> None:
    weights = torch.zeros(1, 2, 4, 4)
    weights[0, 1, 3, 2] = 1.0
    where = torch.tensor([0]), torch.tensor([3])
    assert float(attention_loss(weights, *where, 1, torch.tensor([2]))) == pytest.approx(0.0, abs=2e-3)
    assert float(attention_loss(weights, *where, 1, torch.tensor([1]))) > 5


def test_cells_without_an_object_are_learned_as_empty() -> None:
    readouts = Readouts(16)
    cells = Cells(torch.full((2, FINE * FINE, 3), UNKNOWN), torch.zeros(2, FINE * FINE, 2))
    loss = readouts.cells_loss(torch.randn(2, 36, 16), cells)
    assert torch.isfinite(loss)
    loss.backward()


def test_the_symbol_of_a_card_is_learned_where_there_is_one() -> None:
    kinds = torch.full((2, FINE * FINE, 3), UNKNOWN)
    kinds[:, 5] = torch.tensor([1, 2, UNKNOWN])
    readouts, features = Readouts(16), torch.randn(2, 36, 16, generator=torch.Generator().manual_seed(0))
    without = float(readouts.cells_loss(features, Cells(kinds, torch.zeros(2, FINE * FINE, 2))).detach())
    kinds[0, 5, 2] = 3
    with_symbol = float(readouts.cells_loss(features, Cells(kinds, torch.zeros(2, FINE * FINE, 2))).detach())
    assert with_symbol > without + 0.5
