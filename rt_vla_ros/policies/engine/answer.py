"""Reads the answer of OpenAI's chat completions API."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rt_vla_ros.action_space.decoder import DecodingError

MOST_ENTRIES, LONGEST_TEXT = 1 << 16, 1 << 16
ROUNDING = 1e-3  # how far a log-probability may be above 0


@dataclass(frozen=True)
class EngineAnswer:
    """text: what the model has written. finish: why it ended, such as "stop" or "length"; empty: unknown.

    tokens: text and log-probability of each token, the end token included; empty if the engine sends none.
    """

    text: str
    finish: str
    tokens: tuple[tuple[str, float], ...] = ()

    def confidence(self, text: str, numbers: int) -> float:
        """Geometric mean of the probabilities of the numbers with which the answer ends; 0 if they are unknown.

        text: of these numbers. numbers: how many there are. Raises DecodingError if the tokens are others.
        """
        if not self.tokens:
            return 0.0
        digits, read, total = _digits(text), "", 0.0
        for token, logprob in reversed(self.tokens):
            if len(read) >= len(digits):
                break
            read = ("" if "<" in token else _digits(token)) + read  # an end token may be <SPECIAL_12>
            total += max(logprob, math.log(1e-12))
        if not read.endswith(digits):
            raise _refusal(f"its logprobs are of other tokens than its text {text[:80]!r}")
        return math.exp(min(total, 0.0) / numbers)


def read_answer(data: bytes) -> EngineAnswer:
    """data: the body of the answer. Raises DecodingError."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"it is not JSON ({str(error)[:120]})") from error
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _refusal("it has no choices[0].message: is the url that of OpenAI's chat completions API?")
    text, finish = message.get("content"), choice.get("finish_reason")
    if not isinstance(text, str | None) or not isinstance(finish, str | None):
        raise _refusal("its content or its finish_reason is not text")
    if text is not None and len(text) > LONGEST_TEXT:
        raise _refusal(f"its text has {len(text)} characters, at most {LONGEST_TEXT} are read")
    return EngineAnswer(text or "", finish or "", _tokens(choice.get("logprobs")))


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if entries is None:
        return ()
    if not isinstance(entries, Sequence) or len(entries) > MOST_ENTRIES:
        raise _refusal("logprobs.content is not a list")
    return tuple(map(_token, entries))


def _token(entry: Any) -> tuple[str, float]:
    token, logprob = (entry.get(key) for key in ("token", "logprob")) if isinstance(entry, Mapping) else (None, None)
    try:
        number = float(logprob) if isinstance(logprob, int | float) and not isinstance(logprob, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not isinstance(token, str) or not number <= ROUNDING:
        raise _refusal(
            f"{str(entry)[:120]!r} is not a token with its log-probability (vLLM: leave --logprobs-mode at its default)"
        )
    return token, number


def _refusal(problem: str) -> DecodingError:
    return DecodingError(f"The engine's answer cannot be used: {problem}.")
