"""What a robot runs gives the numbers of the plain forward over the whole window."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support import rt1_golden
from support.rt1 import tiny_model
from support.rt1_golden import CASES, golden

from rt_vla_ros.policies.rt1.fast.last_step import last_logits
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps, fold_batch_norms
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps

FLAVOURS = [*sorted(CASES), "tensorflow"]


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def model_of(flavour: str) -> RT1Model:
    return rt1_golden.tf_model("tf_small") if flavour == "tensorflow" else rt1_golden.flax_model(flavour)


def frames() -> torch.Tensor:
    """Seven images, uint8 (7, 256, 320, 3)."""
    return rt1_golden.tf_images(golden("tf_small"))


def sentence() -> torch.Tensor:
    return torch.from_numpy(golden("tf_small")["embedding"])[None]


def whole_window(model: RT1Model, step: int, chosen: list[torch.Tensor]) -> torch.Tensor:
    """The last logits of the plain forward over the window as this flavour was trained."""
    length, images = model.config.time_sequence_length, frames()
    seen = images[max(0, step - length + 1) : step + 1]
    taken = torch.stack([torch.zeros(11, dtype=torch.int64), *chosen])[-len(seen) :]
    taken = torch.cat([taken[1:], taken[:1]])  # the newest step's are not looked at
    sentences = sentence().expand(len(seen), -1)
    if model.config.history_start == "zero_frames":
        missing = length - len(seen)
        seen = torch.cat([torch.zeros(missing, *seen.shape[1:], dtype=torch.uint8), seen])
        sentences = torch.cat([torch.zeros(missing, sentences.shape[1]), sentences])
        taken = torch.cat([torch.zeros(missing, 11, dtype=torch.int64), taken])
    return model(seen[None], sentences[None], action_tokens=taken[None]).logits[0, -1]


@pytest.mark.parametrize("kind", [PlainSteps, FoldedSteps])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_steps_are_the_whole_window(flavour: str, kind: type[PlainSteps]) -> None:
    """From the start of a request on, through a full window, and once more after a reset."""
    reference = model_of(flavour)
    steps: PlainSteps = kind(copy.deepcopy(reference))
    for _ in range(2):
        steps.begin(sentence())
        chosen: list[torch.Tensor] = []
        for number in range(5):
            logits = steps.step(frames()[number][None])
            assert (logits - whole_window(reference, number, chosen)).abs().max() < 1e-4
            chosen.append(logits.argmax(-1))
            steps.chosen(chosen[-1])


@pytest.mark.parametrize("flavour", ["swiglu", "tensorflow"])
def test_steps_where_onednn_does_not_serve(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = FoldedSteps(model_of(flavour))
    monkeypatch.setattr("rt_vla_ros.policies.rt1.fast.onednn.serves", lambda *_: False)
    plain = FoldedSteps(model_of(flavour))
    for steps in (packed, plain):
        steps.begin(sentence())
    for image in frames()[:2]:
        torch.testing.assert_close(packed.step(image[None]), plain.step(image[None]), rtol=0, atol=1e-4)
    assert len(list(packed.model.parameters())) < len(list(plain.model.parameters()))


def test_another_instruction_changes_the_output() -> None:
    steps = FoldedSteps(model_of("swiglu"))
    answers = []
    for factor in (1.0, -1.0, 1.0):
        steps.begin(factor * sentence())
        answers.append(steps.step(frames()[:1]))
    assert (answers[0] - answers[1]).abs().max() > 1e-2
    torch.testing.assert_close(answers[0], answers[2], rtol=0, atol=0)


def test_one_image_a_step_goes_through_the_trunk() -> None:
    model, sizes = model_of("swiglu"), []
    steps = FoldedSteps(model)
    model.trunk.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[0]))
    steps.begin(sentence())
    for image in frames()[:4]:
        steps.step(image[None])
    assert sizes == [1] * 4


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_needed_rows_alone_give_the_same_logits(flavour: str) -> None:
    transformer = model_of(flavour).transformer
    config = transformer.config
    generator = torch.Generator().manual_seed(3)
    for steps in range(1, config.time_sequence_length + 1):
        shape = (2, steps, config.num_image_tokens, config.token_embedding_size)
        tokens = torch.randn(shape, generator=generator)
        plain = transformer(tokens)[:, -1]
        torch.testing.assert_close(last_logits(transformer, transformer.embed(tokens)), plain, rtol=1e-4, atol=1e-4)


def test_folding_changes_nothing_but_the_norms() -> None:
    model = model_of("tensorflow")
    before = model.image_tokens(frames()[:2], sentence().expand(2, -1))
    fold_batch_norms(model)
    assert not [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    after = model.image_tokens(frames()[:2], sentence().expand(2, -1))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_bfloat16_mostly_agrees() -> None:
    exact, rough = FoldedSteps(model_of("tensorflow")), FoldedSteps(model_of("tensorflow"), torch.bfloat16)
    agreement = []
    for steps in (exact, rough):
        steps.begin(sentence())
    for image in frames():
        a, b = exact.step(image[None]), rough.step(image[None])
        assert (a - b.float()).abs().max() < 0.3
        agreement.append((a.argmax(-1) == b.argmax(-1)).float().mean().item())
    assert np.mean(agreement) > 0.6


def test_the_window_begins_exactly_in_bfloat16_too() -> None:
    """Black images fill it, and bfloat16 in the trunk is at its worst on a plain image."""
    exact, rough = FoldedSteps(model_of("swiglu")), FoldedSteps(model_of("swiglu"), torch.bfloat16)
    for steps in (exact, rough):
        steps.begin(sentence())
    for kept, black in zip(rough._tokens.items, exact._tokens.items, strict=True):
        torch.testing.assert_close(kept, black.to(torch.bfloat16), rtol=0, atol=0)


def test_plain_steps_match_the_small_network() -> None:
    model = tiny_model()
    steps = PlainSteps(model)
    words = torch.randint(1, 64, (1, 5), generator=torch.Generator().manual_seed(0))
    steps.begin(words)
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for number in range(4):
        seen = images[max(0, number - 2) : number + 1]
        torch.testing.assert_close(steps.step(images[number][None]), model(seen[None], words).logits[0, -1])
