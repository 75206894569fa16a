"""engine.json: addresses, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rt_vla_ros.policies.checkpoint.files import ENGINE_FILE
from rt_vla_ros.policies.engine.description import EngineConfig, EngineConfigError

SMALLEST = {"engine": "vllm", "url": "http://127.0.0.1:8000/v1", "model": "my-vlm"}


@pytest.mark.parametrize(
    ("url", "place", "path", "local"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8000", "/v1/chat/completions", True),
        ("http://localhost/v1/", "localhost:80", "/v1/chat/completions", True),
        ("https://gpu-box", "gpu-box:443", "/chat/completions", False),
        ("http://[::1]:9/a/b", "[::1]:9", "/a/b/chat/completions", True),
        ("https://192.168.1.5:8443/v1", "192.168.1.5:8443", "/v1/chat/completions", False),
    ],
)
def test_where_an_engine_is_asked(url: str, place: str, path: str, local: bool) -> None:
    engine = EngineConfig("vllm", url, "my-vlm")
    assert (engine.place, engine.path, engine.on_this_machine) == (place, path, local)
    assert engine.encrypted == url.startswith("https")


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    engine = EngineConfig("openai", "https://gpu-box/v1", "my-vlm", action_tokens=5, plain_http=True)
    engine.save(tmp_path)
    assert EngineConfig.load(tmp_path) == engine


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"engine": "sglang"}, "engine is 'sglang', expected one of vllm, openai"),
        ({"url": "gpu-box:8000"}, "url is 'gpu-box:8000', expected http"),
        ({"url": "ftp://gpu-box/v1"}, "url is"),
        ({"url": "http://user:secret@gpu-box/v1"}, "url is"),
        ({"url": "http://gpu-box:99999/v1"}, "url is"),
        ({"url": "http://gpu-box/v1?key=1"}, "url is"),
        ({"url": "http://gpu box/v1"}, "url is"),
        ({"url": "http://gpu-box/v1\r\nX: 1"}, "url is"),
        ({"url": 5}, "url must be str, got 5"),
        ({"model": ""}, "model is ''"),
        ({"model": "a\nb"}, "model is"),
        ({"action_tokens": -1}, "action_tokens is -1, expected 0 to"),
        ({"action_tokens": True}, "action_tokens must be int"),
        ({"plain_http": "yes"}, "plain_http is 'yes', expected true or false"),
        ({"version": 2}, "version is 2"),
        ({"modle": "x"}, r"unknown key 'modle'.*Did you mean 'model'"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (tmp_path / ENGINE_FILE).write_text(json.dumps({**SMALLEST, **change}))
    with pytest.raises(EngineConfigError, match=said) as refusal:
        EngineConfig.load(tmp_path)
    assert str(tmp_path) in str(refusal.value)


def test_a_description_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / ENGINE_FILE).write_text(json.dumps({"engine": "vllm", "url": SMALLEST["url"]}))
    with pytest.raises(EngineConfigError, match=r"lacks model\."):
        EngineConfig.load(tmp_path)
