"""A table of instructions and their sentence embeddings, computed once with the encoder (`rt-vla embed`)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rt_vla_ros.language.encoder import InstructionError, checked
from rt_vla_ros.model_folder import stored_shapes

TABLE_FILE = "instructions.safetensors"
VECTORS, TEXTS, ENCODER, FINGERPRINT = "vectors", "instructions", "encoder", "encoder_sha256"
NEAREST = 3


class InstructionTable:
    """Instruction -> vector, float32 (size,). Instructions that are not in the table are rejected.

    Case, whitespace and a final full stop are ignored.
    """

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]], encoder: str = "", *, fingerprint: str = "") -> None:
        """encoder: name of the encoder. fingerprint: its SHA-256; both empty if unknown.

        Raises ValueError without vectors, or for vectors of different shapes.
        """
        if not vectors:
            raise ValueError("The table has no instructions; expected at least one.")
        shapes = {np.shape(vector) for vector in vectors.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"All vectors of a table must have the same length, got the shapes {sorted(shapes)}.")
        broken = [text for text, vector in vectors.items() if not np.isfinite(vector).all()]
        if broken:
            raise ValueError(f"The vectors of these instructions are not finite: {', '.join(broken[:4])}.")
        self.instructions = list(vectors)
        self.encoder, self.fingerprint = encoder, fingerprint
        self._vectors = {_key(text): np.asarray(vector, dtype=np.float32) for text, vector in vectors.items()}

    @property
    def size(self) -> int:
        """Dimension of a vector."""
        return len(next(iter(self._vectors.values())))

    @property
    def known(self) -> str:
        """An instruction in the table."""
        return self.instructions[0]

    def encode(self, instruction: str) -> NDArray[np.float32]:
        """Raises InstructionError with the most similar ones for an instruction that is not in the table."""
        vector = self._vectors.get(_key(checked(instruction)))
        if vector is None:
            spelt = {_key(text): text for text in self.instructions}
            near = difflib.get_close_matches(_key(instruction), spelt, n=NEAREST, cutoff=0.0)
            raise InstructionError(
                f"The table has no vector for {instruction.strip()!r}; the most similar of its "
                f"{len(self.instructions)} instructions are: {'; '.join(spelt[key] for key in near)}. "
                "Add it with `rt-vla embed`."
            )
        return vector

    def save(self, path: Path) -> None:
        """Writes a safetensors file: `vectors` (N, size), and the instructions in its header."""
        vectors = np.stack([self._vectors[_key(text)] for text in self.instructions])
        meta = {TEXTS: json.dumps(self.instructions), ENCODER: self.encoder, FINGERPRINT: self.fingerprint}
        save_file({VECTORS: vectors}, path, metadata=meta)

    @classmethod
    def load(cls, path: Path) -> InstructionTable:
        """Raises ValueError for a file that is missing, damaged or not a table."""
        try:
            stored_shapes(path, ValueError)
            with safe_open(path, framework="numpy") as file:
                meta, vectors = file.metadata() or {}, file.get_tensor(VECTORS)
            texts = json.loads(meta[TEXTS])
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"its {TEXTS} are {texts!r}, expected a list of strings")
            known = dict(zip(texts, vectors, strict=True))
            return cls(known, meta.get(ENCODER, ""), fingerprint=meta.get(FINGERPRINT, ""))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is not a table of instructions: {error}") from error


def _key(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(". ")
