"""Maps bins to tokens: integers as text, overwritten tokens, or the last tokens of the vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rt_vla_ros.language.plain_text import special_tokens
from rt_vla_ros.policies.rt2.configuration import RT2Config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

ANCHOR = "A:"
"""Text before an action, so that numbers are tokenized in the same way as after a prompt."""
OPENVLA_TAIL = 64
"""OpenVLA usually pads its embedding table to a multiple of this; the action tokens end so many rows before its end."""

Sequence_ = tuple[int, ...]


class VocabularyError(ValueError):
    """The tokenizer or the checkpoint has no usable action tokens; the message says which and why."""


@dataclass(frozen=True)
class ActionVocabulary:
    """Token sequences of the bins.

    first: of the first dimension, one sequence per bin. others: of the other dimensions. ends: tokens that end an
    action.
    """

    first: tuple[Sequence_, ...]
    others: tuple[Sequence_, ...]
    ends: tuple[int, ...]

    def __post_init__(self) -> None:
        for sequences in (self.first, self.others):
            _check_distinct(sequences)
        starts = {sequence[0] for sequence in self.others}
        for sequences in (self.first, self.others):
            _check_borders(sequences, starts, self.ends)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.others)

    def sequences(self, dimension: int) -> tuple[Sequence_, ...]:
        """Token sequences of a dimension, one per bin."""
        return self.first if dimension == 0 else self.others

    def encode(self, bins: Sequence[int]) -> list[int]:
        """Bins, one per dimension -> token ids, without an end token. Raises ValueError for a bin out of range."""
        if any(not 0 <= b < self.bins for b in bins):
            raise ValueError(f"expected bins of 0 to {self.bins - 1}, got {list(bins)}")
        return [token for dimension, b in enumerate(bins) for token in self.sequences(dimension)[b]]


def make_vocabulary(
    config: RT2Config,
    tokenizer: PreTrainedTokenizerBase,
    bins: int,
    vocabulary_size: int,
    ends: Sequence[int],
    placeholders: Collection[int] = (),
    tail: int = OPENVLA_TAIL,
) -> ActionVocabulary:
    """Makes the vocabulary named in a checkpoint's configuration.

    vocabulary_size: rows of the model's embedding table. ends: see stop_tokens. placeholders: the model's image
    placeholder tokens. tail: for "openvla": padding rows of the table.
    Raises VocabularyError.
    """
    if config.vocabulary == "integers":
        vocabulary = integers(tokenizer, bins, ends, leading_space=config.leading_space)
    elif config.vocabulary == "overwritten":
        vocabulary = overwritten(config.tokens, bins, ends)
    else:
        vocabulary = openvla(vocabulary_size - tail, bins, ends)
    _check_tokens(vocabulary, tokenizer, vocabulary_size, placeholders)
    return vocabulary


def integers(
    tokenizer: PreTrainedTokenizerBase, bins: int, ends: Sequence[int], *, leading_space: bool = True
) -> ActionVocabulary:
    """Bin indices as decimal text after a space; a number may take several tokens (PaLI-X)."""
    others = tokens_behind(tokenizer, ANCHOR, [f" {number}" for number in range(bins)])
    first = (
        others if leading_space else tokens_behind(tokenizer, ANCHOR + "\n", [str(number) for number in range(bins)])
    )
    unknown = tokenizer.unk_token_id
    for number, sequences in enumerate(zip(first, others, strict=True)):
        for sequence in set(sequences):
            text = str(tokenizer.decode(list(sequence), skip_special_tokens=True)).strip()
            if text != str(number) or unknown in sequence:
                raise VocabularyError(
                    f"The tokenizer cannot write the number {number}: its tokens decode to {text!r}. "
                    'The vocabulary "integers" needs digits; use "overwritten" for this model.'
                )
    return ActionVocabulary(first, others, tuple(ends))


def overwritten(tokens: Sequence[int], bins: int, ends: Sequence[int]) -> ActionVocabulary:
    """One rarely used token per bin with a new meaning (symbol tuning, PaLM-E)."""
    if len(tokens) != bins:
        raise VocabularyError(f"The configuration lists {len(tokens)} overwritten tokens, the card has {bins} bins.")
    sequences = tuple((int(token),) for token in tokens)
    return ActionVocabulary(sequences, sequences, tuple(ends))


def openvla(size: int, bins: int, ends: Sequence[int]) -> ActionVocabulary:
    """The last tokens of a vocabulary of `size`: bin 0 is size - 1, the last bin is size - bins."""
    sequences = tuple((size - 1 - number,) for number in range(bins))
    if sequences[-1][0] < 0:
        raise VocabularyError(f"The vocabulary has {size} tokens, too few for {bins} bins.")
    return ActionVocabulary(sequences, sequences, tuple(ends))


def least_used(
    counts: Mapping[int, int], tokenizer: PreTrainedTokenizerBase, bins: int = 256, placeholders: Collection[int] = ()
) -> tuple[int, ...]:
    """The tokens to overwrite: the least frequent ones in a text corpus, without special tokens.

    counts: frequency of each token. Ties go to the higher id, which in most vocabularies was learned later.
    placeholders: the model's image placeholder tokens, excluded as well.
    Raises VocabularyError if the vocabulary is too small.
    """
    special = special_tokens(tokenizer).union(placeholders)
    tokens = [token for token in tokenizer.get_vocab().values() if token not in special]
    if len(tokens) < bins:
        raise VocabularyError(f"The tokenizer has {len(tokens)} ordinary tokens, {bins} are needed.")
    chosen = sorted(tokens, key=lambda token: (counts.get(token, 0), -token))[:bins]
    return tuple(sorted(chosen))


def tokens_behind(tokenizer: PreTrainedTokenizerBase, anchor: str, texts: Sequence[str]) -> tuple[Sequence_, ...]:
    """Tokens of each text after another text. Raises VocabularyError if they merge with the tokens before them."""
    before = tokenizer.encode(anchor, add_special_tokens=False)
    found = tokenizer([anchor + text for text in texts], add_special_tokens=False)["input_ids"]
    for text, both in zip(texts, found, strict=True):
        if both[: len(before)] != before or len(both) == len(before):
            raise VocabularyError(
                f"The tokenizer merges {text!r} with the text before it, so actions cannot be separated from the "
                "prompt."
            )
    return tuple(tuple(both[len(before) :]) for both in found)


def _check_tokens(
    vocabulary: ActionVocabulary, tokenizer: PreTrainedTokenizerBase, rows: int, placeholders: Collection[int]
) -> None:
    tokens = {token for sequence in (*vocabulary.first, *vocabulary.others) for token in sequence}
    if min(tokens) < 0:
        raise VocabularyError(f"The action token {min(tokens)} is not a token id, expected 0 to {rows - 1}.")
    if max(tokens) >= rows:
        raise VocabularyError(
            f"The action token {max(tokens)} is outside the {rows} rows of the model's embedding table; "
            "the tokenizer or the configuration belongs to another model."
        )
    ends = (*vocabulary.ends, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    for taken, why in (
        (placeholders, "is an image placeholder in this model's prompts"),
        (ends, "marks a beginning, an end or padding"),
    ):
        for token in sorted(tokens.intersection(taken)):
            raise VocabularyError(
                f"The action token {token} ({tokenizer.convert_ids_to_tokens(token)!r}) {why}, so it cannot represent "
                "a bin; choose ordinary tokens, for example with action_vocabulary.least_used."
            )


def _check_distinct(sequences: Sequence[Sequence_]) -> None:
    seen: dict[Sequence_, int] = {}
    for number, sequence in enumerate(sequences):
        if not sequence:
            raise VocabularyError(f"The bin {number} has no tokens.")
        if sequence in seen:
            raise VocabularyError(f"The bins {seen[sequence]} and {number} have the same tokens {list(sequence)}.")
        seen[sequence] = number


def _check_borders(sequences: Sequence[Sequence_], starts: set[int], ends: Sequence[int]) -> None:
    """If one number is a prefix of another ("1" and "12"), the token after it must be unambiguous."""
    whole = set(sequences)
    for sequence in sequences:
        for length in range(1, len(sequence)):
            if sequence[:length] in whole and sequence[length] in ends:
                raise VocabularyError(
                    f"The token {sequence[length]} is both part of a number and an end token: does the eos_token_id of "
                    "generation_config.json or the tokenizer's eos_token belong to another model?"
                )
            if sequence[:length] in whole and sequence[length] in starts:
                raise VocabularyError(
                    f"The tokens {list(sequence)} can be read as one number or as two; the tokenizer writes numbers "
                    'without a separator. Use the vocabulary "overwritten" for this model.'
                )


PLACEHOLDERS = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
"""Their names in model configurations."""


def placeholders(config: PreTrainedConfig) -> frozenset[int]:
    """Ids of the tokens that a model replaces by image features; they are meaningless in an output."""
    found = (getattr(config, name, None) for name in PLACEHOLDERS)
    return frozenset(token for token in found if isinstance(token, int))
