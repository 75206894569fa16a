from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from rt_vla_ros.language.sources import find_encoder, origin

ONNX = Path(__file__).resolve().parents[1] / "fixtures" / "sentence_encoder" / "words.onnx"


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
    with pytest.raises(ImportError, match="TensorFlow is not installed"):
        find_encoder(tmp_path)


def test_a_folder_has_one_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    encoder = find_encoder(copy)
    assert origin(copy, encoder) == origin(folder, encoder)
    (copy / "modules.json").write_text("[]")
    assert origin(copy, encoder)[1] != origin(folder, encoder)[1]
