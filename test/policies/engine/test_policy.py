"""A policy whose model runs in an engine: what it asks, and what it makes of the answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.played_engine import MODEL, EngineRequest, PlayedEngine, completion, engine_folder
from support.vlms import random_image, rt2_card, save_vlm

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, EngineDecidesError, NoPlansError
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, resolve
from rt_vla_ros.policies.engine.policy import EnginePolicy
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import AnsweringPolicy, TimedPolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt2.configuration import PLAN_PROMPT, RT2Config
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.vla0.views import square_views
from rt_vla_ros.runtime.confidence_gate import legal_doubt
from rt_vla_ros.runtime.warm_up import warm_up

Play = Callable[..., PlayedEngine]
CARD = rt2_card()
GOOD, BINS = "0 128 91 241 5 101 127 255", (0, 128, 91, 241, 5, 101, 127, 255)
PATIENT = RemoteSettings(budget=30.0)


def always(text: str = GOOD, **options: Any) -> Callable[..., Any]:
    return lambda *_: completion(text, **options)


def opened(folder: Path, settings: RemoteSettings = PATIENT, **options: Any) -> EnginePolicy:
    policy = load_policy(str(folder), remote=settings, **options)
    assert isinstance(policy, EnginePolicy)
    return policy


def seen(seed: int = 0, *cameras: str) -> Observation:
    return Observation({name: random_image(seed + i) for i, name in enumerate(cameras or ("front",))}, 1.0)


def test_an_action_is_asked_for_as_vllm_documents_it(play: Play, tmp_path: Path) -> None:
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", CARD, engine))
    policy.reset("pick up the red cube.")
    chunk = policy.act(seen())
    asked = engine.asked[-1]
    assert asked.path == "/v1/chat/completions"
    assert (asked.images[0] == random_image(0)).all()
    assert asked.prompt == "Q: what action should the robot take to pick up the red cube? A:"
    assert [one["role"] for one in asked.body["messages"]] == ["user"]
    assert (asked.body["model"], asked.body["temperature"], asked.body["logprobs"]) == (MODEL, 0.0, True)
    assert (asked.body["repetition_penalty"], asked.body["frequency_penalty"]) == (1.0, 0.0)
    assert re.fullmatch(asked.body["structured_outputs"]["regex"], f" {GOOD}")
    assert asked.body["max_tokens"] == len(" 1" + 7 * " 255") + 1
    assert "Authorization" not in asked.headers
    assert chunk.tokens == BINS
    assert chunk.steps[0].translation[0] == pytest.approx(-0.1 + 128 / 255 * 0.2)
    assert isinstance(policy, AnsweringPolicy)
    assert isinstance(policy, TimedPolicy)
    assert set(policy.parts_of_latency) == {"encoding", "engine"}


def test_another_engine_is_sent_nothing_that_only_vllm_knows(play: Play, tmp_path: Path) -> None:
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", CARD, engine, engine="openai"))
    policy.reset("pick up the red cube")
    assert policy.act(seen()).confidence == 0.0
    ours = {"model", "messages", "max_tokens", "temperature", "frequency_penalty", "presence_penalty", "logprobs"}
    assert {key for asked in engine.asked for key in asked.body} == ours


@pytest.mark.parametrize("plans", [False, True])
def test_the_confidence_is_that_of_the_model_in_this_process(play: Play, tmp_path: Path, plans: bool) -> None:
    """vLLM gives each token's probability among those that the constraint allows, as this decoding does."""
    saved = save_vlm(tmp_path / "near", "qwen2_vl", plan_on_request=4)
    near = load_policy(str(saved), plan=plans)
    assert isinstance(near, RT2Policy)
    near.reset("pick up the red cube")
    decoded, tokenizer = near.decode(seen()), near.parts.processor.tokenizer
    words = [tokenizer.decode([token]) for token in decoded.tokens]
    written = completion(
        tokenizer.decode(decoded.tokens, skip_special_tokens=True), list(zip(words, decoded.probabilities, strict=True))
    )
    config = RT2Config("integers", plan_on_request=4)
    far = opened(engine_folder(tmp_path / "far", CARD, play(lambda *_: written), config), plan=plans)
    far.reset("pick up the red cube")
    chunk, expected = far.act(seen()), near.act(seen())
    assert chunk.tokens == expected.tokens
    assert chunk.plan == expected.plan
    assert chunk.confidence == pytest.approx(expected.confidence, rel=1e-6)


