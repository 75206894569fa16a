"""A conversation, as LLaVA, ShareGPT, transformers and TRL write one, in questions and answers."""

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
    """What is wrong with a record, as the end of a sentence that begins with where it is."""


@dataclass
class Conversation:
    """turns: question (empty: none but the image), answer, and the pairs before. images, places: as in `Said`."""

    turns: list[tuple[str, str, Before]] = field(default_factory=list)
    images: tuple[str, ...] = ()
    places: int = 0


def is_text(words: str) -> bool:
    """Whether it can be written down; JSON can hold halves of letters (surrogates), which cannot."""
    try:
        return words.isascii() or bool(words.encode())
    except UnicodeEncodeError:
        return False


def text_of(text: str) -> tuple[str, int]:
    """Without the marks that say where an image stands, and how many of them there were."""
    if PLACEHOLDER not in text:
        return text.strip(), 0
    parts = [part.strip() for part in text.split(PLACEHOLDER)]
    return " ".join(parts).strip(), len(parts) - 1


def conversation(messages: Sequence[Any]) -> Conversation:
    """Messages of one role in a row are one; an answer to nothing and a question without an answer are left out.

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
    """Whether each message asks, and its content; what a system says belongs to the question behind it."""
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
            raise WrongRecord(f"the role {role!r:.100} is none of user (human), assistant (gpt) and system")
        yield role not in ANSWERING, next((message[key] for key in CONTENT_KEYS if message.get(key) is not None), "")


def _merged(messages: Iterable[tuple[bool, Any]]) -> Iterable[tuple[bool, list[Any]]]:
    """Contents in lists of parts; those of one role in a row together."""
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
    """The words of a message, the images that it names, and how many places for images it has."""
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
    """ "text" and its words, or "image" and its name, which is empty where the record names the images."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        raise WrongRecord(f"a part of a message must be a text or an object, got {part!r:.100}")
    kind = part.get("type", "text" if "text" in part else "image" if "image" in part else None)
    if kind == "text":
        if not isinstance(part.get("text"), str):
            raise WrongRecord(f"a part of a message is called text and has none: {dict(part)!r:.100}")
        return "text", part["text"]
    if kind not in ("image", "image_url"):
        raise WrongRecord(f"a part of a message is of the kind {kind!r:.100}, expected text or image")
    value = next((part[key] for key in IMAGE_PARTS if part.get(key) is not None), "")
    if isinstance(value, Mapping):
        value = value.get("url", value.get("path"))
    if not isinstance(value, str):
        raise WrongRecord(f"a part of a message has an image without a name: {dict(part)!r:.100}")
    return "image", value
