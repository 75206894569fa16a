"""Published folders: prompts, pixels, tokens and actions are those of the published steps, done once more here by hand.

The steps are those of NVlabs/vla0 (rv_train/models/qwen/model.py, roboverse/unifiers/image_unifier.py) and of LeRobot's
VLA-0-Smol, written down anew; the tokens are those of transformers' `generate` that may write whole numbers only.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.vla0_folders import ACTION, STATE, save_smol, save_vla0
from torch import Tensor
from torch.nn import functional
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.policies.rt2.loading.parts import load_processor
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.vla0.conversion import convert_vla0
from rt_vla_ros.policies.rt2.vla0.published import published

HORIZON = 2
SYSTEM = (
    "Analyze the input image and predict robot actions for the next 2 timesteps. Each action has 7 dimensions. Output "
    "a single sequence of 14 integers (0-1000 each), representing the 2 timesteps sequentially. Provide only space "
    "separated numbers. Nothing else."
)
INSTRUCTION = "put the_Bowl,  on the plate."
SCALES = np.array([0.05] * 3 + [0.5] * 3)


@pytest.fixture(scope="module")
def vla0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vla0(tmp_path_factory.mktemp("vla0"), horizon=HORIZON)


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_smol(tmp_path_factory.mktemp("smol"), head=True, chunk_size=HORIZON)


@pytest.fixture(scope="module")
def vla0_policy(vla0: Path) -> RT2Policy:
    return opened(vla0)


@pytest.fixture(scope="module")
def smol_policy(smol: Path) -> RT2Policy:
    return opened(smol)


def opened(directory: Path) -> RT2Policy:
    policy = load_policy(str(directory), device="cpu")
    assert isinstance(policy, RT2Policy)
    policy.reset(INSTRUCTION)
    return policy


def seen(policy: RT2Policy, seed: int) -> Observation:
    random = np.random.default_rng(seed)
    size = {camera.name: (camera.height, camera.width, 3) for camera in policy.card.cameras}
    images = {name: random.integers(0, 256, shape, dtype=np.uint8) for name, shape in size.items()}
    low, high = STATE
    state = low + random.uniform(-0.05, 1.05, 8) * (high - low)
    return Observation(images, 0.0, state if policy.card.state else None)


def whole_numbers(
    policy: RT2Policy, length: int, count: int, last: int, *, space_first: bool
) -> Callable[[int, Tensor], list[int]]:
    """What may follow in `count` numbers of 0 to `last`, of tokens of one character; the ends behind the last number.

    length: tokens of the prompt.
    """
    tokenizer = policy.parts.processor.tokenizer
    ends = list(stop_tokens(policy.parts.model, tokenizer))
    of = {sign: tokenizer.encode(f"a{sign}", add_special_tokens=False)[-1] for sign in " 0123456789"}

    def allowed(_: int, ids: Tensor) -> list[int]:
        text = tokenizer.decode(ids[length:].tolist())
        words = text.split(" ")[1:] if space_first else text.split(" ")
        number = words[-1] if words else ""
        if not words:
            return [of[" "]]
        more = [d for d in "0123456789" if not number or (number != "0" and int(number + d) <= last)]
        after = ([of[" "]] if len(words) < count else ends) if number else []
        return [of[d] for d in more] + after

    return allowed


def generated(policy: RT2Policy, inputs: dict[str, Tensor], last: int, *, space_first: bool) -> list[int]:
    length = inputs["input_ids"].shape[1]
    model: Any = policy.parts.model
    ends = list(stop_tokens(model, policy.parts.processor.tokenizer))
    ids = model.generate(
        **inputs,
        attention_mask=torch.ones_like(inputs["input_ids"]),
        do_sample=False,
        max_new_tokens=100,
        eos_token_id=ends,
        prefix_allowed_tokens_fn=whole_numbers(policy, length, HORIZON * 7, last, space_first=space_first),
    )
    return [token for token in ids[0, length:].tolist() if token not in ends]


def numbers_of(policy: RT2Policy, tokens: list[int]) -> np.ndarray:
    return np.array([int(word) for word in policy.parts.processor.tokenizer.decode(tokens).split()]).reshape(HORIZON, 7)


def written(policy: RT2Policy, observation: Observation) -> list[int]:
    ends = stop_tokens(policy.parts.model, policy.parts.processor.tokenizer)
    return [token for token in policy.decode(observation).tokens if token not in ends]


def check_actions(policy: RT2Policy, observation: Observation, values: np.ndarray) -> None:
    """values: (HORIZON, 7) in LIBERO's scale."""
    steps = policy.act(observation).steps
    found = np.array([[*step.translation, *step.rotation] for step in steps])
    np.testing.assert_allclose(found, values[:, :6] * SCALES, atol=1e-6)
    assert [step.gripper for step in steps] == [float(value > 0) for value in values[:, 6]]