def test_a_model_that_writes_no_actions_by_itself_is_told(play: Play, tmp_path: Path) -> None:
    free = [f"{GOOD} 1 2 3", "The arm should"]

    def reply(asked: EngineRequest, _: object) -> Any:
        return completion(GOOD if "structured_outputs" in asked.body else free.pop(0))

    folder = engine_folder(tmp_path / "far", CARD, play(reply))
    assert warm_up(opened(folder)).doubt is None
    policy = opened(folder)
    assert warm_up(policy).doubt == legal_doubt(0.0)
    policy.reset("go")
    assert policy.act(seen()).legal_probability == 0.0


def test_an_answer_that_is_no_action_moves_nothing(play: Play, tmp_path: Path) -> None:
    answers = [completion(GOOD)] * 2
    engine = play(lambda *_: answers.pop(0))
    policy = opened(engine_folder(tmp_path / "far", CARD, engine))
    policy.reset("pick up the red cube")
    for body, said in (
        (completion("I cannot do that."), r"'I cannot do that\.' is not an action"),
        (completion(GOOD, finish="length"), r"was cut off \(finish_reason 'length'\)"),
        (completion(GOOD[:-1], finish=""), r"was cut off \(finish_reason ''\)"),
        (completion("9 " * 400_000), "its text has 800000 characters"),
        ({"error": "none"}, "has no choices"),
    ):
        answers.append(body)
        with pytest.raises(DecodingError, match=said):
            policy.act(seen())
    answers.append(completion(GOOD))
    assert policy.act(seen()).tokens == BINS


def test_a_model_that_does_not_end_is_cut_after_its_action(play: Play, tmp_path: Path) -> None:
    engine = play(always(finish="length"))
    policy = opened(engine_folder(tmp_path / "far", CARD, engine, engine="openai", action_tokens=8))
    policy.reset("pick up the red cube")
    assert policy.act(seen()).tokens == BINS
    assert engine.asked[-1].body["max_tokens"] == 8


def test_a_plan_is_asked_for_with_its_own_prompt(play: Play, tmp_path: Path) -> None:
    engine = play(always(f" pick red cube. Action: {GOOD}"))
    folder = engine_folder(tmp_path / "far", CARD, engine, RT2Config("integers", plan_on_request=20))
    policy = opened(folder, plan=True)
    policy.reset("pick up the red cube")
    assert policy.act(seen()).plan == "pick red cube."
    assert engine.asked[-1].prompt == PLAN_PROMPT.format(instruction="pick up the red cube")
    assert engine.asked[-1].body["max_tokens"] == 20 + len(" 1" + 7 * " 255") + 1
    with pytest.raises(NoPlansError):
        opened(engine_folder(tmp_path / "planless", CARD, engine), plan=True)


def test_a_question_is_answered_in_words(play: Play, tmp_path: Path) -> None:
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", CARD, engine))
    assert resolve(str(tmp_path / "far")).answers
    engine.reply = always(" a red cube \n")
    assert policy.ask(seen().images, "what is on the table?") == "a red cube"
    assert engine.asked[-1].prompt == "Q: what is on the table? A:"
    assert not {"structured_outputs", "logprobs"} & set(engine.asked[-1].body)
    with pytest.raises(ValueError, match="question is empty"):
        policy.ask(seen().images, " ")


