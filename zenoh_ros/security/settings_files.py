"""Zenoh's settings for a host with keys: the files for ZENOH_SESSION_CONFIG_URI and ZENOH_ROUTER_CONFIG_URI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zenoh_ros.security.folder_errors import KeyFolderError

SESSION, ROUTER = "session.json5", "router.json5"
AUTHORITY, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
PORT = 7447
_QUERY_TIMEOUT_MS = 600_000  # rmw_zenoh's


def session_settings(at: Path, router: str) -> dict[str, Any]:
    """Settings of all processes on a host. at: path of the folder there. router: address of the graph's router."""
    return {
        "mode": "peer",
        "connect": {"endpoints": [f"tls/{_in_endpoint(router)}:{PORT}"]},
        "listen": {"endpoints": ["tls/localhost:0"]},
        **_common(at),
    }


def router_settings(at: Path) -> dict[str, Any]:
    """Settings of the router, to which other hosts connect."""
    return {"mode": "router", "listen": {"endpoints": [f"tls/[::]:{PORT}"]}, **_common(at)}


def access_control(restrictions: Mapping[str, Sequence[str]], names: Iterable[str]) -> dict[str, Any]:
    """Zenoh's `access_control` for "only these may publish this topic, or call this service (or action)".

    In Zenoh, a subject may do what its own rules or the general ones allow. Therefore the general rules, which also
    cover names unknown so far, deny all of these topics, and each permitted subject has rules that deny the rest.

    Args:
        restrictions: names of certificates, by topic, such as `{"/action": ["gpu"]}`.
        names: names of all certificates.
    """
    if not restrictions:
        return {"enabled": False}
    rules: list[dict[str, Any]] = []
    subjects: list[dict[str, Any]] = []
    policies: list[dict[str, Any]] = []

    def add(subject: str, certificates: list[str] | None, refused: list[str]) -> None:
        used = _rules(subject, [f"*/{topic.strip('/')}" for topic in refused])
        rules.extend(used)
        subjects.append({"id": subject} | ({"cert_common_names": certificates} if certificates else {}))
        policies.append({"rules": [rule["id"] for rule in used], "subjects": [subject]})

    add("everybody", None, list(restrictions))
    for name in names:
        may = [topic for topic, allowed in restrictions.items() if name in allowed]
        if may:
            add(f"host {name}", [name], [topic for topic in restrictions if topic not in may])
    return {
        "enabled": True,
        "default_permission": "allow",
        "rules": rules,
        "subjects": subjects,
        "policies": policies,
    }


def _rules(subject: str, refused: list[str]) -> list[dict[str, Any]]:
    """A topic's or service's name is followed by its type and hash; an action's name by those of its services."""
    rule = {"flows": ["ingress"], "permission": "deny"}
    if not refused:
        everything = {"permission": "allow", "messages": ["put"], "key_exprs": ["**"]}
        return [{"id": f"{subject}: all"} | rule | everything]
    topics = [f"{name}/*/*" for name in refused]
    asked = topics + [f"{name}/_action/*/*/*" for name in refused]
    late = [f"{topic}/@adv/**" for topic in topics]  # for late subscribers; ** matches no chunk with a leading @
    by_message = (
        ("topics", ["put", "delete"], topics),
        ("services", ["query"], asked),
        ("late", ["put", "delete", "reply"], late),
    )
    return [
        {"id": f"{subject}: {what}"} | rule | {"messages": messages, "key_exprs": keys}
        for what, messages, keys in by_message
    ]


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """As JSON, which is valid JSON5."""
    path.write_text(json.dumps(settings, indent=2) + "\n")


def read_settings(path: Path) -> dict[str, Any]:
    """Settings that `write_settings` wrote. Raises KeyFolderError if they were edited to other JSON5."""
    try:
        settings = json.loads(path.read_text())
    except ValueError as error:
        raise KeyFolderError(
            f"{path}: not plain JSON any more ({error}); remove comments, or insert `access_control` of access.json5 "
            "by hand"
        ) from error
    if not isinstance(settings, dict):
        raise KeyFolderError(f"{path}: expected settings of Zenoh in braces")
    return settings


def _common(at: Path) -> dict[str, Any]:
    certificate, key = str(at / CERTIFICATE), str(at / KEY)
    tls = {
        "enable_mtls": True,
        "verify_name_on_connect": True,
        "root_ca_certificate": str(at / AUTHORITY),
        "listen_certificate": certificate,
        "listen_private_key": key,
        "connect_certificate": certificate,
        "connect_private_key": key,
    }
    return {
        "scouting": {"multicast": {"enabled": False}, "gossip": {"enabled": True}},
        "timestamping": {"enabled": {"router": True, "peer": True, "client": True}},
        "queries_default_timeout": _QUERY_TIMEOUT_MS,
        "transport": {"link": {"protocols": ["tls"], "tls": tls}, "shared_memory": {"enabled": False}},
    }


def _in_endpoint(address: str) -> str:
    return f"[{address}]" if ":" in address else address
