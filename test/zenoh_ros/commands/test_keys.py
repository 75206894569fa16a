"""`rt-vla keys`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main


def made(path: Path) -> Path:
    assert main(["keys", "create", str(path), "--host", "robot=192.168.1.10", "--host", "gpu", "--at", "/etc/k"]) == 0
    return path


def test_it_says_what_to_copy_and_what_to_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = made(tmp_path / "keys")
    said = capsys.readouterr().out
    assert f"copy {keys}/gpu to /etc/k on it, and set before starting any node:" in said
    assert said.count("export ZENOH_SESSION_CONFIG_URI=/etc/k/session.json5") == 2
    assert said.count("ZENOH_ROUTER_CONFIG_URI=/etc/k/router.json5") == 1
    assert "The router runs on robot and is reached at 192.168.1.10." in said


def test_it_shows_who_has_a_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = made(tmp_path / "keys")
    assert main(["keys", "add", str(keys), "--host", "camera=10.0.0.3,cam.local", "--days", "7"]) == 0
    capsys.readouterr()
    assert main(["keys", "show", str(keys)]) == 0
    said = capsys.readouterr().out
    assert "robot (router)" in said
    assert "reached by   10.0.0.3, cam.local, camera, and by itself as localhost" in said
    assert "in 6 days" in said
    assert said.count("fingerprint") == 4
    assert main(["keys", "renew", str(keys), "--host", "camera"]) == 0
    assert "copy it to camera" in capsys.readouterr().out


def test_it_says_who_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = made(tmp_path / "keys")
    capsys.readouterr()
    assert main(["keys", "restrict", str(keys), "/action=gpu", "smoother_node/release=robot"]) == 0
    said = capsys.readouterr().out
    assert "/action: only gpu, robot may publish or call it." in said
    assert "/smoother_node/release: only robot may publish or call it." in said
    assert json.loads((keys / "gpu" / "session.json5").read_text())["access_control"]["enabled"]
    assert main(["keys", "restrict", str(keys)]) == 0
    assert "may publish and call everything" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["create", "KEYS", "--host", "robot"], "keys are never overwritten"),
        (["create", "NEW", "--host", "a", "--host", "a=10.0.0.1"], "two hosts have the same name"),
        (["create", "NEW", "--host", "a/b"], "expected NAME or NAME=ADDRESS"),
        (["add", "KEYS", "--host", "gpu"], "this host exists"),
        (["add", "NEW", "--host", "gpu"], "`rt-vla keys create"),
        (["renew", "KEYS", "--host", "nobody"], "nothing to renew"),
        (["restrict", "KEYS", "/action"], "expected each topic once"),
        (["restrict", "KEYS", "/action=gpu", "action=robot"], "expected each topic once"),
        (["restrict", "KEYS", "/action=nobody"], "no host of this name"),
        (["show", "NEW"], "there is no authority/ca.pem"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = made(tmp_path / "keys")
    assert main(["keys", *(str({"KEYS": keys, "NEW": tmp_path / "new"}.get(word, word)) for word in words)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_missing_library_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography" or "ros.security" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert main(["keys", "show", str(tmp_path)]) == 2
    assert "pip install cryptography" in capsys.readouterr().err
