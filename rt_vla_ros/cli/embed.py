"""Make a table of sentence vectors: `rt-vla embed --encoder USE.onnx --to DIR/instructions.safetensors TEXT ...`.

A network such as RT-1 takes sentence vectors; the table holds those of the instructions that the robot shall know, so
that it needs no encoder. The encoder is a Universal Sentence Encoder in ONNX or as TensorFlow's SavedModel, or a
sentence-transformers folder. An existing table grows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rt_vla_ros.cli.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instructions", nargs="*", metavar="TEXT", help="instructions; each in quotes")
    parser.add_argument("--encoder", type=Path, required=True, metavar="PATH", help="what makes the vectors")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.safetensors", help="the table")
    parser.add_argument("--file", type=Path, metavar="FILE.txt", help="more instructions, one a line")


def run(args: argparse.Namespace) -> int:
    """0; raises CliError where no table was written."""
    from rt_vla_ros.language.instruction_table import InstructionTable
    from rt_vla_ros.language.sources import find_encoder

    if args.to.suffix != ".safetensors":
        raise CliError(f"--to is {args.to}, expected a file that ends in .safetensors.")
    try:
        texts = [*args.instructions, *(args.file.read_text(encoding="utf-8").splitlines() if args.file else [])]
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise CliError("no instruction was given; write them in quotes, or one a line in a file (--file).")
        old = InstructionTable.load(args.to) if args.to.exists() else None
        vectors = {} if old is None else {text: old.encode(text) for text in old.instructions}
        encoder = find_encoder(args.encoder)
        vectors |= {text: encoder.encode(text) for text in texts}
        table = InstructionTable(vectors, encoder=args.encoder.name)
        new = args.to.with_name(args.to.name + ".new")
        table.save(new)
        os.replace(new, args.to)
    except (ValueError, OSError, ImportError) as error:
        raise CliError(str(error)) from error
    print(f"Written: {args.to}, {len(vectors)} instructions, vectors of {table.size} numbers by {table.encoder}.")
    return 0