def tiled_by_hand(images: list[np.ndarray], side: int = 224) -> np.ndarray:
    views = []
    for image in images:
        whole = torch.from_numpy((image / 255.0).astype(np.float32)) * 255
        height, width = int(image.shape[0] * 0.875), int(image.shape[1] * 0.875)
        top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
        middle = whole[top : top + height, left : left + width].permute(2, 0, 1)[None]
        if (height, width) != (side, side):
            middle = functional.interpolate(middle, size=(side, side), mode="bilinear", align_corners=False)
        views.append(middle[0].permute(1, 2, 0).numpy())
    canvas = np.zeros((side, side * len(views), 3), np.float32)
    for i, view in enumerate(views):
        canvas[:, i * side : (i + 1) * side] = view
    return canvas.astype(np.uint8)


def prompt_of(policy: RT2Policy) -> str:
    assert policy._prompt is not None
    return policy._prompt.text


def qwen_inputs(policy: RT2Policy, images: list[np.ndarray], text: str) -> dict[str, Tensor]:
    """Through the folder's own tokenizer and image processor; images as the model sees them."""
    pixels = images[0].shape[0] * images[0].shape[1]
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": pixels, "longest_edge": pixels})
    found = processor([Image.fromarray(image) for image in images], return_tensors="pt")
    for grid in found["image_grid_thw"]:
        text = text.replace("<|image_pad|>", "<|hole|>" * (int(grid.prod()) // 4), 1)
    text = text.replace("<|hole|>", "<|image_pad|>")
    ids = policy.parts.processor.tokenizer(text, return_tensors="pt")["input_ids"]
    image = policy.parts.model.config.image_token_id
    return {"input_ids": ids, **dict(found), "mm_token_type_ids": (ids == image).int()}


def equal_inputs(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value.to(found[name].dtype)), name


@pytest.mark.parametrize("size", [(256, 256), (200, 150)])
def test_vla0_as_published(size: tuple[int, int], vla0_policy: RT2Policy) -> None:
    policy = vla0_policy
    random = np.random.default_rng(5)
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(2)]
    text = (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nPicture 1: <|vision_start|><|image_pad|>"
        f"<|vision_end|>{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert prompt_of(policy) == text
    expected = qwen_inputs(policy, [tiled_by_hand(images)], text)
    assert expected["image_grid_thw"].tolist() == [[1, 16, 32]]
    equal_inputs(policy.parts.processor.inputs(images, text), expected)
    if size != (256, 256):
        return
    observation = Observation({"front": images[0], "wrist": images[1]}, 0.0)
    tokens = generated(policy, expected, 1000, space_first=False)
    assert written(policy, observation) == tokens
    low, high = ACTION
    check_actions(policy, observation, numbers_of(policy, tokens) / 1000 * (high - low) + low)


@pytest.mark.parametrize("side", [224, 100])
def test_vla0_with_separate_cameras(side: int, vla0: Path, vla0_policy: RT2Policy) -> None:
    """Of 100 pixels too, which the model's processor brings to a size of its own."""
    config = replace(published(resolve(vla0)).config, views="separate", view_size=side)
    processor = load_processor(vla0 / "model_last", config, 2)
    text = processor.render(INSTRUCTION, 2, chat=True, system=SYSTEM, vision_id=True)
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    assert text == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nPicture 1: {image}Picture 2: {image}"
        f"{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n"
    )
    images = list(seen(vla0_policy, 1).images.values())
    squares = [tiled_by_hand([image], side) for image in images]
    equal_inputs(processor.inputs(images, text), qwen_inputs(vla0_policy, squares, text))


def smol_inputs(policy: RT2Policy, observation: Observation, text: str) -> dict[str, Tensor]:
    views = []
    for image in observation.images.values():
        whole = torch.from_numpy(image).permute(2, 0, 1).to(torch.float32) / 255
        middle = whole[:, 9:55, 9:55][None]
        large = functional.interpolate(middle, size=(56, 56), mode="bicubic", align_corners=False, antialias=True)
        views.append((large[0] - 0.5) / 0.5)
    around = "<fake_token_around_image>"
    text = text.replace("<image>", f"{around}<global-img>{'<image>' * 4}{around}")
    ids = policy.parts.processor.tokenizer(text, return_tensors="pt")["input_ids"]
    mask = torch.ones(1, 2, 56, 56, dtype=torch.long)
    return {"input_ids": ids, "pixel_values": torch.stack(views)[None], "pixel_attention_mask": mask}


def smol_state(state: np.ndarray) -> str:
    low, high = (ends.astype(np.float32) for ends in STATE)
    scaled = np.float32(2) * (state.astype(np.float32) - low) / (high - low) - np.float32(1)
    edges = np.linspace(-1 - 1e-6, 1 + 1e-6, 513)[:-1].astype(np.float32)
    return " ".join(str(int((edges < value).sum()) - 1) for value in scaled)


def test_vla0_smol_as_published(smol_policy: RT2Policy) -> None:
    policy = smol_policy
    middles = np.linspace(-1 - 1e-6, 1 + 1e-6, 513)
    middles = (middles[:-1] + middles[1:]) / 2
    low, high = ACTION
    for seed in range(2):
        observation = seen(policy, seed)
        assert observation.state is not None
        words = f"Task: put the bowl,  on the plate., State: {smol_state(observation.state)}, Actions: "
        text = f"<|im_start|>User:<image><image>{words}<end_of_utterance>\nAssistant:"
        expected = smol_inputs(policy, observation, text)
        equal_inputs(policy._inputs(observation), expected)
        tokens = generated(policy, expected, 511, space_first=True)
        assert written(policy, observation) == tokens
        values = (middles[numbers_of(policy, tokens)] + 1) / 2 * (high - low) + low
        check_actions(policy, observation, values)


def test_vla0_smol_without_state_and_without_the_head(smol_policy: RT2Policy, tmp_path: Path) -> None:
    """With the head the file has the shared table by the head's name alone."""
    policy = opened(save_smol(tmp_path, use_state=False, chunk_size=HORIZON))
    words = "Task: put the bowl,  on the plate., Actions: "
    assert prompt_of(policy) == f"<|im_start|>User:<image><image>{words}<end_of_utterance>\nAssistant:"
    assert policy.card.state == ()
    assert len(policy.act(seen(policy, 0)).steps) == HORIZON
    one, other = (each.parts.model.state_dict() for each in (policy, smol_policy))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["vla0", "smol"])
