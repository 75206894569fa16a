"""Checkpoints by their name on the Hugging Face Hub: the real client against a small hub on localhost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from support.local_hub import local_hub
from support.vla0_folders import save_smol, save_vla0
from support.vlms import save_vlm

from rt_vla_ros.policies.checkpoint.hub import FILES, download

ROOT = Path(__file__).resolve().parents[3]
LOAD = """
import json, sys
from rt_vla_ros.policies.load import load_policy
for name in sys.argv[1:]:
    told = []
    try:
        policy = load_policy(name.removesuffix("!"), device="cpu", tell=told.append, trust_remote_code=name[-1] == "!")
        print(json.dumps([type(policy).__name__, told]))
    except ValueError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def load(home: Path, endpoint: str, *names: str) -> list[list[str]]:
    """What load_policy gives in a process that reads HF_ENDPOINT at its start; NAME! is loaded with trust."""
    everything = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOAD, *names]
    done = subprocess.run(command, env=everything, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()[-len(names) :]]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = save_vlm(tmp_path_factory.mktemp("published"), "paligemma")
    (directory / "modeling_mine.py").write_text("raise SystemExit('this code was run')")
    (directory / "pytorch_model.bin").write_bytes(b"a pickle")
    (directory / "README.md").write_text("# a model")
    return directory


@pytest.fixture(scope="module")
def odd(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that cannot do without its code."""
    directory = Path(shutil.copytree(published, tmp_path_factory.mktemp("odd") / "odd"))
    code = {"AutoModelForImageTextToText": "modeling_mine.Mine", "AutoConfig": "modeling_mine.Config"}
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "model_type": "mine", "auto_map": code}))
    return directory


@pytest.fixture(scope="module")
def vla0(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """VLA-0 with what lies around it, and VLA-0-Smol, whose tokenizer is another model's."""
    run, smol = save_vla0(tmp_path_factory.mktemp("run")), save_smol(tmp_path_factory.mktemp("smol"))
    (run / "model_last.pth").write_bytes(b"a pickle")
    (run / "model_last_eval_libero").mkdir()
    (run / "model_last_eval_libero" / "run0.json").write_text("{}")
    base = (smol / "base").rename(tmp_path_factory.mktemp("made-from") / "base")
    (base / "model.safetensors").write_bytes(b"weights of another model")
    config = json.loads((smol / "config.json").read_text())
    (smol / "config.json").write_text(json.dumps({**config, "vlm_checkpoint": "someone/base"}))
    return {"someone/vla0-libero": run, "someone/vla0-smol": smol, "someone/base": base}


def test_a_hub_model_is_downloaded_without_code_and_cached(
    published: Path, odd: Path, vla0: dict[str, Path], tmp_path: Path
) -> None:
    with local_hub({"someone/a-policy": published, "someone/odd": odd, **vla0}) as hub:
        endpoint = hub.endpoint
        names = ("someone/a-policy", "someone/a-policy", "someone/else", "someone/odd!", *[*vla0][:2])
        first, again, unknown, needs_code, *kinds = load(tmp_path, endpoint, *names)
    assert [kind for kind, _ in kinds] == ["RT2Policy", "RT2Policy"]
    left_out = {"model_last.pth", "model_last_eval_libero/run0.json", "model.safetensors of someone/base"}
    for model, directory in vla0.items():
        names_of = {file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file()}
        for name in (name for name in names_of if not left_out & {name, f"{name} of {model}"}):
            hub.asked.remove(name)
    wanted = {file.name for file in published.iterdir()} - {"modeling_mine.py", "pytorch_model.bin", "README.md"}
    assert {"model.safetensors", "action_card.json", "rt2_config.json", "tokenizer.json"} <= wanted
    assert sorted(hub.asked) == sorted([*wanted, *wanted])  # of each model once: the second time it was in the cache
    assert first[0] == again[0] == "RT2Policy"
    assert first[1][0] == "looking for someone/a-policy on the Hugging Face Hub"
    assert unknown[0] == "UnknownPolicyError"
    assert "'someone/else' cannot be downloaded from the Hugging Face Hub" in unknown[1]
    assert "it does not exist, or it is private and you are not logged in" in unknown[1]
    assert needs_code[0] == "CheckpointError"
    assert "refers to the code 'modeling_mine.py', which is not in that directory. Code is never" in needs_code[1]
    kept, lost = load(tmp_path, endpoint, "someone/a-policy", "someone/else")  # nobody listens there any more
    assert kept[0] == "RT2Policy"
    assert lost[0] == "UnknownPolicyError"
    for part in ("no policy 'someone/else'", f"Hub ({endpoint}): ", "Connection refused", "hf download someone/else"):
        assert part in lost[1]


def test_offline_by_choice_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"HF_HUB_OFFLINE is set, and its files are not in the cache.*--local-dir"):
        download("nobody/has-this")


def test_no_file_that_may_contain_code_is_downloaded() -> None:
    """But VLA-0's statistics, of which nothing is run."""
    others = [pattern for pattern in FILES if pattern != "*dataset_stats.pkl"]
    assert not any(pattern.endswith((".py", ".bin", ".pt", ".pkl", "*")) for pattern in others)
