"""The user's Zenoh settings, as read by rmw_zenoh, and their effect on a session here.

ZENOH_SESSION_CONFIG_URI names a Zenoh configuration file (JSON5), ZENOH_CONFIG_OVERRIDE overrides keys of it. If they
or the router's endpoint use TLS, the session never listens or connects without it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import zenoh

from zenoh_ros.wire.errors import WireError

FILE_VARIABLE = "ZENOH_SESSION_CONFIG_URI"
OVERRIDE_VARIABLE = "ZENOH_CONFIG_OVERRIDE"
ATTEMPTS_VARIABLE = "ZENOH_ROUTER_CHECK_ATTEMPTS"
DEFAULT_ADDRESS = "localhost:7447"
TLS = "transport/link/tls"
SECURE = ("tls", "quic")
"""Protocols that carry TLS."""
_CHANGE = re.compile(r"""(?:[^;"']|"[^"]*"|'[^']*')+""")


class ZenohSettings:
    """The settings from the environment and a router's endpoint.

    Attributes:
        router: endpoint of the graph's router, without the TLS settings after its `#`.
        secure: whether all links of the session use TLS.
        tls: TLS settings, by Zenoh's keys under `TLS`.
        access_control: Zenoh's settings under this key.
        is_client: whether the session only connects and never listens.
    """

    def __init__(self, router: str | None) -> None:
        """router: an endpoint that overrides the one in the user's settings.

        Raises:
            WireError: Zenoh rejects a file or an override, or TLS is combined with a plain protocol.
        """
        self._file = os.environ.get(FILE_VARIABLE, "")
        self._changes = _changes(os.environ.get(OVERRIDE_VARIABLE, ""))
        said = self._said()
        connect = _endpoints(said, "connect/endpoints")
        given = router or (connect[0] if connect else "")
        in_file: dict[str, Any] = _value(said, TLS) or {}
        with_tls = any(value is not None for value in in_file.values())
        self.router, self._tls = _without_tls(given or f"{'tls' if with_tls else 'tcp'}/{DEFAULT_ADDRESS}")
        self.protocol = self.router.partition("/")[0]
        self.secure = with_tls or self.protocol in SECURE
        self.tls = in_file | self._tls
        self.access_control: dict[str, Any] = _value(said, "access_control") or {}
        self.is_client = _value(said, "mode") == "client"
        self._more, self._listen = connect[1:] if not router else [], _endpoints(said, "listen/endpoints")
        plain = [at for at in (self.router, *self._more, *self._listen) if at.partition("/")[0] not in SECURE]
        if self.secure and plain:
            raise WireError(f"TLS is configured, but {plain[0]} is an endpoint without it: write tls/ or remove it")

    def configuration(self, defaults: Mapping[str, Any], *, listen: bool, mode: str, host: bool) -> zenoh.Config:
        """defaults: by Zenoh's keys, for what the user does not set. host: whether the router's endpoint is bound.

        Raises:
            WireError: Zenoh rejects a value.
        """
        config = self._said()
        for key, value in defaults.items():
            if _value(config, key) is None:
                _insert(config, key, json.dumps(value))
        own = self._listen or [f"{self.protocol}/localhost:0"]
        connect = self._more if host else [self.router, *self._more]
        fixed: dict[str, Any] = {
            "mode": mode,
            "listen/endpoints": [self.router] if host else own if listen else [],
            "connect/endpoints": connect,
        }
        if self.secure:
            # Also for links to peers found by gossip. Shared memory is not encrypted.
            fixed |= {"transport/link/protocols": [self.protocol], "transport/shared_memory/enabled": False}
        fixed |= {f"{TLS}/{key}": value for key, value in self._tls.items()}
        for key, value in fixed.items():
            _insert(config, key, json.dumps(value))
        return config

    def _said(self) -> zenoh.Config:
        """Zenoh's defaults with the user's settings."""
        try:
            config: zenoh.Config = zenoh.Config.from_file(self._file) if self._file else zenoh.Config()
        except zenoh.ZError as error:
            raise WireError(f"{FILE_VARIABLE}={self._file}: Zenoh cannot use this file ({error})") from error
        for key, text in self._changes:
            try:
                config.insert_json5(key, text)
            except zenoh.ZError as error:
                raise WireError(f"{OVERRIDE_VARIABLE}: {key}={text} is rejected by Zenoh ({error})") from error
        return config


def router_patience(usual: float) -> float:
    """How long to look for a router [s]: ZENOH_ROUTER_CHECK_ATTEMPTS, one per second; 0: forever.

    Raises:
        WireError: it is not an integer, or below 0, which means to continue without a router.
    """
    text = os.environ.get(ATTEMPTS_VARIABLE, "").strip()
    if not text:
        return usual
    if not text.isdecimal():
        raise WireError(
            f"{ATTEMPTS_VARIABLE}={text}: expected a number of attempts, one per second, or 0 for no limit. A router "
            "is always needed here: a process that finds none on its own host becomes the router"
        )
    return float(text) or float("inf")


def _changes(text: str) -> list[tuple[str, str]]:
    """Parses KEY=VALUE;KEY=VALUE; values are JSON5 and may contain `;` in quotes."""
    pairs = [part.strip().partition("=") for part in _CHANGE.findall(text) if part.strip()]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise WireError(
                f"{OVERRIDE_VARIABLE}: {key}{equals}{value} is not of the form KEY=VALUE, such as mode='client'"
            )
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _without_tls(endpoint: str) -> tuple[str, dict[str, str | bool]]:
    """Splits an endpoint from its TLS settings after `#`, which Zenoh applies to that link only but all links need."""
    at, _, behind = endpoint.partition("#")
    if at.partition("/")[0] not in SECURE:
        return endpoint, {}
    known = json.loads(str(zenoh.Config().get_json(TLS)))
    pairs = [part.partition("=") for part in behind.split(";") if part]
    rest = ";".join("".join(pair) for pair in pairs if pair[0] not in known)
    return f"{at}#{rest}" if rest else at, {
        key: {"true": True, "false": False}.get(value, value) for key, _, value in pairs if key in known
    }


def _insert(config: zenoh.Config, key: str, text: str) -> None:
    try:
        config.insert_json5(key, text)
    except zenoh.ZError as error:
        raise WireError(f"{key} cannot be {text} ({error})") from error


def _value(config: zenoh.Config, key: str) -> Any:
    """None if it is Zenoh's default."""
    try:
        value, usual = (json.loads(str(one.get_json(key))) for one in (config, zenoh.Config()))
    except zenoh.ZError:
        return None
    return None if value == usual else value


def _endpoints(config: zenoh.Config, key: str) -> list[str]:
    """The values for a peer if they differ by mode."""
    value = _value(config, key)
    value = value.get("peer") if isinstance(value, dict) else value
    found = value if isinstance(value, list) else [value] if value else []
    return [str(at.get("endpoint", at)) if isinstance(at, dict) else str(at) for at in found]
