"""The small tokenizers of the package, and one of SentencePiece's kind."""

from __future__ import annotations

import functools

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rt_vla_ros.policies.rt2.tiny import small_tokenizers
from rt_vla_ros.policies.rt2.tiny.small_tokenizers import CONTROL, WORDS, wrapped

KINDS = (*small_tokenizers.KINDS, "byte_fallback_unigram")
PRE_TOKENIZERS = {
    "qwen": [r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "smollm": [r"\p{N}", r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
    "llama3": [r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "gpt2": [r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
}
"""How published tokenizers cut a text up before they merge bytes: what becomes of spaces and digits."""


def small_tokenizer(
    kind: str, *, special: list[str] | tuple[str, ...] = (), named: dict[str, str] | None = None, words: int = 700
) -> PreTrainedTokenizerFast:
    """As the package's; "byte_fallback_unigram" is SentencePiece's: numbers of one to three tokens behind "▁"."""
    if kind == "byte_fallback_unigram":
        return wrapped(_unigram([*CONTROL, *special], words), special, named)
    return small_tokenizers.small_tokenizer(kind, special=special, named=named, words=words)


def _unigram(special: list[str], size: int) -> Tokenizer:
    """Scores are made so that the longest piece wins, as in a trained model; bytes stand in for what is unknown."""
    pieces = {f"<0x{byte:02X}>": -20.0 for byte in range(256)}
    pieces |= dict.fromkeys("▁0123456789", -8.0)
    pieces |= {f"▁{number}": -6.0 for number in range(0, 130, 3)}
    pieces |= {f"▁{word}": -7.0 for word in WORDS.split()}
    pieces |= dict.fromkeys("?:.QA", -8.0)
    pieces |= dict.fromkeys("abcdefghijklmnopqrstuvwxyz", -10.0)
    vocabulary = [(token, 0.0) for token in special] + list(pieces.items())[: size - len(special)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(special)
    return tokenizer


@functools.cache
def published_kind(kind: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that cuts like one of PRE_TOKENIZERS, with merges of all numbers up to 1023."""
    tokenizer = Tokenizer(models.BPE())
    cuts = [pre_tokenizers.Split(Regex(cut), behavior="isolated") for cut in PRE_TOKENIZERS[kind]]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=list(CONTROL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([" ".join(map(str, range(1024)))] * 3, trainer)
    return wrapped(tokenizer, (), None)
