"""Names of policies, what lies behind them, and what they mean for a process elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rt_vla_ros.policies.checkpoint import hub
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, UnknownPolicyError
from rt_vla_ros.policies.checkpoint.resolve import check_name, find_checkpoint, hub_name, is_on_hub, resolve
from rt_vla_ros.policies.load import load_policy


def write(directory: Path, **files: object) -> Path:
    """A directory with JSON files; `config` stands for config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mine", "owner/mine", "odd#name"):
        write(tmp_path / name, config={"model_type": "openvla"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "directory", "key", "elsewhere"),
    [
        ("mine", "mine", "", "mine"),
        ("mine#bridge_orig", "mine", "bridge_orig", "mine#bridge_orig"),
        ("owner/mine#a", "owner/mine", "a", "owner/mine#a"),
        ("odd#name", "odd#name", "", "odd#name"),
        ("odd#name#key", "odd#name", "key", "odd#name#key"),
    ],
)
def test_a_directory_and_a_key(name: str, directory: str, key: str, elsewhere: str, here: Path) -> None:
    found = resolve(name)
    assert found.directory is not None
    assert found.directory.resolve() == here / directory
    assert (found.family, found.key, found.reference) == ("openvla", key, str(here / elsewhere))
    assert not is_on_hub(name)


@pytest.mark.parametrize(
    ("files", "family"),
    [
        ({"config": {"model_type": "rt1"}}, "rt1"),
        ({"config": {}}, "rt1"),
        ({"config": {"model_type": "paligemma"}}, "rt2"),
        ({"config": {}, "rt2_config": {}}, "rt2"),
        ({"config": {"model_type": "openvla"}, "rt2_config": {}}, "openvla"),
    ],
)
def test_directories_are_identified_by_their_files(tmp_path: Path, files: dict[str, object], family: str) -> None:
    assert resolve(write(tmp_path / "x", **files)).family == family


def test_an_adapter_belongs_to_its_model(tmp_path: Path) -> None:
    base = write(tmp_path / "base", config={"model_type": "paligemma", "hidden_size": 8})
    adapter = write(tmp_path / "adapter", adapter_config={"base_model_name_or_path": str(base)})
    found = resolve(adapter)
    assert (found.name, found.directory, found.adapter) == ("adapter", base, adapter)
    assert found.config["hidden_size"] == 8
    write(base, config={"model_type": "rt1"})
    with pytest.raises(CheckpointError, match="an RT-1 network, which takes none"):
        resolve(adapter)


def test_a_relative_base_path_is_resolved_beside_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write(tmp_path / "run" / "base", config={"model_type": "paligemma", "hidden_size": 8})
    adapter = write(tmp_path / "run" / "adapter", adapter_config={"base_model_name_or_path": "../base"})
    write(tmp_path / "elsewhere" / "base", config={"model_type": "paligemma", "hidden_size": 4})
    here = tmp_path / "elsewhere" / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    found = resolve(adapter)
    assert found.directory.resolve() == base
    assert found.config["hidden_size"] == 8


def test_an_adapter_of_an_adapter_is_refused(tmp_path: Path) -> None:
    base = write(tmp_path / "base", adapter_config={"base_model_name_or_path": "someone/model"})
    adapter = write(tmp_path / "adapter", adapter_config={"base_model_name_or_path": str(base)})
    for files in ({}, {"config": {"model_type": "paligemma"}}):
        write(base, **files)
        with pytest.raises(CheckpointError, match=r"names .*base as its base model, which is an adapter itself"):
            resolve(adapter)


@pytest.mark.parametrize("base", ["", None, "no/such/place", "x" * 5000, "~nobody-here/model", "a\0b"])
def test_an_adapter_without_its_model_is_refused_with_advice(base: str | None, tmp_path: Path) -> None:
    adapter = write(tmp_path / "adapter", adapter_config={"base_model_name_or_path": base})
    with pytest.raises(ValueError, match=r"adapter names .* not a directory. Set .*base_model_name_or_path"):
        resolve(adapter)


def test_an_ambiguous_directory_is_refused(tmp_path: Path) -> None:
    both = write(tmp_path / "both", config={"model_type": "paligemma"}, adapter_config={})
    with pytest.raises(CheckpointError, match=r"ambiguous, both a model .* and a LoRA adapter"):
        resolve(both)
    mixed = write(tmp_path / "mixed", config={"model_type": "rt1"}, rt2_config={"vocabulary": "integers"})
    with pytest.raises(CheckpointError, match=r"ambiguous, both an RT-1 network by config.json and an RT-2 model"):
        resolve(mixed)


def test_an_invalid_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"it lacks config.json, model.safetensors, action_card.json"):
        resolve(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="holds a list, expected a JSON object"):
        resolve(tmp_path)
    write(tmp_path, config={"model_type": "rt1"})
    with pytest.raises(CheckpointError, match="is not an OpenVLA checkpoint, so it has no statistics 'bridge'"):
        resolve(f"{tmp_path}#bridge")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 5000, "File name too long"),
        ("a/" + "x" * 5000, "File name too long"),
        ("a/" * 3000, "File name too long"),
        ("~nobody-here/x", "home directory"),
    ],
)
def test_invalid_paths_are_refused(name: str, reason: str) -> None:
    for ask in (check_name, resolve, find_checkpoint):
        with pytest.raises(UnknownPolicyError, match=f"is not a valid path .*{reason}") as told:
            ask(name)
        assert len(str(told.value)) < 400
    assert not is_on_hub(name)


