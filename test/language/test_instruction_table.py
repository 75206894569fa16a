from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.instruction_table import InstructionTable

VECTORS = {"pick up the red cube": np.array([1.0, 2.0]), "pick up the blue ball": np.array([3.0, 4.0])}


def table() -> InstructionTable:
    return InstructionTable({**VECTORS, "open the drawer": np.array([5.0, 6.0])}, encoder="USE")


@pytest.mark.parametrize("text", ["pick up the red cube", " Pick up  the RED cube. ", "pick up the red cube ."])
def test_case_and_blanks_do_not_matter(text: str) -> None:
    vector = table().encode(text)
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, 2]


def test_what_it_lacks_is_refused_with_the_nearest() -> None:
    with pytest.raises(InstructionError) as refusal:
        table().encode("pick up the red ball")
    assert "no vector for 'pick up the red ball'; the most similar of its 3 instructions are: pick up the" in str(
        refusal.value
    )
    with pytest.raises(InstructionError, match="is empty"):
        table().encode(" ")


def test_the_nearest_are_found_whatever_their_case() -> None:
    known = {text: np.zeros(2) for text in ("Open The Drawer", "xylophone", "zebra", "go home", "turn left")}
    with pytest.raises(InstructionError, match="instructions are: Open The Drawer; "):
        InstructionTable(known).encode("OPEN THE DRAWERS")


def test_survives_the_disk(tmp_path: Path) -> None:
    table().save(tmp_path / "t.safetensors")
    loaded = InstructionTable.load(tmp_path / "t.safetensors")
    assert (loaded.instructions, loaded.encoder, loaded.size) == (table().instructions, "USE", 2)
    InstructionTable(VECTORS, "USE", fingerprint="a1").save(tmp_path / "t.safetensors")
    assert (loaded.fingerprint, InstructionTable.load(tmp_path / "t.safetensors").fingerprint) == ("", "a1")
    assert loaded.known == "pick up the red cube"
    np.testing.assert_array_equal(loaded.encode("open the drawer"), [5, 6])


def test_refuses_files_that_are_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    for content in (None, b"", b"nonsense" * 10):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a table of instructions"):
            InstructionTable.load(path)


@pytest.mark.parametrize("texts", ["5", "[1, 2]", "null"])
def test_refuses_a_header_without_sentences(texts: str, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"vectors": np.ones((2, 3), np.float32)}, path, metadata={"instructions": texts})
    with pytest.raises(ValueError, match=r"is not a table of instructions: .* expected a list of strings"):
        InstructionTable.load(path)


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        ({}, "expected at least one"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "must have the same length"),
        ({"a": np.array([np.nan, 0])}, "not finite: a"),
    ],
)
def test_refuses_vectors_that_do_not_fit(vectors: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        InstructionTable(vectors)