def test_a_converted_folder_is_the_same_policy(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source, before = request.getfixturevalue(name), request.getfixturevalue(f"{name}_policy")
    convert_vla0(resolve(source), tmp_path / "converted")
    checkpoint = resolve(tmp_path / "converted")
    assert checkpoint.family == "rt2"
    converted = opened(tmp_path / "converted")
    assert (before.card, before.parts.config) == (converted.card, converted.parts.config)
    before.reset(INSTRUCTION)
    assert before.decode(seen(before, 3)).tokens == converted.decode(seen(converted, 3)).tokens
    with pytest.raises(CheckpointError, match="already exists; choose a new or empty directory"):
        convert_vla0(resolve(source), tmp_path / "converted")
    with pytest.raises(CheckpointError, match="is not a published VLA-0 checkpoint"):
        convert_vla0(checkpoint, tmp_path / "again")


def test_an_incomplete_observation_is_refused(vla0_policy: RT2Policy, smol_policy: RT2Policy) -> None:
    policy = vla0_policy
    observation = seen(policy, 0)
    with pytest.raises(ValueError, match="needs an image of the camera 'wrist'; given: front"):
        policy.act(Observation({"front": observation.images["front"]}, 0.0))
    tile = np.zeros((224, 448, 3), np.uint8)
    with pytest.raises(ValueError, match="camera 'front' is 448x224, the policy expects 256x256"):
        policy.act(Observation({"front": tile, "wrist": tile}, 0.0))
    policy = smol_policy
    images = seen(policy, 0).images
    with pytest.raises(ValueError, match=r"needs the robot's state \(position_x, .*\); the observation has none"):
        policy.act(Observation(images, 0.0))
    with pytest.raises(ValueError, match=r"The robot's state is an array of shape \(7,\), expected 8 numbers"):
        policy.act(Observation(images, 0.0, np.zeros(7)))
    with pytest.raises(ValueError, match="must be finite, got position_x nan"):
        policy.act(Observation(images, 0.0, np.full(8, np.nan)))


def test_a_chat_template_without_a_system_message_is_refused(vla0: Path, tmp_path: Path) -> None:
    """A template that leaves it out, and one that refuses it."""
    config = published(resolve(vla0)).config
    for i, template in enumerate(
        (
            "{% for m in messages if m['role'] == 'user' %}{{ m['content'][-1]['text'] }}{% endfor %}",
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}",
        )
    ):
        folder = Path(shutil.copytree(vla0 / "model_last", tmp_path / str(i)))
        (folder / "chat_template.jinja").write_text(template)
        with pytest.raises(ValueError, match=r"cannot be used: (it does not support a system message|System role not)"):
            load_processor(folder, config, 2).render(INSTRUCTION, 2, chat=True, system=config.system)


def test_a_missing_base_model_is_refused(smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for base, sentence in (
        ("/nowhere/base", "neither a directory nor a name on the Hugging Face Hub"),
        ("", "names '' as its base model .vlm_checkpoint., which is neither a directory"),
        ("somebody/nothing-of-this-name", "has no tokenizer and no processor of its own"),
    ):
        folder = tmp_path / base.strip("/").replace("/", "-") / "folder"
        shutil.copytree(smol, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "vlm_checkpoint": base}))
        with pytest.raises(CheckpointError, match=f"{sentence}.*rt-vla convert vla0 .*--base DIR"):
            load_policy(str(folder))
        convert_vla0(resolve(folder), folder / "converted", base=smol / "base")
        assert resolve(folder / "converted").read_card().horizon == HORIZON
