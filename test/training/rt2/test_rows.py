"""What a model learns is behind the very prompt that the policy feeds it, in the very tokens that decoding reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.fine_tuning import action_turn, example_of, parts_of
from support.other_vlms import NAMES, save_other
from support.vlms import random_image, rt2_card, save_openvla, save_vlm

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT
from rt_vla_ros.policies.rt2.decoding.plan_grammar import PlanGrammar
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.collator import PaddedCollator
from rt_vla_ros.training.rt2.objective import AnswerLoss
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.training_row import IGNORED, TrainingRow

RNG = np.random.default_rng(0)
EVERY = [*FAMILIES, *NAMES, "openvla"]


def save(directory: Path, family: str) -> Path:
    if family == "openvla":
        return save_openvla(directory)
    return save_other(directory, family) if family in NAMES else save_vlm(directory, family)


def learned(row: TrainingRow) -> list[int]:
    return row.labels[row.labels != IGNORED].tolist()


def fed(parts: RT2Parts, example: Example, question: str = "") -> dict[str, torch.Tensor]:
    """What the policy gives its model."""
    policy = RT2Policy(parts, pack=False)
    images = {camera.name: image for camera, image in zip(parts.card.cameras, example.images, strict=True)}
    seen: list[dict[str, Any]] = []
    engine = policy._engine

    def write(inputs: dict[str, Any], *_: object, **__: object) -> Any:
        seen.append(inputs)
        return iter(())

    if question:
        engine.write = write  # type: ignore[method-assign]
        policy.ask(images, question)
    else:
        policy.reset(example.turns[0].text)
        engine.decode = write  # type: ignore[method-assign]
        list(policy.outputs(Observation(images, 0.0, example.state)))
    return seen[-1]


@pytest.mark.parametrize("family", EVERY)
def test_rows_of_every_family(family: str, tmp_path: Path) -> None:
    parts = parts_of(save(tmp_path, family))
    maker = RowMaker(parts)
    turn, question = action_turn(parts), Turn("How many cubes are there?", "two")
    example = example_of(parts, turn, question)
    action, words = (maker.row(example, one, RNG, "it") for one in example.turns)
    grammar = make_grammar(parts)
    assert grammar.decode(learned(action)[:-1]) == turn.bins
    assert learned(action)[-1] in stop_tokens(parts.model, parts.processor.tokenizer)
    assert parts.processor.tokenizer.decode(learned(words)[:-1]).strip() == "two"
    for row, told in ((action, fed(parts, example)), (words, fed(parts, example, question.text))):
        assert row.prompt == told["input_ids"].shape[1]
        for key, value in told.items():
            mine = row.inputs[key]
            mine = mine[:, : row.prompt] if value.shape[-1] == row.prompt and value.dim() == 2 else mine
            assert torch.equal(mine, value), key
    check_batch(parts, [action, words])


def check_batch(parts: RT2Parts, rows: list[TrainingRow]) -> None:
    """Rows of different lengths together have the losses that each has by itself."""
    loss, collate = AnswerLoss(), PaddedCollator(0)
    parts.model.train(False)
    with torch.no_grad():
        together = loss(parts.model, collate(rows))
        alone = [loss(parts.model, collate([row])).total for row in rows]
    torch.testing.assert_close(together.rows, torch.stack(alone), rtol=1e-3, atol=1e-3)
    assert float(together.total) == pytest.approx(float(sum(alone)), rel=1e-3)


@pytest.mark.parametrize("family", ["paligemma", "qwen2_5_vl"])
def test_labels_are_predicted_as_decoding_sees_them(family: str, tmp_path: Path) -> None:
    """The loss of a row is that of the model's own logits for its answer, read token by token."""
    from rt_vla_ros.policies.rt2.decoding.session import DecodingSession

    parts = parts_of(save_vlm(tmp_path, family))
    example = example_of(parts, action_turn(parts))
    maker = RowMaker(parts)
    row = maker.row(example, example.turns[0], RNG, "it")
    _, prompt = maker.prompt(example, example.turns[0])
    answer = learned(row)
    with torch.no_grad():
        session = DecodingSession(parts.model, prompt)
        rows = [session.prompt((), logits=True)[-1]]
        session.forget(0)
        for token in answer[:-1]:
            rows.append(session.more([token], logits=True)[-1])
            session.forget(0)
        expected = -sum(r.float().log_softmax(-1)[t] for r, t in zip(rows, answer, strict=True))
        found = AnswerLoss()(parts.model, PaddedCollator(0)([row])).total
    assert float(found) == pytest.approx(float(expected), rel=1e-3)


