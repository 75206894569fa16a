"""Which bases are taken, with which cards, and what of them is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.datasets import CARD, change_info, make_episode, write_dataset
from support.fine_tuning import SETTINGS, Pictures, parts_of, run_small
from support.other_vlms import NAMES, save_other
from support.vlms import rt2_card, save_openvla, save_vlm

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, CameraSpec
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, UnknownPolicyError
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT, RT2Config
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import VocabularyError
from rt_vla_ros.policies.rt2.families import ModelFamilyError
from rt_vla_ros.policies.rt2.inputs.processor import ProcessorError
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.answers import LONGEST_TRAINED_PLAN, AnswerWriter
from rt_vla_ros.training.rt2.base_model import policy_card
from rt_vla_ros.training.rt2.fine_tune_data import load_robot_sets
from rt_vla_ros.training.rt2.fine_tune_settings import RECIPES
from rt_vla_ros.training.rt2.publishing import policy_config

SHORT = replace(SETTINGS, steps=2)
EYE = CameraSpec("front", 32, 32, "center", 0.0)


def seven(**changes: Any) -> ActionCard:
    """Translation, rotation and gripper, as OpenVLA has them, of a camera of 32 x 32."""
    return replace(rt2_card(), dimensions=rt2_card().dimensions[1:], cameras=(EYE,), **changes)


def episodes(card: ActionCard) -> list[Any]:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        low, high = ([getattr(d, side) for d in card.dimensions] for side in ("low", "high"))
        values = rng.uniform(low, high, (6, len(low)))
        values[0, -1], values[1, -1] = 0.0, 1.0
        stamps = np.arange(6) / 3.0
        found.append(make_episode(seed, 6, card, values=values, stamps=stamps))
    return found


@pytest.fixture
def openvla_set(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "seven", episodes(seven()), seven())


def plain(directory: Path, family: str = "qwen2_vl", **options: Any) -> Path:
    """A base that has learned no actions."""
    save_vlm(directory, family, **options)
    for name in ("action_card.json", "rt2_config.json"):
        (directory / name).unlink()
    return directory


@pytest.mark.parametrize("family", ["paligemma", "smolvlm"])
def test_a_plain_base_becomes_a_policy(family: str, robot: Path, tmp_path: Path) -> None:
    base, out = plain(tmp_path / "base", family), tmp_path / "run"
    run_small(out, robot, replace(SHORT, freeze="vision"), base=str(base))
    before, after = load_file(base / "model.safetensors"), load_file(out / "checkpoint/model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name or "text_model." in name or "lm_head" in name for name in changed)
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    policy.reset("go")
    assert policy.act(Observation({"front": np.zeros((32, 32, 3), np.uint8)}, 0.0)).tokens


@pytest.mark.parametrize("family", [*FAMILIES, *NAMES])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_every_family_is_trained_and_run(family: str, method: str, robot: Path, tmp_path: Path) -> None:
    """With questions beside actions; saved, loaded, and it acts."""
    base, out = tmp_path / "base", tmp_path / "run"
    if family in NAMES:
        save_other(base, family)
        for name in ("action_card.json", "rt2_config.json"):
            (base / name).unlink()
    else:
        plain(base, family)
    settings = replace(SHORT, method=method, lora_rank=2, learning_rate=0.01, steps=1)
    run_small(out, robot, settings, base=str(base), web=(Pictures(6),), save_interval=1)
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    policy.reset("go")
    assert policy.act(Observation({"front": np.zeros((32, 32, 3), np.uint8)}, 0.0)).tokens


def test_an_empty_set_is_refused(robot: Path, tmp_path: Path) -> None:
    change_info(robot, total_episodes=0)
    with pytest.raises(DatasetError, match="has no episodes; collect some: rt-vla collect"):
        run_small(tmp_path / "run", robot, SHORT)


def test_the_language_can_be_frozen_too(robot: Path, tmp_path: Path) -> None:
    base, out = plain(tmp_path / "base"), tmp_path / "run"
    run_small(out, robot, replace(SHORT, freeze="language"), base=str(base))
    before, after = load_file(base / "model.safetensors"), load_file(out / "checkpoint/model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any("language_model" in name or "lm_head" in name for name in changed)


def test_an_adapter_goes_to_the_layers_that_are_named(robot: Path, tmp_path: Path) -> None:
    base, out = plain(tmp_path / "base"), tmp_path / "run"
    settings = replace(SHORT, method="lora", lora_targets="q_proj, v_proj", lora_rank=4)
    run_small(out, robot, settings, base=str(base))
    adapter = load_file(out / "checkpoint/adapter_model.safetensors")
    assert {name.split(".")[-3] for name in adapter} == {"q_proj", "v_proj"}
    config = json.loads((out / "checkpoint/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    assert config["r"] == 4
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    policy.reset("go")
    with pytest.raises(TrainingError, match=r"names nowhere; available linear layers: .*q_proj.*all-linear"):
        run_small(tmp_path / "other", robot, replace(settings, lora_targets="q_proj,nowhere"), base=str(base))


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm"])
def test_a_merged_adapter_is_the_same_policy(family: str, robot: Path, tmp_path: Path) -> None:
    base, settings = plain(tmp_path / "base", family), replace(SHORT, method="lora", lora_rank=4, learning_rate=0.01)
    for name, merged in (("beside", False), ("merged", True)):
        run_small(tmp_path / name, robot, replace(settings, merged=merged), base=str(base))
    beside, whole = (parts_of(tmp_path / name / "checkpoint").model.state_dict() for name in ("beside", "merged"))
    untouched = parts_of(tmp_path / "merged/checkpoint").model.config.model_type
    assert untouched == family
    assert beside.keys() == whole.keys()
    assert all(torch.allclose(beside[name], whole[name], atol=1e-6) for name in beside)
    assert not (tmp_path / "merged/checkpoint/adapter_config.json").exists()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_half_precision_and_activations_that_are_computed_again(method: str, robot: Path, tmp_path: Path) -> None:
    base = plain(tmp_path / "base", "qwen2_5_vl")
    settings = replace(SHORT, method=method, precision="bfloat16", gradient_checkpointing=True, learning_rate=0.01)
    done = run_small(tmp_path / "run", robot, settings, base=str(base))
    assert all(np.isfinite(row["validation"]) for row in done.rows)
    assert done.rows[-1]["validation"] != done.rows[0]["validation"]
    load_policy(str(tmp_path / "run/checkpoint"), device="cpu").reset("go")
    weights = next((tmp_path / "run/checkpoint").glob("*.safetensors"))
    kinds = {value.dtype for value in load_file(weights).values()}
    assert kinds == {torch.bfloat16 if method == "full" else torch.float32}


def test_the_recipe_of_vla0(robot: Path, tmp_path: Path) -> None:
    base = plain(tmp_path / "base", "qwen2_5_vl")
    path = base / "tokenizer_config.json"
    data = json.loads(path.read_text())
    template = (
        "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}</s>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    path.write_text(json.dumps(data))
    (base / "chat_template.jinja").write_text(template)
    settings = replace(RECIPES["vla0"], steps=2, batch_size=4, gradient_checkpointing=False)
    run_small(tmp_path / "run", robot, settings, base=str(base))
    config = RT2Config.load(tmp_path / "run/checkpoint")
    assert "robot actions for the next 8 timesteps. Each action has 6 dimensions." in config.system
    assert "a single sequence of 48 integers (0-255 each)" in config.system
    policy = load_policy(str(tmp_path / "run/checkpoint"), device="cpu")
    policy.reset("go")
    assert policy.card.horizon == 8


def test_openvla_is_fine_tuned_by_an_adapter(openvla_set: Path, tmp_path: Path) -> None:
    base, out = save_openvla(tmp_path / "openvla"), tmp_path / "run"
    settings = replace(SHORT, method="lora", lora_rank=4, learning_rate=0.05, batch_size=2, validation=0.0)
    settings = replace(settings, gradient_checkpointing=True)
    run_small(out, openvla_set, settings, base=str(base))
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    image = {"front": np.full((32, 32, 3), 90, np.uint8)}
    policy.reset("go")
    tuned = policy.act(Observation(image, 0.0))
    assert policy.card.quantization == "centers"
    assert policy.card.control_rate == seven().control_rate
    name = "model.language_model.layers.0.self_attn.q_proj.weight"
    one, other = (parts_of(place).model.get_parameter(name) for place in (base, out / "checkpoint"))
    assert not torch.equal(one, other)
    assert len(tuned.tokens) == 7
    with pytest.raises(CheckpointError, match=r"OpenVLA supports only LoRA fine-tuning: use --recipe openvla-lora"):
        run_small(tmp_path / "full", openvla_set, SHORT, base=str(base))


def test_what_openvla_cannot_write_is_refused(robot: Path, tmp_path: Path) -> None:
    base = save_openvla(tmp_path / "openvla")
    with pytest.raises(ActionCardError, match="dimensions 6, an OpenVLA model has 7"):
        run_small(tmp_path / "run", robot, replace(SHORT, method="lora"), base=str(base))


def test_a_base_with_other_actions_is_refused(robot: Path, tmp_path: Path) -> None:
    base = save_vlm(tmp_path / "base", "qwen2_vl", card=replace(CARD, control_rate=4.0, frame_id="tool0"))
    with pytest.raises(ActionCardError, match=r"action card .* differs .*frame_id .*, control_rate 5.0 instead of 4.0"):
        run_small(tmp_path / "run", robot, SHORT, base=str(base))


def test_the_horizon_is_the_base_s_or_the_setting_s() -> None:
    base = replace(CARD, horizon=4, execute_steps=2)
    assert policy_card(CARD, base, 0).horizon == 4
    assert policy_card(CARD, base, 0).execute_steps == 2
    assert policy_card(CARD, base, 8).horizon == 8
    assert policy_card(CARD, None, 0).horizon == 1
    assert policy_card(CARD, None, 3).horizon == 3


def test_sets_of_different_cards_are_refused_with_all_differences(robot: Path, tmp_path: Path) -> None:
    other = replace(CARD, frame="end_effector", cameras=(replace(CARD.cameras[0], name="eye"),), gripper_closed=0.5)
    write_dataset(tmp_path / "other", [make_episode(0, card=other)], other)
    with pytest.raises(ActionCardError, match=r"frame .*gripper_closed .*cameras\[0\]\.name"):
        load_robot_sets([robot, tmp_path / "other"])
    with pytest.raises(DatasetError, match="lists the same dataset more than once"):
        load_robot_sets([robot, robot])
    with pytest.raises(DatasetError, match="There is no robot data: give at least one dataset, --robot DIR"):
        load_robot_sets([])


def test_a_card_that_travels_with_the_run_changes_prompts(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(out, robot, replace(SHORT, horizon=2, plan_share=0.5, plan_tokens=12, rt2={"lower_case": True}))
    config = RT2Config.load(out / "checkpoint")
    assert (config.plan_tokens, config.lower_case) == (12, True)
    assert "Plan:" in config.prompt
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    assert policy.card.horizon == 2
    policy.reset("go")
    assert len(policy.act(Observation({"front": np.zeros((32, 32, 3), np.uint8)}, 0.0)).steps) == 2


def test_plans_that_were_learned_beside_actions_are_written_on_request(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(out, robot, replace(SHORT, plan_share=0.5))
    config = RT2Config.load(out / "checkpoint")
    assert (config.plan_tokens, config.plan_on_request) == (0, LONGEST_TRAINED_PLAN)
    assert "--plan" in (out / "checkpoint/README.md").read_text()
    for plan in (False, True):
        policy = load_policy(str(out / "checkpoint"), device="cpu", plan=plan)
        policy.reset("go")
        chunk = policy.act(Observation({"front": np.zeros((32, 32, 3), np.uint8)}, 0.0))
        assert bool(chunk.plan) == plan


@pytest.mark.parametrize(
    ("base", "settings", "expected"),
    [
        ({}, {}, (0, 0)),
        ({}, {"plan_share": 0.5}, (0, 64)),
        ({}, {"plan_share": 0.5, "plan_tokens": 12}, (12, 0)),
        ({"plan_on_request": 6}, {}, (0, 6)),
        ({"plan_on_request": 6}, {"plan_share": 0.5}, (0, 64)),
        ({"plan_on_request": 200}, {"plan_share": 0.5}, (0, 200)),
        ({"plan_on_request": 6}, {"plan_share": 0.5, "plan_tokens": 12}, (12, 6)),
        ({"plan_tokens": 9, "prompt": PLAN_PROMPT}, {"plan_share": 0.5}, (9, 0)),
    ],
)
def test_a_policy_plans_as_long_as_it_has_learned(
    base: dict[str, Any], settings: dict[str, Any], expected: tuple[int, int], tmp_path: Path
) -> None:
    parts, chosen = parts_of(save_vlm(tmp_path, "qwen2_vl", **base)), replace(SETTINGS, **settings)
    longest = AnswerWriter(parts, chosen.plan_tokens).longest_plan
    config = policy_config(parts.config, chosen, longest)
    assert (config.plan_tokens, config.plan_on_request) == expected
    assert config.plans == any(expected)


def test_tokens_to_overwrite_are_chosen(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(out, robot, replace(SHORT, rt2={"vocabulary": "overwritten"}))
    assert len(RT2Config.load(out / "checkpoint").tokens) == CARD.bins
    load_policy(str(out / "checkpoint"), device="cpu").reset("go")


@pytest.mark.parametrize(
    ("rt2", "error", "said"),
    [
        ({"chat": True}, ProcessorError, "requires a chat template, but the tokenizer has none"),
        ({"chat": 1}, ValueError, "chat is 1, expected bool"),
        ({"vocabulary": "openvla", "tokens": [1]}, ValueError, "tokens lists 1 ids for the vocabulary 'openvla'"),
        (
            {"vocabulary": "overwritten", "tokens": [9, 8]},
            VocabularyError,
            "2 overwritten tokens, the card has 256",
        ),
    ],
)
def test_settings_that_the_base_cannot_do(
    rt2: dict[str, Any], error: type[Exception], said: str, robot: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        run_small(tmp_path / "run", robot, replace(SHORT, rt2=rt2))


def test_a_tokenizer_that_cannot_write_numbers_is_refused(robot: Path, tmp_path: Path) -> None:
    base = plain(tmp_path / "base")
    path = base / "tokenizer.json"
    data = json.loads(path.read_text())
    digits = [str(number) for number in range(10)]
    for digit in digits:
        del data["model"]["vocab"][digit]
    data["model"]["merges"] = [m for m in data["model"]["merges"] if not any(d in "".join(m) for d in digits)]
    data["model"]["vocab"] = {t: i for t, i in data["model"]["vocab"].items() if not any(d in t for d in digits)}
    path.write_text(json.dumps(data))
    with pytest.raises(VocabularyError, match=r"cannot write the number 0.*use \"overwritten\""):
        run_small(tmp_path / "run", robot, SHORT, base=str(base))


@pytest.mark.parametrize("kind", ["florence2", "mllama", "blip-2"])
def test_a_model_that_works_otherwise_is_refused(kind: str, robot: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(ModelFamilyError, match="RT-2 here runs decoder-only models"):
        run_small(tmp_path / "run", robot, SHORT, base=str(base))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("nowhere/at/all", "There is no base model 'nowhere/at/all'"),
        ("rt1-mini", "'rt1-mini' is not a vision-language model that can be fine-tuned"),
        ("rt2-untrained", "'rt2-untrained' is not a vision-language model"),
    ],
)
def test_what_is_no_base(base: str, said: str, robot: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        run_small(tmp_path / "run", robot, SHORT, base=base)


def test_a_base_that_is_not_there_is_refused_with_those_that_are(robot: Path, tmp_path: Path) -> None:
    def said(name: str) -> str:
        with pytest.raises(UnknownPolicyError) as refused:
            run_small(tmp_path / "run", robot, SHORT, base=name)
        return str(refused.value)

    assert "There is no base model 'smal'. Did you mean 'small'?" in said("smal")
    (tmp_path / "models/tried").mkdir(parents=True)
    assert "There is no model in" in said(str(tmp_path / "models/tired"))
    (tmp_path / "models/tried/config.json").write_text("{}")
    words = said(str(tmp_path / "models/tired"))
    assert f"Did you mean 'tried'? {tmp_path / 'models'} holds the models tried; 'small' is a small random" in words
    assert "OWNER/NAME, such as HuggingFaceTB/" in words


def test_a_policy_that_learned_no_plans_is_not_made_to_plan() -> None:
    with pytest.raises(ValueError, match=r"plan_tokens is 12, but plan_share is 0: .* --plan-share"):
        replace(SHORT, plan_tokens=12)
