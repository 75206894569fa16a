"""As much of the Hugging Face Hub as its client needs to download a model, on localhost."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "1" * 40


class LocalHub(ThreadingHTTPServer):
    """Serves directories as models. asked: the files that were downloaded, in the order of the requests."""

    daemon_threads = True

    def __init__(self, models: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models, self.asked = models, list[str]()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def local_hub(models: dict[str, Path]) -> Iterator[LocalHub]:
    hub = LocalHub(models)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LocalHub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        for name, directory in self.server.models.items():
            if path == f"api/models/{name}/revision/main":
                files = [{"rfilename": name} for name in _names(directory)]
                return self._json({"_id": "1", "id": name, "sha": COMMIT, "siblings": files})
            if path == f"api/models/{name}/tree/{COMMIT}":
                return self._json([_entry(directory, name) for name in _names(directory)])
            prefix = f"{name}/resolve/{COMMIT}/"
            if path.startswith(prefix):
                return self._file(directory, path.removeprefix(prefix), body=body)
        return self._send(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"")

    def _json(self, data: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(data).encode())

    def _file(self, directory: Path, name: str, *, body: bool) -> None:
        content = (directory / name).read_bytes()
        headers = {"ETag": f'"{_digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if body:
            self.server.asked.append(name)
        self._send(200, headers, content, body=body)

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _names(directory: Path) -> list[str]:
    return sorted(file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file())


def _entry(directory: Path, name: str) -> dict[str, object]:
    content = (directory / name).read_bytes()
    return {"type": "file", "path": name, "size": len(content), "oid": _digest(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