def test_a_chunk_in_a_chat_ends_in_the_end_of_the_turn(tmp_path: Path) -> None:
    card = replace(rt2_card(), horizon=2)
    directory = save_vlm(tmp_path, "qwen2_5_vl", card=card, control=["<end>"], chat=True, leading_space=False)
    parts = parts_of(directory)
    tokenizer = parts.processor.tokenizer
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end>{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    parts.model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<end>")
    turn = action_turn(parts)
    row = RowMaker(parts).row(example_of(parts, turn), turn, RNG, "it")
    assert learned(row)[-1] == tokenizer.convert_tokens_to_ids("<end>")
    assert make_grammar(parts).decode(learned(row)[:-1]) == turn.bins
    before = Turn("And now?", "a cube", before=(("What is it?", "<end> a ball"),))
    ids = RowMaker(parts).row(example_of(parts, before), before, RNG, "it").inputs["input_ids"][0].tolist()
    text = tokenizer.decode(ids)
    assert text.index("What is it?") < text.index("a ball") < text.index("And now?") < text.index("a cube")
    assert ids.count(tokenizer.convert_tokens_to_ids("<end>")) == 4  # of four turns, and none that the data brought


def test_the_state_and_several_views_are_in_the_prompt_as_the_policy_has_them(tmp_path: Path) -> None:
    card = replace(rt2_card("front", "wrist"), state=TABLETOP_STATE, horizon=2)
    prompt = {"prompt": "Task: {instruction}, State: {state}, Actions:", "state_bins": 64, "wording": "task"}
    views = {"views": "unscaled", "view_crop": 0.5}
    parts = parts_of(save_vlm(tmp_path, "smolvlm", card=card, **prompt, **views))
    turn = action_turn(parts, text="Pick_up the Cube")
    for state in ([one.low for one in card.state], [one.high * 2 for one in card.state]):
        example = replace(example_of(parts, turn), state=np.array(state))
        row, told = RowMaker(parts).row(example, turn, RNG, "it"), fed(parts, example)
        assert torch.equal(row.inputs["input_ids"][:, : row.prompt], told["input_ids"])
        assert torch.equal(row.inputs["pixel_values"], told["pixel_values"])
    with pytest.raises(TrainingError, match=r"it: .*state"):
        RowMaker(parts).row(replace(example, state=None), turn, RNG, "it")


def test_large_pictures_are_made_as_small_as_the_camera_s_for_such_views(tmp_path: Path) -> None:
    card = replace(rt2_card(), cameras=(CameraSpec("front", 64, 48, "center", 0.0),))
    parts = parts_of(save_vlm(tmp_path, "smolvlm", card=card, views="unscaled", view_crop=0.8))
    turn = Turn("What is it?", "a cube")
    row = RowMaker(parts).row(Example((random_image(0, 300, 500),), (turn,)), turn, RNG, "it")
    assert row.inputs["pixel_values"].shape[-2:] == (56, 56)


def test_the_beginning_of_a_chunk_is_learned_where_an_episode_ends(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "smolvlm", card=replace(rt2_card(), horizon=3)))
    maker, whole = RowMaker(parts), action_turn(parts)
    part = replace(whole, bins=whole.bins[:8])
    rows = [maker.row(example_of(parts, one), one, RNG, "it") for one in (whole, part)]
    assert learned(rows[0])[: len(learned(rows[1]))] == learned(rows[1])
    assert len(learned(rows[1])) < len(learned(rows[0])) - 1


@pytest.mark.parametrize("family", ["paligemma", "qwen2_vl", "smolvlm"])
def test_a_plan_is_read_as_the_policy_writes_it(family: str, tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, family))
    turn = action_turn(parts, plan="pick red cube")
    row = RowMaker(parts, plan_tokens=20).row(example_of(parts, turn), turn, RNG, "it")
    planning = replace(parts, config=replace(parts.config, prompt=PLAN_PROMPT, plan_tokens=20))
    grammar = make_grammar(planning)
    assert isinstance(grammar, PlanGrammar)
    assert grammar.decode(learned(row)[:-1]) == turn.bins
    assert grammar.plan(learned(row)[:-1]) == "pick red cube"
    assert torch.equal(row.inputs["input_ids"][:, : row.prompt], fed(planning, example_of(parts, turn))["input_ids"])