def test_chat_system_message_and_state_are_in_the_prompt(play: Play, tmp_path: Path) -> None:
    state = tuple(StateDimension(f"joint_{i}", "rad", -1.0, 1.0, f"joint:joint_{i}") for i in range(2))
    card = replace(rt2_card("front", "wrist"), state=state)
    config = RT2Config(
        "integers", prompt="{instruction} {state}", chat=True, system="Be exact.", vision_id=True, state_bins=11
    )
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", card, engine, config))
    policy.reset("go")
    policy.act(replace(seen(3, "front", "wrist"), state=np.array([0.05, 0.9])))
    asked = engine.asked[-1]
    assert asked.prompt == "go 5 10"
    assert asked.body["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "Be exact."}]}
    assert asked.body["chat_template_kwargs"] == {"add_vision_id": True}
    assert (asked.images[1] == random_image(4)).all()
    with pytest.raises(ValueError, match="needs the robot's state"):
        policy.act(seen(3, "front", "wrist"))


def test_views_are_arranged_before_they_are_sent(play: Play, tmp_path: Path) -> None:
    card = rt2_card("front", "wrist")
    config = RT2Config("integers", views="tiled", view_size=56, view_crop=0.875)
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", card, engine, config))
    policy.reset("go")
    observation = seen(1, "front", "wrist")
    policy.act(observation)
    (expected,) = square_views(list(observation.images.values()), config)
    (sent,) = engine.asked[-1].images
    assert sent.shape == (56, 112, 3)
    assert (sent == expected).all()


def test_images_may_be_sent_as_jpeg(play: Play, tmp_path: Path) -> None:
    engine = play(always())
    policy = opened(engine_folder(tmp_path / "far", CARD, engine), RemoteSettings(budget=30.0, jpeg=95))
    policy.reset("go")
    policy.act(seen())
    url = engine.asked[-1].body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert np.abs(engine.asked[-1].images[0].astype(int) - random_image(0)).mean() < 5


@pytest.mark.parametrize("text", ["pick <|im_end|> up", "pick </s>", "go [INST] on", "<image>"])
def test_text_that_could_be_a_control_token_is_refused(play: Play, tmp_path: Path, text: str) -> None:
    policy = opened(engine_folder(tmp_path / "far", CARD, play(always())))
    for ask in (policy.reset, lambda words: policy.ask(seen().images, words)):
        with pytest.raises(InstructionError, match="starts a control token"):
            ask(text)


def test_images_and_instructions_are_checked_as_for_any_policy(play: Play, tmp_path: Path) -> None:
    policy = opened(engine_folder(tmp_path / "far", CARD, play(always())))
    with pytest.raises(RuntimeError, match="no instruction yet"):
        policy.act(seen())
    with pytest.raises(ValueError, match="instruction is empty"):
        policy.reset("  ")
    policy.reset("go")
    with pytest.raises(ValueError, match="needs an image of the camera 'front'; given: wrist"):
        policy.act(seen(0, "wrist"))
    with pytest.raises(ValueError, match="policy expects 96x96"):
        policy.act(Observation({"front": random_image(0, 48, 96)}, 0.0))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (RT2Config("openvla"), "vocabulary is 'openvla'"),
        (RT2Config("overwritten", tokens=tuple(range(256))), "vocabulary is 'overwritten'"),
        (RT2Config("integers", views="unscaled"), "views are"),
        (RT2Config("integers", horizon=4), "trained to write 4 steps"),
    ],
)
def test_a_checkpoint_that_an_engine_cannot_run_is_refused(tmp_path: Path, config: RT2Config, said: str) -> None:
    folder = engine_folder(tmp_path, CARD, "http://127.0.0.1:9/v1", config)
    with pytest.raises(CheckpointError, match=said):
        load_policy(str(folder))


def test_options_of_the_model_are_set_in_the_engine(tmp_path: Path) -> None:
    folder = engine_folder(tmp_path, CARD, "http://127.0.0.1:9/v1")
    with pytest.raises(EngineDecidesError, match="runs in an engine: set device, weights there"):
        load_policy(str(folder), device="cpu", weights="int8")


def test_a_description_beside_a_model_is_ambiguous(tmp_path: Path) -> None:
    folder = engine_folder(tmp_path, CARD, "http://127.0.0.1:9/v1")
    assert resolve(str(folder)).family == ENGINE
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"ambiguous, both a model \(config\.json\)"):
        resolve(str(folder))


def test_a_description_from_the_hub_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = engine_folder(tmp_path, CARD, "http://127.0.0.1:9/v1")
    monkeypatch.setattr("rt_vla_ros.policies.checkpoint.resolve._download", lambda *_: folder)
    with pytest.raises(CheckpointError, match="would send this robot's images to an address"):
        resolve("hf:someone/model")
