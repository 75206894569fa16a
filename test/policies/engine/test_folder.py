"""The description of a checkpoint for an engine: what is written, and which checkpoints an engine cannot run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.vla0_folders import save_vla0
from support.vlms import rt2_card, save_openvla, save_vlm
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, resolve
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.engine.folder import write_engine_folder
from rt_vla_ros.policies.rt2.configuration import RT2Config, robot_prompt
from rt_vla_ros.policies.rt2.loading.parts import load_processor
from rt_vla_ros.policies.rt2.prompting import rendered

VLLM = EngineConfig("vllm", "http://127.0.0.1:8000/v1", "my-vlm")
INSTRUCTION = "pick up the red cube"


@pytest.mark.parametrize("family", ["paligemma", "qwen2_vl", "smolvlm"])
@pytest.mark.parametrize("cameras", [("front",), ("front", "wrist")])
def test_the_template_renders_the_prompt_of_the_checkpoint(
    tmp_path: Path, family: str, cameras: tuple[str, ...]
) -> None:
    saved = save_vlm(tmp_path / "near", family, card=rt2_card(*cameras))
    written = write_engine_folder(resolve(str(saved)), tmp_path / "far", VLLM)
    assert written.template is not None
    processor, config = load_processor(saved), RT2Config.load(saved)
    prompt = robot_prompt(config, INSTRUCTION)
    content = [*({"type": "image"} for _ in cameras), {"type": "text", "text": str(prompt)}]
    told = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=written.template.read_text(),
        tokenize=False,
        add_generation_prompt=True,
    )
    expected = rendered(processor, config, prompt, len(cameras))
    whole, plain = (processor.tokenizer(expected, add_special_tokens=marks)["input_ids"] for marks in (True, False))
    assert processor.tokenizer(told, add_special_tokens=False)["input_ids"] == whole
    assert told.removeprefix(str(processor.tokenizer.bos_token)) == expected or whole == plain


def test_what_is_written_is_a_policy_in_an_engine(tmp_path: Path) -> None:
    saved = save_vlm(tmp_path / "near", "qwen2_vl", plan_on_request=9)
    written = write_engine_folder(resolve(str(saved)), tmp_path / "far", VLLM)
    far = resolve(str(tmp_path / "far"))
    assert (far.family, far.answers, written.engine) == (ENGINE, True, VLLM)
    far.check_plans()
    assert far.read_card() == ActionCard.load(saved)
    assert RT2Config.load(tmp_path / "far") == RT2Config.load(saved)
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == [
        *("action_card.json", "chat_template.jinja", "engine.json", "rt2_config.json")
    ]


def test_a_chat_needs_no_template(tmp_path: Path) -> None:
    saved = save_vlm(tmp_path / "near", "qwen2_vl", chat=True, leading_space=False)
    assert write_engine_folder(resolve(str(saved)), tmp_path / "far", VLLM).template is None
    assert not (tmp_path / "far/chat_template.jinja").exists()


def test_vla0_is_described_as_it_is_published(tmp_path: Path) -> None:
    write_engine_folder(resolve(str(save_vla0(tmp_path / "vla0"))), tmp_path / "far", VLLM)
    config = RT2Config.load(tmp_path / "far")
    assert (config.views, config.chat, config.vision_id) == ("tiled", True, True)
    assert resolve(str(tmp_path / "far")).read_card().horizon == 8


def test_the_length_of_an_action_is_kept_if_every_number_is_one_token(tmp_path: Path) -> None:
    written = write_engine_folder(resolve("rt2-mini"), tmp_path / "far", VLLM)
    assert written.engine.action_tokens == EngineConfig.load(tmp_path / "far").action_tokens == 5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: save_openvla(place), "only such an RT-2 can run in an engine"),
        (lambda place: save_vlm(place, "qwen2_vl", vocabulary="overwritten", tokens=list(range(256))), "'overwritten'"),
        (lambda place: save_vlm(place, "qwen2_vl", control=["§x§"]), r"has the control token '§x§', without < or \["),
    ],
)
def test_a_checkpoint_that_an_engine_cannot_run_is_not_described(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    saved = make(tmp_path / "near")
    with pytest.raises(CheckpointError, match=said):
        write_engine_folder(resolve(str(saved)), tmp_path / "far", VLLM)
    assert not (tmp_path / "far").exists()


def test_a_tokenizer_that_adds_an_end_is_refused(tmp_path: Path) -> None:
    saved = save_vlm(tmp_path / "near", "qwen2_vl")
    tokenizer = AutoTokenizer.from_pretrained(saved)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.eos_token_id)]
    )
    tokenizer.save_pretrained(saved)
    with pytest.raises(CheckpointError, match="adds more than a start token"):
        write_engine_folder(resolve(str(saved)), tmp_path / "far", VLLM)


def test_a_description_is_not_written_over_anything(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="already exists"):
        write_engine_folder(resolve("rt2-mini"), tmp_path, VLLM)


def test_the_command_says_how_to_start_the_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = tmp_path / "far"
    assert main(["convert", "engine", "--from", "rt2-mini", "--out", str(far), "--model", "mini"]) == 0
    said = capsys.readouterr().out
    model = resolve("rt2-mini").model_directory
    assert f"vllm serve {model} --served-model-name mini --generation-config vllm --chat-template {far}/" in said
    assert "127.0.0.1:8000" in said
    assert main(["doctor", "--checkpoint", str(far)]) == 0
    assert "Its model 'mini' runs at 127.0.0.1:8000 (vllm), which was not contacted." in capsys.readouterr().out
    (far / "engine.json").write_text("{}")
    assert main(["doctor", "--checkpoint", str(far)]) != 0


def save_adapter(directory: Path, base: Path, *layers: str, rank: int = 20) -> Path:
    directory.mkdir()
    (directory / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "r": rank}))
    halves = {f"base_model.model.{layer}.lora_A.weight": torch.ones(rank, 8) for layer in layers}
    save_file(halves, directory / "adapter_model.safetensors")
    return directory


def test_the_command_admits_the_rank_of_an_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """vLLM's own limit is 16, and it knows only some ranks."""
    base = save_vlm(tmp_path / "my base", "qwen2_vl")
    layers = ("model.language_model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj", "lm_head")
    adapter = save_adapter(tmp_path / "near", base, *layers)
    assert main(["convert", "engine", "--from", str(adapter), "--out", str(tmp_path / "far"), "--model", "mine"]) == 0
    (command,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Start it: "))
    words = shlex.split(command)
    assert words[2:5] == ["vllm", "serve", str(base)]
    assert words[words.index("--max-lora-rank") + 1] == "32"
    assert words[words.index("--lora-modules") + 1] == f"mine={adapter}"


@pytest.mark.parametrize("layer", ["model.visual.blocks.0.attn.qkv", "vision_model.layers.0.fc1", "model.connector.p"])
def test_an_adapter_that_vllm_would_apply_in_part_is_refused(tmp_path: Path, layer: str) -> None:
    base = save_vlm(tmp_path / "base", "qwen2_vl")
    adapter = save_adapter(tmp_path / "near", base, "model.language_model.layers.0.mlp.up_proj", layer)
    with pytest.raises(CheckpointError, match=rf"outside the language model \(.*{layer}.*which vLLM ignores"):
        write_engine_folder(resolve(str(adapter)), tmp_path / "far", VLLM)
    assert not (tmp_path / "far").exists()
