"""Opens the encoder at a path."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.instruction_table import InstructionTable

FORMS = "a table (.safetensors), an encoder in ONNX (.onnx), a SavedModel or a sentence-transformers folder"


def find_encoder(path: Path) -> LanguageEncoder:
    """A table, an ONNX network, a SavedModel or a sentence-transformers folder, detected by its files.

    Raises ValueError for anything else, and ImportError if a package is missing.
    """
    if path.suffix == ".safetensors" and path.is_file():
        return InstructionTable.load(path)
    if path.suffix == ".onnx" and path.is_file():
        from rt_vla_ros.language.onnx_sentences import OnnxSentences

        return OnnxSentences(path)
    if path.is_dir() and (path / "config.json").is_file():
        from rt_vla_ros.language.sentence_transformer import SentenceTransformer

        return SentenceTransformer(path)
    if path.is_dir() and (path / "saved_model.pb").is_file():
        from rt_vla_ros.language.tensorflow_sentences import TensorflowSentences

        return TensorflowSentences(path)
    raise ValueError(f"There is no sentence encoder at {path}; expected {FORMS}.")


def origin(path: Path, encoder: LanguageEncoder) -> tuple[str, str]:
    """Name and SHA-256 of the encoder at `path`, or, for a table, of the encoder that created it.

    The checksum of a folder covers the names and contents of its files.
    """
    if isinstance(encoder, InstructionTable):
        return encoder.encoder or path.name, encoder.fingerprint
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\n".encode())
        with file.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
    return path.resolve().name, digest.hexdigest()