def test_a_long_plan_is_cut_where_the_policy_would(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_vl"))
    turn = action_turn(parts, plan="pick the red cube and put it down " * 20)
    row = RowMaker(parts, plan_tokens=6).row(example_of(parts, turn), turn, RNG, "it")
    grammar = make_grammar(replace(parts, config=replace(parts.config, prompt=PLAN_PROMPT, plan_tokens=6)))
    assert grammar.decode(learned(row)[:-1]) == turn.bins


def test_whole_numbers_are_hidden_and_not_learned(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_5_vl"))
    turn, rng = action_turn(parts), np.random.default_rng(1)
    plain = RowMaker(parts).row(example_of(parts, turn), turn, rng, "it")
    maker, shares = RowMaker(parts, label_mask=0.5), []
    places = maker.answers.action(turn.bins)[1]
    for _ in range(40):
        row = maker.row(example_of(parts, turn), turn, rng, "it")
        hidden = row.inputs["input_ids"] != plain.inputs["input_ids"]
        assert not hidden[:, : row.prompt].any()
        assert torch.equal(hidden | (plain.labels == IGNORED), row.labels == IGNORED)
        for place in places:
            number = hidden[0, row.prompt + place.start : row.prompt + place.stop]
            assert bool(number.all()) == bool(number.any())
        shares.append(sum(bool(hidden[0, row.prompt + place.start]) for place in places) / len(places))
    assert 0 < max(shares) <= 0.5
    assert shares.count(0.0) >= 4


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Turn("Is it red?", "  "), "it: The answer is empty; add text or drop the sample."),
        (Turn("  ", "yes"), "it: The question is empty; expected one about the image"),
        (Turn("", bins=(0,) * 8), "it: The instruction is empty; expected a task for the robot."),
        (Turn("go", bins=(0,) * 7), r"it: An action has 7 numbers, expected a multiple of 8, at most 8\."),
        (Turn("go", bins=(0,) * 16), r"it: An action has 16 numbers, expected a multiple of 8, at most 8\."),
        (Turn("go", bins=(2, *(0,) * 7)), r"it: An action has the bin 2 at position 0, expected 0 to 1\."),
        (Turn("go", bins=(0, 256, *(0,) * 6)), r"it: An action has the bin 256 at position 1, expected 0 to 255\."),
        (Turn("go", bins=(0, -1, *(0,) * 6)), r"it: An action has the bin -1 at position 1, expected 0 to 255\."),
        (Turn("go", bins=(0,) * 8, plan=" "), r"it: The plan is empty"),
        (Turn("go", bins=(0,) * 8, plan="pick Action: cube"), r"The plan 'pick Action: cube' contains .*ends a plan"),
        (
            Turn("why " * 3000, "yes"),
            r"it: prompt, images and answer take \d+ tokens, the model's context has 2048; drop",
        ),
    ],
)
def test_what_cannot_be_learned_is_told(turn: Turn, said: str, tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_5_vl"))
    with pytest.raises(TrainingError, match=said):
        RowMaker(parts).row(example_of(parts, turn), turn, RNG, "it")


def test_control_tokens_in_data_stay_text(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_5_vl"))
    tokenizer = parts.processor.tokenizer
    turn = Turn("What is <|image_pad|>?", "a </s> <|image_pad|> sign")
    row = RowMaker(parts).row(example_of(parts, turn), turn, RNG, "it")
    plain = RowMaker(parts).row(example_of(parts, turn), Turn("What is it?", "a sign"), RNG, "it")
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    ids, others = row.inputs["input_ids"][0].tolist(), plain.inputs["input_ids"][0].tolist()
    assert ids.count(image) == others.count(image)
    assert ids.count(tokenizer.eos_token_id) == others.count(tokenizer.eos_token_id)
    assert "</s>" in tokenizer.decode(learned(row)[:-1])


def test_text_alone(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_5_vl"))
    turn = Turn("What is two and two?", "four")
    with_image = example_of(parts, turn)
    rows = [RowMaker(parts).row(one, turn, RNG, "it") for one in (Example((), (turn,)), with_image)]
    assert len(rows[0]) < len(rows[1])
    check_batch(parts, rows)
