from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from rt_vla_ros.cli.main import main
from rt_vla_ros.language.cached_encoder import CachedEncoder
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.language.sources import find_encoder, origin

ONNX = Path(__file__).resolve().parents[1] / "data" / "sentence_encoder" / "words.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sentence-transformers folder with random weights."""
    place = tmp_path_factory.mktemp("sentences")
    words = {word: i for i, word in enumerate(["[UNK]", "[PAD]", "pick", "up", "the", "red", "cube"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(place)
    torch.manual_seed(0)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(place)
    (place / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Normalize"}]))
    return place


def test_an_onnx_network_that_takes_text() -> None:
    encoder = find_encoder(ONNX)
    np.testing.assert_array_equal(encoder.encode(" pick up the red cube "), np.array([0.25, 0.5], np.float32))
    with pytest.raises(InstructionError):
        encoder.encode("")


def test_a_sentence_transformers_folder(folder: Path) -> None:
    encoder = find_encoder(folder)
    red, cube = encoder.encode("pick up the red"), encoder.encode("pick up the cube")
    assert red.shape == (8,)
    np.testing.assert_allclose(np.linalg.norm(red), 1, rtol=1e-5)
    assert np.abs(red - cube).max() > 1e-3
    np.testing.assert_array_equal(red, encoder.encode("pick up the red"))


def test_refuses_other_ways_of_pooling(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    config = folder / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"pooling_mode_mean_tokens": False}))
    with pytest.raises(ValueError, match="does not pool by the mean"):
        find_encoder(folder)
    config.unlink()


def test_refuses_what_is_no_encoder(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"broken.onnx cannot be loaded as an ONNX network"):
        find_encoder(broken)
    with pytest.raises(ValueError, match=r"There is no sentence encoder at .*; expected a table \(.safetensors\)"):
        find_encoder(tmp_path)


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'rt_vla_ros\[onnx\]'"):
        find_encoder(ONNX)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ImportError, match="TensorFlow is not installed here"):
        find_encoder(tmp_path)


def test_an_instruction_is_encoded_once() -> None:
    asked: list[str] = []

    class Counting:
        def encode(self, instruction: str) -> np.ndarray:
            asked.append(instruction)
            return np.zeros(2)

    encoder = CachedEncoder(Counting())
    for text in ("a", "b", "a", "b"):
        encoder.encode(text)
    assert asked == ["a", "b"]
    assert encoder.known == ""
    assert CachedEncoder(InstructionTable({"a": np.zeros(2)})).known == "a"


def test_embed_makes_a_table_and_lets_it_grow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.safetensors"
    (tmp_path / "more.txt").write_text("open the drawer\n\n")
    assert main(["embed", "--encoder", str(ONNX), "--to", str(table), "pick up the red cube"]) == 0
    assert main(["embed", "--encoder", str(ONNX), "--to", str(table), "--file", str(tmp_path / "more.txt")]) == 0
    assert "2 instructions, vectors of 2 numbers by words.onnx" in capsys.readouterr().out
    assert InstructionTable.load(table).encode("open the drawer").tolist() == [-0.5, -1.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more.txt", "t.safetensors"]


def test_embed_keeps_encoders_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, other, renamed = (tmp_path / f"{name}.safetensors" for name in ("t", "other", "renamed"))
    onnx = Path(shutil.copy(ONNX, tmp_path / "mine.onnx"))
    InstructionTable({"go": np.zeros(2)}, "mine.onnx").save(table)  # as older versions did, without a fingerprint
    InstructionTable({"stop": np.zeros(2)}, "MiniLM").save(other)
    InstructionTable({"stop": np.zeros(2)}, "mine.onnx", fingerprint="0" * 64).save(renamed)

    def embed(encoder: Path, text: str) -> int:
        return main(["embed", "--encoder", str(encoder), "--to", str(table), text])

    assert embed(other, "stop") == 2
    assert "t.safetensors are by mine.onnx, not by MiniLM; vectors of two encoders" in capsys.readouterr().err
    assert embed(onnx, "pick up the red cube") == 0
    assert embed(renamed, "stop") == 2
    assert "are by mine.onnx, not by another mine.onnx" in capsys.readouterr().err
    assert embed(ONNX, "open the drawer") == 0
    assert InstructionTable.load(table).instructions == ["go", "pick up the red cube", "open the drawer"]


def test_a_folder_has_one_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    encoder = find_encoder(copy)
    assert origin(copy, encoder) == origin(folder, encoder)
    (copy / "modules.json").write_text("[]")
    assert origin(copy, encoder)[1] != origin(folder, encoder)[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--encoder", str(ONNX), "--to", "nowhere/t.safetensors", "a"], "there is no folder"),
        (["--encoder", str(ONNX), "--to", "t.txt", "a"], "ends in .safetensors"),
        (["--encoder", str(ONNX), "--to", "t.safetensors"], "no instruction was given"),
        (["--encoder", "nowhere", "--to", "t.safetensors", "a"], "no sentence encoder at nowhere"),
    ],
)
def test_embed_refuses(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", *arguments]) == 2
    assert sentence in capsys.readouterr().err
