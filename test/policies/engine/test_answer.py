"""An engine's answer: its text, its confidence, and what is no answer."""

from __future__ import annotations

import json
import math

import pytest
from support.played_engine import completion

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.policies.engine.answer import EngineAnswer, read_answer

DIGITS = [(" ", 1.0), ("1", 0.5), (" ", 1.0), ("2", 0.8), ("5", 0.9), ("<|im_end|>", 0.7)]


def read(body: object) -> EngineAnswer:
    return read_answer(json.dumps(body).encode())


def test_the_confidence_is_the_geometric_mean_over_the_numbers() -> None:
    answer = read(completion(" 1 25", DIGITS))
    assert (answer.text, answer.finish) == (" 1 25", "stop")
    assert answer.confidence("1 25", 2) == pytest.approx(math.sqrt(0.5 * 0.8 * 0.9 * 0.7))


def test_an_end_token_may_have_digits_in_its_name() -> None:
    answer = read(completion(" 1 25", [*DIGITS[:-1], ("<SPECIAL_12>", 0.7)]))
    assert answer.confidence("1 25", 2) == pytest.approx(math.sqrt(0.5 * 0.8 * 0.9 * 0.7))


def test_a_plan_does_not_count_for_the_confidence() -> None:
    plan = [("Pick", 0.1), (" 2", 0.1), (".", 0.1), (" Action", 0.1), (":", 0.1)]
    answer = read(completion(" Pick 2. Action: 1 25", [*plan, *DIGITS[1:]]))
    assert answer.confidence("1 25", 2) == pytest.approx(math.sqrt(0.5 * 0.8 * 0.9 * 0.7))


def test_without_logprobs_the_confidence_is_unknown() -> None:
    assert read(completion("1 25")).confidence("1 25", 2) == 0.0


def test_an_impossible_token_does_not_give_a_confidence_that_is_not_finite() -> None:
    body = completion("1", [("1", 1.0)])
    body["choices"][0]["logprobs"]["content"][0]["logprob"] = -math.inf
    assert 0 < read(body).confidence("1", 1) < 1e-9


@pytest.mark.parametrize(
    "tokens", [DIGITS[:2], [*DIGITS[:3], ("9", 0.8), DIGITS[4]], [("token_id:220", 1.0), ("token_id:16", 0.5)]]
)
def test_logprobs_of_other_tokens_are_refused(tokens: list[tuple[str, float]]) -> None:
    """The last ones are those of vLLM with --return-tokens-as-token-ids."""
    with pytest.raises(DecodingError, match="logprobs are of other tokens"):
        read(completion("1 25", tokens)).confidence("1 25", 2)


@pytest.mark.parametrize("logprob", [0.5, math.nan, "0", None, True, 10**400])
def test_a_number_that_is_no_logprob_is_refused(logprob: object) -> None:
    body = completion("1", [("1", 1.0)])
    body["choices"][0]["logprobs"]["content"][0]["logprob"] = logprob
    with pytest.raises(DecodingError, match="is not a token with its log-probability"):
        read(body)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is not JSON"),
        (b"<html>Welcome to nginx</html>", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[]", "it has no choices"),
        (b'{"object": "list", "data": []}', "it has no choices"),
        (b'{"choices": []}', "it has no choices"),
        (b'{"choices": [{"text": "1 2"}]}', "it has no choices"),
        (b'{"choices": [{"message": {"content": "' + b"1 " * 40_000 + b'"}}]}', "its text has 80000 characters"),
        (b'{"choices": [{"message": {"content": 5}}]}', "its content or its finish_reason is not text"),
        (b'{"choices": [{"message": {"content": "1"}, "logprobs": {"content": 5}}]}', "logprobs.content is not a list"),
        (b'{"choices": [{"message": {"content": "1"}, "logprobs": {"content": [5]}}]}', "'5' is not a token"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(DecodingError, match="engine's answer cannot be used") as refusal:
        read_answer(data)
    assert problem in str(refusal.value)


def test_an_answer_without_content_is_empty() -> None:
    assert read({"choices": [{"message": {"content": None}}]}).text == ""
