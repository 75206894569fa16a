"""Parses conversations in the formats of LLaVA, ShareGPT, transformers and TRL into questions and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PLACEHOLDER = "<image>"
ASKING = frozenset({"human", "user"})
ANSWERING = frozenset({"gpt", "assistant", "model", "bot", "chatgpt"})
ROLE_KEYS, CONTENT_KEYS = ("role", "from"), ("content", "value", "text")
PAIR_KEYS = (("user", "assistant"), ("human", "assistant"), ("question", "answer"))
IMAGE_PARTS = ("image", "image_url", "image_path", "path", "url")

Before = tuple[tuple[str, str], ...]


class WrongRecord(ValueError):
    """An invalid record; the message completes a sentence that starts with its location."""


@dataclass
class Conversation:
    """turns: question (empty: only the image), answer, and the previous pairs. images, places: as in `Said`."""

    turns: list[tuple[str, str, Before]] = field(default_factory=list)
    images: tuple[str, ...] = ()
    places: int = 0


def is_text(words: str) -> bool:
    """Whether a text is valid Unicode; JSON can contain lone surrogates."""
    try:
        return words.isascii() or bool(words.encode())
    except UnicodeEncodeError:
        return False


def text_of(text: str) -> tuple[str, int]:
    """Text without image placeholders, and their number."""
    if PLACEHOLDER not in text:
        return text.strip(), 0
    parts = [part.strip() for part in text.split(PLACEHOLDER)]
    return " ".join(parts).strip(), len(parts) - 1


def conversation(messages: Sequence[Any]) -> Conversation:
    """Merge consecutive messages of one role; drop answers without a question and questions without an answer.

    Raises WrongRecord.
    """
    said, images, places, question, pairs = Conversation(), list[str](), 0, None, list[tuple[str, str]]()
    for asks, content in _merged(_roles(messages)):
        words, named, marks = _content(content, asks)
        images += named
        places += marks
        if asks:
            question = words
        elif question is not None:
            if not words:
                raise WrongRecord("an answer is empty")
            said.turns.append((question, words, tuple(pairs)))
            pairs.append((question, words))
            question = None
    if not said.turns:
        raise WrongRecord("the conversation has no question with an answer")
    said.images, said.places = tuple(images), places
    return said


def _roles(messages: Sequence[Any]) -> Iterable[tuple[bool, Any]]:
    """Whether each message is a question, and its content; system messages are prepended to the next question."""
    for message in messages:
        if not isinstance(message, Mapping):
            raise WrongRecord(f"a message must be an object, got {message!r:.100}")
        pair = next((keys for keys in PAIR_KEYS if all(key in message for key in keys)), None)
        if pair is not None:
            yield True, message[pair[0]]
            yield False, message[pair[1]]
            continue
        role = next((message[key] for key in ROLE_KEYS if message.get(key) is not None), None)
        if role not in (*ASKING, *ANSWERING, "system"):
            raise WrongRecord(f"the role {role!r:.100} is invalid, expected user (human), assistant (gpt) or system")
        yield role not in ANSWERING, next((message[key] for key in CONTENT_KEYS if message.get(key) is not None), "")


def _merged(messages: Iterable[tuple[bool, Any]]) -> Iterable[tuple[bool, list[Any]]]:
    """Contents as lists of parts; consecutive ones of a role merged."""
    last: tuple[bool, list[Any]] | None = None
    for asks, content in messages:
        parts = content if isinstance(content, list) else [content]
        if last is not None and last[0] == asks:
            last[1].extend(parts)
            continue
        if last is not None:
            yield last
        last = asks, [*parts]
    if last is not None:
        yield last


def _content(parts: Sequence[Any], asks: bool) -> tuple[str, list[str], int]:
    """The text of a message, its images, and its number of image placeholders."""
    words, images, places = list[str](), list[str](), 0
    for part in parts:
        kind, value = _part(part)
        if kind == "text":
            text, marks = text_of(value) if asks else (value.strip(), 0)
            words.append(text)
            places += marks
        else:
            places += 1
            images += [value] if value else []
    return "\n".join(word for word in words if word), images, places


def _part(part: Any) -> tuple[str, str]:
    """ "text" and its text, or "image" and its name, which is empty if the record lists the images."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        raise WrongRecord(f"a part of a message must be a text or an object, got {part!r:.100}")
    kind = part.get("type", "text" if "text" in part else "image" if "image" in part else None)
    if kind == "text":
        if not isinstance(part.get("text"), str):
            raise WrongRecord(f"a part of a message of type text has no text: {dict(part)!r:.100}")
        return "text", part["text"]
    if kind not in ("image", "image_url"):
        raise WrongRecord(f"a part of a message has the type {kind!r:.100}, expected text or image")
    value = next((part[key] for key in IMAGE_PARTS if part.get(key) is not None), "")
    if isinstance(value, Mapping):
        value = value.get("url", value.get("path"))
    if not isinstance(value, str):
        raise WrongRecord(f"a part of a message has an image without a name: {dict(part)!r:.100}")
    return "image", value
