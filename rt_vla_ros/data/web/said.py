"""Parses a record of a web dataset in any format into turns with answers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rt_vla_ros.data.example import Turn
from rt_vla_ros.data.web.chat import WrongRecord, conversation, text_of

CAPTION_REQUEST = "describe the image."
CHATS = ("messages", "conversations", "conversation")
PAIRS = ("texts", "qa", "qa_pairs", "questions")  # questions about the same images that do not depend on each other
QUESTIONS = ("question", "query", "instruction", "prompt", "problem", "user", "questions")
ANSWERS = ("answer", "multiple_choice_answer", "response", "completion", "output", "label", "solution", "assistant")
ACCEPTED = ("answers", "direct_answers", "labels", "ground_truths")
CAPTIONS = ("caption", "captions", "text", "description", "sentences")
CHOSEN = "correct_choice_idx"  # of A-OKVQA, whose answers are in other words
CHOICES = ("choices", "options", "multiple_choices")
FORMS = "question and answer, caption, conversations, messages or texts"


@dataclass(frozen=True)
class Said:
    """turns: about the images. accepted: correct answers of each turn, the training target first.

    images: those named within a chat. places: number of image placeholders. is_chat: whether images are optional.
    """

    turns: tuple[Turn, ...]
    accepted: tuple[tuple[str, ...], ...]
    images: tuple[str, ...] = ()
    places: int = 0
    is_chat: bool = False


def what_is_said(record: Mapping[str, Any]) -> Said:
    """By the first format found in the record: chat, texts, question and answer, caption. Raises WrongRecord."""
    messages = _messages(record)
    if messages is not None:
        chat = conversation(messages)
        turns = tuple(
            Turn(question or CAPTION_REQUEST, answer, before=before) for question, answer, before in chat.turns
        )
        return Said(turns, tuple((turn.answer,) for turn in turns), chat.images, chat.places, is_chat=True)
    key = next((key for key in PAIRS if _is_pairs(record.get(key))), None)
    if key is not None:
        return replace(_joined([_answered(pair) for pair in record[key]]), is_chat=key == "texts")
    if _first(record, QUESTIONS) is not None:
        return _answered(record)
    captions = _first(record, CAPTIONS)
    if captions is not None:
        words = [_words(one, "caption") for one in (captions if isinstance(captions, list) else [captions])]
        return Said(tuple(Turn(CAPTION_REQUEST, one) for one in words), tuple((one,) for one in words))
    keys = ", ".join(map(repr, record)) or "nothing"
    raise WrongRecord(f"no training target: expected {FORMS}; it has {keys:.300}")


def _messages(record: Mapping[str, Any]) -> Sequence[Any] | None:
    """Messages of a chat; TRL's prompt and completion are two parts of one."""
    for key in CHATS:
        if record.get(key) is not None:
            if not isinstance(record[key], list) or not record[key]:
                raise WrongRecord(f"{key!r} must be a list of messages, got {record[key]!r:.100}")
            return list(record[key])
    prompt, completion = record.get("prompt"), record.get("completion")
    return [*prompt, *completion] if isinstance(prompt, list) and isinstance(completion, list) else None


def _is_pairs(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _joined(parts: Sequence[Said]) -> Said:
    turns = tuple(turn for part in parts for turn in part.turns)
    accepted = tuple(one for part in parts for one in part.accepted)
    return Said(turns, accepted, places=sum(part.places for part in parts))


def _first(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The first of these keys in the record; None: none."""
    return next((record[key] for key in keys if record.get(key) is not None), None)


def _answered(record: Mapping[str, Any]) -> Said:
    """A question with its answer, or two lists of equal length."""
    question, answer, accepted = (_first(record, keys) for keys in (QUESTIONS, ANSWERS, ACCEPTED))
    if isinstance(question, list):
        answers = answer if isinstance(answer, list) else accepted
        if not isinstance(answers, list) or len(answers) != len(question):
            count = len(answers) if isinstance(answers, list) else "no"
            raise WrongRecord(f"there are {len(question)} questions and {count} answers")
        return _joined(
            [_answered({"question": one, "answer": two}) for one, two in zip(question, answers, strict=True)]
        )
    if not isinstance(question, str):
        raise WrongRecord(f"the question must be a text, got {question!r:.100}")
    text, places = text_of(question)
    if not text:
        raise WrongRecord("the question is empty")
    choices = _first(record, CHOICES)
    if choices and isinstance(choices, list):
        right_one = record.get(CHOSEN, answer)
        text, answer = _chosen(text, [_words(one, "choice") for one in choices], right_one)
    right = _right(answer, accepted)
    return Said((Turn(text, right[0]),), (right,), places=places)


def _chosen(text: str, choices: list[str], answer: Any) -> tuple[str, Any]:
    """A multiple-choice question and its answer in words, which may be given by number or letter.

    Numbers count from 0. A number past the last choice means the choice with that text: of "2", "3" and "4" the answer
    4 is "4". A text equal to a choice is that choice, even if it is a number.
    """
    text = f"{text}\nChoices: {'; '.join(choices)}."
    at = answer if isinstance(answer, int) and not isinstance(answer, bool) else None
    if isinstance(answer, str) and answer not in choices and re.fullmatch(r"\(?[A-Za-z]\)?\.?", answer.strip()):
        at = ord(answer.strip("() .").upper()) - ord("A")
    if isinstance(answer, str) and answer.strip() not in choices and re.fullmatch(r"\d{1,4}", answer.strip(), re.ASCII):
        at = int(answer)
    if at is not None and at >= len(choices) and str(answer) in choices:
        at = choices.index(str(answer))
    if at is None:
        return text, answer
    if not 0 <= at < len(choices):
        counted = "; numbers count from 0" if at == len(choices) and not str(answer).strip("() .").isalpha() else ""
        raise WrongRecord(f"the answer {answer!r} is not one of the {len(choices)} choices{counted}")
    return text, choices[at]


def _right(answer: Any, accepted: Any) -> tuple[str, ...]:
    """All correct answers, unique: the training target first, which is the most frequent if there are several."""
    single, several = (None, answer) if isinstance(answer, list) else (answer, accepted)
    words = [_said_by(one) for one in several] if isinstance(several, list) else []
    if single is None and isinstance(accepted, str):
        single = accepted
    counted = [word for word, _ in Counter(word for word in words if word).most_common()]
    if single is not None:
        counted.insert(0, _words(single, "answer"))
    if not counted:
        raise WrongRecord("the answer is empty" if (answer, accepted) != (None, None) else "there is no answer")
    return tuple(dict.fromkeys(counted))


def _said_by(answer: Any) -> str:
    """One of several answers, in VQA datasets {"answer": ..., "answer_confidence": ...}; empty: none."""
    if isinstance(answer, Mapping):
        answer = answer.get("answer")
    return "" if answer is None or not str(answer).strip() else _words(answer, "answer")


def _words(value: Any, kind: str) -> str:
    """A string, number or boolean as text. Raises WrongRecord for empty text and other types."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and set(value) & {"raw", kind, "text"}:
        value = value.get("raw", value.get(kind, value.get("text")))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WrongRecord(f"the {kind} must be a finite number, got {value}")
        return f"{value:.10g}"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise WrongRecord(f"the {kind} must be a text, got {value!r:.100}")
    if not value.strip():
        raise WrongRecord(f"the {kind} is empty")
    return value.strip()
