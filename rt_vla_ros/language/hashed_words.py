"""A bag of words and word pairs, each hashed into one of a fixed number of buckets: no vocabulary, no download."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.language.encoder import InstructionError, checked

PADDING = 0
MAX_WORDS = 32


class HashedWords:
    """Instruction -> bucket numbers, int64, shape (2 * MAX_WORDS - 1,): words, then word pairs, then PADDING.

    Buckets are numbered from 1; their embeddings are trained with the policy.
    """

    def __init__(self, buckets: int) -> None:
        """Raises ValueError for less than one bucket."""
        if buckets < 1:
            raise ValueError(f"expected at least one bucket, got {buckets}")
        self.buckets = buckets

    def encode(self, instruction: str) -> NDArray[np.int64]:
        """Raises InstructionError for an instruction without words, or with more than MAX_WORDS."""
        found = words(checked(instruction))
        if not found:
            raise InstructionError(f"The instruction {instruction.strip()[:40]!r} contains no words; expected a task.")
        if len(found) > MAX_WORDS:
            raise InstructionError(f"The instruction has {len(found)} words, at most {MAX_WORDS} are accepted.")
        terms = [*found, *(f"{a} {b}" for a, b in pairwise(found))]
        padded = np.full(2 * MAX_WORDS - 1, PADDING, dtype=np.int64)
        padded[: len(terms)] = [self._bucket(term) for term in terms]
        return padded

    def _bucket(self, term: str) -> int:
        digest = hashlib.blake2b(term.encode("utf-8"), digest_size=8).digest()
        return 1 + int.from_bytes(digest, "little") % self.buckets


def words(text: str) -> list[str]:
    """Words of a sentence in lower case, without accents, punctuation and emoji; digits are kept."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain)
