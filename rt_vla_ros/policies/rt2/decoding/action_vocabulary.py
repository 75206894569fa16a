"""Maps bins to tokens: integers as text, overwritten tokens, or the last tokens of the vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from rt_vla_ros.language.plain_text import special_tokens
from rt_vla_ros.policies.rt2.configuration import RT2Config

ANCHOR = "A:"
"""Text before an action, so that numbers are tokenized as after a prompt."""
OPENVLA_TAIL = 64
"""What OpenVLA usually pads its embedding table to a multiple of; the actions end that many rows before its end."""

Sequence_ = tuple[int, ...]


class VocabularyError(ValueError):
    """The tokenizer or the checkpoint has no tokens for the actions; the message says which and why."""


@dataclass(frozen=True)
class ActionVocabulary:
    """Token sequences of the bins.

    first: of the first dimension, one per bin. others: of further ones. ends: each closes an action that could go on.
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
        """Token sequences of the bins of a dimension, one per bin."""
        return self.first if dimension == 0 else self.others

    def encode(self, bins: Sequence[int]) -> list[int]:
        """Bins, one per dimension -> token ids, without an end. Raises ValueError for a bin that there is not."""
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
    """The vocabulary that a checkpoint's configuration names.

    vocabulary_size: rows of the model's embedding table. ends: see stop_tokens. placeholders: the model's tokens that
    stand for images. tail: for "openvla": rows of the table that are padding.
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
    """Bin numbers as decimal text with a space before them; a number may take several tokens (PaLI-X)."""
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
                    f"The tokenizer cannot write the number {number}: its tokens read {text!r}. "
                    'The vocabulary "integers" needs digits; choose "overwritten" for this model.'
                )
    return ActionVocabulary(first, others, tuple(ends))


def overwritten(tokens: Sequence[int], bins: int, ends: Sequence[int]) -> ActionVocabulary:
    """One rarely used token per bin, given a new meaning (symbol tuning, PaLM-E)."""
    if len(tokens) != bins:
        raise VocabularyError(f"The configuration lists {len(tokens)} overwritten tokens, the card has {bins} bins.")
    sequences = tuple((int(token),) for token in tokens)
    return ActionVocabulary(sequences, sequences, tuple(ends))


def openvla(size: int, bins: int, ends: Sequence[int]) -> ActionVocabulary:
    """The last tokens of a vocabulary of `size`: bin 0 is size - 1, the last one size - bins."""
    sequences = tuple((size - 1 - number,) for number in range(bins))
    if sequences[-1][0] < 0:
        raise VocabularyError(f"The vocabulary has {size} tokens, too few for {bins} bins.")
    return ActionVocabulary(sequences, sequences, tuple(ends))


def least_used(
    counts: Mapping[int, int], tokenizer: PreTrainedTokenizerBase, bins: int = 256, placeholders: Collection[int] = ()
) -> tuple[int, ...]:
    """The tokens to overwrite: those used least often in a body of text, special tokens left alone.

    counts: how often each token was seen. Ties go to the higher id, which in most vocabularies was learned later.
    placeholders: the model's tokens that stand for images, left alone as well.
    Raises VocabularyError where the vocabulary is too small.
    """
    special = special_tokens(tokenizer).union(placeholders)
    tokens = [token for token in tokenizer.get_vocab().values() if token not in special]
    if len(tokens) < bins:
        raise VocabularyError(f"The tokenizer has {len(tokens)} ordinary tokens, {bins} are needed.")
    chosen = sorted(tokens, key=lambda token: (counts.get(token, 0), -token))[:bins]
    return tuple(sorted(chosen))


def tokens_behind(tokenizer: PreTrainedTokenizerBase, anchor: str, texts: Sequence[str]) -> tuple[Sequence_, ...]:
    """Tokens of texts as each stands behind another. Raises VocabularyError where one runs into what is before it."""
    before = tokenizer.encode(anchor, add_special_tokens=False)
    found = tokenizer([anchor + text for text in texts], add_special_tokens=False)["input_ids"]
    for text, both in zip(texts, found, strict=True):
        if both[: len(before)] != before or len(both) == len(before):
            raise VocabularyError(
                f"The tokenizer joins {text!r} with what stands before it, so actions cannot be separated from the "
                "prompt."
            )
    return tuple(tuple(both[len(before) :]) for both in found)


def _check_tokens(
    vocabulary: ActionVocabulary, tokenizer: PreTrainedTokenizerBase, rows: int, placeholders: Collection[int]
) -> None:
    tokens = {token for sequence in (*vocabulary.first, *vocabulary.others) for token in sequence}
    if min(tokens) < 0:
        raise VocabularyError(f"The action token {min(tokens)} is no token id, expected 0 to {rows - 1}.")
    if max(tokens) >= rows:
        raise VocabularyError(
            f"The action token {max(tokens)} is beyond the {rows} rows of the model's embedding table; "
            "the tokenizer or the configuration belongs to another model."
        )
    ends = (*vocabulary.ends, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    for taken, why in (
        (placeholders, "stands for an image in this model's prompts"),
        (ends, "marks a beginning, an end or padding"),
    ):
        for token in sorted(tokens.intersection(taken)):
            raise VocabularyError(
                f"The action token {token} ({tokenizer.convert_ids_to_tokens(token)!r}) {why}, so it cannot stand for "
                "a bin; choose ordinary tokens, such as action_vocabulary.least_used finds."
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
    """Where one number begins another ("1" and "12"), what follows must tell which it was."""
    whole = set(sequences)
    for sequence in sequences:
        for length in range(1, len(sequence)):
            if sequence[:length] in whole and sequence[length] in ends:
                raise VocabularyError(
                    f"The token {sequence[length]} is part of a number and ends a text too: is the eos_token_id of "
                    "generation_config.json or the tokenizer's eos_token of another model?"
                )
            if sequence[:length] in whole and sequence[length] in starts:
                raise VocabularyError(
                    f"The tokens {list(sequence)} can be read as one number or as two; the tokenizer writes numbers "
                    'without a mark between them. Choose the vocabulary "overwritten" for this model.'
                )


PLACEHOLDERS = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
"""Names under which a model's configuration has them."""


def placeholders(config: PreTrainedConfig) -> frozenset[int]:
    """Ids of the tokens that a model replaces by what it sees; written in an output they have nothing behind them."""
    found = (getattr(config, name, None) for name in PLACEHOLDERS)
    return frozenset(token for token in found if isinstance(token, int))
