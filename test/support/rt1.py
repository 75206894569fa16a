"""Small networks for tests: every part of RT-1, a few thousand parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card

SIDE = 32


def tiny_config(**changes: Any) -> RT1Config:
    """`rt1-mini`, but tiny."""
    small = {
        "image_size": SIDE,
        "resnet_widths": (4, 8),
        "resnet_blocks": 1,
        "token_embedding_size": 16,
        "language_size": 8,
        "word_buckets": 64,
        "num_image_tokens": 3,
        "token_learner_bottleneck": 8,
        "num_layers": 2,
        "num_heads": 2,
        "layer_size": 8,
        "d_model": 16,
        "feed_forward_size": 16,
    }
    return RT1Config.preset("rt1-mini", **{**small, **changes})


def tiny_model(seed: int = 0, **changes: Any) -> RT1Model:
    """Random weights everywhere: FiLM too, whose zeros would hide the sentence."""
    torch.manual_seed(seed)
    model = RT1Model(tiny_config(**changes))
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
    return model.eval()  # type: ignore[no-any-return]


def tiny_card() -> ActionCard:
    return tabletop_card("tiny", image_size=SIDE)


def tiny_policy(**changes: Any) -> RT1Policy:
    return RT1Policy(tiny_model(**changes), tiny_card(), name="tiny")


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    """Smooth random colours, RGB uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0, 2 * np.pi, (3, 2)), rng.uniform(0.1, 0.6, (3, 2))
    at = np.arange(side)
    channels = [
        np.sin(p[0] + f[0] * at)[:, None] + np.sin(p[1] + f[1] * at)[None, :] for p, f in zip(*waves, strict=True)
    ]
    return ((np.stack(channels, axis=-1) + 2) * 63).astype(np.uint8)


def seen(seed: int, stamp: float = 0.0, side: int = SIDE) -> Observation:
    return Observation({"front": picture(seed, side)}, stamp)


def check_same_decisions(original: str, exported: str) -> None:
    """Both checkpoints give the same probabilities and most likely tokens, in short and in full windows."""
    policies = [load_policy(place, device="cpu") for place in (original, exported)]
    for policy in policies:
        policy.reset("pick up the red cube")
    for number in range(8):
        expected, found = (p.probabilities(seen(number, number / 5)) for p in policies if isinstance(p, RT1Policy))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert (found.argmax(-1) == expected.argmax(-1)).all()
