"""`rt-vla doctor --params --checkpoint`: what could go wrong in a setup, each in a sentence, and good ones are fine."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros
from rt_vla_ros.action_space.card import ActionCard, ActionDimension
from rt_vla_ros.action_space.rt1_actions import rt1_card
from rt_vla_ros.cli.main import main

ros.ensure()

from support.cards import card as make_card  # noqa: E402
from support.cards import card_data  # noqa: E402

from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint  # noqa: E402
from rt_vla_ros.cli.doctor.contradictions import check_contradictions  # noqa: E402
from rt_vla_ros.cli.doctor.parameter_files import POLICY, SMOOTHER, read_files  # noqa: E402
from rt_vla_ros.cli.doctor.together import compare  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WALLS = "workspace_low: [0.0, -0.3, 0.1], tip_frame: tool0, workspace_frame: base_link"


def section(name: str, parameters: str) -> str:
    return f"{name}:\n  ros__parameters: {{{parameters}}}\n"


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"file{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def problems(folder: Path, *texts: str) -> list[str]:
    setup = read_files(write(folder, *texts))
    check_contradictions(setup)
    return [finding.sentence for finding in setup.findings if not finding.fine]


def test_the_deployment_and_the_policy_that_are_shipped_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """real_arm.yaml is slow on purpose."""
    assert main(["doctor", "--params", str(ROOT / "config/real_arm.yaml"), "--checkpoint", "rt1-mini"]) == 0
    said = capsys.readouterr().out
    assert "max_linear_velocity times speed_scale (0.3) is 0.045 m/s: the fastest are slowed down to 22%" in said
    assert "weights are complete" in said
    assert said.endswith("Everything is fine.\n")


@pytest.mark.parametrize(
    "texts",
    [
        [section("/**/policy_node", "max_image_age: 0.3") + section("/**/smoother_node", WALLS)],
        [section("/**", "max_image_age: 0.3, action_timeout: 2.0")],
        [section("/arm/policy_node", "cameras: [front, wrist]") + section("/arm/smoother_node", "command_rate: 60.0")],
        [
            section("smoother_node", "max_rotation: 1.0"),
            section("camera_node", "rate: 5") + section("/**", "device: cpu"),
        ],
        [section("/**", "use_sim_time: true") + section("sim_arm_node", "lock_step: true")],
        [section("/**", "max_condition: 25.0, kind: franka, servo_node: /left/servo_node, autostart: false")],
        [section("/**/smoother_node", "max_rotation: 1.0") + section("gripper_bridge_node", "open_position: 0.03")],
    ],
)
def test_good_files_are_fine(tmp_path: Path, texts: list[str]) -> None:
    assert problems(tmp_path, *texts) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: {", "is not a valid ROS parameter file; no node starts with it: not YAML"),
        ("policy_node: {max_image_age: 0.3}", "is not a valid ROS parameter file"),
        ("[" * 20000, "is not a valid ROS parameter file"),
        (section("/**", "dry_run: [1, true]"), "a list needs items of one type"),
        ("# nothing", "no section is for a node of this package (none); use /**/policy_node or /**/smoother_node."),
        (section("camera", "a: 1"), "no section is for a node of this package (camera)"),
        (section("/**/smother_node", "dry_run: true"), "the section '/**/smother_node' is not for /smoother_node"),
    ],
)
def test_a_file_that_no_node_can_use(tmp_path: Path, text: str, sentence: str) -> None:
    assert any(sentence in said for said in problems(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    setup = read_files([tmp_path / "none.yaml", tmp_path])
    assert [finding.sentence.rpartition(": ")[2] for finding in setup.findings] == ["there is no such file."] * 2


@pytest.mark.parametrize(
    ("node", "parameters", "sentence"),
    [
        (
            "smoother_node",
            "max_liner_velocity: 0.1",
            "Did you mean 'max_linear_velocity'? A safety setting must not be",
        ),
        (
            "policy_node",
            "image_ft: card",
            "/policy_node has no parameter 'image_ft': what was given for it has no effect",
        ),
        (
            "smoother_node",
            "max_image_age: 0.3",
            "'max_image_age' is in the section '/**/smoother_node', which has no such",
        ),
        (
            "smoother_node",
            "max_rotation: 1",
            "must be float from 0.0001 to 6.3, and is 1 (int). Write it with a decimal",
        ),
        ("smoother_node", "max_rotation: .nan", "must be float from 0.0001 to 6.3, and is nan"),
        ("smoother_node", "max_rotation: .inf", "must be float from 0.0001 to 6.3, and is inf"),
        ("smoother_node", "max_rotation: -1.0", "must be float from 0.0001 to 6.3, and is -1.0"),
        ("smoother_node", "max_rotation: 0.0", "must be float from 0.0001 to 6.3, and is 0.0"),
        ("smoother_node", "command_rate: 1e9", "must be float from 20 to 500"),
        ("smoother_node", "dry_run: 'true'", "must be bool, and is 'true' (str)"),
        ("smoother_node", "workspace_low: [0, 0, 0]", "must be a list of float, and is [0, 0, 0] (a list of int)"),
        ("smoother_node", "workspace_low: []", "'workspace_low' was given without a value"),
        ("smoother_node", "tip_frame: $(var tip)", "an unresolved substitution"),
        ("policy_node", "image_transport: h264", "'image_transport' is 'h264', expected one of raw, compressed"),
        ("policy_node", "cameras: front", "must be a list of str, and is 'front' (str)"),
        ("policy_node", "use_sim_time: 1", "'use_sim_time' must be bool"),
        ("policy_node", "cameras: [front, front]", "expected one or more unique names"),
        ("policy_node", "min_confidence: 1.0", "min_confidence is 1: the arm holds still"),
        ("policy_node", "max_image_age: 1.0", "max_image_age (1 s) is not below max_action_age (1 s)"),
        ("smoother_node", "dry_run: true", "dry_run is true: the arm will get no commands."),
        ("smoother_node", "tip_frame: tool0", "tip_frame is set, but workspace_low and workspace_high are not"),
        (
            "smoother_node",
            "workspace_low: [0.0, 0.0, 0.0]",
            "does not start: The workspace has walls, so the parameter",
        ),
        (
            "smoother_node",
            WALLS.replace("base_link", "tool0"),
            "does not start: The workspace has walls, but 'workspace",
        ),
        ("smoother_node", "workspace_low: [.inf, 0.0, 0.0]", "does not start: Invalid parameters of the smoother"),
        ("smoother_node", "gripper_open_below: 0.9", "does not start: Invalid parameters of the smoother"),
        ("policy_node", "use_sim_time: true", "use_sim_time is true for /policy_node and false for /smoother_node"),
        ("gripper_bridge_node", "max_efort: 5.0", "Did you mean 'max_effort'?"),
        ("servo_bridge_node", "check_servo_parameters: 0", "must be bool"),
        ("ros2_control_bridge_node", "command_interface: effort", "expected one of position, velocity"),
        ("recorder_node", "codec: gif", "expected one of lossless, h264, av1"),
        ("recorder_node", "max_state_age: 0", "Write it with a decimal point"),
        ("recorder_node", "tip_frme: tool0", "Did you mean 'tip_frame'?"),
        ("*", "use_sim_time: true", "nothing in these files publishes /clock"),
    ],
)
def test_a_value_that_makes_trouble(tmp_path: Path, node: str, parameters: str, sentence: str) -> None:
    said = problems(tmp_path, section(f"/**/{node}", parameters))
    assert any(sentence in one for one in said), said


@pytest.mark.parametrize(("name", "meant"), [("dryrun", "dry_run"), ("images_fit", "image_fit"), ("a.b", None)])
def test_a_name_that_no_node_has_is_told_once(tmp_path: Path, name: str, meant: str | None) -> None:
    (said,) = problems(tmp_path, section("/**", f"{name}: true"))
    assert f"has no parameter '{name}'" in said
    assert ("Did you mean" in said) is (meant is not None)
    assert meant is None or f"Did you mean '{meant}'?" in said


def test_the_first_of_two_files_that_wins_is_named(tmp_path: Path) -> None:
    both = section("/**", "a_name: 1") + section("/**/smoother_node", "dry_run: false")
    assert any("dry_run := true" in said for said in problems(tmp_path, both, section("/**", "dry_run: true")))


def test_without_the_embedded_runtime_values_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rt_vla_ros.cli.doctor.parameter_files.ros.EMBEDDED_PATH", tmp_path / "none")
    text = section("/**", "max_rotation: 0.5") + section("/**/smoother_node", "max_rotation: 1, dry_run: true")
    said = problems(tmp_path, text)
    assert len(said) == 2
    assert "must be float from 0.0001 to 6.3, and is 1 (int)" in said[0]
    assert "dry_run is true" in said[1]


def test_what_a_file_says_forges_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    escape = chr(27)
    (path,) = write(tmp_path, section("/**/policy_node", 'device: cpu, "image\\nf\\e[2J": true'))
    assert main(["doctor", "--params", str(path)]) == 1
    said = capsys.readouterr().out
    assert "/policy_node has no parameter 'image" in said
    assert escape not in said


def test_the_values_of_every_robot_are_checked(tmp_path: Path) -> None:
    text = section("/left/smoother_node", "max_rotation: 0.5") + section("/right/smoother_node", "max_rotation: 9.0")
    (said,) = problems(tmp_path, text)
    assert said.startswith("/right/smoother_node does not start: The parameter 'max_rotation' must be float")


def test_nodes_of_two_namespaces_do_not_meet(tmp_path: Path) -> None:
    text = section("/left/policy_node", "device: cpu") + section("/right/smoother_node", "command_rate: 60.0")
    assert problems(tmp_path, text) == [
        "/left/policy_node and /right/smoother_node are in different namespaces: their topics connect only with remaps."
    ]


STATE = [{"name": "x", "unit": "m", "low": 0, "high": 1, "source": "tip:x"}]

# A card and the parameters --------------------------------------------------------------------------------------------


def compared(folder: Path, card: ActionCard, *texts: str) -> list[tuple[bool, str]]:
    nodes = read_files(write(folder, *texts)).nodes
    return [(finding.fine, finding.sentence) for finding in compare(card, nodes[POLICY], nodes[SMOOTHER])]


@pytest.mark.parametrize(
    ("card", "text", "fine", "sentence"),
    [
        ({}, section("/**", "cameras: [wrist]"), False, "It needs the camera 'front'; the parameter 'cameras'"),
        ({"state": STATE}, section("/**", "device: cpu"), False, "'x' (tip:x) needs the parameter 'tip_frame'"),
        ({}, section("/**", "cameras: [front, wrist]"), True, "The policy does not use wrist"),
        (
            {},
            section("/**", WALLS.replace("base_link", "world")),
            False,
            "and the walls in 'world': the arm stands still",
        ),
        ({"frame": "end_effector"}, section("/**", WALLS), False, "in the axes of the end effector"),
        ({}, section("/**", "frame_id: world"), True, "frame_id is 'world' instead of the card's 'panda_link0'"),
        ({"control_rate": 1.0}, section("/**", "device: cpu"), False, "An action lasts 1 s, but action_timeout is 1 s"),
        (
            {"horizon": 8, "execute_steps": 4},
            section("/**", "max_chunk_age: 0.5"),
            False,
            "decides every 1.33 s, but max_chunk_age is 0.5 s",
        ),
        (
            {},
            section("/**", "max_translation: 0.01"),
            False,
            "max_translation is 0.01 m: larger ones are rejected",
        ),
        ({}, section("/**", "max_rotation: 0.01"), False, "max_rotation is 0.01 rad: larger ones are rejected"),
        (
            {},
            section("/**", "max_linear_velocity: 0.01"),
            True,
            "max_linear_velocity is 0.01 m/s: the fastest are slowed",
        ),
        ({}, section("/**", "max_angular_velocity: 0.01"), True, "max_angular_velocity is 0.01 rad/s: the fastest are"),
    ],
)
def test_a_card_that_does_not_fit(tmp_path: Path, card: dict[str, Any], text: str, fine: bool, sentence: str) -> None:
    said = compared(tmp_path, make_card(**card), text)
    assert any(sentence in one and fine is kind for kind, one in said), said


def test_a_policy_that_the_files_do_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = write(tmp_path, section("/**", "policy: rt2-untrained"))
    assert main(["doctor", "--params", str(path), "--checkpoint", "rt1-untrained"]) == 1
    assert "The parameter 'policy' is 'rt2-untrained', so that is loaded, not rt1-untrained." in capsys.readouterr().out


# Checkpoints ----------------------------------------------------------------------------------------------------------


def checkpoint(capsys: pytest.CaptureFixture[str], *names: object) -> tuple[int, str]:
    code = main(["doctor", *(word for name in names for word in ("--checkpoint", str(name)))])
    return code, capsys.readouterr().out


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "rt_vla_ros/checkpoints/rt1-mini", tmp_path / "mini")
    return tmp_path / "mini"


def test_checkpoints_without_weights_and_unknown_ones(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = checkpoint(capsys, "rt1-untrained", "rt1-min")
    assert code == 1
    assert "  ok  rt1-untrained: random weights, for tests only." in said
    assert "There is no policy 'rt1-min'" in said
    assert "Did you mean 'rt1-mini'?" in said


def test_a_name_of_the_hub_is_not_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    def connect(*_arguments: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", connect)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    code, said = checkpoint(capsys, "some-owner/some-model#bridge")
    assert code == 1
    assert "some-owner/some-model is not on this machine; it will be downloaded from the Hugging Face Hub" in said
    assert not constants.HF_HUB_OFFLINE


def test_an_adapter_whose_model_is_on_the_hub(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "base_model_name_or_path": "some-owner/some-model"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    code, said = checkpoint(capsys, tmp_path)
    assert code == 1
    assert f"{tmp_path}: some-owner/some-model is not on this machine" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"control_rate": 0.0}, "control_rate is 0.0, expected more than 0"),
        ({"notes": ["Not verified: the camera's place."]}, " !!!  Its card notes: Not verified: the camera's place."),
        ({"notes": ["Recorded in 2024."]}, "  ok  Its card notes: Recorded in 2024."),
        ({"control_rate": 100.0}, "no arm is as fast"),
        ({"bins": 128}, "the action card says bins 128, the network's vocab_size is 256."),
    ],
)
def test_what_a_card_says(
    mini: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], sentence: str
) -> None:
    path = mini / "action_card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    code, said = checkpoint(capsys, mini)
    assert code == int(" !!! " in said)
    assert sentence in said


def test_a_card_without_a_field_of_view(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mini / "action_card.json"
    card = json.loads(path.read_text())
    card["cameras"][0]["vertical_fov"] = 0.0
    path.write_text(json.dumps(card))
    assert "has no field of view for front" in checkpoint(capsys, mini)[1]


def test_weights_that_are_gone_cut_off_or_of_another_size(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, config = mini / "model.safetensors", mini / "config.json"
    whole, said = weights.read_bytes(), config.read_text()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "is damaged or truncated" in checkpoint(capsys, mini)[1]
    weights.unlink()
    assert "it lacks model.safetensors" in checkpoint(capsys, mini)[1]
    weights.write_bytes(whole)
    data = json.loads(said)
    config.write_text(json.dumps({**data, "num_layers": data["num_layers"] + 1}))
    assert "model.safetensors lacks" in checkpoint(capsys, mini)[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("weights: int8", "RT-1 policies have no weight format 'int8'"),
        ("language: table.safetensors", "takes text directly"),
        ("plan: true", "was not trained to write a plan before it acts"),
        ("plan: true, policy: rt1-untrained", "was not trained to write a plan before it acts"),
        ("device: cuda:7", "The device 'cuda:7' is not available"),
    ],
)
def test_options_that_the_policy_does_not_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str, sentence: str
) -> None:
    (path,) = write(tmp_path, section("/**", options))
    assert main(["doctor", "--params", str(path)]) == 1
    assert sentence in capsys.readouterr().out


def test_a_whole_rt2_checkpoint_and_what_loading_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file
    from support.vlms import rt2_card, save_vlm

    folder = save_vlm(tmp_path / "vlm", "paligemma", card=rt2_card("front", "wrist"))
    code, said = checkpoint(capsys, folder)
    assert (code, "an RT-2 model" in said, "weights are complete" in said) == (0, True, True), said
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "down_proj" in name)
    save_file({k: v for k, v in weights.items() if k != lost}, folder / "model.safetensors", metadata={"format": "pt"})
    assert "down_proj.weight" in checkpoint(capsys, folder)[1]
    (folder / "rt2_config.json").write_text('{"vocabulary": "words"}')
    (folder / "tokenizer.json").unlink()
    code, said = checkpoint(capsys, folder)
    assert code == 1
    assert "vocabulary is 'words', expected one of" in said
    assert "has no tokenizer" in said


def test_plans_are_asked_of_a_policy_that_was_taught_them(tmp_path: Path) -> None:
    from support.vlms import save_vlm

    folder = save_vlm(tmp_path / "vlm", "qwen2_vl", plan_on_request=6)
    assert all(one.fine for one in look_at_checkpoint(str(folder), {"plan": True}).findings)
    (folder / "rt2_config.json").write_text('{"vocabulary": "words"}')
    for options in ({}, {"plan": True}):
        wrong = [one.sentence for one in look_at_checkpoint(str(folder), options).findings if not one.fine]
        assert sum("vocabulary is 'words'" in sentence for sentence in wrong) == 1


def test_code_that_would_be_needed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"model_type": "own_vlm", "auto_map": {"AutoModelForCausalLM": "modeling_own.OwnModel"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "rt2_config.json").write_text('{"vocabulary": "integers"}')
    (tmp_path / "action_card.json").write_text(json.dumps(card_data()))
    code, said = checkpoint(capsys, tmp_path)
    assert code == 1
    assert "needs the Python code in its directory (modeling_own.py)" in said
    assert "there is neither model.safetensors nor model.safetensors.index.json" in said


def test_an_openvla_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.vlms import save_openvla

    folder = save_openvla(tmp_path / "openvla")
    code, said = checkpoint(capsys, folder)
    assert (code, "an OpenVLA model" in said, "weights are complete" in said) == (0, True, True), said
    config = json.loads((folder / "config.json").read_text())
    text = {**config["text_config"], "num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps({**config, "text_config": text}))
    assert "The weights lack model.language_model.layers.1." in checkpoint(capsys, folder)[1]
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors, named by" in checkpoint(capsys, folder)[1]


def mobile(**changes: Any) -> ActionCard:
    card = make_card(**changes)
    wheels = [
        ActionDimension("wheels_x", "base_x", -0.4, 0.4, "m"),
        ActionDimension("turn", "base_yaw", -0.3, 0.3, "rad"),
    ]
    first = replace(card.dimensions[0], modes=("terminate", "arm", "move_base"))
    return replace(card, dimensions=(first, *card.dimensions[1:-1], *wheels))


@pytest.mark.parametrize(
    ("card", "parameters", "fine", "sentence"),
    [
        (
            mobile(),
            "device: cpu",
            False,
            "Actions move a mobile base (wheels_x, turn), but drive_base is false: they are",
        ),
        (make_card(), "drive_base: true", True, "drive_base is set, but no dimension of the card moves a base"),
        (
            mobile(),
            "drive_base: true, max_base_translation: 0.3",
            False,
            "Actions go up to 0.4 m along one axis, but max_base_translation is 0.3 m: larger ones are rejected.",
        ),
        (
            mobile(),
            "drive_base: true",
            True,
            "Actions go up to 1.2 m/s along one axis, and max_base_linear_velocity is 0.3 m/s: the fastest are slowed",
        ),
        (mobile(), "drive_base: true", True, "and max_base_angular_velocity is 0.6 rad/s"),
        (
            rt1_card("RT-1", make_card().cameras[0], base=True),
            "drive_base: true",
            False,
            "Actions go up to 1 m along one axis, but max_base_translation is 0.5 m: larger ones are rejected.",
        ),
    ],
)
def test_a_base_and_what_the_smoother_is_told_of_it(
    tmp_path: Path, card: ActionCard, parameters: str, fine: bool, sentence: str
) -> None:
    found = compared(tmp_path, card, section("/**", parameters))
    assert any(one[0] is fine and sentence in one[1] for one in found), found
    assert ("drive_base: true" in parameters) == (not any("drive_base is false" in one for _, one in found))
