"""A small HTTP server that answers as vLLM documents its chat completions, or as a test wants it to."""

from __future__ import annotations

import base64
import io
import json
import math
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.rt2.configuration import RT2Config

Json = dict[str, Any]
MODEL = "small-vlm"


def completion(text: str, tokens: Sequence[tuple[str, float]] | None = None, finish: str = "stop") -> Json:
    """The body of an answer. tokens: with their probabilities; None: no logprobs, as `transformers serve`."""
    content = [
        {"token": token, "logprob": math.log(chance), "bytes": list(token.encode()), "top_logprobs": []}
        for token, chance in tokens or ()
    ]
    logprobs = None if tokens is None else {"content": content}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"object": "chat.completion", "model": MODEL, "choices": [{**choice, "logprobs": logprobs}]}


@dataclass
class EngineRequest:
    """A request: its path, its headers, and its body."""

    path: str
    headers: dict[str, str]
    body: Json

    @property
    def images(self) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
        urls = [
            part["image_url"]["url"] for part in self.body["messages"][-1]["content"] if part["type"] == "image_url"
        ]
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))) for url in urls]

    @property
    def prompt(self) -> str:
        (text,) = (part["text"] for part in self.body["messages"][-1]["content"] if part["type"] == "text")
        return str(text)


class PlayedEngine:
    """reply: called with each request; returns the body of the answer, or (status, body, headers), or None where it has
    written to the handler's socket itself. asked: all requests. connections: how many clients were accepted.
    """

    def __init__(
        self,
        reply: Callable[[EngineRequest, BaseHTTPRequestHandler], Any],
        *,
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.reply, self.asked, self.connections = reply, list[EngineRequest](), 0
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                engine.connections += 1
                engine.sockets.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = EngineRequest(self.path, dict(self.headers.items()), json.loads(body))
                engine.asked.append(asked)
                engine.answer(self, engine.reply(asked, self))

            def log_message(self, *_: object) -> None:
                pass

        self.sockets: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @staticmethod
    def answer(handler: BaseHTTPRequestHandler, reply: Any) -> None:
        if reply is None:
            return
        status, body, headers = reply if isinstance(reply, tuple) else (200, reply, {})
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def drop(self) -> None:
        """Closes the connections, as a server does with idle ones."""
        for one in self.sockets:
            try:
                one.shutdown(2)
            except OSError:
                continue
        self.sockets.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.drop()


def engine_folder(
    directory: Path, card: ActionCard, where: PlayedEngine | str, config: RT2Config | None = None, **options: Any
) -> Path:
    """A policy whose model runs in an engine. options: of engine.json."""
    directory.mkdir(parents=True, exist_ok=True)
    card.save(directory)
    (config or RT2Config("integers")).save(directory)
    url = where if isinstance(where, str) else where.url
    EngineConfig(**{"engine": "vllm", "url": url, "model": MODEL, **options}).save(directory)
    return directory
