"""engine.json: where a policy's model runs. It is beside the action card and rt2_config.json. Has no heavy imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from rt_vla_ros.json_file import build, checked_keys, read_object
from rt_vla_ros.loopback import is_loopback
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import ENGINE_FILE

ENGINES = ("vllm", "openai")
EXAMPLE = "http://127.0.0.1:8000/v1"
MOST_TOKENS = 16384


class EngineConfigError(CheckpointError):
    """engine.json cannot be used; the message says why."""


@dataclass(frozen=True)
class EngineConfig:
    """Raises EngineConfigError for invalid values.

    engine: "vllm": vLLM, which constrains its answers to actions; "openai": any other server with OpenAI's API, such as
    `transformers serve`, whose answers are only checked.
    url: of the API, without /chat/completions. model: its name on the server.
    action_tokens: length of an action, for a model that always writes so many tokens and does not end by itself; 0: an
    action ends where the model ends it.
    plain_http: whether the token may be sent without TLS to another machine.
    """

    engine: str
    url: str
    model: str
    action_tokens: int = 0
    plain_http: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise EngineConfigError(f"engine is {self.engine!r:.100}, expected one of {', '.join(ENGINES)}.")
        if not self.model or len(self.model) > 512 or not self.model.isprintable():
            raise EngineConfigError(f"model is {self.model!r:.100}, expected its name on the server.")
        if not 0 <= self.action_tokens <= MOST_TOKENS:
            raise EngineConfigError(f"action_tokens is {self.action_tokens}, expected 0 to {MOST_TOKENS}.")
        if not isinstance(self.plain_http, bool):
            raise EngineConfigError(f"plain_http is {self.plain_http!r:.100}, expected true or false.")
        if self.version != 1:
            raise EngineConfigError(f"version is {self.version}, this program reads version 1.")
        self._split()

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self._split().scheme == "https"

    @property
    def host(self) -> str:
        """A name or an IP address; IPv6 without brackets."""
        return self._split().hostname or ""

    @property
    def port(self) -> int:
        """By default that of the scheme."""
        return self._split().port or (443 if self.encrypted else 80)

    @property
    def path(self) -> str:
        """The path of the chat completions."""
        return f"{self._split().path.rstrip('/')}/chat/completions"

    @property
    def place(self) -> str:
        """HOST:PORT, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_this_machine(self) -> bool:
        """Whether nothing leaves this machine."""
        return is_loopback(self.host)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EngineConfig:
        """Raises EngineConfigError for keys that are missing or unknown and for values of the wrong kind."""
        usual = {one.name: one.default for one in fields(cls) if one.default is not MISSING}
        checked_keys(cls, data, ENGINE_FILE, EngineConfigError, optional=tuple(usual))
        return build(cls, {**usual, **data}, EngineConfigError)

    @classmethod
    def load(cls, directory: Path) -> EngineConfig:
        """Reads DIRECTORY/engine.json. Raises EngineConfigError."""
        path = Path(directory) / ENGINE_FILE
        try:
            return cls.from_dict(read_object(path, EngineConfigError))
        except EngineConfigError as error:
            said = str(error)
            raise EngineConfigError(said if str(path) in said else f"{path}: {said}") from error

    def save(self, directory: Path) -> None:
        """Writes DIRECTORY/engine.json."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (Path(directory) / ENGINE_FILE).write_text(text, encoding="utf-8")

    def _split(self) -> SplitResult:
        """Raises EngineConfigError for anything but http(s)://HOST[:PORT][/PATH]."""
        text = self.url
        try:
            parts = urlsplit(text)
            whole = parts.hostname and parts.port != 0 and parts.scheme in ("http", "https")
        except ValueError:
            whole = None
        plain = text.isascii() and text.isprintable() and " " not in text and "@" not in text
        if not whole or not plain or parts.query or parts.fragment:
            raise EngineConfigError(
                f"url is {text!r:.120}, expected http://HOST[:PORT]/PATH or https://, such as {EXAMPLE}."
            )
        return parts
