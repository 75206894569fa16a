"""From a public checkpoint to a policy that acts: convert, embed, load, step; and what is refused on the way."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from support.rt1_checkpoints import CHECKPOINTS, TINY

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.main import main
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.instruction_table import TABLE_FILE, InstructionTable
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import ListedPolicy, WarmUpPolicy
from rt_vla_ros.policies.rt1.modeling import RT1Model

OPTIONS = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("converted") / "rt1"
    source = str(CHECKPOINTS / "flax" / "checkpoint_900")
    assert main(["convert", "rt1", "--from", source, "--to", str(place), "--preset", "rt1-jax", *OPTIONS]) == 0
    InstructionTable({"open the drawer": np.linspace(-1, 1, 16)}).save(place / TABLE_FILE)
    return place


def seen(stamp: float, shape: tuple[int, ...] = (48, 64, 3)) -> Observation:
    return Observation({"front": np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)}, stamp)


@pytest.mark.parametrize("weights", ["auto", "bfloat16"])
def test_it_acts(converted: Path, weights: str) -> None:
    policy = load_policy(str(converted), device="cpu", weights=weights)
    assert policy.card.postprocessing == "google_robot"
    policy.reset("Open the drawer")
    for stamp in range(3):
        action = policy.act(seen(stamp))
        assert len(action.tokens) == 11
        assert np.isfinite(action.steps[0].translation).all()
        assert 0 <= action.steps[0].gripper <= 1


def test_it_warms_up_with_a_known_instruction(converted: Path) -> None:
    policy = load_policy(str(converted), device="cpu")
    assert isinstance(policy, WarmUpPolicy)
    assert policy.warm_up_instruction == "open the drawer"


def test_it_lists_its_instructions(converted: Path) -> None:
    policy = load_policy(str(converted), device="cpu")
    assert isinstance(policy, ListedPolicy)
    assert list(policy.instructions) == ["open the drawer"]
    assert policy.warm_up_runs == 3


def test_refuses_instructions_beyond_its_table(converted: Path) -> None:
    with pytest.raises(InstructionError, match="the most similar of its 1 instructions are: open the drawer"):
        load_policy(str(converted), device="cpu").reset("open the door")


def test_a_table_of_another_size_is_refused(converted: Path, tmp_path: Path) -> None:
    InstructionTable({"go": np.zeros(8)}).save(tmp_path / "other.safetensors")
    policy = load_policy(str(converted), device="cpu", language=str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match=r"vectors of shape \(8,\), the network expects \(16,\)"):
        policy.reset("go")


def test_images_of_other_shapes_and_times_are_refused(converted: Path) -> None:
    policy = load_policy(str(converted), device="cpu")
    policy.reset("open the drawer")
    policy.act(seen(1.0))
    for image, sentence in (((64, 48, 3), "is 48x64"), ((3, 48, 64), r"shape \(3, 48, 64\)"), ((48, 64, 4), "R, G, B")):
        with pytest.raises(ValueError, match=sentence):
            policy.act(seen(2.0, image))
    with pytest.raises(ValueError, match=r"taken at 0.500 s, before the last one \(1.000 s\)"):
        policy.act(seen(0.5))
    for stamp in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected a time in seconds"):
            policy.act(seen(stamp))
    policy.act(seen(1.0))


def test_refuses_unknown_weights(converted: Path) -> None:
    with pytest.raises(ValueError, match="do not support weights 'int4'; expected one of auto, float32, bfloat16"):
        load_policy(str(converted), device="cpu", weights="int4")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", str(CHECKPOINTS / "tensorflow" / "ckpt-1")], "Specify it with --action-order: base-vector-first"),
        (["--from", "nowhere"], "There is no checkpoint nowhere"),
        (["--from", str(CHECKPOINTS / "flax"), "--preset", "rt3"], "There is no preset 'rt3'"),
        (["--from", str(CHECKPOINTS / "flax"), "--robot", "panda"], "Unknown robot 'panda'"),
        (["--from", str(CHECKPOINTS / "flax"), "--set", "window"], "expected KEY=VALUE"),
        (["--from", str(CHECKPOINTS / "flax"), "--action-order", "abc"], "The action order is 'abc'"),
        (
            ["--from", str(CHECKPOINTS / "flax"), "--robot", "widowx", "--base"],
            "The robot widowx has no mobile base",
        ),
        (["--from", str(CHECKPOINTS / "flax"), "--preset", "rt1-x"], "527 missing:"),
    ],
)
def test_the_command_refuses(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = [] if "rt1-x" in arguments else OPTIONS
    preset = [] if "--preset" in arguments else ["--preset", "rt1-jax"]
    assert main(["convert", "rt1", "--to", str(tmp_path / "x"), *preset, *tiny, *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_requested_base_moves_only_in_its_own_mode(tmp_path: Path) -> None:
    source, place = str(CHECKPOINTS / "flax" / "checkpoint_900"), tmp_path / "rt1"
    arguments = ["convert", "rt1", "--from", source, "--to", str(place), "--preset", "rt1-jax", "--base", *OPTIONS]
    assert main(arguments) == 0
    InstructionTable({"open the drawer": np.linspace(-1, 1, 16)}).save(place / TABLE_FILE)
    policy = load_policy(str(place), device="cpu")
    policy.reset("open the drawer")
    (step,) = policy.act(seen(0.0)).steps
    tokens = dict(zip((one.role for one in policy.card.dimensions), policy.act(seen(1.0)).tokens, strict=True))
    assert policy.card.moves_base
    assert {"base_x", "base_y", "base_yaw"} <= set(tokens)
    assert not (step.base.any() and step.translation.any())


def test_a_kill_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ActionCard, "save", lambda *_: signal.raise_signal(signal.SIGTERM))
    source = str(CHECKPOINTS / "flax" / "checkpoint_900")
    place = str(tmp_path / "rt1")
    assert main(["convert", "rt1", "--from", source, "--to", place, "--preset", "rt1-jax", *OPTIONS]) == 143
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_full_disk_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(RT1Model, "save_pretrained", full)
    arguments = ["convert", "rt1", "--from", str(CHECKPOINTS / "flax"), "--to", str(tmp_path / "rt1"), *OPTIONS]
    assert main([*arguments, "--preset", "rt1-jax"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_another_order_than_the_known_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convert", "rt1", "--from", str(CHECKPOINTS / "flax"), "--to", str(tmp_path / "rt1"), *OPTIONS]
    assert main([*arguments, "--preset", "rt1-jax", "--action-order", "base-vector-first"]) == 2
    assert "is known (jax); leave --action-order out" in capsys.readouterr().err
    assert main([*arguments, "--preset", "rt1-jax", "--action-order", "jax"]) == 0