def test_everything_after_a_hub_name_is_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, config={"model_type": "openvla"})
    asked: list[str] = []
    monkeypatch.setattr(hub, "download", lambda name, _tell: (asked.append(name), tmp_path)[1])
    found = resolve("owner/name#a#b")
    assert (asked, found.key, found.reference) == (["owner/name"], "a#b", "owner/name#a#b")


def test_names_on_the_hub_and_of_policies_in_memory(here: Path) -> None:
    assert is_on_hub("openvla/openvla-7b")
    assert is_on_hub("openvla/openvla-7b#bridge_orig")
    assert not is_on_hub("no/such/directory")
    assert not is_on_hub("rt2-untrained")
    assert find_checkpoint("rt2-untrained") is None
    assert (resolve("rt2-untrained").reference, resolve("rt2-untrained").directory) == ("rt2-untrained", None)


@pytest.mark.parametrize(
    "name",
    [
        *("runs/mine", "checkpoints/mine", "Outputs/a", "./openvla/openvla-7b", "../a/b", "/a/b", "~/a", "a/b/c"),
        *("a\\b", "someone/weights.safetensors", "someone/model.PT", "owner/other", "someone/", "/someone", "a//b"),
        *("runs/mine#key", "openvla", "a b/c", "../b", "./b", ".a/b"),
    ],
)
def test_a_typo_in_a_path_is_not_looked_up_on_the_hub(name: str, here: Path) -> None:
    assert not is_on_hub(name)
    with pytest.raises(UnknownPolicyError, match=r"There is no policy .* and no directory /"):
        check_name(name)


def test_a_prefix_says_that_it_is_on_the_hub(here: Path) -> None:
    (here / "hf:a").mkdir()
    named = ("hf:runs/mine", "hf:owner/mine#key", "hf:a/b")
    assert [hub_name(name) for name in named] == ["runs/mine", "owner/mine", "a/b"]
    assert is_on_hub("hf:owner/mine")
    with pytest.raises(UnknownPolicyError, match=r"For the Hugging Face Hub use hf:runs/mine\.$"):
        resolve("runs/mine")
    for name in ("hf:mine", "hf:../mine", "hf:a/b/c", "hf:"):
        with pytest.raises(UnknownPolicyError, match="expected hf:OWNER/NAME"):
            check_name(name)


def test_the_base_of_an_adapter_is_no_slip_in_a_path_either(here: Path) -> None:
    (here / "adapter").mkdir()
    (here / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "runs/base"}')
    with pytest.raises(ValueError, match="names 'runs/base' as its base model, which is not a directory"):
        resolve("adapter")


def test_a_file_is_not_a_hub_name(here: Path) -> None:
    (here / "mine" / "model.safetensors").touch()
    for ask in (check_name, resolve):
        with pytest.raises(UnknownPolicyError, match="is a file; give its directory"):
            ask("mine/model.safetensors")


def test_a_name_is_checked_without_asking_the_hub(here: Path) -> None:
    for name in ("mine", "mine#key", "rt1-mini", "rt2-untrained", "openvla/openvla-7b#bridge_orig"):
        check_name(name)
    for name in ("rt1-mni", "", "/no/such/folder"):
        with pytest.raises(UnknownPolicyError, match="Known policies: rt1-mini, "):
            check_name(name)


COUNT = """
import json, sys
import rt_vla_ros.policies.rt1.checkpoint  # which load_policy imports when it is needed
from rt_vla_ros.policies.load import load_policy
modules, read = set(), []
def profile(frame, event, argument):
    if event == "call" and frame.f_globals.get("__name__", "").startswith("rt_vla_ros"):
        modules.add(frame.f_globals["__name__"])
        if frame.f_code.co_name == "read_object":
            read.append(str(frame.f_locals["path"]))
sys.setprofile(profile)
load_policy(sys.argv[1], device="cpu")
sys.setprofile(None)
print(json.dumps([sorted(modules), read]))
"""


def test_loading_a_policy_imports_little(tmp_path: Path) -> None:
    """At most nineteen modules have a part in it, and each file is read once."""
    done = subprocess.run([sys.executable, "-c", COUNT, "rt1-mini"], capture_output=True, text=True, check=True)
    modules, read = json.loads(done.stdout.splitlines()[-1])
    assert len(modules) <= 19, modules
    assert sorted(Path(path).name for path in read) == ["action_card.json", "config.json"]


def test_config_json_of_rt2_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.vlms import save_openvla

    save_openvla(tmp_path)
    read: list[str] = []
    whole = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, *a, **k: (read.append(path.name), whole(path, *a, **k))[1])
    load_policy(str(tmp_path), device="cpu")
    assert read.count("config.json") == 1
