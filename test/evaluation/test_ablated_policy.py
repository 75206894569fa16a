"""What an ablated policy is told and shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rt_vla_ros.environments.metaworld import SENTENCES
from rt_vla_ros.evaluation.baselines import ABLATIONS, AblatedPolicy
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card


class Listener:
    """Remembers what it was told and shown."""

    name, card = "listener", tabletop_card("listener")

    def reset(self, instruction: str) -> None:
        self.told = instruction

    def act(self, observation: Observation) -> Any:
        self.shown = observation
        return None


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_one_input_is_replaced_and_the_other_kept(ablation: str) -> None:
    listener, said = Listener(), SENTENCES["drawer-open-v3"]
    policy = AblatedPolicy(listener, ablation, tuple(SENTENCES.values()))
    policy.reset(said)
    image = np.full((4, 4, 3), 9, np.uint8)
    policy.act(Observation(images={"front": image}, stamp=0.0))
    assert listener.shown.images["front"].any() == (ablation != "black-images")
    assert (listener.told == said) == (ablation == "black-images")
    assert (listener.told in SENTENCES.values()) == (ablation in ("black-images", "other-instruction"))
    told = listener.told
    policy.reset(said)
    assert listener.told == told
