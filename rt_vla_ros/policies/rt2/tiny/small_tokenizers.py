"""Small byte-level tokenizers of two kinds common in vision-language models, trained on a page of text."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

KINDS = ("byte_bpe", "split_digits")
CONTROL = ("<pad>", "<s>", "</s>")
WORDS = (
    "what action should the robot take to pick up red green blue cube ball cylinder on table in and put it down "
    "Instruction Plan Action Question Answer answer image where is how many do you see user assistant move left right"
)


def small_tokenizer(
    kind: str, *, special: Sequence[str] = (), named: dict[str, str] | None = None, words: int = 700
) -> PreTrainedTokenizerFast:
    """A tokenizer of about `words` tokens.

    kind: "byte_bpe" (GPT-2's scheme: " 128" is one token if it was frequent, else two or three) or "split_digits"
    (Qwen's and Llama's: one token per digit).
    special: further special tokens. named: attributes for the processor, such as {"image_token": "<image>"}.
    Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"Unknown kind of tokenizer {kind!r}; expected one of {', '.join(KINDS)}.")
    return wrapped(_bpe([*CONTROL, *special], words, kind == "split_digits"), special, named)


def wrapped(tokenizer: Tokenizer, special: Sequence[str], named: dict[str, str] | None) -> PreTrainedTokenizerFast:
    """Wraps it for transformers, with CONTROL as its padding, beginning and end tokens."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(("pad_token", "bos_token", "eos_token"), CONTROL, strict=True)),
        extra_special_tokens=dict(named or {}) or list(special),
    )


def _corpus() -> list[str]:
    """Sentences and actions; small numbers are frequent, so some numbers are one token and others more."""
    numbers = [" ".join(str(n) for n in range(start, start + 8)) for start in (0, 8, 96, 120, 128, 248)]
    return [f"Q: {WORDS}? A:", f"{WORDS}.", *numbers * 6, " ".join(str(n) for n in range(256))]


def _bpe(special: list[str], size: int, split_digits: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split_digits)
    if split_digits:
        split = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    else:
        tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return tokenizer
