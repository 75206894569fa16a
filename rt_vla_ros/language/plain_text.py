"""Sanitizes untrusted text in prompts: what a tokenizer would parse as a control token is tokenized as plain text.

A tokenizer finds its added tokens (`<|im_end|>`, `</s>`, `<image>`, `<loc0001>`) anywhere in a string. A prompt is
therefore assembled here from the template's parts and the text. If such a token overlaps the text, `SEPARATOR`, a token
of its own, is inserted into it, and `drop_separators` removes it from the ids. Text without control tokens is tokenized
in one string, as it would be without this module.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rt_vla_ros.language.encoder import InstructionError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HOLE = "@@text@@"
"""Placeholder of the text in a template. Never searched in the text itself."""
SEPARATOR = "<|rt_vla_ros:separator|>"
ROUNDS = 8
"""Maximum number of passes: the parts left by a split may contain another control token."""
BYTE_PIECE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
"""SentencePiece's notation of a single byte; a Unigram tokenizer parses these six characters as that byte."""


@dataclass(frozen=True)
class PromptText:
    """template: trusted, with HOLE as placeholder. words: untrusted text. system: of a chat, trusted.

    before: earlier questions and answers of the same conversation, also untrusted.
    """

    template: str
    words: str
    system: str = ""
    before: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.template.replace(HOLE, self.words)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of a tokenizer's special tokens, including added ones that are in none of its lists."""
    added = tokenizer.added_tokens_decoder
    return frozenset(tokenizer.all_special_ids) | {token for token, content in added.items() if content.special}


def insert_text(
    tokenizer: PreTrainedTokenizerBase, pieces: Sequence[str], text: str | Sequence[str], control: Collection[int] = ()
) -> str:
    """Tokenize the parts of a template with the text between them, such that the text stays plain text.

    text: one for all placeholders, or one for each.
    control: additional ids that must not come from the text, such as image tokens.
    Raises InstructionError for text that cannot be tokenized as plain text.
    """
    given = [text] * (len(pieces) - 1) if isinstance(text, str) else text
    texts = [one.replace(SEPARATOR, "") for one in given]
    whole, ours = pieces[0], bytearray(len(pieces[0]))
    for one, piece in zip(texts, pieces[1:], strict=True):
        whole, ours = whole + one + piece, ours + b"\1" * len(one) + bytearray(len(piece))
    ids = special_tokens(tokenizer).union(_added_marks(tokenizer), control)
    ids -= {tokenizer.get_added_vocab().get(SEPARATOR)}
    for _ in range(ROUNDS):
        found = sorted({span for span in _spans(tokenizer, whole, ids) if any(ours[slice(*span)])})
        if not found:
            _check_counts(tokenizer, whole, pieces, ids)
            return whole
        places = [start + _break(whole[start:end]) for start, end in found]
        stuck = [span for span, at in zip(found, places, strict=True) if at in span]
        if stuck or not _has_separator(tokenizer):
            raise _refusal(whole[slice(*(stuck or found)[0])])
        cuts = list(itertools.pairwise([0, *places, len(whole)]))
        whole = SEPARATOR.join(whole[start:end] for start, end in cuts)
        ours = bytearray(len(SEPARATOR)).join(ours[start:end] for start, end in cuts)
    raise _refusal(whole[slice(*found[0])])


def drop_separators(tokenizer: PreTrainedTokenizerBase, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of a prompt without the separators; those per token have the shape (1, N)."""
    separator = tokenizer.get_added_vocab().get(SEPARATOR)
    ids = inputs["input_ids"]
    keep = ids[0] != (-1 if separator is None else separator)
    return {key: value[:, keep] if value.shape == ids.shape else value for key, value in inputs.items()}


def _added_marks(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids of added tokens that are not plain words; words added to the vocabulary remain words."""
    added = tokenizer.added_tokens_decoder
    return {token for token, content in added.items() if not "".join(content.content.split()).isalnum()}


def _spans(tokenizer: PreTrainedTokenizerBase, whole: str, ids: Collection[int]) -> Iterator[tuple[int, int]]:
    """Positions of control tokens in a string. Without offsets, they are assumed to be found as written."""
    yield from (match.span() for match in BYTE_PIECE.finditer(whole))
    if tokenizer.is_fast:
        read = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        for token, (start, end) in zip(read["input_ids"], read["offset_mapping"], strict=True):
            # Text unknown to a tokenizer becomes <unk>, which is no control token then.
            if token in ids and (token != tokenizer.unk_token_id or str(tokenizer.unk_token) in whole[start:end]):
                yield start, end
        return
    for content in tokenizer.convert_ids_to_tokens(sorted(ids)):
        yield from (match.span() for match in re.finditer(re.escape(content or SEPARATOR), whole))


def _check_counts(tokenizer: PreTrainedTokenizerBase, whole: str, pieces: Sequence[str], ids: Collection[int]) -> None:
    """For tokenizers without offsets: check that the text adds no control token. Raises InstructionError."""
    if tokenizer.is_fast:
        return
    with_text, without = (tokenizer.encode(text, add_special_tokens=False) for text in (whole, "a".join(pieces)))
    for token in set(with_text).intersection(ids).difference([tokenizer.unk_token_id]):
        if with_text.count(token) > without.count(token):
            raise _refusal(str(tokenizer.convert_ids_to_tokens(token)))


def _break(content: str) -> int:
    """Where to split a control token: before its closing punctuation, where most tokenizers also split."""
    marks = re.search(r"\W*$", content)
    at = marks.start() if marks else 0
    return at if 0 < at < len(content) else len(content) // 2


def _has_separator(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Add the separator on first use; the model never sees it."""
    from transformers import AddedToken

    if SEPARATOR not in tokenizer.get_added_vocab():
        tokenizer.add_tokens([AddedToken(SEPARATOR, special=True, normalized=False)])
    return SEPARATOR in tokenizer.get_added_vocab()


def _refusal(content: str) -> InstructionError:
    return InstructionError(
        f"The text contains {content!r}, which this model's tokenizer parses as a control token and cannot be made to "
        "treat as text; rephrase it."
    )
