from __future__ import annotations

import numpy as np

from rt_vla_ros.sim.instructions import matches
from rt_vla_ros.sim.objects import ObjectKind
from rt_vla_ros.training.paraphrase import paraphrase, synonyms

SENTENCE = "Pick up the cube that is red!"


def test_the_same_object_is_meant() -> None:
    rng = np.random.default_rng(0)
    kinds = [ObjectKind("red", "cube"), ObjectKind("red", "ball"), ObjectKind("blue", "cube")]
    said = {paraphrase(SENTENCE, rng, 1.0) for _ in range(300)}
    assert all(matches(text, kinds) == kinds[:1] for text in said)
    assert len(said) > 40
    assert {"block red", "cube red"} <= said


def test_nothing_changes_where_nothing_may() -> None:
    assert paraphrase(SENTENCE, np.random.default_rng(0), 0.0) == "pick up the cube that is red"


def test_names_of_a_shape() -> None:
    assert synonyms("can") == synonyms("cylinder") == ["cylinder", "can", "tube"]
