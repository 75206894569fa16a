"""Compute a table of sentence embeddings: `rt-vla embed --encoder USE.onnx --to DIR/instructions.safetensors TEXT ...`.

RT-1 takes sentence embeddings. The table contains those of the instructions that the robot will get,
so that no encoder is needed at run time. The encoder is a Universal Sentence Encoder in ONNX or as TensorFlow's
SavedModel, or a sentence-transformers folder. Embeddings from the same encoder can be added to an existing table.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError

from rt_vla_ros.cli.main import refused
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.out_file import check_out
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instructions", nargs="*", metavar="TEXT", help="instructions, each in quotes")
    parser.add_argument("--encoder", type=Path, required=True, metavar="PATH", help="the sentence encoder")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE.safetensors", help="output table; extended if it exists"
    )
    parser.add_argument("--file", type=Path, metavar="FILE.txt", help="more instructions, one per line")


def run(args: argparse.Namespace) -> int:
    """Return 0; raises CliError where no table was written."""
    from rt_vla_ros.language.sources import find_encoder, origin

    if args.to.suffix != ".safetensors":
        raise CliError(f"--to is {args.to}, expected a file that ends in .safetensors.")
    check_out(args.to)
    with refused(ValueError, ImportError, SafetensorError):
        texts = [*args.instructions, *(args.file.read_text(encoding="utf-8").splitlines() if args.file else [])]
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise CliError("no instruction given; pass them in quotes, or one per line in a file (--file).")
        old = InstructionTable.load(args.to) if args.to.exists() else None
        vectors = {} if old is None else {text: old.encode(text) for text in old.instructions}
        encoder = find_encoder(args.encoder)
        name, fingerprint = origin(args.encoder, encoder)
        if old is not None:
            _check_same(old, name, fingerprint, args.to)
        vectors |= {text: encoder.encode(text) for text in texts}
        table = InstructionTable(vectors, encoder=name, fingerprint=fingerprint)
        with tempfile.TemporaryDirectory(prefix=f".{args.to.name}.", dir=args.to.absolute().parent) as folder:
            table.save(Path(folder) / args.to.name)
            os.replace(Path(folder) / args.to.name, args.to)
    print(f"Written: {args.to}, {len(vectors)} instructions, vectors of {table.size} numbers by {table.encoder}.")
    return 0


def _check_same(old: InstructionTable, name: str, fingerprint: str, where: Path) -> None:
    """Compare fingerprints if both are known, else names. Raises CliError if the encoders differ."""
    by_fingerprint = bool(old.fingerprint and fingerprint)
    if (old.fingerprint != fingerprint) if by_fingerprint else (old.encoder not in ("", name)):
        given = f"another {name}" if old.encoder == name else name
        remedy = "vectors of two encoders cannot be combined. Give the same encoder, or another --to."
        raise CliError(f"the vectors in {where} are by {old.encoder}, not by {given}; {remedy}")
