"""Words that training does not have are ignored, and those that it has mean the same as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import SUITES
from rt_vla_ros.training.paraphrase import paraphrase, training_sentences, zero_unseen_words


def test_all_instructions_of_the_suites_are_known() -> None:
    known = training_sentences(("pick-any", "train-clutter"))
    assert len(known) == 10 * 18  # phrasings, kinds
    assert all(
        make_scene(suite, seed).task.instruction in known
        for suite in ("pick-any", "train-clutter")
        for seed in range(50)
    )
    assert not any(make_scene("unseen", seed).task.instruction in known for seed in range(50))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("paraphrased", [False, True])
def test_every_suite_can_be_trained_on(suite: str, paraphrased: bool) -> None:
    known = training_sentences((suite,), paraphrased=paraphrased)
    assert {make_scene(suite, seed).task.instruction for seed in range(100)} <= known


def test_paraphrases_are_known() -> None:
    """Every word and every pair of neighbours of any sentence that training draws."""
    known = training_sentences(("pick-any",), paraphrased=True)
    assert {"lift the red block", "please up", "up red", "up cube"} <= known
    assert "cube red" in known  # the cube that is red
    assert "up is" not in known  # something is named between them
    encoder, rng = HashedWords(4096), np.random.default_rng(0)
    buckets = {int(bucket) for text in known for bucket in encoder.encode(text)}
    sentences = sorted(training_sentences(("pick-any",)))
    for sentence in sentences * 20:
        assert set(encoder.encode(paraphrase(sentence, rng, 0.8)).tolist()) <= buckets


def test_only_known_words_count() -> None:
    torch.manual_seed(0)
    model = RT1Model(RT1Config.preset("rt1-mini")).eval()
    encoder = HashedWords(model.config.word_buckets)

    def sentence(text: str) -> torch.Tensor:
        with torch.inference_mode():
            return model.sentence(torch.from_numpy(encoder.encode(text))[None])

    said, strange, senseless = "lift the red cube", "lift the red cube forthwith", "abracadabra"
    before = sentence(said)
    assert not torch.equal(sentence(strange), before)
    assert zero_unseen_words(model, [said]) == 7
    torch.testing.assert_close(sentence(said), before, rtol=0, atol=0)
    torch.testing.assert_close(sentence(strange), before, rtol=0, atol=0)
    assert torch.isfinite(sentence(senseless)).all()
