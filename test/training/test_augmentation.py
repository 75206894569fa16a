from __future__ import annotations

import torch

from rt_vla_ros.training.batch import jitter_colours


def test_jitter_changes_light_and_never_the_name_of_a_colour() -> None:
    colours = torch.tensor(
        [[204, 13, 15], [250, 217, 20], [20, 140, 31], [25, 199, 217], [20, 41, 204]], dtype=torch.uint8
    )
    images = colours.reshape(1, 1, 1, 1, 5, 3).expand(50, 1, 1, 1, 5, 3)
    generator = torch.Generator().manual_seed(0)
    changed = jitter_colours(images, 0.12, generator)
    assert changed.dtype == torch.uint8
    assert changed.float().std(dim=0).max() > 3
    strongest = [set(c.tolist()) for c in changed[:, 0, 0, 0].argmax(-1).T]
    assert strongest[:3] + strongest[4:] == [{0}, {0}, {1}, {2}]
    assert changed[:, 0, 0, 0, 3, 0].max() < 60, "cyan stays without red"
    assert jitter_colours(images, 0.0, generator) is images
