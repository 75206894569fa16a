"""Code that comes with a checkpoint: refused unless asked for, and then only what lies beside the weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.vlms import random_image, save_vlm
from transformers import dynamic_module_utils

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.policy import RT2Policy

MODELING = """
from pathlib import Path
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

(Path({directory!r}) / "ran").touch()


class MineConfig(PaliGemmaConfig):
    model_type = "mine"


class Mine(PaliGemmaForConditionalGeneration):
    config_class = MineConfig
"""
AUTO_MAP = {"AutoConfig": "modeling_mine.MineConfig", "AutoModelForImageTextToText": "modeling_mine.Mine"}
FRONT = Observation({"front": random_image(0)}, 0.0)


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return save_vlm(tmp_path / "native", "paligemma")


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same model as one that transformers does not know, with its code beside it."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    directory = save_vlm(tmp_path / "mine", "paligemma")
    (directory / "modeling_mine.py").write_text(MODELING.format(directory=str(directory)))
    change(directory / "config.json", model_type="mine", auto_map=AUTO_MAP)
    return directory


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_code_is_run_only_on_request(own_code: Path, native: Path) -> None:
    sentence = (
        r"model_type 'mine', which needs the Python code in its directory \(modeling_mine.py\).*trust_remote_code:=true"
    )
    with pytest.raises(ValueError, match=sentence):
        load_policy(str(own_code), device="cpu")
    assert not (own_code / "ran").exists()
    tokens = []
    for policy in (
        load_policy(str(native), device="cpu"),
        load_policy(str(own_code), device="cpu", trust_remote_code=True),
    ):
        assert isinstance(policy, RT2Policy)
        policy.reset("pick up the red cube")
        tokens.append(policy.act(FRONT).tokens)
    assert (own_code / "ran").exists()
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize("entry", ["someone/else--modeling_mine.Mine", "modeling_lost.Mine"])
def test_code_from_elsewhere_is_not_run(own_code: Path, entry: str) -> None:
    change(own_code / "config.json", auto_map={**AUTO_MAP, "AutoModelForImageTextToText": entry})
    with pytest.raises(ValueError, match="is not in that directory"):
        load_policy(str(own_code), device="cpu", trust_remote_code=True)
    assert not (own_code / "ran").exists()


def test_code_outside_of_the_directory_is_not_run(own_code: Path) -> None:
    (own_code.parent / "modeling_out.py").write_text("raise SystemExit")
    change(own_code / "config.json", auto_map={**AUTO_MAP, "AutoModelForImageTextToText": "../modeling_out.Mine"})
    with pytest.raises(ValueError, match=r"names the file '\.\./modeling_out\.py', expected the name of a file"):
        load_policy(str(own_code), device="cpu", trust_remote_code=True)


def test_code_without_a_model_is_refused(own_code: Path) -> None:
    change(own_code / "config.json", auto_map={"AutoConfig": AUTO_MAP["AutoConfig"]})
    with pytest.raises(ValueError, match="defines AutoConfig; expected one of AutoModelForImageTextToText, "):
        load_policy(str(own_code), device="cpu", trust_remote_code=True)


def test_models_of_transformers_do_not_use_custom_code_even_with_the_flag(native: Path) -> None:
    (native / "modeling_mine.py").write_text(MODELING.format(directory=str(native)))
    change(native / "config.json", auto_map=AUTO_MAP)
    load_policy(str(native), device="cpu", trust_remote_code=True)
    assert not (native / "ran").exists()


def test_a_processor_with_custom_code_is_refused(native: Path) -> None:
    (native / "processing_mine.py").write_text(MODELING.format(directory=str(native)))
    auto_map = {"AutoImageProcessor": "processing_mine.MineProcessor"}
    change(native / "preprocessor_config.json", auto_map=auto_map, image_processor_type="MineProcessor")
    with pytest.raises(ValueError, match=r"The processor of .* needs the Python code .*\(processing_mine.py\).*=true"):
        load_policy(str(native), device="cpu")
    assert not (native / "ran").exists()
