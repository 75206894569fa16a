"""A network that is larger than its weights is not made."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import nn

from rt_vla_ros.network_size import SPARE_PARTS, no_larger_than

SHAPES = [(4, 4), (4,)]


def test_a_network_of_its_weights_is_made() -> None:
    with no_larger_than(SHAPES, LookupError), torch.device("meta"):
        assert nn.Linear(4, 4).weight.shape == (4, 4)


def test_one_with_wider_or_more_layers_is_refused_at_once() -> None:
    started = time.monotonic()
    for width, layers in ((10**9, 1), (1, 10**9)):
        with (
            pytest.raises(LookupError, match=r"here\.json describes a larger model .* 2 tensors with 20 numbers"),
            no_larger_than(SHAPES, LookupError, "here.json"),
            torch.device("meta"),
        ):
            nn.Sequential(*(nn.Linear(width, width) for _ in range(layers)))
    assert time.monotonic() - started < 60


def test_tables_and_parts_without_weights_count_too() -> None:
    module = nn.Module()
    with pytest.raises(LookupError, match="'table' would be beyond"), no_larger_than(SHAPES, LookupError):
        module.register_buffer("table", torch.empty(10**12, device="meta"))
    with pytest.raises(LookupError, match="describes a larger model"), no_larger_than(SHAPES, LookupError):
        nn.ModuleList(nn.Identity() for _ in range(2 * SPARE_PARTS))


def test_other_threads_and_later_networks_are_free() -> None:
    def make() -> None:
        made.append(nn.Linear(10**9, 10**9, device="meta"))

    made: list[nn.Module] = []
    with no_larger_than(SHAPES, LookupError):
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
    make()
    assert len(made) == 2
